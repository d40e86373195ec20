/* input/reader.h - reads one segment of a file as blocks of whole lines.
 *
 * The line rule: a segment [start, end) of a plain file owns exactly the lines whose first byte lies in it; the reader looks
 * back one byte from `start`, and reads past `end` to finish the last line it owns. A gzip file is one segment: all
 * members, each checked against its CRC-32 and length. What a kernel gets is normalised: one CR before each \n is
 * removed (and counted), a UTF-8 byte-order mark at offset 0 is skipped, a missing last \n is added. */
#ifndef MR_READER_H
#define MR_READER_H

#include <stdint.h>

#include "error.h"
#include "input/source.h"

typedef struct mr_block {
    char *
        data; /* whole lines, each ended by \n; MR_MAP_MARGIN readable bytes on both sides; valid until the next call */
    size_t size;         /* > 0, or 0 when `bad` is set */
    const char *bad;     /* a record longer than max_record was skipped: the reason; else NULL */
    uint64_t bad_offset; /* where that record begins */
} mr_block_t;

/* What was read of the open segment so far. */
typedef struct mr_reader_counts {
    uint64_t bytes; /* bytes of input consumed: of the lines owned (plain), compressed bytes (gzip). Over all
                             segments of a file they add up to its size */
    uint64_t crlf;  /* lines whose CR was removed */
} mr_reader_counts_t;

typedef struct mr_reader mr_reader_t;

/* A reader with its buffers, to be used for many segments, one after the other. `block_size`: bytes read at a time
 * (cache-sized); `max_record`: the longest line accepted, in bytes. NULL when memory is out. */
mr_reader_t *mr_reader_new(size_t block_size, size_t max_record);
void mr_reader_destroy(mr_reader_t **reader);

/* Inputs are opened by `access` (borrowed) from now on; a new reader opens files by their paths. */
void mr_reader_use(mr_reader_t *reader, const mr_access_t *access);

/* Opens a segment. Errors have status INPUT and name the file: missing, unreadable, "changed during the job", ... */
int mr_reader_open(mr_reader_t *reader, const mr_segment_t *segment, mr_error_t *error);

/* The next block. Returns 1; 0 at the end of the segment, after verifying checksums and that the file has not changed;
 * -1 and `error` ("PATH:OFFSET: REASON", OFFSET compressed for gzip damage). */
int mr_reader_next(mr_reader_t *reader, mr_block_t *block, mr_error_t *error);

/* The offset in the file (uncompressed stream for gzip) of a byte of the current block. */
uint64_t mr_reader_offset(const mr_reader_t *reader, const char *byte);

mr_reader_counts_t mr_reader_counts(const mr_reader_t *reader);

/* Closes the segment's file. Safe when none is open. */
void mr_reader_close(mr_reader_t *reader);

#endif
