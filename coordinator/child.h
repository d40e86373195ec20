/* child.h - a process that this one starts and reads the stderr of, line by line. */
#ifndef MR_CHILD_H
#define MR_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "buffer.h"
#include "error.h"

typedef struct mr_child {
    pid_t pid;         /* 0: none */
    int lines;         /* the read end of its stderr, without waiting; -1: closed */
    mr_buffer_t heard; /* what was read and not handed out */
} mr_child_t;

typedef struct mr_child_config {
    const char *program;            /* path */
    const char *const *words;       /* argv, ended by NULL */
    const char *const *environment; /* ended by NULL */
    const char *directory;          /* it works in */
    int output;                     /* its stdout; -1: /dev/null */
} mr_child_config_t;

/* Starts it in a process group of its own, with default signals, stdin from /dev/null, and no other descriptors. { .lines = -1 } is
 * none. */
int mr_child_start(mr_child_t *child, const mr_child_config_t *config, mr_error_t *error);

/* The next line, without its end, cut at `size`. 1; 0: none is there yet; -1: there will be no more (what it said last without an end
 * of line is a line, too). */
int mr_child_line(mr_child_t *child, char *line, size_t size);

/* It has ended: takes its status (as of wait), and kills what is left of its group. */
bool mr_child_ended(mr_child_t *child, int *status);

/* Sends a signal to it alone; nothing if there is none. */
void mr_child_signal(const mr_child_t *child, int signal);

/* Kills its group if it lives, and waits for it; frees. */
void mr_child_close(mr_child_t *child);

#endif
