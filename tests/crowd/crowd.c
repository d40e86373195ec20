/* crowd - plays many workers in one process, and says what that cost the coordinator. */
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "clock.h"
#include "crowd.h"

#define PATIENCE_US 60000000 /* without a step forward */
#define EVENTS 256
#define FILES_EACH 7 /* of a player: three sockets and three connections */
#define MESSAGES UINT64_MAX

static const char usage[] =
    "Usage: crowd [options] --workers N [--connect ENDPOINT | -- COMMAND...]\n\n"
    "Plays N workers of one thread that compute nothing. COMMAND starts the coordinator, which is measured; it must\n"
    "listen: -- millrace run noop --tasks 1000000 --workers 0 --listen 'tcp://127.0.0.1:*'\n\n"
    "  --work-us N     each task takes so long\n"
    "  --stagger-ms N  each says HELLO so long after the one before, and works at once; else all do at once, and work\n"
    "                  when all have joined\n"
    "  --hold          they connect and then do nothing, until standard input ends\n";

int64_t crowd_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void crowd_fail(crowd_t *crowd, const char *reason) {
    if (!crowd->failure)
        crowd->failure = reason;
}

/* ---- what is due ---- */

void agenda_put(agenda_t *agenda, uint32_t room, int64_t at_us, uint32_t player) {
    agenda->items[(agenda->first + agenda->count++) % room] = (due_t){at_us, player};
}

static player_t *take_due(crowd_t *crowd, agenda_t *agenda, int64_t now) {
    due_t due = agenda->items[agenda->first];
    if (!agenda->count || due.at_us > now)
        return NULL;
    agenda->first = (agenda->first + 1) % crowd->count;
    agenda->count--;
    return &crowd->players[due.player];
}

static int64_t earlier(int64_t when, const agenda_t *agenda) {
    return agenda->count && agenda->items[agenda->first].at_us < when ? agenda->items[agenda->first].at_us : when;
}

static int64_t hello_due(const crowd_t *crowd) {
    return crowd->said_hello < crowd->count ? crowd->began_us + crowd->said_hello * crowd->stagger_us : INT64_MAX;
}

/* A socket signals what comes only after it was once found empty. */
static void say_hellos(crowd_t *crowd, int64_t now) {
    while (!crowd->failure && hello_due(crowd) <= now) {
        player_t *player = &crowd->players[crowd->said_hello++];
        player_hello(player);
        player_serve(player);
    }
}

static void do_what_is_due(crowd_t *crowd) {
    int64_t now = crowd_now_us();
    player_t *player;
    say_hellos(crowd, now);
    while (!crowd->failure && (player = take_due(crowd, &crowd->works, now))) {
        player_done(player);
        player_serve(player);
    }
    while (!crowd->failure && (player = take_due(crowd, &crowd->beats, now))) {
        player_beat(player);
        player_serve(player);
    }
}

/* ---- the loop ---- */

static void start_work(crowd_t *crowd) {
    crowd->started = true;
    for (uint32_t i = 0; i < crowd->count && !crowd->failure; i++) {
        player_work(&crowd->players[i]);
        player_serve(&crowd->players[i]);
    }
}

static void wait_for_events(crowd_t *crowd) {
    struct epoll_event events[EVENTS];
    int64_t until = earlier(earlier(hello_due(crowd), &crowd->works), &crowd->beats), now = crowd_now_us();
    int64_t patience = until - now > 100000 ? 100 : (until - now + 999) / 1000;
    int count = epoll_wait(crowd->epoll, events, EVENTS, patience < 0 ? 0 : (int) patience);
    for (int i = 0; i < count && !crowd->failure; i++) {
        if (events[i].data.u64 == MESSAGES)
            subject_relay(&crowd->subject);
        else
            player_serve(&crowd->players[events[i].data.u64]);
    }
}

/* Until `*step` has come to all players. Each step forward is waited for with new patience. */
static int run_until(crowd_t *crowd, const uint32_t *step, const char *what) {
    uint64_t seen = 0;
    int64_t moved_us = crowd_now_us();
    while (*step < crowd->count && !crowd->failure) {
        wait_for_events(crowd);
        do_what_is_due(crowd);
        uint64_t now = *step + crowd->got[MR_TASKS] + crowd->got[MR_COMMITTED];
        if (now != seen)
            moved_us = crowd_now_us();
        seen = now;
        if (crowd_now_us() - moved_us > PATIENCE_US)
            crowd_fail(crowd, "nothing has happened for a minute");
    }
    if (crowd->failure)
        fprintf(stderr, "crowd: %u of %u %s: %s\n", *step, crowd->count, what, crowd->failure);
    return crowd->failure ? -1 : 0;
}

