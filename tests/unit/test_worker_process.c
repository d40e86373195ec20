/* The real millrace-worker process, and a coordinator that the test plays to it. */
#include "cluster_help.h"

typedef struct desk {
    mr_scratch_t scratch;
    zsock_t *control; /* ROUTER */
    zsock_t *lane;    /* PUSH */
    zsock_t *sink;    /* PULL */
    uint8_t identity[256];
    size_t identity_size;
    char lane_endpoint[4200];
    char sink_endpoint[4200];
    pid_t worker;
} desk_t;

#define EPOCH UINT64_C(0xE90C)
#define JOB_ID 11u
#define WORKER 3u

static zsock_t *bind_at(int type, const char *endpoint) {
    zsock_t *socket = zsock_new(type);
    assert_non_null(socket);
    zsock_set_linger(socket, 200);
    assert_true(zsock_bind(socket, "%s", endpoint) >= 0);
    return socket;
}

static void start_worker(desk_t *desk, const char *endpoint) {
    char own[4096], program[4200];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../worker/millrace-worker", own);
    const char *arguments[] = {program, "--connect",   endpoint, "--threads",      "2",     "--tmp",
                               "/tmp",  "--log-level", "error",  "--idle-timeout", "400ms", NULL};
    assert_int_equal(posix_spawn(&desk->worker, program, NULL, NULL, (char *const *) (uintptr_t) arguments, environ),
                     0);
}

static void open_desk(desk_t *desk) {
    mr_error_t error = {0};
    char endpoint[4200];
    alarm(120);
    *desk = (desk_t){0};
    assert_int_equal(mr_scratch_make(&desk->scratch, "/tmp", &error), 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/control", desk->scratch.dir);
    snprintf(desk->lane_endpoint, sizeof desk->lane_endpoint, "ipc://%s/lane", desk->scratch.dir);
    snprintf(desk->sink_endpoint, sizeof desk->sink_endpoint, "ipc://%s/sink", desk->scratch.dir);
    desk->control = bind_at(ZMQ_ROUTER, endpoint);
    desk->lane = bind_at(ZMQ_PUSH, desk->lane_endpoint);
    desk->sink = bind_at(ZMQ_PULL, desk->sink_endpoint);
    start_worker(desk, endpoint);
}

static void rebind(zsock_t **socket, int type, const char *endpoint) {
    zsock_destroy(socket);
    *socket = bind_at(type, endpoint);
}

/* Waits for the process to end by itself. */
static int worker_status(desk_t *desk) {
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

static void close_desk(desk_t *desk, int status) {
    assert_int_equal(worker_status(desk), status);
    zsock_destroy(&desk->control);
    zsock_destroy(&desk->lane);
    zsock_destroy(&desk->sink);
    mr_scratch_remove(&desk->scratch);
}

/* The next message of that type on control; its sender becomes the one that is answered. */
static void hear(desk_t *desk, mr_message_type_t type, mr_message_t *message) {
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

static void hear_and_forget(desk_t *desk, mr_message_type_t type) {
    mr_message_t message;
    hear(desk, type, &message);
    mr_message_clear(&message);
}

static void say(desk_t *desk, const mr_message_t *message) {
    send_frame(desk->control, desk->identity, desk->identity_size, ZMQ_SNDMORE);
    send_message(desk->control, message);
}

static void welcome_as(desk_t *desk, uint64_t epoch, uint64_t job_id, uint32_t worker, uint32_t lease_ms) {
    mr_message_t message;
    hear(desk, MR_HELLO, &message);
    assert_int_equal(message.hello.protocol, MR_PROTOCOL);
    assert_string_equal(message.hello.version, MILLRACE_VERSION);
    assert_int_equal(message.hello.pid, desk->worker);
    assert_int_equal(message.hello.threads, 2);
    mr_message_clear(&message);
    say(desk, &(mr_message_t){.type = MR_WELCOME,
                              .welcome = {MR_PROTOCOL, MILLRACE_VERSION, epoch, job_id, worker, desk->lane_endpoint,
                                          desk->sink_endpoint, 20, lease_ms}});
}

static void welcome(desk_t *desk, uint32_t lease_ms) {
    welcome_as(desk, EPOCH, JOB_ID, WORKER, lease_ms);
}

static void give_job(desk_t *desk, const char *name, bool eager) {
    mr_job_message_t job = {.epoch = EPOCH,
                            .name = name,
                            .block_size = 1 << 16,
                            .table_memory = 1 << 20,
                            .max_record = 1 << 20,
                            .flush_ms = 60000,
                            .eager = eager};
    say(desk, &(mr_message_t){.type = MR_JOB, .job = job});
}

static void give_tasks(desk_t *desk, uint64_t epoch, uint32_t first, size_t count, mr_bytes_t payload) {
    mr_spec_t specs[64] = {{0}};
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){.task = first + (uint32_t) i, .attempt = 1, .payload = payload};
    send_message(desk->lane, &(mr_message_t){.type = MR_TASKS, .tasks = {epoch, 0, specs, count}});
}

/* Tasks of one line in a later generation. */
static void give_tasks_of(desk_t *desk, uint32_t generation, uint32_t first, size_t count) {
    mr_spec_t specs[8] = {{0}};
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){.task = first + (uint32_t) i, .attempt = 1, .payload = {"\n", 1}};
    send_message(desk->lane, &(mr_message_t){.type = MR_TASKS, .tasks = {EPOCH, generation, specs, count}});
}

static const mr_bytes_t one_line = {"\n", 1};

/* Takes runs and partials until `count` tasks have been named; counts each task. Returns the last partial's id. */
static uint64_t collect(desk_t *desk, size_t count, unsigned *seen, size_t tasks) {
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

static void expect_each_once(const unsigned *seen, size_t first, size_t last) {
    for (size_t i = first; i < last; i++)
        assert_int_equal(seen[i], 1);
}

/* ---- the tests ---- */

static void a_whole_life(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[40] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", false);
    give_tasks(&desk, EPOCH, 0, 30, one_line);
    hear_and_forget(&desk, MR_DONE);
    hear_and_forget(&desk, MR_HEARTBEAT);
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 0, 30}});
    collect(&desk, 30, seen, 40);
    expect_each_once(seen, 0, 30);
    /* A flush that overtakes its tasks waits for them. */
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 0, 40}});
    give_tasks(&desk, EPOCH, 30, 10, one_line);
    collect(&desk, 10, seen, 40);
    expect_each_once(seen, 0, 40);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

