#include "input/fingerprint.h"

#include <errno.h>
#include <isa-l/crc64.h>
#include <unistd.h>

/* Adds `size` bytes at `offset` to the sum. */
static int add_part(int fd, uint64_t offset, size_t size, uint64_t *sum) {
    unsigned char part[MR_FINGERPRINT_PART];
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, part + done, size - done, (off_t) (offset + done));
        if (got == 0)
            errno = 0;
        if (got == 0 || (got < 0 && errno != EINTR))
            return -1;
        done += got > 0 ? (size_t) got : 0;
    }
    *sum = crc64_ecma_refl(*sum, part, size);
    return 0;
}

static size_t part_of(uint64_t size) {
    return size < MR_FINGERPRINT_PART ? (size_t) size : MR_FINGERPRINT_PART;
}

/* What lies behind the first part: all of it, where that is no more than two parts. */
static int add_rest(int fd, uint64_t size, uint64_t *sum) {
    const uint64_t part = MR_FINGERPRINT_PART;
    if (size <= part)
        return 0;
    if (size <= 2 * part)
        return add_part(fd, part, (size_t) (size - part), sum);
    return add_part(fd, size / 2, part_of(size - size / 2), sum) || add_part(fd, size - part, (size_t) part, sum) ? -1
                                                                                                                  : 0;
}

int mr_fingerprint_rest(int fd, const void *head, size_t got, uint64_t size, uint64_t *fingerprint) {
    uint64_t sum = crc64_ecma_refl(size, head, got);
    errno = 0;
    if (got < part_of(size) || add_rest(fd, size, &sum))
        return -1;
    *fingerprint = sum ? sum : 1;
    return 0;
}

int mr_fingerprint(int fd, uint64_t size, uint64_t *fingerprint) {
    uint64_t sum = size;
    if (add_part(fd, 0, part_of(size), &sum) || add_rest(fd, size, &sum))
        return -1;
    *fingerprint = sum ? sum : 1;
    return 0;
}
