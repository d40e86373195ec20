/* cluster_private.h - what the files of the cluster share: cluster.c (life, loop, actions), cluster_sockets.c (what it listens on),
 * cluster_join.c and cluster_leave.c (how a worker comes and goes), cluster_control.c (messages on control), cluster_sink.c (messages on
 * the sink), cluster_journal.c (what waits for the journal). */
#ifndef MR_CLUSTER_PRIVATE_H
#define MR_CLUSTER_PRIVATE_H

#include "cluster.h"
#include "endpoint.h"
#include "guard.h"
#include "guests.h"
#include "members.h"
#include "scheduler.h"
#include "supply.h"

#define MR_CLUSTER_TICK_MS 100
#define MR_CLUSTER_BEATS 50         /* heartbeats in a lease, of a worker in a small cluster */
#define MR_CLUSTER_SILENT_BEATS 4   /* a worker not heard for so many heartbeats may be stopped */
#define MR_CLUSTER_LANE_BYTES 65536 /* nobody sends anything up a lane */

struct mr_cluster {
    mr_cluster_config_t config;
    uint64_t epoch;
    uint64_t job_id;
    zloop_t *loop;
    mr_guard_t *guard;    /* of what others can reach; NULL: nothing is */
    zsock_t *control;     /* ROUTER, for the workers that this process starts */
    zsock_t *sink;        /* PULL, for the same */
    zsock_t *far_control; /* the same for all others, as keys belong to a socket; NULL: there are none */
    zsock_t *far_sink;
    char control_endpoint[256]; /* private, for the workers this process starts */
    char sink_endpoint[256];    /* the same */
    mr_endpoint_t listen;       /* for all others; its control is empty when there are none */
    mr_supply_t *supply;        /* of inputs to workers that do not see them; NULL: none */
    mr_members_t members;
    mr_guests_t guests; /* members that have not joined */
    mr_local_t *local;
    mr_scheduler_t *scheduler;
    mr_buffer_t out;          /* the message being encoded */
    mr_buffer_t segments;     /* of the TASKS message being built */
    mr_buffer_t specs;        /* of the same */
    mr_buffer_t answers;      /* COMMITTED that wait for the journal, in order */
    uint64_t ticket;          /* of the last commit in the journal; 0: none, or no journal */
    uint64_t durable;         /* the last ticket that is durable */
    uint64_t offers;          /* so far */
    uint64_t committed_bytes; /* of input */
    int64_t joined_at;        /* when the last worker joined; 0: none yet */
    int64_t ticked_at;        /* the last tick; 0: none yet */
    int64_t lonely_since;     /* since when there is no worker; 0: there is one */
    int64_t lonely_told;      /* when that was last said */
    char last_failure[1024];  /* what the last attempt that may be tried again failed of */
    mr_status_t last_status;
    mr_error_t *error; /* of mr_cluster_run */
    int64_t ending_at; /* interrupted: the workers have until then to hand in what they have; 0: not */
    unsigned signal;   /* that interrupted it */
    bool over;         /* the loop ends */
};

/* Ends the job with the error in cluster->error, which must be set. Returns -1, so that a handler can end the loop with it. */
int mr_cluster_fail(mr_cluster_t *cluster);

/* A message could not be decoded. It is counted; but one that memory was out for may be waited for by nobody but its sender, who thinks
 * that it arrived: then the job has failed. Returns 0 or -1. */
int mr_cluster_unreadable(mr_cluster_t *cluster, const mr_error_t *reason);

/* Carries out all the scheduler wants done. Returns what a loop handler returns: 0, or -1: the loop ends. */
int mr_cluster_pump(mr_cluster_t *cluster);

/* Sends a message to whoever that was, or to a worker, on control. */
void mr_cluster_send_to(mr_cluster_t *cluster, const mr_sender_t *to, const mr_message_t *message);
void mr_cluster_send(mr_cluster_t *cluster, mr_member_t *member, const mr_message_t *message);

/* ---- cluster_sockets.c ---- */