static void eager_jobs_flush_by_themselves(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[20] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", true);
    give_tasks(&desk, EPOCH, 0, 20, one_line);
    collect(&desk, 20, seen, 20);
    expect_each_once(seen, 0, 20);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

static void refused_is_status_6(void **state) {
    (void) state;
    static const unsigned char short_refused[] = {0x93, 0x11, 0x09, 0xa1, '9'};
    desk_t desk;
    open_desk(&desk);
    hear_and_forget(&desk, MR_HELLO);
    send_frame(desk.control, desk.identity, desk.identity_size, ZMQ_SNDMORE);
    send_frame(desk.control, short_refused, sizeof short_refused, 0);
    close_desk(&desk, MR_STATUS_REFUSED);
}

static void garbage_before_the_welcome_is_dropped(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    hear_and_forget(&desk, MR_HELLO);
    for (int i = 0; i < 10; i++) {
        send_frame(desk.control, desk.identity, desk.identity_size, ZMQ_SNDMORE);
        send_frame(desk.control, "\xdd\xff\xff\xff\xff", 5, i % 2 ? ZMQ_SNDMORE : 0);
        if (i % 2)
            send_frame(desk.control, "more", 4, 0);
    }
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 0, 1}});
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "enough"}});
    close_desk(&desk, 0);
}

/* What cannot be read may have been anything: a worker that went on might keep a task for ever. */
static void unreadable_tasks_end_the_worker(void **state) {
    (void) state;
    desk_t desk;
    mr_message_t message;
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", false);
    send_frame(desk.lane, "\xc1", 1, 0);
    hear(&desk, MR_BYE, &message);
    assert_non_null(strstr(message.bye.reason, "cannot be read"));
    mr_message_clear(&message);
    close_desk(&desk, MR_STATUS_JOB);
}

static void unknown_job_is_status_6(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "no-such-job", false);
    hear_and_forget(&desk, MR_BYE);
    close_desk(&desk, MR_STATUS_REFUSED);
}

static void a_worker_sent_away_says_so(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    welcome(&desk, 5000);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {MR_SHUTDOWN_UNSOUND, "a run that is none"}});
    close_desk(&desk, MR_STATUS_JOB);
}

