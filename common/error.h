/* error.h - one error value: an exit status and one line that says where, what and what to do.
 *
 * Functions that can fail take an mr_error_t * last, return 0 (or a pointer), and on failure fill it and return -1
 * (or NULL). The first error is kept: filling a filled error does nothing. */
#ifndef MR_ERROR_H
#define MR_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* X(name, exit status, what it means) */
#define MR_STATUSES(X)                                                                                                 \
    X(OK, 0, "complete")                                                                                               \
    X(JOB, 1, "the job failed (task, overflow, plugin)")                                                               \
    X(USAGE, 2, "usage or configuration")                                                                              \
    X(INPUT, 3, "input")                                                                                               \
    X(STORAGE, 4, "storage or output")                                                                                 \
    X(LEDGER, 5, "the ledger does not reconcile")                                                                      \
    X(REFUSED, 6, "authentication or version")                                                                         \
    X(NO_WORKERS, 7, "no workers")                                                                                     \
    X(INTERRUPTED, 130, "interrupted")

typedef enum mr_status {
#define X(name, value, text) MR_STATUS_##name = value,
    MR_STATUSES(X)
#undef X
} mr_status_t;

typedef struct mr_error {
    mr_status_t status; /* MR_STATUS_OK: no error */
    bool memory;        /* memory was out: nobody else is to blame */
    char text[1024];    /* "PATH[:OFFSET]: REASON", no newline */
} mr_error_t;

/* Fills `error` (kept if already filled; may be NULL) and returns -1, so that a caller can return it. */
int mr_error_set(mr_error_t *error, mr_status_t status, const char *format, ...) __attribute__((format(printf, 3, 4)));

int mr_error_set_list(mr_error_t *error, mr_status_t status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* vsnprintf, but of what is too long for `size` (64 at least) the middle is left out, not the end. */
void mr_format_message(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* mr_error_set for memory: status JOB, "out of memory while WHAT". */
int mr_error_memory(mr_error_t *error, const char *what);

/* Writes `text` to `stream` with control bytes (and DEL, and bytes that are not UTF-8) as \xNN, so that a key or a path cannot
 * drive the terminal. Returns 0, or -1 when the stream failed. */
int mr_print_escaped(FILE *stream, const char *text, size_t size);

#endif
