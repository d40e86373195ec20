/* agent_private.h - what the files of the agent share: agent.c (life and loop), agent_send.c (what goes out), agent_take.c (what comes
 * in), agent_leave.c (drains, and tasks that take too long), agent_attach.c (from one coordinator's life to the next), agent_lobby.c (a
 * coordinator that stays). */
#ifndef MR_AGENT_PRIVATE_H
#define MR_AGENT_PRIVATE_H

#include "agent.h"
#include "book.h"
#include "checkup.h"
#include "configure.h"
#include "lobby.h"
#include "pool.h"
#include "shelf.h"

typedef struct mr_agent {
    const mr_agent_config_t *config;
    mr_link_t link;
    mr_lobby_t lobby;
    mr_checkup_t *checkup; /* a look at this machine that was asked for; NULL: none */
    uint64_t checkup_ask;  /* its number, for the answer */
    uint64_t job_number;   /* of the job the link is to, as the lobby has named it; 0: it has not */
    int64_t joined_at;     /* when the link was opened for it */
    mr_shelf_t shelf;
    mr_outbox_t outbox;
    mr_book_t book;
    mr_message_t welcome; /* the latest; type 0: none yet */
    mr_message_t job;     /* type 0: no job yet; the workshop borrows from it */
    uint64_t job_id;      /* of `job` */
    mr_configured_t configured;
    mr_sight_t sight;
    mr_workshop_t shop;
    mr_pool_t *pool;       /* NULL before the job */
    mr_running_t *running; /* owned: room for what each thread works on */
    char host[256];        /* this machine's name, for HELLO */
    int signals;           /* signalfd */
    int64_t beat_at;       /* when the next HELLO or HEARTBEAT goes out */
    int64_t heard_at;
    int64_t alone_since; /* without a coordinator; while attached, no matter */
    int64_t turned_at;   /* the last turn of the loop */
    unsigned hellos;     /* sent, and not answered */
    uint32_t generation; /* HELDs sent in this epoch under this number */
    unsigned broken;     /* sockets whose connection broke since the last HELD */
    bool attached;       /* a coordinator has welcomed this worker, and was heard lately */
    bool owes_held;      /* messages may have been lost: nothing of a task or a partial is sent before HELD */
    bool draining;
    bool told_to_leave; /* by a signal, not by a task that took too long or a coordinator that goes */
    bool given_up;      /* what runs has been told to stop */
    int64_t drained_at; /* when the drain began */
    bool over;
    bool again; /* a new process shall take this one's place */
} mr_agent_t;

static inline uint64_t mr_agent_epoch(const mr_agent_t *agent) {
    return agent->welcome.welcome.epoch;
}

static inline uint32_t mr_agent_worker(const mr_agent_t *agent) {
    return agent->welcome.welcome.worker;
}

/* ---- agent_send.c ---- */

/* HELLO or HEARTBEAT, when one is due. */
void mr_agent_beat(mr_agent_t *agent, int64_t now);

/* Passes on what the pool has put into the outbox, and what the shelf may send. */
int mr_agent_post(mr_agent_t *agent, mr_error_t *error);

void mr_agent_returned(mr_agent_t *agent, const mr_attempts_t *returned);
void mr_agent_bye(mr_agent_t *agent, const char *reason);

/* Sends HELD, if it is owed and all sockets are connected, and what it allows to be sent. */
int mr_agent_held(mr_agent_t *agent, mr_error_t *error);

/* Who this worker is, to a coordinator that it knows by that endpoint. */
mr_message_t mr_agent_hello(mr_agent_t *agent, const char *endpoint);

/* ---- agent_take.c ---- */

/* Read all that has arrived. */
int mr_agent_read_control(mr_agent_t *agent, mr_error_t *error);
int mr_agent_read_lane(mr_agent_t *agent, mr_error_t *error);

/* The error of a worker that is refused. */
int mr_agent_refused(const mr_refused_message_t *refused, mr_error_t *error);

/* Gives back what is not begun; also what arrives when the drain has begun already. */
int mr_agent_give_back(mr_agent_t *agent, mr_error_t *error);

/* ---- agent_leave.c ---- */

/* SIGTERM, SIGINT. */
int mr_agent_read_signals(mr_agent_t *agent, mr_error_t *error);

/* A task that has run longer than --task-timeout ends this process: it is reported as failed, and a drain begins. */
int mr_agent_check_tasks(mr_agent_t *agent, int64_t now, mr_error_t *error);

/* Says BYE when all is handed in, or when there is no more time for it. */
int mr_agent_end_drain(mr_agent_t *agent, int64_t now, mr_error_t *error);

/* ---- agent_lobby.c ---- */

/* A HELLO was answered by PLACE. */
int mr_agent_enter_lobby(mr_agent_t *agent, const mr_place_message_t *place, mr_error_t *error);

/* HELLO to the lobby, when one is due; and what a look at this machine has found. */
void mr_agent_beat_lobby(mr_agent_t *agent, int64_t now);

/* Reads all that has arrived from there. */
int mr_agent_read_lobby(mr_agent_t *agent, mr_error_t *error);

/* This worker ends. */
void mr_agent_bye_lobby(mr_agent_t *agent, const char *reason);

/* How long it has not answered (ms); for ever, if there is none. */
int64_t mr_agent_lobby_silence(const mr_agent_t *agent, int64_t now);

/* ---- agent_attach.c ---- */

/* Takes the message over if it is the beginning of something new. */
int mr_agent_welcome(mr_agent_t *agent, mr_message_t *message, mr_error_t *error);
int mr_agent_take_job(mr_agent_t *agent, mr_message_t *message, mr_error_t *error);

/* The coordinator is gone, or does not know this worker: HELLO is due. */
void mr_agent_detach(mr_agent_t *agent, int64_t now);

/* The coordinator's silence, and how long there has been none. */
int mr_agent_check_silence(mr_agent_t *agent, int64_t now, mr_error_t *error);

#endif
