/* A real cluster, a sound worker, and beside it one that the test plays and that does what it should not. The job must end right. */
#include "cluster_help.h"

/* What the fake was sent first: some tasks that it holds. */
typedef struct held {
    fake_t fake;
    mr_message_t tasks;
    const mr_spec_t *spec; /* the first of them */
} held_t;

static void join_and_hold(held_t *held, const stage_t *stage) {
    join(&held->fake, stage);
    expect(held->fake.lane, MR_TASKS, &held->tasks);
    assert_true(held->tasks.tasks.specs_count > 0);
    held->spec = &held->tasks.tasks.specs[0];
}

static void let_go(held_t *held) {
    mr_message_clear(&held->tasks);
    leave(&held->fake);
}

/* Sees to the end of the job with a sound worker, after the fake has left. */
static void end_with_the_honest(stage_t *stage, held_t *held) {
    say_bye(&held->fake, "drained");
    send_in_the_honest(stage);
    expect_right_end(stage);
    let_go(held);
}

static void honest_alone(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 5000);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
}

static void hello_of_another_version(void **state) {
    (void) state;
    static const unsigned char short_hello[] = {0x93, 0x01, 0x07, 0xa1, 'x'};
    static const unsigned char other_hello[] = {0x95, 0x01, 0x08, 0xa1, 'y', 0xc0, 0x80};
    stage_t stage;
    fake_t fake;
    mr_message_t message;
    set_up(&stage, 5000);
    knock(&fake, &stage);
    send_message(fake.control, &(mr_message_t){.type = MR_HELLO, .hello = {MR_PROTOCOL, "0.0.0", "fake", 1, 1, "", 0}});
    expect(fake.control, MR_REFUSED, &message);
    assert_string_equal(message.refused.version, MILLRACE_VERSION);
    assert_non_null(strstr(message.refused.reason, "same version"));
    mr_message_clear(&message);
    send_frame(fake.control, short_hello, sizeof short_hello, 0);
    expect_and_forget(fake.control, MR_REFUSED);
    send_frame(fake.control, other_hello, sizeof other_hello, 0);
    expect_and_forget(fake.control, MR_REFUSED);
    leave(&fake);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
}

static void send_garbage(zsock_t *socket, unsigned *seed) {
    char bytes[300];
    size_t size = (size_t) rand_r(seed) % sizeof bytes;
    int frames = rand_r(seed) % 4;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char) rand_r(seed);
    for (; frames > 0; frames--)
        send_frame(socket, bytes, size, ZMQ_SNDMORE);
    send_frame(socket, bytes, size, 0);
}

static void garbage_on_each_socket(void **state) {
    (void) state;
    unsigned seed = (unsigned) time(NULL);
    print_message("SEED=%u\n", seed);
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    for (int i = 0; i < 2000; i++)
        send_garbage(i % 2 ? held.fake.control : held.fake.sink, &seed);
    send_frame(held.fake.control, "", 0, 0);
    send_frame(held.fake.sink, "", 0, 0);
    end_with_the_honest(&stage, &held);
}

/* Messages that are sound, but that no worker sends on this socket, or in this order. */
static void messages_out_of_place(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    fake_t stranger;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    uint64_t epoch = held.fake.epoch;
    uint32_t worker = held.fake.worker;
    knock(&stranger, &stage);
    const mr_message_t messages[] = {
        {.type = MR_WELCOME, .welcome = {MR_PROTOCOL, "x", epoch, 1, worker, "a", "b", 1, 1}},
        {.type = MR_FLUSH, .flush = {epoch, 0, worker}},
        {.type = MR_SHUTDOWN, .shutdown = {0, "you too"}},
        {.type = MR_TASKS, .tasks = {epoch, 0, NULL, 0}},
        {.type = MR_RUN, .run = {epoch, worker, 1}},
        {.type = MR_DONE, .done = {epoch + 1, worker, NULL, 0}},
        {.type = MR_BYE, .bye = {epoch, worker + 1, "drained"}},
        {.type = MR_HEARTBEAT, .heartbeat = {epoch, worker + 7, 0, NULL, 0}},
        {.type = MR_HELLO, .hello = {MR_PROTOCOL, MILLRACE_VERSION, "again", 1, 1, "", 0}},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        send_message(held.fake.control, &messages[i]);
        send_message(held.fake.sink, &messages[i]);
        if (messages[i].type != MR_HELLO)
            send_message(stranger.control, &messages[i]);
    }
    expect_and_forget(stranger.control, MR_UNKNOWN); /* the answer to its heartbeat */
    leave(&stranger);
    end_with_the_honest(&stage, &held);
}

