#include "input/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "input/http_private.h"

#define LOOK_MS 100       /* so often a thread that waits looks whether it is to give up */
#define FIRST_WAIT_MS 250 /* before the second try; it doubles */
#define LONGEST_WAIT_MS 4000
#define CONNECT_S 10L
#define SILENT_S 30L             /* without a byte, a transfer has failed */
#define TAIL ((size_t) 64 << 10) /* so much is read to the end, to keep the connection */
#define TAIL_MS 100
#define MOST_REDIRECTS 10L

/* ---- life ---- */

static const char *trusted(void) {
    const char *bundle = getenv("CURL_CA_BUNDLE"), *file = getenv("SSL_CERT_FILE");
    return bundle && *bundle ? bundle : file && *file ? file : NULL;
}

/* What all requests have in common. */
static bool set_up(mr_http_t *http) {
    const mr_curl_t *curl = http->curl;
    CURL *easy = http->easy;
    const char *certificates = trusted();
    return !(curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
             curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
             curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L) ||
             curl->easy_setopt(easy, CURLOPT_MAXREDIRS, MOST_REDIRECTS) ||
             curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_S) ||
             curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
             curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SILENT_S) ||
             curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, (long) MR_HTTP_BUFFER) ||
             curl->easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION) ||
             curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, mr_http_on_header) ||
             curl->easy_setopt(easy, CURLOPT_HEADERDATA, http) ||
             curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, mr_http_on_body) ||
             curl->easy_setopt(easy, CURLOPT_WRITEDATA, http) ||
             (certificates && curl->easy_setopt(easy, CURLOPT_CAINFO, certificates)));
}

mr_http_t *mr_http_new(unsigned tries, bool (*stopped)(void *context), void *context, mr_error_t *error) {
    const mr_curl_t *curl = mr_curl(error);
    mr_http_t *http = curl ? calloc(1, sizeof *http) : NULL;
    if (!http) {
        mr_error_memory(error, "reading a URL");
        return NULL;
    }
    http->curl = curl;
    http->tries = tries;
    http->stopped = stopped;
    http->context = context;
    http->multi = curl->multi_init();
    http->easy = curl->easy_init();
    if (http->multi && http->easy && set_up(http))
        return http;
    mr_http_destroy(&http);
    mr_error_set(error, MR_STATUS_INPUT, "libcurl cannot be set up: it is older than 7.85, or memory is out");
    return NULL;
}

static void end_transfer(mr_http_t *http) {
    if (http->running)
        http->curl->multi_remove_handle(http->multi, http->easy);
    http->running = false;
}

void mr_http_destroy(mr_http_t **http) {
    mr_http_t *self = *http;
    if (!self)
        return;
    end_transfer(self);
    if (self->easy)
        self->curl->easy_cleanup(self->easy);
    if (self->multi)
        self->curl->multi_cleanup(self->multi);
    free(self);
    *http = NULL;
}

/* ---- one try ---- */

static int start(mr_http_t *http, mr_error_t *error) {
    const mr_curl_t *curl = http->curl;
    char range[64];
    bool secure = !strncasecmp(http->url, "https", 5);
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, http->from, http->to - 1);
    mr_http_expect(http);
    if (curl->easy_setopt(http->easy, CURLOPT_URL, http->url) ||
        curl->easy_setopt(http->easy, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https") ||
        curl->easy_setopt(http->easy, CURLOPT_RANGE, range) || curl->multi_add_handle(http->multi, http->easy))
        return mr_error_memory(error, "asking for a URL");
    http->running = true;
    return 0;
}

static const char *reason_of(const mr_http_t *http, CURLcode result) {
    switch (result) {
    case CURLE_URL_MALFORMAT:
        return "it is not a URL";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "its host is not known";
    case CURLE_COULDNT_CONNECT:
        return "its host cannot be reached";
    case CURLE_OPERATION_TIMEDOUT:
        return "it does not come: timed out";
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return "the server ends the connection";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "the server's certificate is not trusted (SSL_CERT_FILE may name others)";
    case CURLE_TOO_MANY_REDIRECTS:
        return "it is redirected again and again";
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "it leads to what is neither http nor https, or from https to http";
    default:
        return http->curl->easy_strerror(result);
    }
}

static mr_http_verdict_t judge_result(mr_http_t *http, CURLcode result) {
    snprintf(http->reason, sizeof http->reason, "%s", reason_of(http, result));
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return MR_HTTP_BAD;
    default:
        return MR_HTTP_PASSING;
    }
}

/* The transfer has ended. That all came is not said by libcurl alone: a server may send less than the range. */
static void conclude(mr_http_t *http, CURLcode result) {
    end_transfer(http);
    if (result == CURLE_OK)
        mr_http_judge(http); /* a response without a body */
    else if (!http->enough && (http->verdict == MR_HTTP_UNKNOWN || http->verdict == MR_HTTP_GOOD))
        http->verdict = judge_result(http, result);
}

/* Lets the transfer go on, for a moment if nothing comes. */
static void turn(mr_http_t *http, int wait_ms) {
    const mr_curl_t *curl = http->curl;
    int running, queued;
    if (http->paused && mr_http_available(http) < MR_HTTP_WINDOW / 2) {
        http->paused = false;
        curl->easy_pause(http->easy, CURLPAUSE_CONT);
    }
    size_t before = mr_http_available(http);
    curl->multi_perform(http->multi, &running);
    const CURLMsg *message = curl->multi_info_read(http->multi, &queued);
    if (message && message->msg == CURLMSG_DONE)
        conclude(http, message->data.result);
    else if (mr_http_available(http) == before)
        curl->multi_poll(http->multi, NULL, 0, wait_ms, NULL);
}

