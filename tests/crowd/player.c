/* player.c - one worker: HELLO, WELCOME, JOB; TASKS, DONE; RUN, PARTIAL, COMMITTED; heartbeats, FLUSH and SHUTDOWN. A partial's only run
 * has one row, which counts its tasks. */
#include <sys/epoll.h>

#include "crowd.h"
#include "jobs/registry.h"
#include "run.h"

#define MOST_FOLDED 50000 /* results in a partial, as of real workers */
#define PLAYERS_A_HOST 8u

static const char row_key[] = "tasks";

/* ---- sending ---- */

static int encode(crowd_t *crowd, const mr_message_t *message) {
    crowd->out.size = 0;
    crowd->sent[message->type]++;
    return mr_message_encode(message, &crowd->out);
}

static void say(player_t *player, const mr_message_t *message) {
    crowd_t *crowd = player->crowd;
    if (encode(crowd, message) || zmq_send(player->control, crowd->out.data, crowd->out.size, ZMQ_DONTWAIT) < 0)
        crowd_fail(crowd, "a message cannot be sent");
}

static void *open_socket(player_t *player, int type, const char *endpoint) {
    crowd_t *crowd = player->crowd;
    int none = 0, fd = -1;
    size_t size = sizeof fd;
    void *socket = zmq_socket(crowd->context, type);
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) || zmq_connect(socket, endpoint) ||
        zmq_getsockopt(socket, ZMQ_FD, &fd, &size)) {
        crowd_fail(crowd, zmq_strerror(zmq_errno()));
        return socket;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = player->index};
    if (type != ZMQ_PUSH && epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &event))
        crowd_fail(crowd, strerror(errno));
    return socket;
}

void player_hello(player_t *player) {
    const crowd_t *crowd = player->crowd;
    char host[32];
    snprintf(host, sizeof host, "crowd-%u", player->index / PLAYERS_A_HOST);
    player->flush_at = UINT64_MAX;
    player->control = open_socket(player, ZMQ_DEALER, crowd->endpoint);
    mr_message_t hello = {.type = MR_HELLO,
                          .hello = {MR_PROTOCOL, MILLRACE_VERSION, host, player->index + 1, 1, crowd->endpoint, 0}};
    if (!crowd->failure)
        say(player, &hello);
}

static int make_run(crowd_t *crowd, uint64_t tasks) {
    uint64_t cells[MR_MAX_CELLS];
    for (size_t i = 0; i < MR_MAX_CELLS; i++)
        cells[i] = tasks;
    crowd->run.size = 0;
    mr_run_writer_t writer = {.out = &crowd->run, .ncells = crowd->ncells};
    int failed = mr_run_write(&writer, row_key, sizeof row_key - 1, cells);
    mr_run_end_block(&writer);
    return failed;
}

