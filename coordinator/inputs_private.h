/* inputs_private.h - what the parts of inputs share while they collect: names become files one by one, and problems are counted. */
#ifndef MR_INPUTS_PRIVATE_H
#define MR_INPUTS_PRIVATE_H

#include <sys/stat.h>

#include "input/http.h"
#include "inputs.h"

/* Files and directories seen, by identity: an open-addressing set. Zeroed: empty. */
typedef struct mr_seen {
    struct mr_identity {
        dev_t device;
        ino_t inode;
        bool used;
    } * items; /* owned */
    size_t count;
    size_t capacity; /* a power of two */
} mr_seen_t;

/* 1: new; 0: seen before; -1: memory is out. */
int mr_seen_add(mr_seen_t *seen, const struct stat *status);

typedef struct mr_collector {
    mr_inputs_t *inputs; /* what is collected */
    const mr_inputs_config_t *config;
    char *cwd;        /* owned; ends in / */
    size_t capacity;  /* of inputs->items */
    mr_seen_t seen;   /* under --recursive */
    mr_http_t *http;  /* owned; NULL: no URL was met */
    bool stdin_taken; /* by `-` or by a list */
    size_t problems;
    mr_error_t first;  /* of the problems */
    mr_error_t *fatal; /* filled when a function returns -1: collecting cannot go on (memory, usage, storage) */
} mr_collector_t;

/* Counts a problem with an input; the first is kept. Always 0: collecting goes on. */
int mr_collect_problem(mr_collector_t *collector, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A name as given: file, directory or `-`; a pattern too if `pattern`. Like all that follow: 0 also when the name has a
 * problem, -1 when collecting cannot go on. */
int mr_collect_name(mr_collector_t *collector, const char *name, bool pattern);

/* What should be a regular file. `alias`: shown instead of `name`, a constant, or NULL. */
int mr_collect_file(mr_collector_t *collector, const char *name, const char *alias);

int mr_collect_url(mr_collector_t *collector, const char *url);

/* Adds to the list; its strings are taken over. -1: memory is out, nothing is said or taken. */
int mr_collect_append(mr_collector_t *collector, const mr_input_t *input);

/* A client, made at the first call. */
int mr_inputs_http(mr_http_t **http, mr_error_t *error);

/* Asks whether it is what was collected. */
int mr_inputs_verify_url(mr_http_t *http, const mr_input_t *input, mr_error_t *error);

/* As open and stat, but beneath the root only. */
int mr_collect_open(const mr_collector_t *collector, const char *name, int flags);
int mr_collect_stat(const mr_collector_t *collector, const char *name, struct stat *status);

/* What errno says after one of them. */
const char *mr_collect_reason(const mr_collector_t *collector, int reason);

/* The absolute path, and in *tail what of it is `name`, so that a name is stored once. NULL when memory is out. */
char *mr_collect_absolute(const mr_collector_t *collector, const char *name, const char **tail);

/* All files under a directory. */
int mr_collect_directory(mr_collector_t *collector, const char *name, const struct stat *status);

/* All names of a list file (`-`: stdin), each ended by `delimiter`. */
int mr_collect_list(mr_collector_t *collector, const char *list, char delimiter);

/* What comes from stdin. */
int mr_collect_stdin(mr_collector_t *collector);

/* Stdin can be read once: -1 and USAGE the second time. */
int mr_collect_take_stdin(mr_collector_t *collector);

#endif
