/* output.h - result rows to stdout or, atomically, to a file.
 *
 * A file's temporary sibling (without a name where there can be such a file, else PATH.millrace-XXXXXX) is made before any task runs, so that
 * an unwritable place is known at once; after the last commit it is fsynced and gets its name, and the directory is fsynced. Nothing else ever appears at the path. A symlink is
 * followed: its target is replaced. What is not a regular file (/dev/null, a FIFO) is opened and written as it is, and so is a
 * path that is this process's stdout (/dev/stdout); these are not atomic.
 *
 * Formats, each row ended by \n:
 *   tsv   key TAB column TAB column...; the key's bytes as they are. Only in a key that has a TAB or a newline in it, these
 *         are written \t and \n and each backslash \\; csv and json keep such keys apart from others in every case.
 *   csv   RFC 4180, but for lines ended by \n alone; a header line `key,COLUMNS`; key and columns quoted where they must be,
 *         and an empty key always. Bytes as they are.
 *   json  one object a line: {"key":"...","COLUMN":N,...}. A column that is a number is written with all its digits. Bytes of a key that
 *         are not UTF-8 become U+FFFD, and the key's bytes follow as "key_base64".
 * Columns are what the job prints, cut at tabs, named as in mr_job_t.columns (default: value, value2, ...).
 *
 * The process should ignore SIGPIPE and SIGXFSZ: a closed stdout and a file that may not grow are then errors (STORAGE) like
 * others. A process killed by SIGKILL leaves its temporary file behind. */
#ifndef MR_OUTPUT_H
#define MR_OUTPUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "sink.h"

/* NONE: in any order, which today is that of the keys. */
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
    size_t memory;       /* bytes it may use to sort by value or for `top`, besides the sink's; beyond, it spills */
    const char *tmp_dir;
    uint32_t reducers; /* threads for the sort by value */
} mr_output_config_t;

typedef struct mr_output mr_output_t;

/* Opens stdout or the temporary file. Status USAGE when the path exists (without overwrite) or is a directory; STORAGE when it
 * can't be written. `config` is copied, what it points to is borrowed. */
mr_output_t *mr_output_open(const mr_output_config_t *config, mr_error_t *error);

/* Device and inode of what stands at the output path now, to compare with the inputs. False: nothing stands there. */
bool mr_output_identity(const mr_output_t *output, dev_t *device, ino_t *inode);

/* All rows of the sink, in the order asked for. `rows` gets how many were written. */
int mr_output_sink(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error);

/* One row at once (results that stream); pushed out to stdout before it returns. */
int mr_output_row(mr_output_t *output, const mr_row_t *row, mr_error_t *error);

/* Text that is rows already, in the format asked for, with the header if it has one (of a job that ran elsewhere). */
int mr_output_text(mr_output_t *output, const void *text, size_t size, mr_error_t *error);

/* Makes the file appear at its path, durably. Without overwrite, a file that has appeared there meanwhile is left alone: STORAGE.
 * On any failure the path is as it was, unless it was the last step that failed, the fsync of the directory. Call it also for
 * stdout: it writes the header of a csv without rows. */
int mr_output_commit(mr_output_t *output, mr_error_t *error);

/* What tells the temporary file, and after the commit the file at the path, from any other that ever stands there. False: there is no
 * such file, or the file system does not keep when files were made. */
#define MR_OUTPUT_MARK 64
bool mr_output_mark(const mr_output_t *output, char mark[MR_OUTPUT_MARK]);

/* The same of what stands at a path. */
bool mr_output_mark_at(const char *path, char mark[MR_OUTPUT_MARK]);

/* Removes the temporary file and nothing else: for a process about to end while another thread still writes. */
void mr_output_abandon(const mr_output_t *output);

/* Frees; removes the temporary file if it was not committed. */
void mr_output_destroy(mr_output_t **output);

#endif