/* Is silent for longer than the lease, so that its next heartbeat is a stranger's. */
static void outlive_lease(fake_t *fake, int lease_ms) {
    for (mr_message_type_t type = MR_ALIVE; type != MR_UNKNOWN;) {
        mr_message_t message;
        zclock_sleep(2 * lease_ms);
        send_message(fake->control,
                     &(mr_message_t){.type = MR_HEARTBEAT, .heartbeat = {fake->epoch, fake->worker, 0, NULL, 0}});
        hear_any(fake->control, &message);
        type = message.type;
        mr_message_clear(&message);
    }
}

static void silent_worker_is_replaced_and_its_late_partial_is_stale(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 300);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    outlive_lease(&held.fake, 300);
    send_run(&held.fake, 1, run.data, run.size);
    send_partial(&held.fake, 1, 1, &result, 1);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    mr_buffer_free(&run);
    let_go(&held);
}

static void duplicate_partial_counts_once(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    for (int i = 0; i < 2; i++) {
        send_run(&held.fake, 1, run.data, run.size);
        send_partial(&held.fake, 1, 1, &result, 1);
        expect_and_forget(held.fake.control, MR_COMMITTED); /* its worker may not have heard the first time */
    }
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

static void replay_of_another_epoch_is_dropped(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    held.fake.epoch++;
    send_run(&held.fake, 1, run.data, run.size);
    send_partial(&held.fake, 1, 1, &result, 1);
    held.fake.epoch--;
    send_partial(&held.fake, 1, 1, &result, 1); /* its run was of another epoch: it is not there */
    expect_and_forget(held.fake.control, MR_DISCARD);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

static void partial_that_lacks_a_run_is_discarded_whole(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    send_run(&held.fake, 1, run.data, run.size);
    send_partial(&held.fake, 1, 2, &result, 1);
    expect_and_forget(held.fake.control, MR_DISCARD);
    send_partial(&held.fake, 1, 1, &result, 1); /* what was staged is gone */
    expect_and_forget(held.fake.control, MR_DISCARD);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

/* Tasks beyond the last, of wrong attempts, named twice, or held by nobody. */
static void results_for_what_is_not_held(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    uint32_t task = held.spec->task, attempt = held.spec->attempt;
    mr_attempt_t attempts[] = {{task, attempt + 1}, {TASKS, 1}, {UINT32_MAX, UINT32_MAX}, {TASKS - 1, 1}};
    const mr_message_t messages[] = {
        {.type = MR_DONE, .done = {held.fake.epoch, held.fake.worker, attempts, 4}},
        {.type = MR_RETURNED, .returned = {held.fake.epoch, held.fake.worker, 0, attempts, 4}},
        {.type = MR_FAILED, .failed = {held.fake.epoch, held.fake.worker, TASKS, 1, 1, 1, "not mine"}},
    };
    for (size_t i = 0; i < 3; i++)
        send_message(held.fake.control, &messages[i]);
    mr_result_t wrong[] = {{task, attempt + 1, 0, 0, 0, 0}, {TASKS, 1, 0, 0, 0, 0}, {UINT32_MAX, 1, 0, 0, 0, 0}};
    mr_result_t twice[] = {{task, attempt, 512, 64, 0, 0}, {task, attempt, 512, 64, 0, 0}};
    for (uint64_t i = 0; i < 3; i++) {
        send_partial(&held.fake, i, 0, &wrong[i], 1);
        expect_and_forget(held.fake.control, MR_DISCARD);
    }
    send_partial(&held.fake, 3, 0, twice, 2);
    expect_and_forget(held.fake.control, MR_DISCARD);
    send_partial(&held.fake, 4, 0, NULL, 0);
    expect_and_forget(held.fake.control, MR_DISCARD);
    end_with_the_honest(&stage, &held);
}

/* A worker that gives tasks back because a partial of it is spoiled goes on working. */
static void returned_tasks_come_again(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_message_t again;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_attempt_t attempts[64];
    size_t count = held.tasks.tasks.specs_count;
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        attempts[i] = (mr_attempt_t){held.tasks.tasks.specs[i].task, held.tasks.tasks.specs[i].attempt};
    send_message(
        held.fake.control,
        &(mr_message_t){.type = MR_RETURNED, .returned = {held.fake.epoch, held.fake.worker, 0, attempts, count}});
    expect(held.fake.lane, MR_TASKS, &again);
    assert_int_equal(again.tasks.specs[0].task, attempts[0].task);
    assert_int_equal(again.tasks.specs[0].attempt, attempts[0].attempt + 1);
    mr_message_clear(&again);
    end_with_the_honest(&stage, &held);
}

static void malformed_run_sends_its_sender_away(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    send_run(&held.fake, 1, "this is no run", 14);
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

static void empty_run_sends_its_sender_away(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    send_run(&held.fake, 1, "", 0);
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

static void large_run_without_a_grant_sends_its_sender_away(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    char *bytes = calloc(1, 1 << 20);
    send_run(&held.fake, 1, bytes, 1 << 20);
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    free(bytes);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

static void impossible_offer_sends_its_sender_away(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    send_message(held.fake.control,
                 &(mr_message_t){.type = MR_OFFER, .offer = {held.fake.epoch, held.fake.worker, UINT64_MAX}});
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

/* The offer of the next run may overtake the run that was granted before. */
static void next_offer_waits_for_the_run_before(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_run_writer_t writer = {.out = &run, .ncells = 1};
    for (uint64_t i = 0; run.size <= MR_WIRE_INLINE_RUN; i++) {
        char key[32];
        int size = snprintf(key, sizeof key, "%012llu", (unsigned long long) i);
        assert_int_equal(mr_run_write(&writer, key, (size_t) size, &i), 0);
    }
    mr_run_end_block(&writer);
    const mr_message_t offer = {.type = MR_OFFER, .offer = {held.fake.epoch, held.fake.worker, run.size}};
    send_message(held.fake.control, &offer);
    expect_and_forget(held.fake.control, MR_GRANT);
    send_message(held.fake.control, &offer);
    send_run(&held.fake, 1, run.data, run.size);
    expect_and_forget(held.fake.control, MR_GRANT);
    send_run(&held.fake, 1, run.data, run.size);
    mr_result_t result = {.task = held.spec->task, .attempt = held.spec->attempt + 1};
    send_partial(&held.fake, 1, 2, &result, 1); /* not held: the runs must not count */
    expect_and_forget(held.fake.control, MR_DISCARD);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

static void say_held(const fake_t *fake, uint32_t generation, const mr_attempt_t *undone, size_t undone_count,
                     const mr_attempt_t *done, size_t done_count) {
    mr_held_message_t held = {fake->epoch,
                              fake->worker,
                              generation,
                              1,
                              (mr_attempt_t *) (uintptr_t) undone,
                              undone_count,
                              (mr_attempt_t *) (uintptr_t) done,
                              done_count};
    send_message(fake->control, &(mr_message_t){.type = MR_HELD, .held = held});
}

/* A worker whose connection broke: the task it does not name is queued again, and comes in the new generation. */
static void what_held_does_not_name_was_lost(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_message_t message;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    say_held(&held.fake, 1, NULL, 0, NULL, 0);
    expect(held.fake.lane, MR_TASKS, &message);
    assert_int_equal(message.tasks.generation, 1);
    assert_int_equal(message.tasks.specs[0].task, held.spec->task);
    assert_int_equal(message.tasks.specs[0].attempt, held.spec->attempt + 1);
    mr_message_clear(&message);
    end_with_the_honest(&stage, &held);
}

/* Tasks that went down a connection that was dead already: the worker is alive, runs none of them, and need not know. */
static void a_worker_that_runs_nothing_is_asked_what_it_holds(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 400);
    join_and_hold(&held, &stage);
    mr_message_type_t type = MR_ALIVE;
    for (int64_t end = zclock_mono() + 10000; type != MR_ACCOUNT && zclock_mono() < end;) {
        mr_message_t message;
        send_message(held.fake.control, &(mr_message_t){.type = MR_HEARTBEAT,
                                                        .heartbeat = {held.fake.epoch, held.fake.worker, 0, NULL, 0}});
        if (!next_before(held.fake.control, mr_clock_ms() + 20, &message))
            continue; /* not every heartbeat is answered */
        type = message.type;
        mr_message_clear(&message);
    }
    assert_int_equal(type, MR_ACCOUNT);
    say_held(&held.fake, 1, NULL, 0, NULL, 0);
    expect_and_forget(held.fake.lane, MR_TASKS);
    end_with_the_honest(&stage, &held);
}

/* Its runs came, its PARTIAL did not: it sends all again, and it counts once. */
static void a_partial_sent_twice_counts_once(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    mr_attempt_t done = {held.spec->task, held.spec->attempt};
    send_run(&held.fake, 1, run.data, run.size);
    say_held(&held.fake, 1, NULL, 0, &done, 1);
    expect_and_forget(held.fake.lane, MR_TASKS); /* it was heard */
    held.fake.runs = 0;
    send_run(&held.fake, 1, run.data, run.size);
    send_run(&held.fake, 1, run.data, run.size);
    held.fake.runs = 7; /* out of its turn: of no use */
    send_run(&held.fake, 1, run.data, run.size);
    held.fake.runs = 0;
    send_run(&held.fake, 1, run.data, run.size);
    for (int i = 0; i < 2; i++)
        send_partial(&held.fake, 1, 1, &result, 1);
    expect_and_forget(held.fake.control, MR_COMMITTED);
    expect_and_forget(held.fake.control, MR_COMMITTED); /* the same answer, however often it is sent */
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

/* What is sent again may overtake the HELD that speaks of it: no run may stand twice for one that is missing. */
static void a_run_sent_twice_is_no_second_run(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    for (int i = 0; i < 2; i++) {
        held.fake.partial = 0; /* index 0 each time, of the partial that has two runs */
        send_run(&held.fake, 1, run.data, run.size);
    }
    send_partial(&held.fake, 1, 2, &result, 1);
    expect_and_forget(held.fake.control, MR_DISCARD);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

/* All runs are there, and not all rows. */
static void a_partial_that_lacks_rows_sends_its_sender_away(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    send_run(&held.fake, 1, run.data, run.size);
    held.fake.rows++;
    send_partial(&held.fake, 1, 1, &result, 1);
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

/* A large run whose grant was given back is dropped without blame. */
static void a_run_may_come_after_its_grant_was_given_back(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 5000);
    join_and_hold(&held, &stage);
    char *bytes = calloc(1, MR_WIRE_INLINE_RUN + 1);
    mr_message_t offer = {.type = MR_OFFER, .offer = {held.fake.epoch, held.fake.worker, MR_WIRE_INLINE_RUN + 1}};
    send_message(held.fake.control, &offer);
    expect_and_forget(held.fake.control, MR_GRANT);
    say_held(&held.fake, 1, NULL, 0, NULL, 0);
    expect_and_forget(held.fake.lane, MR_TASKS);
    send_run(&held.fake, 1, bytes, MR_WIRE_INLINE_RUN + 1);
    send_partial(&held.fake, 1, 1, NULL, 0); /* an answer comes only as long as it is a member */
    expect_and_forget(held.fake.control, MR_DISCARD);
    free(bytes);
    end_with_the_honest(&stage, &held);
}

/* Its lease ran out while it computed: it comes back under another number, and its partial still counts. */
static void a_worker_that_returns_keeps_its_partial(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    mr_buffer_t run = {0};
    set_up(&stage, 1000);
    join_and_hold(&held, &stage);
    mr_result_t result = compute(held.spec, &run);
    mr_attempt_t done = {held.spec->task, held.spec->attempt};
    outlive_lease(&held.fake, 1000);
    uint32_t before = held.fake.worker;
    rejoin(&held.fake);
    assert_true(held.fake.worker != before);
    expect_and_forget(held.fake.lane, MR_TASKS); /* its lane is there: what comes on the sink is taken */
    say_held(&held.fake, 1, NULL, 0, &done, 1);
    send_run(&held.fake, 1, run.data, run.size);
    send_partial(&held.fake, 1, 1, &result, 1);
    expect_and_forget(held.fake.control, MR_COMMITTED);
    mr_buffer_free(&run);
    end_with_the_honest(&stage, &held);
}

/* A worker that dies between HELLO and its lane, and many that only say HELLO. */
static void guests_that_never_come_in(void **state) {
    (void) state;
    stage_t stage;
    fake_t guests[10];
    set_up(&stage, 300);
    for (int i = 0; i < 10; i++) {
        knock(&guests[i], &stage);
        send_message(guests[i].control,
                     &(mr_message_t){.type = MR_HELLO, .hello = {MR_PROTOCOL, MILLRACE_VERSION, "guest", 1, 1, "", 0}});
        expect_and_forget(guests[i].control, MR_WELCOME);
        if (i % 2)
            leave(&guests[i]);
    }
    /* Heard of no more: after a lease, a heartbeat is a stranger's. */
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    for (int i = 0; i < 10; i += 2)
        leave(&guests[i]);
}

/* The lane's peer is gone, the process lives on: what it held goes to others. */
static void worker_without_a_lane(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up(&stage, 400);
    join_and_hold(&held, &stage);
    zsock_destroy(&held.fake.lane);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

static void job_with_arguments_grants_runs(void **state) {
    (void) state;
    stage_t stage;
    held_t held;
    set_up_groups(&stage, 50);
    join_and_hold(&held, &stage);
    send_message(held.fake.control,
                 &(mr_message_t){.type = MR_OFFER, .offer = {held.fake.epoch, held.fake.worker, 1 << 20}});
    expect_and_forget(held.fake.control, MR_GRANT);
    send_run(&held.fake, 9, "this is no run", 14);
    expect_and_forget(held.fake.control, MR_SHUTDOWN);
    send_in_the_honest(&stage);
    expect_right_end(&stage);
    let_go(&held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_alone),
        cmocka_unit_test(hello_of_another_version),
        cmocka_unit_test(garbage_on_each_socket),
        cmocka_unit_test(messages_out_of_place),
        cmocka_unit_test(silent_worker_is_replaced_and_its_late_partial_is_stale),
        cmocka_unit_test(what_held_does_not_name_was_lost),
        cmocka_unit_test(a_worker_that_runs_nothing_is_asked_what_it_holds),
        cmocka_unit_test(a_partial_sent_twice_counts_once),
        cmocka_unit_test(a_run_sent_twice_is_no_second_run),
        cmocka_unit_test(a_partial_that_lacks_rows_sends_its_sender_away),
        cmocka_unit_test(a_run_may_come_after_its_grant_was_given_back),
        cmocka_unit_test(a_worker_that_returns_keeps_its_partial),
        cmocka_unit_test(duplicate_partial_counts_once),
        cmocka_unit_test(replay_of_another_epoch_is_dropped),
        cmocka_unit_test(partial_that_lacks_a_run_is_discarded_whole),
        cmocka_unit_test(results_for_what_is_not_held),
        cmocka_unit_test(returned_tasks_come_again),
        cmocka_unit_test(malformed_run_sends_its_sender_away),
        cmocka_unit_test(empty_run_sends_its_sender_away),
        cmocka_unit_test(large_run_without_a_grant_sends_its_sender_away),
        cmocka_unit_test(impossible_offer_sends_its_sender_away),
        cmocka_unit_test(next_offer_waits_for_the_run_before),
        cmocka_unit_test(guests_that_never_come_in),
        cmocka_unit_test(worker_without_a_lane),
        cmocka_unit_test(job_with_arguments_grants_runs),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
