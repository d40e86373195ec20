#include <inttypes.h>
#include <isa-l/crc64.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "input/http_private.h"

/* ---- headers ---- */

void mr_http_expect(mr_http_t *http) {
    http->status = 0;
    http->ranged = http->sized = false;
    http->etag = http->modified = 0;
    http->verdict = MR_HTTP_UNKNOWN;
    http->skip = 0;
    http->paused = http->enough = false;
}

int64_t mr_http_version(const mr_http_t *http) {
    return (int64_t) ((http->etag ? http->etag : http->modified) >> 1);
}

/* The value of that header, without what surrounds it, or NULL. */
static const char *value_of(const char *line, size_t size, const char *name, size_t *value_size) {
    size_t length = strlen(name);
    if (size <= length || strncasecmp(line, name, length) || line[length] != ':')
        return NULL;
    const char *value = line + length + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value_size = (size_t) (end - value);
    return value;
}

static bool read_number(const char *text, uint64_t *number) {
    char *end;
    *number = strtoull(text, &end, 10);
    return end != text && *text >= '0' && *text <= '9';
}

/* "bytes BEGIN-END/SIZE", or of what cannot be had "bytes * /SIZE". */
static void take_content_range(mr_http_t *http, const char *text) {
    const char *slash = strchr(text, '/');
    if (strncasecmp(text, "bytes ", 6) || !slash)
        return;
    http->sized = read_number(slash + 1, &http->size);
    http->ranged = read_number(text + 6, &http->range_begin);
}

static uint64_t hash_of(const char *value, size_t size) {
    uint64_t hash = crc64_ecma_refl(size, (const unsigned char *) value, size);
    return hash > 1 ? hash : 2; /* half of it is not 0 either */
}

/* Of several responses, as when one is redirected, the last counts. */
static void take_header(mr_http_t *http, const char *line, size_t size) {
    size_t value_size;
    const char *value;
    char number[64];
    if (size > 5 && !strncasecmp(line, "HTTP/", 5)) {
        const char *space = memchr(line, ' ', size);
        snprintf(number, sizeof number, "%.*s", space ? (int) (line + size - space) : 0, space ? space : "");
        mr_http_expect(http);
        http->status = strtol(number, NULL, 10);
    } else if ((value = value_of(line, size, "etag", &value_size))) {
        http->etag = hash_of(value, value_size);
    } else if ((value = value_of(line, size, "last-modified", &value_size))) {
        http->modified = hash_of(value, value_size);
    } else if ((value = value_of(line, size, "content-range", &value_size))) {
        snprintf(number, sizeof number, "%.*s", (int) (value_size < 63 ? value_size : 63), value);
        take_content_range(http, number);
    } else if (http->status == 200 && (value = value_of(line, size, "content-length", &value_size))) {
        snprintf(number, sizeof number, "%.*s", (int) (value_size < 63 ? value_size : 63), value);
        http->sized = read_number(number, &http->size);
    }
}

size_t mr_http_on_header(char *data, size_t one, size_t size, void *http) {
    (void) one;
    take_header(http, data, size);
    return size;
}

/* ---- what it is good for ---- */

static mr_http_verdict_t say(mr_http_t *http, const char *what) {
    snprintf(http->reason, sizeof http->reason, "the server says %ld%s%s", http->status, *what ? ": " : "", what);
    return MR_HTTP_BAD;
}

static mr_http_verdict_t judge_status(mr_http_t *http) {
    switch (http->status) {
    case 200:
    case 206:
        return MR_HTTP_GOOD;
    case 401:
    case 403:
        return say(http, "it may not be read (has its signature expired?)");
    case 404:
    case 410:
        return say(http, "it is not there");
    case 412:
        return MR_HTTP_CHANGED;
    case 408:
    case 429:
        say(http, "");
        return MR_HTTP_PASSING;
    default:
        say(http, "");
        return http->status >= 500 ? MR_HTTP_PASSING : MR_HTTP_BAD;
    }
}

/* Of nothing, no range can be had. */
static mr_http_verdict_t judge_probe(mr_http_t *http) {
    if (http->status == 416 && http->sized && http->size == 0)
        return MR_HTTP_GOOD;
    mr_http_verdict_t verdict = judge_status(http);
    if (verdict != MR_HTTP_GOOD || http->sized)
        return verdict;
    snprintf(http->reason, sizeof http->reason,
             "the server does not tell its size; read it through a pipe: curl URL | millrace run JOB -");
    return MR_HTTP_BAD;
}

static mr_http_verdict_t judge_part(mr_http_t *http) {
    const mr_segment_t *segment = http->segment;
    mr_http_verdict_t verdict = http->status == 416 ? MR_HTTP_CHANGED : judge_status(http);
    if (verdict != MR_HTTP_GOOD)
        return verdict;
    if (!http->sized || http->size != segment->file_size || mr_http_version(http) != segment->mtime_ns)
        return MR_HTTP_CHANGED;
    if (http->status == 206 && (!http->ranged || http->range_begin != http->from)) {
        snprintf(http->reason, sizeof http->reason, "the server sends another range than it was asked for");
        return MR_HTTP_BAD;
    }
    http->skip = http->status == 200 ? http->from : 0;
    return MR_HTTP_GOOD;
}

void mr_http_judge(mr_http_t *http) {
    if (http->verdict == MR_HTTP_UNKNOWN)
        http->verdict = http->segment ? judge_part(http) : judge_probe(http);
}

/* ---- body ---- */

static bool make_room(mr_http_t *http, size_t size) {
    if (http->end + size <= sizeof http->bytes)
        return true;
    memmove(http->bytes, http->bytes + http->begin, mr_http_available(http));
    http->end -= http->begin;
    http->begin = 0;
    return http->end + size <= sizeof http->bytes;
}

/* Anything but `size` ends the transfer. */
static size_t take_body(mr_http_t *http, const char *data, size_t size) {
    size_t skip = http->skip < size ? (size_t) http->skip : size, part = size - skip;
    uint64_t reached = http->position + mr_http_available(http);
    bool enough = reached + part > http->to; /* of a server without ranges, more than was asked for */
    if (enough)
        part = (size_t) (http->to - reached);
    if (!make_room(http, part)) {
        http->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    http->enough = enough;
    http->skip -= skip;
    http->failures = 0;
    memcpy(http->bytes + http->end, data + skip, part);
    http->end += part;
    return http->enough ? 0 : size;
}

size_t mr_http_on_body(char *data, size_t one, size_t size, void *argument) {
    mr_http_t *http = argument;
    (void) one;
    mr_http_judge(http);
    return http->verdict == MR_HTTP_GOOD ? take_body(http, data, size) : 0;
}
