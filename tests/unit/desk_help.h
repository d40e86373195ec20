/* desk_help.h - a coordinator that a test plays to the real millrace-worker process. */
#ifndef MR_DESK_HELP_H
#define MR_DESK_HELP_H

#include "cluster_help.h"

typedef struct desk {
    mr_scratch_t scratch;
    zsock_t *control; /* ROUTER */
    zsock_t *lane;    /* PUSH */
    zsock_t *sink;    /* PULL */
    uint8_t identity[256];
    size_t identity_size;
    char endpoint[4200];
    char lane_endpoint[4200];
    char sink_endpoint[4200];
    pid_t worker;
} desk_t;

#define EPOCH UINT64_C(0xE90C)
#define JOB_ID 11u
#define WORKER 3u

static inline zsock_t *bind_at(int type, const char *endpoint) {
    zsock_t *socket = zsock_new(type);
    assert_non_null(socket);
    zsock_set_linger(socket, 200);
    assert_true(zsock_bind(socket, "%s", endpoint) >= 0);
    return socket;
}

static inline void start_worker(desk_t *desk, const char *endpoint, const char *idle_timeout) {
    char own[4096], program[4200];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../worker/millrace-worker", own);
    const char *arguments[] = {program, "--connect",   endpoint, "--threads",      "2",          "--tmp",
                               "/tmp",  "--log-level", "error",  "--idle-timeout", idle_timeout, NULL};
    assert_int_equal(posix_spawn(&desk->worker, program, NULL, NULL, (char *const *) (uintptr_t) arguments, environ),
                     0);
}

/* Binds its sockets; nobody knows of it yet. */
static inline void set_up_desk(desk_t *desk) {
    mr_error_t error = {0};
    alarm(120);
    *desk = (desk_t){0};
    assert_int_equal(mr_scratch_make(&desk->scratch, "/tmp", &error), 0);
    snprintf(desk->endpoint, sizeof desk->endpoint, "ipc://%s/control", desk->scratch.dir);
    snprintf(desk->lane_endpoint, sizeof desk->lane_endpoint, "ipc://%s/lane", desk->scratch.dir);
    snprintf(desk->sink_endpoint, sizeof desk->sink_endpoint, "ipc://%s/sink", desk->scratch.dir);
    desk->control = bind_at(ZMQ_ROUTER, desk->endpoint);
    zsock_set_router_handover(desk->control, 1);
    desk->lane = bind_at(ZMQ_PUSH, desk->lane_endpoint);
    desk->sink = bind_at(ZMQ_PULL, desk->sink_endpoint);
}

static inline void open_desk(desk_t *desk) {
    set_up_desk(desk);
    start_worker(desk, desk->endpoint, "400ms");
}

static inline void rebind(zsock_t **socket, int type, const char *endpoint) {
    zsock_destroy(socket);
    *socket = bind_at(type, endpoint);
}

