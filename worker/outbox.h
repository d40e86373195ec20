/* outbox.h - what the pool's threads have to tell the coordinator, on its way to the thread that owns the sockets. */
#ifndef MR_OUTBOX_H
#define MR_OUTBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "partial.h"

/* A task that could not be computed. */
typedef struct mr_failure {
    mr_attempt_t attempt;
    bool retry; /* another attempt, perhaps elsewhere, may succeed */
    mr_error_t error;
    struct mr_failure *next;
} mr_failure_t;

/* A list of attempts. */
typedef struct mr_attempts {
    mr_attempt_t *items; /* owned */
    size_t count;
    size_t capacity;
} mr_attempts_t;

/* Everything put in since the last take. */
typedef struct mr_mail {
    mr_attempts_t done;     /* computed and folded into a partial that will follow */
    mr_attempts_t returned; /* given back: folded into a partial that had to be thrown away */
    mr_failure_t *failures; /* owned list */
    mr_partial_t *first;    /* complete partials, oldest first, owned */
    mr_partial_t *last;
} mr_mail_t;

typedef struct mr_outbox {
    pthread_mutex_t lock;
    int fd; /* eventfd: readable when there is mail */
    mr_mail_t mail;
    mr_error_t broken; /* why this process cannot go on */
} mr_outbox_t;

int mr_outbox_init(mr_outbox_t *outbox, mr_error_t *error);
void mr_outbox_close(mr_outbox_t *outbox);

/* Appends; 0, or -1 when memory is out. */
int mr_attempts_add(mr_attempts_t *attempts, mr_attempt_t attempt);
void mr_attempts_free(mr_attempts_t *attempts);

/* Puts mail in; all may be called from any thread. Partials are taken over. When there is no memory for it, the outbox is broken: a
 * task that is held and never spoken of again would keep the job from ending. */
void mr_outbox_done(mr_outbox_t *outbox, mr_attempt_t attempt);
void mr_outbox_returned(mr_outbox_t *outbox, mr_attempt_t attempt);
void mr_outbox_failed(mr_outbox_t *outbox, mr_attempt_t attempt, bool retry, const mr_error_t *error);
void mr_outbox_partial(mr_outbox_t *outbox, mr_partial_t *partial);

/* This process cannot go on: what it holds must be queued again elsewhere. */
void mr_outbox_break(mr_outbox_t *outbox, const mr_error_t *error);

/* Takes all mail out and clears the fd. The caller owns what it gets. Returns 0, or -1 and the reason: the outbox is broken. */
int mr_outbox_take(mr_outbox_t *outbox, mr_mail_t *mail, mr_error_t *error);
void mr_mail_free(mr_mail_t *mail);

#endif
