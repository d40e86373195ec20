#include "link.h"

#include <sys/random.h>

#include "clock.h"
#include "log.h"

#define RECONNECT_MS 50       /* first wait after a connection broke */
#define RECONNECT_MAX_MS 2000 /* it doubles up to this */

/* ---- opening and closing ---- */

int mr_link_draw_identity(uint8_t identity[MR_LINK_IDENTITY]) {
    if (getrandom(identity, MR_LINK_IDENTITY, 0) != MR_LINK_IDENTITY)
        return -1;
    identity[0] |= 1; /* ZeroMQ keeps those that begin with 0 to itself */
    return 0;
}

static int set_identity(const mr_link_t *link, zsock_t *control) {
    return zmq_setsockopt(zsock_resolve(control), ZMQ_ROUTING_ID, link->identity, sizeof link->identity);
}

static int watch_socket(mr_link_t *link, mr_link_part_t part) {
    link->handshakes[part] = (mr_handshake_t){0};
    link->monitors[part] = mr_monitor_open(zsock_resolve(link->sockets[part]), MR_HANDSHAKE_EVENTS);
    return link->monitors[part] ? 0 : -1;
}

static void end_watch(mr_link_t *link, mr_link_part_t part) {
    if (link->sockets[part])
        zmq_socket_monitor(zsock_resolve(link->sockets[part]), NULL, 0);
    if (link->monitors[part])
        zmq_close(link->monitors[part]);
    link->monitors[part] = NULL;
    link->up &= ~MR_LINK_BIT(part);
}

static void close_socket(mr_link_t *link, mr_link_part_t part) {
    end_watch(link, part);
    zsock_destroy(&link->sockets[part]);
}

/* Credit bounds what lies in a lane, grants what goes to the sink; a high-water mark would only add a way to block. Keepalive finds
 * the peer that is gone without a word, also where nothing is to be sent. */
