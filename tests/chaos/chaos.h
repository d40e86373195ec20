/* chaos.h - the real binaries under faults that a seed draws.
 *
 * A plan (plan.c) is drawn from a seed alone: a job, inputs, the shape of the cluster, and faults with the moment of each. A scene
 * (scene.c) is one run of a plan: a folder of its own, the processes in it, and the checks when it is over. faults.c waits for the
 * moments and does the harm; oracle.c makes inputs and says what must come out; net.c makes network namespaces and proxy.c is a TCP
 * proxy that breaks connections.
 *
 * A moment is a condition (so many bytes read by the victim, so many bytes passed on), found by looking, never by sleeping for luck; what the
 * processes do in between is the machine's, so a seed repeats the faults and their conditions, not each instruction. */
#ifndef MR_CHAOS_H
#define MR_CHAOS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MOST_FAULTS 8
#define MOST_WORKERS 4
#define CHAOS_PATH 1024
#define MOST_ARGUMENTS 64

typedef enum kind { KIND_KILL, KIND_STOP, KIND_RESET, KIND_NET, KIND_COORDINATOR, KIND_COUNT } kind_t;

typedef enum harm {
    HARM_KILL,        /* SIGKILL to a worker */
    HARM_KILL_ALL,    /* SIGKILL to every worker there is */
    HARM_DRAIN,       /* SIGTERM to a worker */
    HARM_INTERRUPT,   /* SIGINT to the coordinator */
    HARM_STOP,        /* SIGSTOP to a worker, SIGCONT after less than its lease */
    HARM_STOP_LONG,   /* the same, after more than its lease */
    HARM_RESET,       /* TCP resets of a connection */
    HARM_PARTITION,   /* the network of a worker is down, for less or more than its lease */
    HARM_COORDINATOR, /* SIGKILL to the coordinator, which is started again with --resume */
    HARM_COUNT
} harm_t;

typedef enum weather { FAIR, LOSSY, NARROW } weather_t; /* 5 % of packets lost; 1 Mbit/s */

/* Which connections of a worker a reset is for. */
typedef enum part { PART_CONTROL, PART_SINK, PART_LANE, PART_COUNT } part_t;

typedef struct fault {
    harm_t harm;
    uint32_t victim;  /* modulo the workers there are */
    int64_t bytes;    /* the moment: so many read by the victim */
    int64_t hold_ms;  /* how long it stays stopped or cut off */
    part_t part;      /* of a reset */
    int64_t distance; /* of a reset: bytes that still pass */
} fault_t;

typedef struct plan {
    uint64_t seed;
    kind_t kind;
    unsigned job; /* index into the oracle's jobs */
    uint32_t workers;
    uint32_t threads;
    bool remote; /* workers by TCP, from network namespaces of their own */
    bool proxied;
    bool once; /* remote workers end with the job */
    weather_t weather;
    uint32_t lease_ms;
    const char *memory;
    const char *chunk;
    const char *flush;
    const char *block;
    fault_t faults[MOST_FAULTS];
    unsigned count;
} plan_t;

/* What a whole run of this program has done. */
typedef struct tally {
    unsigned scenes;
    unsigned failed;
    unsigned harms[HARM_COUNT];
    unsigned weather[NARROW + 1];
    unsigned long resumed; /* tasks that were committed when a coordinator was killed */
} tally_t;

/* Shared with a proxy's process. */
typedef struct proxy_control {
    _Atomic int64_t
        distance; /* bytes on connections of `part` until the one that carries the last is reset; 0: none planned */
    _Atomic int part;
    _Atomic unsigned resets;
} proxy_control_t;

typedef struct process {
    pid_t pid; /* 0: none */
    int status;
} process_t;

typedef struct scene {
    const plan_t *plan;
    tally_t *tally;
    char dir[CHAOS_PATH];
    process_t coordinator;
    process_t workers[MOST_WORKERS]; /* remote ones */
    int64_t resume_at[MOST_WORKERS]; /* when what was stopped or cut off is let go; 0: nothing is */
    pid_t stopped[MOST_WORKERS];     /* 0: its network is cut instead */
    unsigned next;                   /* fault that is waited for, */
    pid_t victim;                    /* and whom it will hit; 0: not chosen */
    bool complete;                   /* the coordinator was killed when it had done all */
    bool interrupted;
    unsigned committed; /* tasks, when the coordinator was last killed */
    unsigned lives;     /* of the coordinator, so far */
    int64_t deadline;
    char problem[4096]; /* empty: all is well */
} scene_t;

/* Where the binaries are, and everything this run writes. */
extern char chaos_build[CHAOS_PATH];
extern char chaos_work[CHAOS_PATH];

/* plan.c */
void plan_draw(plan_t *plan, uint64_t seed, kind_t kind);
const char *kind_name(kind_t kind);
const char *harm_name(harm_t harm);
void plan_print(const plan_t *plan);

/* oracle.c: the jobs, and their rows as one worker with one thread and one task a file makes them. */
unsigned oracle_jobs(void);
int oracle_prepare(unsigned job);                                       /* once for each; 0 or -1, told on stderr */
size_t oracle_command(unsigned job, const char **arguments, size_t at); /* job, options, inputs */
bool oracle_is_narrow(unsigned job);                                    /* its partials are small */
int64_t oracle_bytes(unsigned job);
void oracle_judge(scene_t *scene, int status); /* sets scene->problem */

/* scene.c */
void scene_play(const plan_t *plan, tally_t *tally, scene_t *scene);
void scene_problem(scene_t *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t now_ms(void);
pid_t launch(const char *const *arguments, const char *log, const char *rows, pid_t network);
bool reap(process_t *process);                                /* true: it has ended, now or before */
int run_quietly(const char *const *arguments, pid_t network); /* waits; the exit status */
bool await_end(process_t *process, int64_t ms);
int start_coordinator(scene_t *scene);
size_t list_workers(const scene_t *scene, pid_t pids[MOST_WORKERS]);

/* faults.c: does what is due. Called often. */
void faults_turn(scene_t *scene);
void faults_let_go(scene_t *scene); /* whatever is stopped or cut off */

/* journal.c: tasks that the journal says are committed, 0 when there is none; `twice`: those that are committed more than once. */
unsigned journal_committed(const char *path, unsigned *twice);

/* net.c: one network for each remote worker, joined to this process's own by a pair of virtual Ethernets. All of it goes with the processes. */
int net_open(void); /* 0, or -1, told on stderr: namespaces are not allowed here */
void net_close(void);
pid_t net_of(uint32_t worker);
void net_cut(uint32_t worker, bool cut);
void net_weather(weather_t weather);
void net_endpoint(uint32_t worker, bool proxied, char text[64]);
proxy_control_t *net_proxy(uint32_t worker);
#define NET_PORT 5600
#define NET_LANES 40 /* ports from NET_PORT + 2 on */

/* proxy.c: passes on PORT.. PORT + 1 + lanes of 127.0.0.1 to those of `host`; never returns. */
void proxy_run(const char *host, proxy_control_t *control) __attribute__((noreturn));

#endif