static int hold(crowd_t *crowd) {
    if (run_until(crowd, &crowd->welcomed, "welcomed"))
        return -1;
    printf("%lld\n", (long long) (crowd->welcomed_us - crowd->began_us) / 1000);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

static int play(crowd_t *crowd) {
    crowd->before = subject_sample(crowd);
    crowd->began_us = crowd_now_us();
    crowd->started = crowd->stagger_us > 0;
    if (crowd->hold)
        return hold(crowd);
    if (run_until(crowd, &crowd->fed, "were sent tasks"))
        return -1;
    crowd->joined = subject_sample(crowd);
    report_joined(crowd);
    fflush(stdout);
    start_work(crowd);
    if (run_until(crowd, &crowd->dismissed, "heard the end"))
        return -1;
    report_job(crowd);
    return 0;
}

/* ---- life ---- */

static int raise_limits(const crowd_t *crowd) {
    struct rlimit limit;
    rlim_t needed = FILES_EACH * (rlim_t) crowd->count + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < needed || setrlimit(RLIMIT_NOFILE, &limit)) {
        fprintf(stderr, "crowd: %u workers need %llu open files, and the limit is %llu (ulimit -n)\n", crowd->count,
                (unsigned long long) needed, (unsigned long long) limit.rlim_max);
        return -1;
    }
    return 0;
}

static int open_crowd(crowd_t *crowd) {
    if (!crowd->count)
        return -1;
    crowd->players = calloc(crowd->count, sizeof *crowd->players);
    crowd->beats.items = calloc(crowd->count, sizeof *crowd->beats.items);
    crowd->works.items = calloc(crowd->count, sizeof *crowd->works.items);
    crowd->context = zmq_ctx_new();
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!crowd->players || !crowd->beats.items || !crowd->works.items || !crowd->context || crowd->epoll < 0 ||
        zmq_ctx_set(crowd->context, ZMQ_MAX_SOCKETS, (int) (3 * crowd->count + 16)))
        return -1;
    for (uint32_t i = 0; i < crowd->count; i++) {
        crowd->players[i].crowd = crowd;
        crowd->players[i].index = i;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = MESSAGES};
    return crowd->subject.pid && epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->subject.messages, &event);
}

static void close_crowd(crowd_t *crowd) {
    for (uint32_t i = 0; crowd->players && i < crowd->count; i++)
        player_close(&crowd->players[i]);
    if (crowd->context)
        zmq_ctx_term(crowd->context);
    free(crowd->players);
    free(crowd->beats.items);
    free(crowd->works.items);
    mr_buffer_free(&crowd->out);
    mr_buffer_free(&crowd->run);
    close(crowd->epoll);
}

static int read_options(crowd_t *crowd, int argc, char **argv) {
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'}, {"connect", required_argument, NULL, 'c'},
        {"work-us", required_argument, NULL, 'u'}, {"stagger-ms", required_argument, NULL, 's'},
        {"hold", no_argument, NULL, 'h'},          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'w')
            crowd->count = (uint32_t) strtoul(optarg, NULL, 10);
        else if (option == 'c')
            snprintf(crowd->endpoint, sizeof crowd->endpoint, "%s", optarg);
        else if (option == 'u')
            crowd->work_us = strtoll(optarg, NULL, 10);
        else if (option == 's')
            crowd->stagger_us = 1000 * strtoll(optarg, NULL, 10);
        else if (option == 'h')
            crowd->hold = true;
        else
            return -1;
    }
    return crowd->count && crowd->count <= 20000 && !*crowd->endpoint == (optind < argc) ? 0 : -1;
}

int main(int argc, char **argv) {
    static crowd_t crowd = {.subject.messages = -1, .epoll = -1};
    if (read_options(&crowd, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (raise_limits(&crowd))
        return 2;
    if (!*crowd.endpoint && subject_start(&crowd.subject, argv + optind))
        return 1;
    if (crowd.subject.pid)
        memcpy(crowd.endpoint, crowd.subject.endpoint, sizeof crowd.endpoint);
    int failed = open_crowd(&crowd) || play(&crowd);
    close_crowd(&crowd);
    if (failed && crowd.subject.pid)
        kill(crowd.subject.pid, SIGTERM);
    int status = subject_wait(&crowd.subject);
    return failed ? 1 : status;
}
