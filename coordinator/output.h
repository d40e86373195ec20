/* output.h - result rows to stdout or, atomically, to a file.
 *
 * A file's temporary sibling (PATH.millrace-XXXXXX) is made before any task runs, so that an unwritable place is known at once;
 * after the last commit it is fsynced and renamed, and the directory fsynced. Nothing else ever appears at the path. */
#ifndef MR_OUTPUT_H
#define MR_OUTPUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "sink.h"

typedef enum mr_sort { MR_SORT_KEY, MR_SORT_VALUE, MR_SORT_NONE } mr_sort_t;
typedef enum mr_row_format { MR_ROW_TSV, MR_ROW_CSV, MR_ROW_JSON } mr_row_format_t;

typedef struct mr_output_config {
    const char *path; /* NULL: stdout */
    bool overwrite;   /* replace an existing file */
    mr_row_format_t format;
    mr_sort_t sort;      /* VALUE: by the first cell, largest first, equal ones by key */
    uint64_t top;        /* 0: all rows; else the N rows with the largest first cell, largest first */
    const mr_job_t *job; /* how a row prints */
    const void *state;   /* the job's */
    size_t memory;       /* bytes it may use to sort by value; beyond, it spills */
    const char *tmp_dir;
    uint32_t reducers; /* threads for the sort by value */
} mr_output_config_t;

typedef struct mr_output mr_output_t;

/* Opens stdout or the temporary file. Status USAGE when the path exists (without overwrite); STORAGE when it can't be written. */
mr_output_t *mr_output_open(const mr_output_config_t *config, mr_error_t *error);

/* Device and inode of what stands at the output path now, to compare with the inputs. False: nothing stands there. */
bool mr_output_identity(const mr_output_t *output, dev_t *device, ino_t *inode);

/* All rows of the sink, in the order asked for. `rows` gets how many were written. */
int mr_output_sink(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error);

/* One row at once (results that stream); pushed out to stdout before it returns. */
int mr_output_row(mr_output_t *output, const mr_row_t *row, mr_error_t *error);

/* Makes the file appear at its path (or flushes stdout), durably. */
int mr_output_commit(mr_output_t *output, mr_error_t *error);

/* Frees; removes the temporary file if it was not committed. */
void mr_output_destroy(mr_output_t **output);

#endif
