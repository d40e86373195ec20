#include "input/crlf.h"

#include <stdlib.h>
#include <string.h>

/* Room for one position more. */
static int reserve(mr_crlf_t *crlf) {
    if (crlf->count < crlf->capacity)
        return 0;
    size_t capacity = crlf->capacity ? 2 * crlf->capacity : 1024;
    uint32_t *at = realloc(crlf->at, capacity * sizeof *at);
    if (!at)
        return -1;
    crlf->at = at;
    crlf->capacity = capacity;
    return 0;
}

/* First pass: where each removed CR's LF will be. Nothing is moved until all the memory is there. */
static int find(mr_crlf_t *crlf, const char *cr, const char *text, const char *end) {
    for (; cr; cr = memchr(cr + 1, '\r', (size_t) (end - cr - 1))) {
        if (cr + 1 == end || cr[1] != '\n')
            continue;
        if (reserve(crlf)) {
            crlf->count = 0;
            return -1;
        }
        crlf->at[crlf->count] = (uint32_t) ((size_t) (cr - text) - crlf->count);
        crlf->count++;
    }
    return 0;
}

/* Second pass: what stands between two removed CRs moves down by the number removed before it. */
static void compact(const mr_crlf_t *crlf, char *text, size_t size) {
    for (size_t i = 0; i < crlf->count; i++) {
        size_t from = crlf->at[i];
        size_t to = i + 1 < crlf->count ? crlf->at[i + 1] : size - crlf->count;
        memmove(text + from, text + from + i + 1, to - from);
    }
}

int mr_crlf_strip(mr_crlf_t *crlf, char *text, size_t size) {
    crlf->count = 0;
    const char *cr = memchr(text, '\r', size);
    if (!cr)
        return 0;
    if (find(crlf, cr, text, text + size))
        return -1;
    compact(crlf, text, size);
    return 0;
}

size_t mr_crlf_before(const mr_crlf_t *crlf, size_t position) {
    size_t low = 0, high = crlf->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crlf->at[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void mr_crlf_free(mr_crlf_t *crlf) {
    free(crlf->at);
    *crlf = (mr_crlf_t){0};
}