/* ---- tries ---- */

static int stop_if_told(const mr_http_t *http, mr_error_t *error) {
    if (!http->stopped || !http->stopped(http->context))
        return 0;
    return mr_error_set(error, MR_STATUS_INTERRUPTED, "stopped");
}

static int wait_for_next(const mr_http_t *http, mr_error_t *error) {
    int64_t wait = (int64_t) FIRST_WAIT_MS << (http->failures - 1);
    int64_t deadline = mr_clock_ms() + (wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS);
    for (int64_t left; (left = deadline - mr_clock_ms()) > 0;) {
        struct timespec moment = {0, (left < LOOK_MS ? left : LOOK_MS) * 1000000};
        if (stop_if_told(http, error))
            return -1;
        nanosleep(&moment, NULL);
    }
    return 0;
}

/* What becomes of a try that has ended. 0: there may be another. */
static int review(mr_http_t *http, mr_error_t *error) {
    switch (http->verdict) {
    case MR_HTTP_GOOD:
        return 0;
    case MR_HTTP_CHANGED:
        return mr_error_set(error, MR_STATUS_INPUT, "%s: changed during the job", http->shown);
    case MR_HTTP_PASSING:
        if (++http->failures < http->tries)
            return wait_for_next(http, error);
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s (tried %u times)", http->shown, http->reason,
                            http->failures);
    default:
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", http->shown, http->reason);
    }
}

/* One more turn of the request that runs, or the next one, for what is missing of [.., to). */
static int go_on(mr_http_t *http, uint64_t to, mr_error_t *error) {
    if (stop_if_told(http, error))
        return -1;
    if (!http->running) {
        http->from = http->position + mr_http_available(http);
        http->to = to > http->until ? to : http->until;
        return start(http, error);
    }
    turn(http, LOOK_MS);
    if (http->running)
        return 0;
    if (http->verdict == MR_HTTP_GOOD && !http->enough && http->position + mr_http_available(http) < http->to) {
        snprintf(http->reason, sizeof http->reason, "the server sends less than it was asked for");
        http->verdict = MR_HTTP_PASSING;
    }
    return review(http, error);
}

/* ---- the source ---- */

static int verify(const mr_source_t *source, mr_error_t *error) {
    (void) source;
    (void) error;
    return 0; /* each response was compared */
}

static int read_http(mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error) {
    mr_http_t *http = source->state;
    char *to = into;
    while (size) {
        size_t drop = offset - http->position < mr_http_available(http) ? (size_t) (offset - http->position)
                                                                        : mr_http_available(http);
        http->begin += drop;
        http->position += drop;
        size_t part = mr_http_available(http) < size ? mr_http_available(http) : size;
        if (http->position == offset && part) {
            memcpy(to, http->bytes + http->begin, part);
            to += part;
            offset += part;
            size -= part;
        } else if (go_on(http, offset + size, error)) {
            return -1;
        }
    }
    return 0;
}

static void close_http(mr_source_t *source) {
    mr_http_t *http = source->state;
    int64_t deadline = mr_clock_ms() + TAIL_MS;
    bool near = http->to - http->position - mr_http_available(http) <= TAIL;
    while (http->running && near && http->verdict == MR_HTTP_GOOD && !http->paused && mr_clock_ms() < deadline)
        turn(http, TAIL_MS / 10);
    end_transfer(http);
    http->url = http->shown = NULL;
    http->segment = NULL;
}

static void begin(mr_http_t *http, const char *url, const char *shown, uint64_t position, uint64_t until) {
    end_transfer(http);
    http->url = url;
    http->shown = shown;
    http->position = position;
    http->until = until;
    http->begin = http->end = 0;
    http->failures = 0;
    mr_http_expect(http);
}

int mr_http_open(mr_http_t *http, mr_source_t *source, mr_error_t *error) {
    static const mr_source_kind_t kind = {verify, read_http, close_http};
    const mr_segment_t *segment = &source->segment;
    uint64_t until = segment->end + MR_SOURCE_LOOKAHEAD;
    begin(http, segment->url, segment->path, segment->start ? segment->start - 1 : 0,
          until < segment->file_size ? until : segment->file_size);
    http->segment = segment;
    source->state = http;
    source->kind = &kind;
    while (http->position < http->until && !mr_http_available(http))
        if (go_on(http, 0, error)) {
            mr_source_close(source);
            return -1;
        }
    return 0;
}

/* ---- planning ---- */

int mr_http_probe(mr_http_t *http, const char *url, const char *shown, mr_http_info_t *info, mr_error_t *error) {
    begin(http, url, shown, 0, MR_HTTP_HEAD);
    http->segment = NULL;
    do {
        if (stop_if_told(http, error) || (http->from = 0, http->to = MR_HTTP_HEAD, start(http, error)))
            return -1;
        http->begin = http->end = 0;
        while (http->running)
            turn(http, LOOK_MS);
        uint64_t wanted = http->sized && http->size < MR_HTTP_HEAD ? http->size : MR_HTTP_HEAD;
        if (http->verdict == MR_HTTP_GOOD && mr_http_available(http) < wanted)
            http->verdict = judge_result(http, CURLE_PARTIAL_FILE);
        if (review(http, error))
            return -1;
    } while (http->verdict != MR_HTTP_GOOD);
    info->size = http->size;
    info->version = mr_http_version(http);
    info->whole = http->status == 200;
    info->head_size = mr_http_available(http);
    memcpy(info->head, http->bytes, info->head_size);
    return 0;
}
