/* checkup.h - a worker looks at its machine when the coordinator asks (`millrace doctor`), in a thread of its own: a name or a disk that does not answer
 * must not keep it from its heartbeats. */
#ifndef MR_CHECKUP_H
#define MR_CHECKUP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "buffer.h"
#include "wire.h"

typedef struct mr_checkup {
    mr_message_t asked;  /* the CHECK, owned by the thread while it runs */
    const char *connect; /* where the worker knows the coordinator */
    const char *tmp_dir;
    int wake; /* eventfd to write to at the end */
    pthread_t thread;
    atomic_bool done;
    mr_buffer_t findings; /* ended by NUL when done */
} mr_checkup_t;

/* Begins; takes the message over. NULL: there is no memory or thread for it, and nothing is said. */
mr_checkup_t *mr_checkup_begin(mr_message_t *check, const char *connect, const char *tmp_dir, int wake);

/* Frees it if it is done; a thread that still waits for a disk is left behind. */
void mr_checkup_end(mr_checkup_t **checkup);

#endif
