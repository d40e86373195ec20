/* serve_requests.h - what the files about clients' requests share: serve_requests.c (dispatch and answers), serve_checks.c (jobs that are looked at before
 * they are taken), serve_watches.c (who follows a job). */
#ifndef MR_SERVE_REQUESTS_H
#define MR_SERVE_REQUESTS_H

#include <jansson.h>

#include "serve_private.h"

#define MR_SERVE_MOST_CHECKS 256
#define MR_SERVE_MOST_WATCHES 1024

/* Whom to answer. */
typedef struct mr_asker {
    mr_sender_t sender;
    uint64_t ask; /* the request's number */
} mr_asker_t;

/* A job that is looked at before it is taken: run --dry-run does it, in a process of its own. */
typedef struct mr_check {
    mr_asker_t asker;
    mr_queued_t queued; /* to be added to the queue */
    uint64_t number;    /* in the order of arrival */
    size_t bytes;       /* of its words */
    int64_t said_ms;    /* when the client was last told that it is being looked at */
    bool started;       /* the process was; else it waits for its turn */
    mr_child_t child;
    char complaint[MR_SERVE_LINE]; /* the first error it spoke of */
} mr_check_t;

/* A request that waits for news of a job. */
typedef struct mr_watch_request {
    mr_asker_t asker;
    uint64_t id;
    uint64_t rows;     /* bytes the client has */
    uint64_t messages; /* the same */
    char state[16];    /* as the client knows it */
    int64_t asked_ms;
    bool due; /* there are news */
} mr_watch_request_t;

typedef struct mr_doctor mr_doctor_t; /* private to serve_doctor.c */

struct mr_serve_requests {
    mr_doctor_t *doctor;                      /* a look at all machines that is under way; NULL: none */
    mr_check_t *checks[MR_SERVE_MOST_CHECKS]; /* NULL: free */
    uint64_t check_number;                    /* of the last */
    mr_watch_request_t watches[MR_SERVE_MOST_WATCHES];
    size_t watch_count;
};

/* Answers: `body` is taken over (NULL: memory was out), `rows` may be NULL. */
void mr_serve_answer(mr_serve_t *serve, const mr_asker_t *to, json_t *body, const mr_buffer_t *rows);
void mr_serve_answer_error(mr_serve_t *serve, const mr_asker_t *to, const mr_error_t *error);

/* ---- serve_checks.c ---- */

void mr_serve_check(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body);

/* Those that have been looked at are taken or refused; who waits for others is told so from time to time. */
void mr_serve_end_checks(mr_serve_t *serve, int64_t now);
void mr_serve_free_checks(mr_serve_t *serve);

/* ---- serve_doctor.c ---- */

void mr_serve_doctor(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body);

/* Answers when all workers have, or had time enough. */
void mr_serve_end_doctor(mr_serve_t *serve, int64_t now);
void mr_serve_free_doctor(mr_serve_t *serve);

/* ---- serve_watches.c ---- */

void mr_serve_watch(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body);

/* Answers those for which there are news, or that have waited long enough. */
void mr_serve_answer_watches(mr_serve_t *serve, int64_t now);

#endif
