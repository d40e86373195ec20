/* journal_read.h - reading a journal: what was committed, and how far the file is good. Changes nothing. */
#ifndef MR_JOURNAL_READ_H
#define MR_JOURNAL_READ_H

#include "buffer.h"
#include "wire.h"

/* Where a run stands in the journal's file. */
typedef struct mr_journal_place {
    uint64_t offset; /* of the run's first byte */
    uint64_t size;   /* bytes */
} mr_journal_place_t;

/* One partial that was committed. Valid during the call. */
typedef struct mr_journal_commit {
    uint64_t offset; /* of its record, for messages */
    uint32_t worker;
    uint64_t partial;
    mr_journal_place_t *runs;
    size_t run_count;
    mr_result_t *results;
    size_t result_count;
} mr_journal_commit_t;

/* What is done with what is read, in the order of the file. Each returns 0, or -1 and `error`, which ends the reading. NULL: passed
 * over. */
typedef struct mr_journal_visitor {
    void *context;
    int (*commit)(void *context, const mr_journal_commit_t *commit, mr_error_t *error);
    int (*end)(void *context, const char *text, size_t size, mr_error_t *error);
} mr_journal_visitor_t;

/* A journal's file. */
typedef struct mr_journal_file {
    int fd;           /* borrowed; read by pread */
    uint64_t size;    /* bytes of it to read */
    const char *name; /* for messages */
} mr_journal_file_t;

/* What was found besides. */
typedef struct mr_journal_found {
    uint64_t good; /* bytes up to which all records are whole: the file's size, or where a torn tail begins */
    uint64_t job;  /* random number of the file; valid if good > 0 */
    uint64_t life; /* of the last coordinator that opened it; 0: none */
} mr_journal_found_t;

/* Reads the file once from its beginning; memory is bounded by the largest COMMIT and 32 bytes for each run that no COMMIT has named.
 * Status STORAGE and "NAME:OFFSET: REASON" for damage. A file whose first record is torn has `good` 0. */
int mr_journal_read(const mr_journal_file_t *file, const mr_journal_visitor_t *visitor, mr_journal_found_t *found,
                    mr_error_t *error);

/* Reads the binding alone and appends it to `text`. Returns 1; 0: there is none (the file is empty or torn in it); -1. */
int mr_journal_read_binding(const mr_journal_file_t *file, mr_buffer_t *text, mr_error_t *error);

#endif
