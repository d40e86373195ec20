/* crowd.h - many workers in one process, which speak the real protocol over real sockets and compute nothing: for what a coordinator does with
 * a thousand of them. What they share: crowd.c (options, loop), player.c (one worker), subject.c (the coordinator, watched from outside),
 * report.c (figures). */
#ifndef MR_CROWD_H
#define MR_CROWD_H

#include <czmq.h>

#include "wire.h"

#define CROWD_TYPES 64 /* message numbers are below it */

typedef struct crowd crowd_t;

/* A task on its way through a player. */
typedef struct todo {
    mr_result_t result; /* as its partial will tell it */
    uint32_t group;
    uint32_t flags;
} todo_t;

/* One worker of one thread. */
typedef struct player {
    crowd_t *crowd;
    uint32_t index;
    void *control; /* DEALER */
    void *lane;    /* PULL; NULL: not welcomed */
    void *sink;    /* PUSH */
    uint64_t epoch;
    uint32_t number;
    mr_buffer_t todo;   /* of todo_t: sent to it, the first `begun` are done or given to the clock */
    size_t begun;       /* in `todo` */
    bool busy;          /* the task before `begun` is being worked on */
    mr_buffer_t folded; /* of mr_result_t: done, in no partial yet */
    uint32_t group;     /* of those */
    int64_t opened_us;  /* when the first of those was done */
    uint64_t got;       /* tasks that came down its lane */
    uint64_t flush_at;  /* FLUSH: when it has got so many and done them; UINT64_MAX: not asked */
    uint64_t partials;  /* sent */
    uint64_t tasks;     /* done */
    bool fed;           /* it was sent tasks */
    bool dismissed;     /* SHUTDOWN */
} player_t;

/* When something of a player is due; each kind comes in order of time, as each takes equally long. */
typedef struct due {
    int64_t at_us;
    uint32_t player;
} due_t;

typedef struct agenda {
    due_t *items; /* a ring with room for each player once */
    uint32_t first;
    uint32_t count;
} agenda_t;

/* The coordinator's process, as the kernel accounts it. */
typedef struct subject {
    pid_t pid;       /* 0: it is none of ours */
    int messages;    /* its standard error, or -1 */
    clockid_t clock; /* its processor time */
    char endpoint[256];
} subject_t;

typedef struct sample {
    int64_t at_us;
    double cpu;      /* seconds, of all its threads */
    uint64_t memory; /* resident bytes */
    uint64_t files;  /* descriptors */
    uint64_t peak;   /* the most resident bytes so far */
    uint64_t lanes;  /* TASKS sent so far */
    uint64_t all;    /* messages of any kind, both ways */
    uint64_t heard;  /* of those, HEARTBEAT and ALIVE */
    double own_cpu;  /* seconds of this process */
} sample_t;

struct crowd {
    /* options */
    uint32_t count;
    int64_t work_us;    /* each task takes so long; 0: no time */
    int64_t stagger_us; /* each says HELLO so long after the one before; 0: all at once */
    bool hold;          /* they join, and then do nothing */

    void *context;
    int epoll;
    char endpoint[256];
    player_t *players;
    uint32_t said_hello;
    uint32_t welcomed;
    uint32_t fed;
    uint32_t dismissed;
    bool started; /* tasks may be worked on */
    uint32_t ncells;
    uint32_t flush_ms;
    uint32_t heartbeat_ms;
    bool eager;
    agenda_t beats;
    agenda_t works;
    mr_buffer_t out;
    mr_buffer_t run;
    uint64_t sent[CROWD_TYPES]; /* by type */
    uint64_t got[CROWD_TYPES];
    const char *failure; /* the crowd cannot go on */

    subject_t subject;
    int64_t began_us;
    int64_t welcomed_us; /* the last of them */
    sample_t before;     /* nobody has joined */
    sample_t joined;     /* all were sent tasks */
    sample_t after;      /* the first has heard that all is done */
};

int64_t crowd_now_us(void);

void agenda_put(agenda_t *agenda, uint32_t room, int64_t at_us, uint32_t player);

/* Fails the crowd; the first failure is kept. */
void crowd_fail(crowd_t *crowd, const char *reason);

/* ---- player.c ---- */

/* Says HELLO, from a socket of its own. */
void player_hello(player_t *player);

/* Takes all that has come. */
void player_serve(player_t *player);

/* Works on what it has, if tasks may be worked on. */
void player_work(player_t *player);

/* The task it worked on is done. */
void player_done(player_t *player);

/* A heartbeat is due. */
void player_beat(player_t *player);

void player_close(player_t *player);

/* ---- subject.c ---- */

/* Starts `command`, and waits until it says where it listens. Returns 0 or -1, having said why. */
int subject_start(subject_t *subject, char *const *command);

/* Passes on what it says. */
void subject_relay(subject_t *subject);

/* Waits for its end, and passes on what it still says. Returns its exit status. */
int subject_wait(subject_t *subject);

sample_t subject_sample(const crowd_t *crowd);

/* ---- report.c ---- */

void report_joined(const crowd_t *crowd);
void report_job(const crowd_t *crowd);

#endif
