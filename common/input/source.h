/* input/source.h - one open input: that it is the one that was planned, and its bytes, wherever they come from.
 *
 * A kind of source is four functions. Files are one kind, here; a worker has others (docs/inputs.md). */
#ifndef MR_SOURCE_H
#define MR_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "error.h"
#include "input/segment.h"

typedef struct mr_source mr_source_t;

typedef struct mr_source_kind {
    /* Compares with what was planned: -1 and INPUT "PATH: changed during the job" when it differs. */
    int (*verify)(const mr_source_t *source, mr_error_t *error);

    /* Reads exactly `size` bytes at `offset`; `offset` is never less than at the call before, and all lie within the planned size. */
    int (*read)(mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error);

    void (*close)(mr_source_t *source);
} mr_source_kind_t;

struct mr_source {
    const mr_source_kind_t *kind; /* NULL: none is open */
    mr_segment_t segment;         /* most of what will be read; reads may go past its end */
    int fd;                       /* of a file; owned */
    void *state;                  /* of other kinds */
};

/* How a reader's inputs are opened: `open` sets kind and what belongs to it; segment is set. */
typedef struct mr_access {
    int (*open)(void *context, mr_source_t *source, mr_error_t *error);
    void *context;
} mr_access_t;

/* Opens the file of source->segment, and compares size and time with the planned ones. */
int mr_source_open_file(mr_source_t *source, mr_error_t *error);

/* The same of a descriptor, which it takes over. */
int mr_source_take_file(mr_source_t *source, int fd, mr_error_t *error);

static inline int mr_source_verify(const mr_source_t *source, mr_error_t *error) {
    return source->kind->verify(source, error);
}

static inline int mr_source_read(mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error) {
    return source->kind->read(source, into, size, offset, error);
}

/* Safe when none is open. */
void mr_source_close(mr_source_t *source);

/* Fills `error`: the input is not what was planned any more. */
int mr_source_changed(const mr_source_t *source, mr_error_t *error);

/* A reader reads so far past a segment's end to have the rest of its last line, if the file goes on. */
#define MR_SOURCE_LOOKAHEAD ((uint64_t) 4096)

/* How an input is opened for reading: a FIFO that took the file's place must not hold the worker. */
#define MR_SOURCE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* The time of last modification, in nanoseconds since the epoch. */
int64_t mr_mtime_ns(const struct stat *status);

#endif
