/* The real millrace-worker process and a coordinator that stays, which the test plays, with those of its jobs. */
#include "desk_help.h"

/* A coordinator that stays, at whose lobby a worker is, and one of a job. */
typedef struct house {
    desk_t lobby;
    desk_t job;
} house_t;

#define JOB 7u

/* Hears HELLO in the lobby; returns for which job the worker says that it works. */
static uint64_t hear_hello(house_t *house) {
    mr_message_t message;
    hear(&house->lobby, MR_HELLO, &message);
    uint64_t job = message.hello.job;
    assert_int_equal(message.hello.pid, house->lobby.worker);
    assert_string_equal(message.hello.version, MILLRACE_VERSION);
    mr_message_clear(&message);
    return job;
}

static void place_at(house_t *house, uint64_t job, const char *endpoint) {
    say(&house->lobby, &(mr_message_t){.type = MR_PLACE, .place = {job, endpoint, ""}});
}

static void place(house_t *house, uint64_t job) {
    place_at(house, job, job ? house->job.endpoint : "");
}

/* A worker that is in the lobby, and has no job. */
static void open_house(house_t *house) {
    set_up_desk(&house->job);
    set_up_desk(&house->lobby);
    start_worker(&house->lobby, house->lobby.endpoint, "1500ms");
    assert_int_equal(hear_hello(house), 0);
}

static void close_house(house_t *house, int status) {
    close_desk(&house->lobby, status);
    clear_desk(&house->job);
}

/* The worker is placed, joins, and does some tasks. */
static void work(house_t *house, uint64_t job, uint32_t tasks) {
    unsigned seen[64] = {0};
    place(house, job);
    welcome(&house->job, 5000);
    give_job(&house->job, "noop", true);
    give_tasks(&house->job, EPOCH, 0, tasks, one_line);
    collect(&house->job, tasks, seen, 64);
    expect_each_once(seen, 0, tasks);
}

static void end_worker(house_t *house) {
    kill(house->lobby.worker, SIGTERM);
    mr_message_t message;
    hear(&house->lobby, MR_BYE, &message);
    assert_string_equal(message.bye.reason, "drained");
    mr_message_clear(&message);
    close_house(house, 0);
}

/* The job ends, the worker executes itself anew, and the lobby knows it as the same. */
static void job_after_job(void **state) {
    (void) state;
    house_t house;
    uint8_t identity[256];
    open_house(&house);
    memcpy(identity, house.lobby.identity, house.lobby.identity_size);
    for (uint64_t job = JOB; job < JOB + 2; job++) {
        work(&house, job, 20);
        assert_int_equal(hear_hello(&house), job); /* every two seconds, also while it works */
        place(&house, job);
        say(&house.job, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {MR_SHUTDOWN_AGAIN, "done"}});
        assert_int_equal(hear_hello(&house), 0);
        assert_memory_equal(house.lobby.identity, identity, house.lobby.identity_size);
    }
    end_worker(&house);
}

/* It hands in what it has before it goes to another job. */
static void moved_to_another_job(void **state) {
    (void) state;
    house_t house;
    mr_message_t message;
    open_house(&house);
    work(&house, JOB, 20);
    place_at(&house, JOB + 1, "ipc:///nowhere");
    hear(&house.job, MR_BYE, &message);
    assert_string_equal(message.bye.reason, "drained");
    mr_message_clear(&message);
    assert_int_equal(hear_hello(&house), 0);
    work(&house, JOB + 2, 10);
    end_worker(&house);
}

/* A job's coordinator that was started anew elsewhere gets what the worker holds. */
static void the_same_job_elsewhere(void **state) {
    (void) state;
    house_t house;
    desk_t old;
    mr_message_t message;
    open_house(&house);
    place(&house, JOB);
    welcome(&house.job, 5000);
    give_job(&house.job, "noop", false);
    give_tasks(&house.job, EPOCH, 0, 20, one_line);
    hear_and_forget(&house.job, MR_DONE);
    old = house.job;
    set_up_desk(&house.job);
    place(&house, JOB);
    welcome_as(&house.job, EPOCH + 1, JOB_ID, WORKER, 5000);
    hear(&house.job, MR_HELD, &message);
    assert_int_equal(message.held.epoch, EPOCH + 1);
    assert_int_equal(message.held.undone_count + message.held.done_count, 20);
    mr_message_clear(&message);
    clear_desk(&old);
    end_worker(&house);
}

/* The idle timeout (1.5 s here) is for who has neither lobby nor job. */
static void a_lobby_that_is_silent(void **state) {
    (void) state;
    house_t house;
    int64_t began = mr_clock_ms();
    open_house(&house);
    place(&house, 0);
    assert_int_equal(hear_hello(&house), 0); /* two seconds later: it has waited for longer than that timeout */
    assert_true(mr_clock_ms() - began >= 1500);
    work(&house, JOB, 20);
    assert_int_equal(hear_hello(&house), JOB);
    for (int64_t silent = mr_clock_ms(); mr_clock_ms() - silent < 2500;) { /* not answered, while the job is there */
        hear_and_forget(&house.job, MR_HEARTBEAT);
        say(&house.job, &(mr_message_t){.type = MR_ALIVE, .alive = {EPOCH}});
    }
    say(&house.job, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {MR_SHUTDOWN_AGAIN, "done"}});
    close_house(&house, MR_STATUS_NO_WORKERS);
}

static void refused_in_the_lobby(void **state) {
    (void) state;
    house_t house;
    open_house(&house);
    place(&house, 0);
    say(&house.lobby, &(mr_message_t){.type = MR_REFUSED, .refused = {MR_PROTOCOL + 1, "9", "another version"}});
    close_house(&house, MR_STATUS_REFUSED);
}

/* A worker that has something of a coordinator of one job, in whose place there is one that stays now. */
static void one_job_then_a_lobby(void **state) {
    (void) state;
    house_t house;
    set_up_desk(&house.job);
    open_desk(&house.lobby);
    welcome(&house.lobby, 5000);
    give_job(&house.lobby, "noop", false);
    hear_and_forget(&house.lobby, MR_HEARTBEAT);
    place(&house, JOB);
    assert_int_equal(hear_hello(&house), 0);
    work(&house, JOB, 5);
    end_worker(&house);
}

/* What is no PLACE is passed over, and so is what cannot be read. */
static void garbage_in_the_lobby(void **state) {
    (void) state;
    house_t house;
    open_house(&house);
    place(&house, 0);
    for (int i = 0; i < 10; i++) {
        send_frame(house.lobby.control, house.lobby.identity, house.lobby.identity_size, ZMQ_SNDMORE);
        send_frame(house.lobby.control, "\xdd\xff\xff\xff\xff", 5, 0);
    }
    say(&house.lobby, &(mr_message_t){.type = MR_DRAIN, .drain = {EPOCH}});
    say(&house.lobby, &(mr_message_t){.type = MR_COMMITTED, .committed = {EPOCH, 1}});
    work(&house, JOB, 5);
    end_worker(&house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_after_job),          cmocka_unit_test(moved_to_another_job),
        cmocka_unit_test(the_same_job_elsewhere), cmocka_unit_test(a_lobby_that_is_silent),
        cmocka_unit_test(refused_in_the_lobby),   cmocka_unit_test(one_job_then_a_lobby),
        cmocka_unit_test(garbage_in_the_lobby),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
