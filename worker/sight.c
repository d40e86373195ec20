#include "sight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/fingerprint.h"
#include "log.h"

#define MOST_TOLD 10u
#define TRIES 7u /* of a request for a URL: for 12 s */

enum { UNKNOWN, SEEN, UNSEEN };

/* ---- what is known ---- */

static int recall(mr_sight_t *sight, uint32_t input) {
    pthread_mutex_lock(&sight->lock);
    int seen = input < sight->count ? sight->seen[input] : UNKNOWN;
    pthread_mutex_unlock(&sight->lock);
    return seen;
}

/* Without memory it is looked at again. */
static void remember(mr_sight_t *sight, uint32_t input, int seen) {
    pthread_mutex_lock(&sight->lock);
    if (input >= sight->count) {
        size_t count = input + (size_t) input / 2 + 64;
        uint8_t *larger = realloc(sight->seen, count);
        if (larger) {
            memset(larger + sight->count, UNKNOWN, count - sight->count);
            sight->seen = larger;
            sight->count = count;
        }
    }
    if (input < sight->count)
        sight->seen[input] = (uint8_t) seen;
    pthread_mutex_unlock(&sight->lock);
}

/* ---- looking ---- */

static int open_here(const mr_sight_t *sight, mr_source_t *source, mr_error_t *error) {
    const char *path = source->segment.path;
    if (!sight->root || !sight->root->path)
        return mr_source_open_file(source, error);
    int fd = mr_root_open_file(sight->root, path, MR_SOURCE_FLAGS);
    if (fd < 0)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", path,
                            errno == EXDEV ? "it is not beneath the worker's --root" : strerror(errno));
    return mr_source_take_file(source, fd, error);
}

/* Size and time are the planned ones. */
static int compare_content(mr_source_t *source, mr_error_t *error) {
    const mr_segment_t *segment = &source->segment;
    uint64_t fingerprint;
    if (!mr_fingerprint(source->fd, segment->file_size, &fingerprint) && fingerprint == segment->fingerprint)
        return 0;
    mr_source_close(source);
    return mr_error_set(error, MR_STATUS_INPUT, "%s: another file has this name here", segment->path);
}

static void tell(mr_sight_t *sight, const mr_error_t *why) {
    if (atomic_fetch_add(&sight->told, 1) < MOST_TOLD)
        mr_log(MR_LOG_INFO, "%s; the coordinator sends it", why->text);
}

/* Of an input that may be another here. */
static int look(mr_sight_t *sight, mr_source_t *source, mr_error_t *error) {
    const mr_segment_t *segment = &source->segment;
    int known = recall(sight, segment->input);
    if (known == UNSEEN)
        return -1;
    int failed = open_here(sight, source, error);
    if (!failed && known == UNKNOWN && segment->fingerprint)
        failed = compare_content(source, error);
    if (failed && known == UNKNOWN)
        tell(sight, error);
    if (failed || known == UNKNOWN)
        remember(sight, segment->input, failed ? UNSEEN : SEEN);
    return failed;
}

static int open_url(mr_eye_t *eye, mr_source_t *source, mr_error_t *error) {
    if (!eye->http)
        eye->http = mr_http_new(TRIES, eye->fetch.stopped, eye->fetch.context, error);
    return eye->http ? mr_http_open(eye->http, source, error) : -1;
}

static int open_input(void *context, mr_source_t *source, mr_error_t *error) {
    mr_eye_t *eye = context;
    mr_error_t here = {0};
    if (source->segment.url && *source->segment.url)
        return open_url(eye, source, error);
    if (!mr_fetch_can(&eye->fetch))
        return open_here(eye->sight, source, error);
    return look(eye->sight, source, &here) ? mr_fetch_open(&eye->fetch, source, error) : 0;
}

/* ---- life ---- */

void mr_sight_init(mr_sight_t *sight, const mr_root_t *root) {
    *sight = (mr_sight_t){.root = root};
    pthread_mutex_init(&sight->lock, NULL);
    mr_route_init(&sight->route);
}

void mr_sight_close(mr_sight_t *sight) {
    mr_route_close(&sight->route);
    pthread_mutex_destroy(&sight->lock);
    free(sight->seen);
    sight->seen = NULL;
}

void mr_eye_init(mr_eye_t *eye, mr_sight_t *sight, bool (*stopped)(void *context), void *context) {
    eye->sight = sight;
    eye->access = (mr_access_t){open_input, eye};
    mr_fetch_init(&eye->fetch, &sight->route, stopped, context);
}

void mr_eye_close(mr_eye_t *eye) {
    mr_fetch_close(&eye->fetch);
    mr_http_destroy(&eye->http);
}
