/* Life, loop and dispatch of a coordinator that stays. */
#include "clock.h"
#include "descriptors.h"
#include "log.h"
#include "serve_private.h"
#include "signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#define TICK_MS 100
#define LINGER_MS 200     /* for the last answers to get out */
#define SPARE_PEERS 256   /* connections beyond the workers': clients, and old ones that are not known to be dead yet */
#define MOST_AT_ONCE 1024 /* messages taken before others have their turn */
#define WIND_UP_MS 10000  /* for the jobs to end by themselves */
#define GRACE_MS 1000     /* for local workers to end by themselves */

int mr_serve_fail(mr_serve_t *serve) {
    serve->over = true;
    return -1;
}

/* ---- messages ---- */

void mr_serve_send(mr_serve_t *serve, const mr_sender_t *to, const mr_message_t *message) {
    if (!mr_router_send(serve->socket, to->identity, to->size, message, &serve->out))
        return;
    mr_error_memory(serve->error, "sending a message");
    mr_serve_fail(serve);
}

/* What a key is for: that of a worker joins and leaves, that of a client asks. A worker's name is good under the key that took it only. */
static bool may_say(const mr_serve_t *serve, const mr_sender_t *sender, const mr_message_t *message) {
    bool of_worker = message->type != MR_REQUEST;
    const mr_roll_worker_t *worker = mr_roll_find(&serve->roll, sender);
    return mr_peer_may(&sender->peer, of_worker ? MR_ROLE_WORKER : MR_ROLE_CLIENT, serve->config->keys) &&
           (!worker || mr_peer_same(&worker->sender.peer, &sender->peer));
}

static int take_message(mr_serve_t *serve, const mr_sender_t *sender, const mr_message_t *message) {
    if (!may_say(serve, sender, message)) {
        mr_log(MR_LOG_WARNING, "%s is not for who has the key %s; dropped", mr_message_name(message->type),
               sender->peer.id);
        return 0;
    }
    if (message->type == MR_HELLO)
        return mr_serve_hello(serve, sender, &message->hello);
    if (message->type == MR_BYE) {
        mr_serve_bye(serve, sender, &message->bye);
        return 0;
    }
    if (message->type == MR_CHECKED) {
        mr_serve_checked(serve, sender, &message->checked);
        return 0;
    }
    return mr_serve_request(serve, sender, message);
}

static int on_message(zloop_t *loop, zsock_t *socket, void *argument) {
    mr_serve_t *serve = argument;
    (void) loop;
    for (int i = 0; i < MOST_AT_ONCE && !serve->over; i++) {
        mr_error_t unreadable = {0};
        mr_message_t message;
        mr_sender_t sender;
        int got = mr_router_receive(socket, &sender, &message, &unreadable);
        if (got == 0)
            break;
        if (got < 0) {
            mr_log(MR_LOG_WARNING, "a message was dropped: %s", unreadable.text);
            continue;
        }
        int failed = take_message(serve, &sender, &message);
        mr_message_clear(&message);
        if (failed)
            return mr_serve_fail(serve);
    }
    return serve->over ? -1 : 0;
}

/* ---- time and signals ---- */

/* It ends when no job runs any more; the workers stay. */
static void check_end(mr_serve_t *serve, int64_t now) {
    if (!serve->ending_ms)
        return;
    if (!mr_serve_count_running(serve))
        serve->over = true;
    else if (now - serve->ending_ms >= WIND_UP_MS)
        mr_serve_wind_up(serve);
}

static int on_tick(zloop_t *loop, int timer, void *argument) {
    mr_serve_t *serve = argument;
    int64_t now = mr_clock_ms();
    (void) loop;
    (void) timer;
    if (serve->ticked_ms && now - serve->ticked_ms > TICK_MS + serve->config->lease_ms / 4)
        mr_roll_forgive(&serve->roll, now); /* it was itself stopped */
    serve->ticked_ms = now;
    mr_serve_check_roll(serve, now);
    if (mr_serve_check_jobs(serve, now))
        return mr_serve_fail(serve);
    mr_serve_check_requests(serve, now);
    check_end(serve, now);
    return serve->over ? -1 : 0;
}

static void end(mr_serve_t *serve, unsigned signal) {
    mr_log(MR_LOG_INFO, "signal %u: %s", signal, serve->ending_ms ? "the jobs are ended at once" : "the jobs wind up");
    mr_serve_wind_up(serve);
    if (!serve->ending_ms)
        serve->ending_ms = mr_clock_ms();
    check_end(serve, serve->ending_ms);
}

static int reap_local(mr_serve_t *serve) {
    mr_local_death_t death;
    while (serve->local && mr_local_reap(serve->local, &death)) {
        if (!death.clean)
            mr_log(MR_LOG_WARNING, "local worker %ld: %s", (long) death.pid, death.cause);
        if (!serve->ending_ms && mr_local_restart(serve->local, serve->error))
            return -1;
    }
    return 0;
}

