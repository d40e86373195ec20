/* journal_format.h - the records of docs/journal.md as bytes. Private to the journal; pure. */
#ifndef MR_JOURNAL_FORMAT_H
#define MR_JOURNAL_FORMAT_H

#include <stdbool.h>

#include "buffer.h"
#include "wire.h"

#define MR_RECORD_HEADER 40u   /* bytes */
#define MR_RECORD_TRAILER 16u  /* bytes */
#define MR_RECORD_MARK 8u      /* bytes of the trailer's end, none of them zero */
#define MR_RECORD_RUN_HEAD 16u /* bytes of a RUN's payload before the run */

typedef enum mr_record_type {
    MR_RECORD_BINDING = 1,
    MR_RECORD_LIFE = 2,
    MR_RECORD_RUN = 3,
    MR_RECORD_COMMIT = 4,
    MR_RECORD_END = 5,
} mr_record_type_t;

/* What a header says. */
typedef struct mr_record {
    uint32_t type;   /* a mr_record_type_t, if it was made here */
    uint64_t job;    /* the file's random number */
    uint64_t offset; /* where the header stands in the file */
    uint64_t size;   /* bytes of payload */
} mr_record_t;

/* A COMMIT's payload. Decoded, it borrows from the payload, whose numbers are read one by one: they may be unaligned. */
typedef struct mr_record_commit {
    uint32_t worker;
    uint64_t partial;
    uint32_t runs;       /* how many */
    const char *offsets; /* u64 each */
    uint64_t results;    /* how many */
    const char *result;  /* the first */
} mr_record_commit_t;

void mr_record_header(const mr_record_t *record, char header[MR_RECORD_HEADER]);

/* Returns 0; -1: these bytes are no header. Says nothing about what type and sizes mean. */
int mr_record_decode(mr_record_t *record, const char header[MR_RECORD_HEADER]);

/* True if the first `size` bytes of a header could be these. */
bool mr_record_begins(const char *bytes, size_t size);

/* Zero bytes after a payload of that size. */
size_t mr_record_padding(uint64_t size);

/* Bytes of a whole record with a payload of that size, which is below 2^63. */
uint64_t mr_record_bytes(uint64_t size);

/* The check of payload and padding, piece by piece: begin with 0. */
uint64_t mr_record_check(uint64_t check, const void *data, size_t size);

void mr_record_trailer(uint64_t check, char trailer[MR_RECORD_TRAILER]);

/* Appends the payload of a COMMIT. Returns 0, or -1 when memory is out. */
int mr_record_commit_encode(uint32_t worker, uint64_t partial, const uint64_t *offsets, uint32_t runs,
                            const mr_result_t *results, size_t count, mr_buffer_t *out);

/* Returns 0; -1: sizes do not add up. */
int mr_record_commit_decode(mr_record_commit_t *commit, const char *payload, size_t size);
uint64_t mr_record_commit_offset(const mr_record_commit_t *commit, size_t index);
mr_result_t mr_record_commit_result(const mr_record_commit_t *commit, size_t index);

#endif