static void silent_coordinator_is_status_7(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    welcome(&desk, 100);
    close_desk(&desk, MR_STATUS_NO_WORKERS);
}

static void messages_of_another_epoch_are_not_obeyed(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[10] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", false);
    give_tasks(&desk, EPOCH + 1, 5, 5, one_line);
    give_tasks(&desk, EPOCH, 0, 5, one_line);
    say(&desk, &(mr_message_t){.type = MR_DRAIN, .drain = {EPOCH + 1}});
    say(&desk, &(mr_message_t){.type = MR_COMMITTED, .committed = {EPOCH, 12345}});
    say(&desk, &(mr_message_t){.type = MR_GRANT, .grant = {EPOCH, 12345}});
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 0, 5}});
    collect(&desk, 5, seen, 10);
    expect_each_once(seen, 0, 5);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

/* ---- when messages may have been lost ---- */

static size_t count_of(const mr_attempt_t *attempts, size_t count, uint32_t first, uint32_t last) {
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += attempts[i].task >= first && attempts[i].task < last && attempts[i].attempt == 1;
    return good;
}

/* HELD must name exactly the tasks 0..done as done. */
static void expect_held(desk_t *desk, uint64_t epoch, uint32_t worker, uint32_t generation, uint32_t done) {
    mr_message_t message;
    hear(desk, MR_HELD, &message);
    assert_int_equal(message.held.epoch, epoch);
    assert_int_equal(message.held.worker, worker);
    assert_int_equal(message.held.generation, generation);
    assert_int_equal(message.held.undone_count, 0);
    assert_int_equal(message.held.done_count, done);
    assert_int_equal(count_of(message.held.done, message.held.done_count, 0, done), done);
    mr_message_clear(&message);
}

/* Waits until the worker has said DONE of so many tasks. */
static void hear_done(desk_t *desk, size_t count) {
    for (size_t done = 0; done < count;) {
        mr_message_t message;
        hear(desk, MR_DONE, &message);
        done += message.done.attempts_count;
        mr_message_clear(&message);
    }
}

/* Its tasks are void when the lane breaks before it has them; what it has, it keeps. */
static void a_broken_lane_is_told(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[20] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", false);
    give_tasks(&desk, EPOCH, 0, 10, one_line);
    hear_done(&desk, 10);
    rebind(&desk.lane, ZMQ_PUSH, desk.lane_endpoint);
    expect_held(&desk, EPOCH, WORKER, 1, 10);
    give_tasks(&desk, EPOCH, 10, 10, one_line); /* of generation 0: void */
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 0, 20}});
    say(&desk, &(mr_message_t){.type = MR_FLUSH, .flush = {EPOCH, 1, 0}});
    collect(&desk, 10, seen, 20);
    expect_each_once(seen, 0, 10);
    assert_int_equal(seen[10], 0);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

