/* output_private.h - shared by the output's own files. */
#ifndef MR_OUTPUT_PRIVATE_H
#define MR_OUTPUT_PRIVATE_H

#include <sys/stat.h>

#include "output.h"

/* ---- how a row becomes text (output_rows.c) ---- */

typedef struct mr_columns {
    char **names; /* owned, each owned */
    size_t count;
} mr_columns_t;

int mr_columns_make(mr_columns_t *columns, const mr_job_t *job, mr_error_t *error);
void mr_columns_free(mr_columns_t *columns);

/* Appends the row as text. Thread-safe, with a buffer for each thread. */
int mr_output_format(const mr_output_t *output, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error);

/* Writes the digits of `value` at `out`, where 20 bytes are writable; returns their end. */
char *mr_put_decimal(char *out, uint64_t value);

/* Appends one CSV field, quoted if it must be. -1: out of memory. */
int mr_put_csv(mr_buffer_t *buffer, const char *text, size_t size);

/* ---- JSON's parts (output_json.c) ---- */

/* Appends `size` bytes as the inside of a JSON string. Returns 1 if all were UTF-8, 0 if some were replaced, -1: out of memory. */
int mr_put_json(mr_buffer_t *buffer, const char *text, size_t size);

/* Appends bytes as base64, padded. -1: out of memory. */
int mr_put_base64(mr_buffer_t *buffer, const char *data, size_t size);

/* The text can stand in JSON as a number. */
bool mr_is_json_number(const char *text, size_t size);

/* ---- where text goes (output.c) ---- */

/* Where a file output stands between open and commit. */
typedef struct mr_output_file {
    char *target;     /* owned: the path with symlinks followed; NULL: stdout or written as it is */
    char *temp;       /* owned: name of the temporary file in its directory; NULL when it has none (any more) */
    bool pending;     /* a temporary file waits to be given the target's name */
    const char *base; /* the target's name in its directory; inside `target` */
    int dir_fd;       /* the target's directory; -1: none */
    bool exists;      /* something stood at the path when it was opened */
    struct stat at;   /* what stood there */
    uint64_t size;    /* bytes written */
    uint64_t begun;   /* bytes whose way to the disk has been begun */
} mr_output_file_t;

struct mr_output {
    mr_output_config_t config;
    const char *name; /* for messages: the path or "standard output" */
    int fd;
    mr_output_file_t file;
    mr_columns_t columns;
    bool headed;      /* the csv header is written, or none is due */
    mr_buffer_t line; /* for single rows */
};

/* Writes all bytes, the header before the first. */
int mr_output_write(mr_output_t *output, const void *data, size_t size, mr_error_t *error);

/* ---- the file (output_file.c) ---- */

int mr_output_file_open(mr_output_t *output, mr_error_t *error);
int mr_output_file_commit(mr_output_t *output, mr_error_t *error);
void mr_output_file_close(mr_output_t *output);

/* Begins to bring what was written to the disk, so that there is little left to wait for at the end. */
void mr_output_file_push(mr_output_t *output);

/* ---- by value (output_sort.c, output_top.c) ---- */

/* Rows in the order of their first cell, largest first, then of their key: an external sort, which is a sink whose keys are the
 * first cell's complement in 8 bytes, most significant first, and the row's key. */
typedef struct mr_sorter {
    mr_output_t *output;
    mr_sink_t *sink;  /* NULL until the first run */
    uint64_t runs;    /* staged so far */
    uint64_t limit;   /* rows to write; 0: all */
    uint64_t written; /* rows, when there is a limit */
} mr_sorter_t;

/* Appends a row to a buffer that mr_sorter_seal will sort. */
int mr_sorter_note(mr_buffer_t *buffer, const mr_row_t *row, uint32_t ncells, mr_error_t *error);

/* Turns noted rows, of ascending keys, into a sorted run (run.h). */
int mr_sorter_seal(mr_buffer_t *buffer, uint32_t ncells, mr_error_t *error);

/* A row of such a run, with its own key again. -1: it is not one. */
int mr_sorter_unpack(mr_row_t *row, mr_error_t *error);

/* Adds a sorted run (copied). Waits while the sorter makes room. */
int mr_sorter_add(mr_sorter_t *sorter, const mr_buffer_t *run, mr_error_t *error);

/* Writes the rows to the output. */
int mr_sorter_finish(mr_sorter_t *sorter, uint64_t *rows, mr_error_t *error);
void mr_sorter_free(mr_sorter_t *sorter);

/* Bytes at which a buffer of noted rows is to be sealed, so that all threads' stay within a quarter of the memory. */
size_t mr_sorter_bound(const mr_output_t *output);

int mr_output_sorted(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error);
int mr_output_top(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error);

#endif
