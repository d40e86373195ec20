/* http_private.h - what http.c (requests, tries, the source) and http_response.c (headers and body, as libcurl hands them over) share. */
#ifndef MR_HTTP_PRIVATE_H
#define MR_HTTP_PRIVATE_H

#include "input/curl.h"
#include "input/http.h"

#define MR_HTTP_BUFFER ((size_t) 256 << 10) /* bytes libcurl hands over at once, at most */
#define MR_HTTP_WINDOW ((size_t) 1 << 20)   /* bytes received and not read: a transfer pauses there */

/* What the response is good for. */
typedef enum mr_http_verdict {
    MR_HTTP_UNKNOWN, /* it has not begun */
    MR_HTTP_GOOD,
    MR_HTTP_PASSING, /* another try may do better */
    MR_HTTP_CHANGED, /* not what was planned */
    MR_HTTP_BAD      /* `reason` */
} mr_http_verdict_t;

struct mr_http {
    const mr_curl_t *curl;
    CURLM *multi;
    CURL *easy;
    unsigned tries;
    bool (*stopped)(void *context);
    void *context;

    /* the input */
    const char *url;
    const char *shown;
    const mr_segment_t *segment; /* as planned; NULL: it is probed */
    uint64_t until;              /* ask for no more, if less will do */

    /* the request */
    bool running;
    bool paused;
    uint64_t from, to; /* the range asked for */
    unsigned failures; /* one after the other, without a byte */

    /* the response's headers */
    long status;
    bool ranged;          /* Content-Range says where it begins */
    uint64_t range_begin; /* there */
    bool sized;
    uint64_t size; /* of all the input */
    uint64_t etag, modified;
    mr_http_verdict_t verdict;
    char reason[128];

    /* its body */
    uint64_t skip;     /* bytes before those that were asked for */
    uint64_t position; /* in the input, of bytes[begin] */
    size_t begin, end;
    bool enough; /* a probe has all it wants */
    char bytes[MR_HTTP_WINDOW + MR_HTTP_BUFFER];
};

static inline size_t mr_http_available(const mr_http_t *http) {
    return http->end - http->begin;
}

/* Forgets the last response. */
void mr_http_expect(mr_http_t *http);

/* Compares headers with what was asked and planned, if that is not done yet. */
void mr_http_judge(mr_http_t *http);

int64_t mr_http_version(const mr_http_t *http);

/* libcurl's callbacks; their last argument is the client. */
size_t mr_http_on_header(char *data, size_t one, size_t size, void *http);
size_t mr_http_on_body(char *data, size_t one, size_t size, void *http);

#endif
