/* input/crlf.h - takes the CR out of each CR LF, in place, and remembers where, so that offsets stay exact. */
#ifndef MR_CRLF_H
#define MR_CRLF_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed: nothing was removed. */
typedef struct mr_crlf {
    uint32_t *at; /* owned; ascending: the position, in the text as it is now, of the LF behind each CR removed */
    size_t count;
    size_t capacity;
} mr_crlf_t;

/* Takes the CRs out of the `size` bytes at `text`, which are fewer than 2^32, and forgets those of the text before. The new size
 * is size - count. A CR that no LF follows within `size` stays. -1: memory is out, the text is as before. */
int mr_crlf_strip(mr_crlf_t *crlf, char *text, size_t size);

/* How many bytes were removed before the byte now at `position`. An LF stands where its CR stood, so that an empty line begins
 * at its CR. */
size_t mr_crlf_before(const mr_crlf_t *crlf, size_t position);

void mr_crlf_free(mr_crlf_t *crlf);

#endif