void mr_link_set_socket(void *handle, const char *endpoint, const mr_keys_t *keys) {
    const struct {
        int name, value;
    } options[] = {{ZMQ_RCVHWM, 0},
                   {ZMQ_SNDHWM, 0},
                   {ZMQ_LINGER, 0},
                   {ZMQ_RECONNECT_IVL, RECONNECT_MS},
                   {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
                   {ZMQ_TCP_KEEPALIVE, 1},
                   {ZMQ_TCP_KEEPALIVE_IDLE, 5},
                   {ZMQ_TCP_KEEPALIVE_INTVL, 2},
                   {ZMQ_TCP_KEEPALIVE_CNT, 3},
                   {ZMQ_IPV6, strchr(endpoint, '[') != NULL}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        zmq_setsockopt(handle, options[i].name, &options[i].value, sizeof options[i].value);
    mr_handshake_limit(handle);
    mr_keys_connect(keys, handle);
}

static int connect_socket(mr_link_t *link, mr_link_part_t part, int type, const char *endpoint, mr_error_t *error) {
    zsock_t *socket = link->sockets[part] = zsock_new(type);
    if (!socket)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_link_set_socket(zsock_resolve(socket), endpoint, link->keys);
    if ((part == MR_LINK_CONTROL && set_identity(link, socket)) || watch_socket(link, part))
        return mr_error_set(error, MR_STATUS_JOB, "cannot set a socket up: %s", zmq_strerror(zmq_errno()));
    snprintf(link->endpoints[part], sizeof link->endpoints[part], "%s", endpoint);
    if (zsock_connect(socket, "%s", endpoint))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: cannot connect: %s", endpoint, zmq_strerror(zmq_errno()));
    return 0;
}

int mr_link_open(mr_link_t *link, const char *endpoint, mr_error_t *error) {
    close_socket(link, MR_LINK_CONTROL);
    snprintf(link->connect, sizeof link->connect, "%s", endpoint);
    return connect_socket(link, MR_LINK_CONTROL, ZMQ_DEALER, endpoint, error);
}

zsock_t *mr_link_give_control(mr_link_t *link, mr_error_t *error) {
    zsock_t *control = link->sockets[MR_LINK_CONTROL];
    if (mr_link_draw_identity(link->identity)) {
        mr_error_set(error, MR_STATUS_JOB, "cannot draw random numbers: %s", strerror(errno));
        return NULL;
    }
    end_watch(link, MR_LINK_CONTROL);
    link->sockets[MR_LINK_CONTROL] = NULL;
    link->connect[0] = 0;
    return control;
}

void mr_link_redial(zsock_t *socket, const char *endpoint) {
    zmq_disconnect(zsock_resolve(socket), endpoint);
    zmq_connect(zsock_resolve(socket), endpoint);
}

/* The coordinator that listens on all its addresses does not know by which of them it is reached from here. */
const char *mr_link_reachable(const char *connect, const char *endpoint, char *text, size_t size) {
    static const char any[] = "tcp://*:";
    const char *colon = strrchr(connect, ':');
    if (strncmp(endpoint, any, sizeof any - 1) || strncmp(connect, "tcp://", 6) || !colon)
        return endpoint;
    snprintf(text, size, "%.*s:%s", (int) (colon - connect), connect, endpoint + sizeof any - 1);
    return text;
}

int mr_link_welcome(mr_link_t *link, const mr_welcome_message_t *welcome, mr_error_t *error) {
    char lane[512], sink[512];
    close_socket(link, MR_LINK_LANE);
    close_socket(link, MR_LINK_SINK);
    return connect_socket(link, MR_LINK_SINK, ZMQ_PUSH,
                          mr_link_reachable(link->connect, welcome->sink, sink, sizeof sink), error) ||
                   connect_socket(link, MR_LINK_LANE, ZMQ_PULL,
                                  mr_link_reachable(link->connect, welcome->lane, lane, sizeof lane), error)
               ? -1
               : 0;
}

void mr_link_drop(mr_link_t *link) {
    for (unsigned part = MR_LINK_PARTS; part-- > 0;)
        close_socket(link, (mr_link_part_t) part);
    link->connect[0] = 0;
}

void mr_link_close(mr_link_t *link) {
    mr_link_drop(link);
    mr_buffer_free(&link->out);
}

/* ---- which are connected ---- */

static void take_event(mr_link_t *link, unsigned part, const mr_monitored_t *event) {
    unsigned bit = MR_LINK_BIT(part);
    mr_handshake_take(&link->handshakes[part], event, mr_clock_ms());
    if (event->event == ZMQ_EVENT_DISCONNECTED)
        link->up &= ~bit;
    else if (event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        link->up |= bit;
}

/* With a connection whose handshake has failed nothing was lost. */
unsigned mr_link_watch(mr_link_t *link) {
    unsigned broken = 0;
    mr_monitored_t event;
    for (unsigned part = 0; part < MR_LINK_PARTS; part++)
        while (link->monitors[part] && mr_monitor_next(link->monitors[part], &event)) {
            broken |= event.event == ZMQ_EVENT_DISCONNECTED ? link->up & MR_LINK_BIT(part) : 0;
            take_event(link, part, &event);
        }
    return broken;
}

int mr_link_check(mr_link_t *link, int64_t now, mr_error_t *error) {
    for (unsigned part = 0; part < MR_LINK_PARTS; part++) {
        mr_handshake_t *handshake = &link->handshakes[part];
        if (!link->sockets[part])
            continue;
        if (mr_handshake_check(handshake, link->endpoints[part], link->keys, now, error))
            return -1;
        mr_handshake_retry(handshake, zsock_resolve(link->sockets[part]), link->endpoints[part], now);
    }
    return 0;
}

/* ---- messages ---- */

static void send_message(mr_link_t *link, zsock_t *socket, const mr_message_t *message, int flags) {
    link->out.size = 0;
    if (!socket)
        return;
    if (mr_message_encode(message, &link->out))
        link->failed = true;
    else if (zmq_send(zsock_resolve(socket), link->out.data, link->out.size, flags | ZMQ_DONTWAIT) < 0)
        mr_log(MR_LOG_DEBUG, "%s not sent: %s", mr_message_name(message->type), zmq_strerror(zmq_errno()));
}

void mr_link_send(mr_link_t *link, zsock_t *socket, const mr_message_t *message) {
    send_message(link, socket, message, 0);
}

void mr_link_control(mr_link_t *link, const mr_message_t *message) {
    send_message(link, link->sockets[MR_LINK_CONTROL], message, 0);
}

void mr_link_partial(mr_link_t *link, const mr_message_t *message) {
    send_message(link, link->sockets[MR_LINK_SINK], message, 0);
}

/* The frame is made before the header is sent: a header with any other frame behind it would be a run with other rows. */
void mr_link_run(mr_link_t *link, const mr_message_t *header, mr_run_bytes_t *bytes, size_t size) {
    zmq_msg_t frame;
    if (zmq_msg_init_data(&frame, bytes->data, size, mr_run_bytes_release, bytes)) {
        mr_run_bytes_release(NULL, bytes);
        link->failed = true;
        return;
    }
    send_message(link, link->sockets[MR_LINK_SINK], header, ZMQ_SNDMORE);
    if (zmq_msg_send(&frame, zsock_resolve(link->sockets[MR_LINK_SINK]), ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&frame);
}

/* Messages have one frame on these sockets; further ones are dropped. */
static void drop_rest(void *socket, zmq_msg_t *frame) {
    while (zmq_msg_more(frame) && zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) >= 0)
        ;
}

int mr_link_receive(mr_link_t *link, mr_link_part_t part, mr_message_t *message) {
    return mr_link_receive_from(link->sockets[part], message);
}

int mr_link_receive_from(zsock_t *from, mr_message_t *message) {
    void *socket = zsock_resolve(from);
    mr_error_t error = {0};
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int got = 0;
    if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0) {
        got = mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error) ? -1 : 1;
        drop_rest(socket, &frame);
    }
    if (got < 0)
        mr_log(MR_LOG_WARNING, "message dropped: %s", error.text);
    zmq_msg_close(&frame);
    return got;
}