/* Reads one partial without answering it; its id. */
static uint64_t overlook_partial(desk_t *desk) {
    mr_error_t error = {0};
    uint64_t id = 0;
    for (mr_message_type_t type = MR_RUN; type != MR_PARTIAL;) {
        mr_message_t message;
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        zsock_set_rcvtimeo(desk->sink, DEADLINE_MS);
        assert_true(zmq_msg_recv(&frame, zsock_resolve(desk->sink), 0) >= 0);
        assert_int_equal(mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
        type = message.type;
        id = message.run.partial;
        while (zmq_msg_more(&frame))
            zmq_msg_recv(&frame, zsock_resolve(desk->sink), 0);
        zmq_msg_close(&frame);
        mr_message_clear(&message);
    }
    return id;
}

static void a_partial_that_may_be_lost_is_sent_again(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[10] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", true);
    give_tasks(&desk, EPOCH, 0, 1, one_line);
    overlook_partial(&desk);
    rebind(&desk.sink, ZMQ_PULL, desk.sink_endpoint);
    expect_held(&desk, EPOCH, WORKER, 1, 1);
    collect(&desk, 1, seen, 10);
    expect_each_once(seen, 0, 1);
    /* One that is discarded: its HELD may have made the task the worker's again, so it gives it back. */
    mr_message_t message;
    give_tasks_of(&desk, 1, 1, 1);
    say(&desk, &(mr_message_t){.type = MR_DISCARD, .discard = {EPOCH, overlook_partial(&desk)}});
    hear(&desk, MR_RETURNED, &message);
    assert_int_equal(message.returned.attempts_count, 1);
    assert_int_equal(message.returned.attempts[0].task, 1);
    assert_int_equal(message.returned.draining, 0);
    mr_message_clear(&message);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

/* UNKNOWN: the worker comes back under another number, also of another life of the coordinator, with what it holds. */
static void a_worker_is_taken_back(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", true);
    give_tasks(&desk, EPOCH, 0, 1, one_line);
    overlook_partial(&desk);
    for (uint32_t life = 1; life < 4; life++) {
        say(&desk, &(mr_message_t){.type = MR_UNKNOWN, .unknown = {EPOCH + 77, WORKER}}); /* not of this membership */
        say(&desk, &(mr_message_t){.type = MR_UNKNOWN, .unknown = {EPOCH + life - 1, WORKER + life - 1}});
        welcome_as(&desk, EPOCH + life, JOB_ID, WORKER + life, 5000);
        expect_held(&desk, EPOCH + life, WORKER + life, 1, 1);
        overlook_partial(&desk);
    }
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

/* The process stays, its program begins anew: for the next job, or when another job welcomes it. */
static void another_job_finds_a_new_worker(void **state) {
    (void) state;
    desk_t desk;
    unsigned seen[10] = {0};
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "noop", true);
    give_tasks(&desk, EPOCH, 0, 1, one_line);
    overlook_partial(&desk);
    say(&desk, &(mr_message_t){.type = MR_UNKNOWN, .unknown = {EPOCH, WORKER}});
    welcome_as(&desk, EPOCH + 1, JOB_ID + 1, WORKER + 1, 5000);
    rebind(&desk.sink, ZMQ_PULL, desk.sink_endpoint); /* what came there before is forgotten */
    welcome(&desk, 5000);                             /* asserts that the process is the same */
    give_job(&desk, "noop", true);
    give_tasks(&desk, EPOCH, 3, 1, one_line);
    collect(&desk, 1, seen, 10);
    assert_int_equal(seen[3], 1);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {1, "the next one, please"}});
    welcome(&desk, 5000);
    say(&desk, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "done"}});
    close_desk(&desk, 0);
}

/* SIGTERM: what is done is handed in, what is not begun is given back, and nothing is lost between the two. */
static void drain_accounts_for_every_task(void **state) {
    (void) state;
    desk_t desk;
    mr_message_t message;
    unsigned seen[64] = {0};
    size_t returned = 0;
    static const char adds[] = "20000000 0 20000000\n";
    open_desk(&desk);
    welcome(&desk, 5000);
    give_job(&desk, "sum-range", false);
    give_tasks(&desk, EPOCH, 0, 64, (mr_bytes_t){adds, sizeof adds - 1});
    hear_and_forget(&desk, MR_DONE);
    kill(desk.worker, SIGTERM);
    hear(&desk, MR_RETURNED, &message);
    assert_int_equal(message.returned.draining, 1);
    for (; returned < message.returned.attempts_count; returned++)
        seen[message.returned.attempts[returned].task]++;
    mr_message_clear(&message);
    collect(&desk, 64 - returned, seen, 64);
    expect_each_once(seen, 0, 64);
    hear(&desk, MR_BYE, &message);
    assert_string_equal(message.bye.reason, "drained");
    mr_message_clear(&message);
    close_desk(&desk, 0);
}

static void sigterm_before_the_welcome_ends_at_once(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    hear_and_forget(&desk, MR_HELLO);
    kill(desk.worker, SIGTERM);
    close_desk(&desk, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(eager_jobs_flush_by_themselves),
        cmocka_unit_test(refused_is_status_6),
        cmocka_unit_test(garbage_before_the_welcome_is_dropped),
        cmocka_unit_test(unreadable_tasks_end_the_worker),
        cmocka_unit_test(unknown_job_is_status_6),
        cmocka_unit_test(a_worker_sent_away_says_so),
        cmocka_unit_test(silent_coordinator_is_status_7),
        cmocka_unit_test(messages_of_another_epoch_are_not_obeyed),
        cmocka_unit_test(a_broken_lane_is_told),
        cmocka_unit_test(a_partial_that_may_be_lost_is_sent_again),
        cmocka_unit_test(a_worker_is_taken_back),
        cmocka_unit_test(another_job_finds_a_new_worker),
        cmocka_unit_test(drain_accounts_for_every_task),
        cmocka_unit_test(sigterm_before_the_welcome_ends_at_once),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
