/* input/fingerprint.h - tells files of the same size and time apart by a little of their content: the CRC-64 of their first, middle and
 * last 4 KiB. It finds other files of that name, not somebody who makes one to be taken for it. */
#ifndef MR_FINGERPRINT_H
#define MR_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

#define MR_FINGERPRINT_PART ((size_t) 4096)

/* Of an open file of `size` bytes; never 0. Returns 0, or -1: it cannot be read, or is shorter (errno is 0 then). */
int mr_fingerprint(int fd, uint64_t size, uint64_t *fingerprint);

/* The same where the first `got` <= MR_FINGERPRINT_PART bytes are at `head` already: a small file is not read again. */
int mr_fingerprint_rest(int fd, const void *head, size_t got, uint64_t size, uint64_t *fingerprint);

#endif
