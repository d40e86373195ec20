/* The real millrace-worker process, and a coordinator that the test plays to it. */
#include "desk_help.h"

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

/* Whatever its name: a worker runs what is built in, and looks for nothing else. */
static void unknown_job_is_status_6(void **state) {
    static const char *const names[] = {"no-such-job", "/bin/sh", "../x.so", "sum; id", ""};
    (void) state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        desk_t desk;
        mr_message_t message;
        open_desk(&desk);
        welcome(&desk, 5000);
        give_job(&desk, names[i], false);
        hear(&desk, MR_BYE, &message);
        assert_non_null(strstr(message.bye.reason, "is not known here"));
        mr_message_clear(&message);
        close_desk(&desk, MR_STATUS_REFUSED);
    }
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