int mr_cluster_open_sockets(mr_cluster_t *cluster, mr_error_t *error);
void mr_cluster_close_sockets(mr_cluster_t *cluster);

/* ---- cluster_control.c ---- */

/* The sender is that member: the same identity by the same socket, and under the same key. */
bool mr_cluster_is_from(const mr_member_t *member, const mr_sender_t *sender);

/* ---- cluster_join.c ---- */

int mr_cluster_take_hello(mr_cluster_t *cluster, const mr_sender_t *sender, const mr_hello_message_t *hello);

/* Room that was granted to the worker, or that it asked for, is free again. */
void mr_cluster_void_grants(mr_cluster_t *cluster, mr_member_t *member);

/* May take the message over. */
void mr_cluster_take_held(mr_cluster_t *cluster, mr_member_t *member, mr_message_t *message);

/* ---- cluster_leave.c ---- */

/* The worker is gone: requeues what it held, drops what it had staged, forgets it. `counted` as in the scheduler. */
void mr_cluster_lose(mr_cluster_t *cluster, mr_member_t *member, bool counted);

/* Its lease ran out: the same, and should it live, it ends. */
void mr_cluster_bury(mr_cluster_t *cluster, mr_member_t *member);

/* It sent what no sound worker sends: it is told to end, and what it held is counted as failed. */
void mr_cluster_distrust(mr_cluster_t *cluster, mr_member_t *member, const char *reason);

/* Ctrl-C and the like. Returns -1 and the error: the job ends now. 0: first the workers hand in what they have, as there is a journal to keep
 * it; the next signal ends that too. */
int mr_cluster_interrupt(mr_cluster_t *cluster, unsigned signal);

/* They have, or had time enough: the job ends, with the error. */
bool mr_cluster_wound_up(mr_cluster_t *cluster);

/* Ends the leases of workers that have been silent for too long, or whose lane has no connection any more. */
void mr_cluster_check_leases(mr_cluster_t *cluster, int64_t now);

/* The work is over: all workers are told, and local ones that have not joined are killed. */
void mr_cluster_dismiss(mr_cluster_t *cluster, const char *reason);

/* Grants offers in order, as long as the sink has room. */
void mr_cluster_grant(mr_cluster_t *cluster);

/* ---- cluster_journal.c; without a journal nothing is done, and nothing waits ---- */

/* A run that is about to be staged. */
int mr_cluster_journal_run(mr_cluster_t *cluster, const mr_run_message_t *run, zmq_msg_t *frame, mr_error_t *error);

/* What was staged of a partial, or (NULL) of all of a worker's that are not committed, is dropped. */
void mr_cluster_journal_drop(mr_cluster_t *cluster, uint32_t worker, const uint64_t *partial);

/* A partial that is committed. -1 and cluster->error: memory is out. */
int mr_cluster_journal_commit(mr_cluster_t *cluster, const mr_partial_message_t *partial);

/* Sends COMMITTED when all that is committed so far is durable. */
int mr_cluster_answer(mr_cluster_t *cluster, mr_member_t *member, uint64_t partial);

/* Prints the results of a job with arguments that are complete and durable; the last ones are waited for. */
int mr_cluster_print(mr_cluster_t *cluster);
int mr_cluster_print_last(mr_cluster_t *cluster);

/* So much waits to be written that no more should be asked for. */
bool mr_cluster_journal_behind(const mr_cluster_t *cluster);

/* zloop handlers */
int mr_cluster_on_control(zloop_t *loop, zsock_t *socket, void *cluster);
int mr_cluster_on_sink(zloop_t *loop, zsock_t *socket, void *cluster);
int mr_cluster_on_guests(zloop_t *loop, zmq_pollitem_t *item, void *cluster);
int mr_cluster_on_tick(zloop_t *loop, int timer, void *cluster);
int mr_cluster_on_signal(zloop_t *loop, zmq_pollitem_t *item, void *cluster);
int mr_cluster_on_journal(zloop_t *loop, zmq_pollitem_t *item, void *cluster);
int mr_cluster_on_sink_event(zloop_t *loop, zmq_pollitem_t *item, void *cluster);

#endif
