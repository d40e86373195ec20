/* What clients ask for. */
#include "log.h"
#include "serve_private.h"

int mr_serve_open_requests(mr_serve_t *serve, mr_error_t *error) {
    (void) serve;
    (void) error;
    return 0;
}

int mr_serve_request(mr_serve_t *serve, const mr_sender_t *sender, const mr_message_t *message) {
    (void) serve;
    (void) sender;
    mr_log(MR_LOG_DEBUG, "%s: not for a coordinator that stays", mr_message_name(message->type));
    return 0;
}

void mr_serve_news(mr_serve_t *serve, uint64_t id) {
    (void) serve;
    (void) id;
}

void mr_serve_check_requests(mr_serve_t *serve, int64_t now) {
    (void) serve;
    (void) now;
}

void mr_serve_close_requests(mr_serve_t *serve) {
    (void) serve;
}