static void flush(player_t *player) {
    crowd_t *crowd = player->crowd;
    size_t count = player->folded.size / sizeof(mr_result_t);
    if (!count)
        return;
    mr_message_t run = {.type = MR_RUN, .run = {player->epoch, player->number, player->partials, 0}};
    mr_message_t partial = {.type = MR_PARTIAL,
                            .partial = {player->epoch, player->number, player->partials, 1, 1,
                                        (mr_result_t *) (void *) player->folded.data, count}};
    player->partials++;
    if (make_run(crowd, count) || encode(crowd, &run) ||
        zmq_send(player->sink, crowd->out.data, crowd->out.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(player->sink, crowd->run.data, crowd->run.size, ZMQ_DONTWAIT) < 0 || encode(crowd, &partial) ||
        zmq_send(player->sink, crowd->out.data, crowd->out.size, ZMQ_DONTWAIT) < 0)
        crowd_fail(crowd, "a partial cannot be sent");
    player->folded.size = 0;
}

/* ---- working ---- */

static todo_t *todo_at(const player_t *player, size_t index) {
    return (todo_t *) (void *) player->todo.data + index;
}

static size_t todo_count(const player_t *player) {
    return player->todo.size / sizeof(todo_t);
}

static bool is_old(const player_t *player) {
    return player->folded.size && crowd_now_us() - player->opened_us >= (int64_t) player->crowd->flush_ms * 1000;
}

static void fold(player_t *player, const todo_t *todo) {
    const crowd_t *crowd = player->crowd;
    if (todo->flags || (crowd->eager && todo->group != player->group))
        flush(player);
    if (!player->folded.size)
        player->opened_us = crowd_now_us();
    player->group = todo->group;
    player->tasks++;
    if (mr_buffer_append(&player->folded, &todo->result, sizeof todo->result))
        crowd_fail(player->crowd, "out of memory");
    if (todo->flags || player->folded.size / sizeof(mr_result_t) >= MOST_FOLDED || is_old(player))
        flush(player);
}

static void flush_if_dry(player_t *player) {
    if (player->got < player->flush_at || player->begun < todo_count(player) || player->busy)
        return;
    flush(player);
    player->flush_at = UINT64_MAX;
}

/* One DONE for all tasks from `first` on that were begun. */
static void report(player_t *player, size_t first) {
    mr_buffer_t attempts = {0};
    for (size_t i = first; i < player->begun; i++) {
        const todo_t *todo = todo_at(player, i);
        mr_attempt_t attempt = {todo->result.task, todo->result.attempt};
        if (mr_buffer_append(&attempts, &attempt, sizeof attempt))
            crowd_fail(player->crowd, "out of memory");
        fold(player, todo);
    }
    say(player, &(mr_message_t){.type = MR_DONE,
                                .done = {player->epoch, player->number, (mr_attempt_t *) (void *) attempts.data,
                                         attempts.size / sizeof(mr_attempt_t)}});
    mr_buffer_free(&attempts);
    if (player->begun == todo_count(player))
        player->begun = player->todo.size = 0;
    flush_if_dry(player);
}

void player_work(player_t *player) {
    crowd_t *crowd = player->crowd;
    size_t first = player->begun;
    if (!crowd->started || player->busy || first == todo_count(player))
        return;
    if (crowd->work_us == 0) {
        player->begun = todo_count(player);
        report(player, first);
        return;
    }
    player->begun++;
    player->busy = true;
    agenda_put(&crowd->works, crowd->count, crowd_now_us() + crowd->work_us, player->index);
}

void player_done(player_t *player) {
    player->busy = false;
    report(player, player->begun - 1);
    player_work(player);
}

void player_beat(player_t *player) {
    const todo_t *todo = player->busy ? todo_at(player, player->begun - 1) : NULL;
    mr_running_t running = {todo ? todo->result.task : 0, todo ? todo->result.attempt : 0, 0, 0};
    if (player->dismissed)
        return;
    if (is_old(player))
        flush(player);
    say(player, &(mr_message_t){.type = MR_HEARTBEAT,
                                .heartbeat = {player->epoch, player->number, 1 << 20, &running, todo != NULL}});
    agenda_put(&player->crowd->beats, player->crowd->count,
               crowd_now_us() + (int64_t) player->crowd->heartbeat_ms * 1000, player->index);
}

/* ---- hearing ---- */

/* "*" stands for the address by which the coordinator is known. */
static void connect_to(player_t *player, void **socket, int type, const char *endpoint) {
    const char *known = player->crowd->endpoint, *colon = strrchr(endpoint, ':');
    char text[320];
    snprintf(text, sizeof text, "%s", endpoint);
    if (!strncmp(endpoint, "tcp://*", 7))
        snprintf(text, sizeof text, "%.*s%s", (int) (strrchr(known, ':') - known), known, colon);
    *socket = open_socket(player, type, text);
}

static void take_welcome(player_t *player, const mr_welcome_message_t *welcome) {
    crowd_t *crowd = player->crowd;
    if (player->lane)
        return; /* it was slow, and HELLO was said twice */
    player->epoch = welcome->epoch;
    player->number = welcome->worker;
    connect_to(player, &player->sink, ZMQ_PUSH, welcome->sink);
    connect_to(player, &player->lane, ZMQ_PULL, welcome->lane);
    crowd->heartbeat_ms = welcome->heartbeat_ms;
    if (!crowd->hold) /* the first one somewhere in the first period, so that they do not all come at once */
        agenda_put(&crowd->beats, crowd->count, crowd_now_us() + (int64_t) welcome->heartbeat_ms * 1000, player->index);
    if (++crowd->welcomed == crowd->count)
        crowd->welcomed_us = crowd_now_us();
}

static void take_job(crowd_t *crowd, const mr_job_message_t *job) {
    const mr_job_t *known = mr_job_find(job->name);
    crowd->ncells = known ? known->ncells : 1;
    crowd->flush_ms = job->flush_ms;
    crowd->eager = job->eager;
}

static void take_spec(player_t *player, const mr_spec_t *spec) {
    todo_t todo = {.group = spec->group, .flags = spec->flags};
    todo.result = (mr_result_t){.task = spec->task, .attempt = spec->attempt, .bytes = spec->payload.size};
    todo.result.records = spec->payload.size ? 1 : 0;
    for (size_t i = 0; i < spec->segment_count; i++)
        todo.result.bytes += spec->segments[i].end - spec->segments[i].start;
    if (mr_buffer_append(&player->todo, &todo, sizeof todo))
        crowd_fail(player->crowd, "out of memory");
}

static void take_tasks(player_t *player, const mr_tasks_message_t *tasks) {
    crowd_t *crowd = player->crowd;
    for (size_t i = 0; i < tasks->specs_count; i++)
        take_spec(player, &tasks->specs[i]);
    player->got += tasks->specs_count;
    crowd->fed += !player->fed;
    player->fed = true;
    player_work(player);
}

static void take_shutdown(player_t *player) {
    crowd_t *crowd = player->crowd;
    if (!crowd->dismissed)
        crowd->after = subject_sample(crowd);
    crowd->dismissed += !player->dismissed;
    player->dismissed = true;
}

static void take(player_t *player, const mr_message_t *message) {
    switch (message->type) {
    case MR_WELCOME:
        take_welcome(player, &message->welcome);
        break;
    case MR_JOB:
        take_job(player->crowd, &message->job);
        break;
    case MR_TASKS:
        take_tasks(player, &message->tasks);
        break;
    case MR_FLUSH:
        player->flush_at = message->flush.sent;
        flush_if_dry(player);
        break;
    case MR_SHUTDOWN:
        take_shutdown(player);
        break;
    case MR_UNKNOWN:
        crowd_fail(player->crowd, "a worker was given up: to join, or to be heard, took longer than a lease");
        break;
    case MR_REFUSED:
        crowd_fail(player->crowd, "a worker was refused");
        break;
    default: /* COMMITTED, ALIVE: counted; ACCOUNT: nothing was lost */
        break;
    }
}

/* Returns true if something came. */
static bool drain(player_t *player, void *socket) {
    mr_message_t message;
    mr_error_t error = {0};
    zmq_msg_t frame;
    bool came = false;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0) {
        came = true;
        if (mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error)) {
            crowd_fail(player->crowd, "a message cannot be read");
            break;
        }
        player->crowd->got[message.type]++;
        take(player, &message);
        mr_message_clear(&message);
    }
    zmq_msg_close(&frame);
    return came;
}

/* Sending on a socket may take up the signal that something has come on it, so this goes on until nothing has. */
void player_serve(player_t *player) {
    bool came;
    do {
        came = player->control && drain(player, player->control);
        came |= player->lane && !player->crowd->hold && drain(player, player->lane);
    } while (came && !player->crowd->failure);
}

void player_close(player_t *player) {
    void *sockets[] = {player->control, player->lane, player->sink};
    for (size_t i = 0; i < 3; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    mr_buffer_free(&player->todo);
    mr_buffer_free(&player->folded);
}
