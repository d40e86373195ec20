/* input/source.h - one open input file: that it is the file that was planned, and its bytes. */
#ifndef MR_SOURCE_H
#define MR_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "error.h"

typedef struct mr_source {
    int fd;           /* owned; -1: none is open */
    const char *path; /* borrowed */
    uint64_t size;    /* as planned */
    int64_t mtime_ns; /* as planned */
} mr_source_t;

/* Opens source->path for reading and compares it with the planned size and time. The other fields are the caller's. */
int mr_source_open(mr_source_t *source, mr_error_t *error);

/* Compares again: -1 and INPUT "PATH: changed during the job" when size or time differ. */
int mr_source_verify(const mr_source_t *source, mr_error_t *error);

/* Reads exactly `size` bytes at `offset`, which must lie within the planned size; a file that ends sooner has changed. */
int mr_source_read(const mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error);

/* Closes the file. Safe when none is open. */
void mr_source_close(mr_source_t *source);

/* The time of last modification, in nanoseconds since the epoch. */
int64_t mr_mtime_ns(const struct stat *status);

#endif