static int on_signal(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_serve_t *serve = argument;
    struct signalfd_siginfo info;
    (void) loop;
    while (read(item->fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD)
            end(serve, info.ssi_signo);
    if (mr_serve_reap_jobs(serve) || reap_local(serve))
        return mr_serve_fail(serve);
    mr_serve_check_requests(serve, mr_clock_ms());
    check_end(serve, mr_clock_ms());
    return serve->over ? -1 : 0;
}

/* ---- opening ---- */

static int open_socket(mr_serve_t *serve, mr_error_t *error) {
    const mr_serve_config_t *config = serve->config;
    mr_guarded_t guarded = {"the endpoint", MR_GUARD_ALL, MR_WIRE_MAX_HEADER};
    char here[256];
    serve->guard = mr_guard_new(config->keys, serve->most_workers + serve->most_workers / 4 + SPARE_PEERS, error);
    if (!serve->guard)
        return -1;
    serve->socket = zsock_new(ZMQ_ROUTER);
    if (!serve->socket)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_endpoint_set_socket(serve->socket, LINGER_MS);
    zsock_set_router_handover(serve->socket, 1); /* who connects again is the same */
    if (mr_endpoint_parse(&serve->listen, config->listen, config->lane_ports, error) ||
        mr_guard_protect(serve->guard, serve->socket, &guarded, error) ||
        mr_endpoint_bind(&serve->listen, serve->socket, NULL, error))
        return -1;
    mr_endpoint_from_here(&serve->listen, here);
    return mr_guard_probe(serve->guard, here, error);
}

static int watch_all(mr_serve_t *serve, mr_error_t *error) {
    zmq_pollitem_t signals = {NULL, serve->signals, ZMQ_POLLIN, 0};
    serve->loop = zloop_new();
    if (!serve->loop || zloop_reader(serve->loop, serve->socket, on_message, serve) ||
        zloop_poller(serve->loop, &signals, on_signal, serve) ||
        zloop_timer(serve->loop, TICK_MS, 0, on_tick, serve) < 0)
        return mr_error_memory(error, "starting the loop");
    return 0;
}

/* They come by the network like all others, and know it as this machine. */
static int start_local(mr_serve_t *serve, mr_error_t *error) {
    const mr_serve_config_t *config = serve->config;
    char endpoint[256], keys[sizeof config->keys->dir + 16];
    mr_endpoint_from_here(&serve->listen, endpoint);
    snprintf(keys, sizeof keys, "%s/" MR_KEYS_LOCAL, config->keys->dir);
    mr_local_config_t local = {endpoint,
                               config->tmp_dir,
                               config->processes,
                               config->threads,
                               config->log_level,
                               config->root,
                               mr_keys_given(config->keys) ? keys : NULL};
    if (!config->processes)
        return 0;
    serve->local = mr_local_new(&local, error);
    return serve->local ? 0 : -1;
}

static int open_serve(mr_serve_t *serve, mr_error_t *error) {
    const mr_serve_config_t *config = serve->config;
    zsys_handler_set(NULL); /* signals are ours */
    serve->signals = mr_signals_watch(error);
    if (serve->signals < 0 || mr_descriptors_reserve(config->processes, config->threads, error))
        return -1;
    serve->most_workers = mr_descriptors_most_workers(config->threads);
    serve->jobs = calloc(config->at_once, sizeof(mr_serve_job_t *));
    if (!serve->jobs)
        return mr_error_memory(error, "starting");
    serve->queue = mr_job_queue_open(config->state, error);
    return !serve->queue || mr_serve_open_scratch(serve, error) || open_socket(serve, error) ||
                   watch_all(serve, error) || mr_serve_open_requests(serve, error) || start_local(serve, error) ||
                   mr_serve_resume_jobs(serve)
               ? -1
               : 0;
}

/* ---- life ---- */

static void say_goodbye(const mr_serve_t *serve) {
    mr_job_queue_list_t list;
    mr_error_t error = {0};
    if (mr_job_queue_list(serve->queue, MR_JOB_QUEUE_STATE(MR_JOB_QUEUED) | MR_JOB_QUEUE_STATE(MR_JOB_RUNNING), &list,
                          &error))
        mr_log_error(&error);
    else if (list.count)
        fprintf(stderr, "millrace: %zu job%s to be gone on with, by millrace serve --state %s --listen %s\n",
                list.count, list.count == 1 ? " is" : "s are", serve->config->state, serve->config->listen);
    mr_job_queue_list_free(&list);
}

static void close_serve(mr_serve_t *serve) {
    mr_serve_free_jobs(serve);
    mr_serve_close_requests(serve);
    mr_local_destroy(&serve->local, 0);
    zloop_destroy(&serve->loop);
    mr_guard_close(&serve->socket);
    mr_guard_destroy(&serve->guard);
    mr_endpoint_close(&serve->listen);
    mr_roll_free(&serve->roll);
    mr_serve_close_scratch(serve);
    mr_job_queue_close(&serve->queue);
    mr_buffer_free(&serve->out);
    if (serve->signals >= 0)
        close(serve->signals);
}

int mr_serve_run(const mr_serve_config_t *config, mr_error_t *error) {
    mr_serve_t serve = {
        .config = config, .listen = {.lock = -1}, .signals = -1, .error = error, .started_ms = mr_clock_ms()};
    if (!open_serve(&serve, error)) {
        fprintf(stderr, "millrace: serving at %s\n", serve.listen.control);
        if (!serve.over)
            zloop_start(serve.loop);
        if (!error->status && !serve.over)
            mr_error_set(error, MR_STATUS_JOB, "the loop ended early: %s", zmq_strerror(zmq_errno()));
        if (!error->status)
            say_goodbye(&serve);
    }
    close_serve(&serve);
    return error->status ? -1 : 0;
}