/* Waits for the process to end by itself. */
static inline int worker_status(desk_t *desk) {
    int status = -1;
    int64_t deadline = mr_clock_ms() + DEADLINE_MS;
    while (waitpid(desk->worker, &status, WNOHANG) == 0) {
        if (mr_clock_ms() > deadline) {
            kill(desk->worker, SIGKILL);
            waitpid(desk->worker, NULL, 0);
            fail_msg("the worker does not end");
        }
        zclock_sleep(5);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void clear_desk(desk_t *desk) {
    zsock_destroy(&desk->control);
    zsock_destroy(&desk->lane);
    zsock_destroy(&desk->sink);
    mr_scratch_remove(&desk->scratch);
}

static inline void close_desk(desk_t *desk, int status) {
    assert_int_equal(worker_status(desk), status);
    clear_desk(desk);
}

/* The next message of that type on control; its sender becomes the one that is answered. */
static inline void hear(desk_t *desk, mr_message_type_t type, mr_message_t *message) {
    void *socket = zsock_resolve(desk->control);
    int64_t deadline = mr_clock_ms() + DEADLINE_MS;
    mr_error_t error = {0};
    for (;;) {
        zmq_msg_t frame;
        int64_t left = deadline - mr_clock_ms();
        zsock_set_rcvtimeo(desk->control, left > 1 ? (int) left : 1);
        int size = zmq_recv(socket, desk->identity, sizeof desk->identity, 0);
        if (size < 0)
            fail_msg("no %s came", mr_message_name(type));
        desk->identity_size = (size_t) size;
        zmq_msg_init(&frame);
        assert_true(zmq_msg_recv(&frame, socket, 0) >= 0);
        assert_int_equal(mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
        zmq_msg_close(&frame);
        if (message->type == type)
            return;
        mr_message_clear(message);
    }
}

static inline void hear_and_forget(desk_t *desk, mr_message_type_t type) {
    mr_message_t message;
    hear(desk, type, &message);
    mr_message_clear(&message);
}

static inline void say(desk_t *desk, const mr_message_t *message) {
    send_frame(desk->control, desk->identity, desk->identity_size, ZMQ_SNDMORE);
    send_message(desk->control, message);
}

static inline void welcome_as(desk_t *desk, uint64_t epoch, uint64_t job_id, uint32_t worker, uint32_t lease_ms) {
    mr_message_t message;
    hear(desk, MR_HELLO, &message);
    assert_int_equal(message.hello.protocol, MR_PROTOCOL);
    assert_string_equal(message.hello.version, MILLRACE_VERSION);
    if (desk->worker)
        assert_int_equal(message.hello.pid, desk->worker);
    assert_int_equal(message.hello.threads, 2);
    mr_message_clear(&message);
    say(desk, &(mr_message_t){.type = MR_WELCOME,
                              .welcome = {MR_PROTOCOL, MILLRACE_VERSION, epoch, job_id, worker, desk->lane_endpoint,
                                          desk->sink_endpoint, 20, lease_ms}});
}

static inline void welcome(desk_t *desk, uint32_t lease_ms) {
    welcome_as(desk, EPOCH, JOB_ID, WORKER, lease_ms);
}

static inline void give_job(desk_t *desk, const char *name, bool eager) {
    mr_job_message_t job = {.epoch = EPOCH,
                            .name = name,
                            .block_size = 1 << 16,
                            .table_memory = 1 << 20,
                            .max_record = 1 << 20,
                            .flush_ms = 60000,
                            .eager = eager};
    say(desk, &(mr_message_t){.type = MR_JOB, .job = job});
}

static inline void give_tasks(desk_t *desk, uint64_t epoch, uint32_t first, size_t count, mr_bytes_t payload) {
    mr_spec_t specs[64] = {{0}};
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){.task = first + (uint32_t) i, .attempt = 1, .payload = payload};
    send_message(desk->lane, &(mr_message_t){.type = MR_TASKS, .tasks = {epoch, 0, specs, count}});
}

/* Tasks of one line in a later generation. */
static inline void give_tasks_of(desk_t *desk, uint32_t generation, uint32_t first, size_t count) {
    mr_spec_t specs[8] = {{0}};
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){.task = first + (uint32_t) i, .attempt = 1, .payload = {"\n", 1}};
    send_message(desk->lane, &(mr_message_t){.type = MR_TASKS, .tasks = {EPOCH, generation, specs, count}});
}

static const mr_bytes_t one_line = {"\n", 1};

/* Takes runs and partials until `count` tasks have been named; counts each task. Returns the last partial's id. */
static inline uint64_t collect(desk_t *desk, size_t count, unsigned *seen, size_t tasks) {
    mr_error_t error = {0};
    uint64_t id = 0;
    uint32_t runs = 0;
    for (size_t got = 0; got < count;) {
        zmq_msg_t frame;
        mr_message_t message;
        zsock_set_rcvtimeo(desk->sink, DEADLINE_MS);
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, zsock_resolve(desk->sink), 0) < 0)
            fail_msg("%zu of %zu results came", got, count);
        assert_int_equal(mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
        assert_int_equal(message.run.epoch, EPOCH);
        assert_int_equal(message.run.worker, WORKER);
        if (message.type == MR_RUN) {
            assert_true(zmq_msg_more(&frame));
            assert_true(zmq_msg_recv(&frame, zsock_resolve(desk->sink), 0) > 0);
            runs++;
        } else {
            assert_int_equal(message.type, MR_PARTIAL);
            assert_int_equal(message.partial.runs, runs);
            runs = 0;
            id = message.partial.partial;
            got += message.partial.results_count;
            for (size_t i = 0; i < message.partial.results_count; i++) {
                assert_true(message.partial.results[i].task < tasks);
                seen[message.partial.results[i].task]++;
            }
            say(desk, &(mr_message_t){.type = MR_COMMITTED, .committed = {EPOCH, id}});
        }
        zmq_msg_close(&frame);
        mr_message_clear(&message);
    }
    return id;
}

static inline void expect_each_once(const unsigned *seen, size_t first, size_t last) {
    for (size_t i = first; i < last; i++)
        assert_int_equal(seen[i], 1);
}

#endif
