/* input/http.h - reads http:// and https:// by ranges, as a source. One client for each thread, which keeps its connections.
 *
 * A request that fails in a way that may pass (no connection, a time-out, a reset, 5xx, 429) is made again from the byte reached, after longer
 * and longer waits. Each response is compared with what was planned: size, and ETag or Last-Modified; one that differs has changed during the
 * job. A server that knows no ranges is read from the beginning, and what is not wanted dropped, so such an input is one task.
 *
 * URLs may hold secrets: messages name `shown` (url.h) only. Certificates are verified, by CURL_CA_BUNDLE or SSL_CERT_FILE if they are set;
 * redirects lead to http and https only, and from https to https. */
#ifndef MR_HTTP_H
#define MR_HTTP_H

#include "input/source.h"

#define MR_HTTP_HEAD ((size_t) 4096)

typedef struct mr_http mr_http_t;

/* What a URL leads to. */
typedef struct mr_http_info {
    uint64_t size;    /* bytes */
    int64_t version;  /* stands for its ETag or Last-Modified, and for a file's time; 0: the server tells neither */
    bool whole;       /* the server sends no ranges */
    size_t head_size; /* min(size, MR_HTTP_HEAD) */
    char head[MR_HTTP_HEAD];
} mr_http_info_t;

/* `tries`: a request that brings nothing is made so often. `stopped` (or NULL): the thread is to give up. NULL and `error`: libcurl is not
 * here, memory is out. */
mr_http_t *mr_http_new(unsigned tries, bool (*stopped)(void *context), void *context, mr_error_t *error);
void mr_http_destroy(mr_http_t **http);

/* Asks for its first bytes. Errors are INPUT. */
int mr_http_probe(mr_http_t *http, const char *url, const char *shown, mr_http_info_t *info, mr_error_t *error);

/* Makes `source`, the segment of which is set, one that is read from its url; returns when the server has begun to answer, so that -1 says
 * that it cannot be read from here, or is another. */
int mr_http_open(mr_http_t *http, mr_source_t *source, mr_error_t *error);

#endif
