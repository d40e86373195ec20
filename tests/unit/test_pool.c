/* The pool with a job of the test's own: flush by generation, drain, stop, the bound on held memory, spoiled partials. Tasks block
 * at a gate that the test opens, so nothing here depends on time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "pool.h"

#define DEADLINE_MS 20000

/* ---- the job: each line is a key, counted; "bad" is a bad record; "wait" waits at the gate ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int at_gate;

static void pass_gate(void) {
    pthread_mutex_lock(&gate_lock);
    at_gate++;
    pthread_cond_broadcast(&gate_moved);
    while (!gate_open)
        pthread_cond_wait(&gate_moved, &gate_lock);
    at_gate--;
    pthread_mutex_unlock(&gate_lock);
}

static void set_gate(bool open) {
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static void wait_at_gate(int count) {
    pthread_mutex_lock(&gate_lock);
    while (at_gate < count)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static mr_tally_t map_lines(const void *state, const char *data, size_t size, mr_out_t *out) {
    mr_tally_t tally = {0};
    (void) state;
    for (const char *line = data, *end = data + size; line < end; tally.records++) {
        size_t length = (size_t) ((const char *) memchr(line, '\n', (size_t) (end - line)) - line);
        uint64_t one = 1, most = UINT64_MAX;
        if (length == 4 && !memcmp(line, "wait", 4))
            pass_gate();
        if (length == 3 && !memcmp(line, "bad", 3)) {
            mr_reject(out, line, "it is bad");
            tally.rejected++;
        } else {
            mr_emit(out, line, length, length == 4 && !memcmp(line, "most", 4) ? &most : &one);
        }
        line += length + 1;
    }
    return tally;
}

static const mr_job_t job = {
    .abi = MR_JOB_ABI, .name = "lines", .ncells = 1, .ops = {MR_SUM}, .map = map_lines, .flags = MR_JOB_ARGUMENTS};

/* ---- the bench ---- */

typedef struct bench {
    mr_job_message_t limits;
    mr_workshop_t shop;
    mr_outbox_t outbox;
    mr_pool_t *pool;
    mr_mail_t mail; /* all that came so far */
} bench_t;

static void set_up(bench_t *bench, uint32_t threads) {
    mr_error_t error = {0};
    set_gate(false);
    bench->limits.block_size = 4096;
    bench->limits.max_record = 1 << 20;
    bench->limits.flush_ms = 1000000;
    if (!bench->limits.table_memory)
        bench->limits.table_memory = 1 << 22;
    assert_int_equal(mr_outbox_init(&bench->outbox, &error), 0);
    bench->shop.job = &job;
    bench->shop.limits = &bench->limits;
    bench->shop.tmp_dir = "/tmp";
    bench->shop.outbox = &bench->outbox;
    bench->pool = mr_pool_new(&bench->shop, threads, &error);
    assert_non_null(bench->pool);
}

static void tear_down(bench_t *bench) {
    set_gate(true);
    mr_pool_destroy(&bench->pool);
    mr_pool_destroy(&bench->pool);
    mr_outbox_close(&bench->outbox);
    mr_mail_free(&bench->mail);
}

static void give(bench_t *bench, uint32_t first, size_t count, uint32_t group, const char *payload) {
    mr_spec_t specs[256] = {{0}};
    mr_buffer_t out = {0};
    mr_error_t error = {0};
    mr_message_t message;
    assert_true(count <= 256);
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){
            .task = first + (uint32_t) i, .attempt = 1, .group = group, .payload = {payload, strlen(payload)}};
    assert_int_equal(mr_message_encode(&(mr_message_t){.type = MR_TASKS, .tasks = {1, 0, specs, count}}, &out), 0);
    assert_int_equal(mr_message_decode(&message, out.data, out.size, &error), 0);
    mr_buffer_free(&out);
    assert_int_equal(mr_pool_give(bench->pool, &message), 0);
    mr_message_clear(&message);
}

/* Adds what has come to what came before. */
static void fetch(bench_t *bench) {
    struct pollfd item = {bench->outbox.fd, POLLIN, 0};
    mr_error_t error = {0};
    mr_mail_t mail;
    if (poll(&item, 1, DEADLINE_MS) != 1)
        fail_msg("nothing came");
    assert_int_equal(mr_outbox_take(&bench->outbox, &mail, &error), 0);
    for (size_t i = 0; i < mail.done.count; i++)
        assert_int_equal(mr_attempts_add(&bench->mail.done, mail.done.items[i]), 0);
    for (size_t i = 0; i < mail.returned.count; i++)
        assert_int_equal(mr_attempts_add(&bench->mail.returned, mail.returned.items[i]), 0);
    for (mr_failure_t **end = &bench->mail.failures; mail.failures; mail.failures = NULL) {
        while (*end)
            end = &(*end)->next;
        *end = mail.failures;
    }
    if (mail.first) {
        if (bench->mail.last)
            bench->mail.last->next = mail.first;
        else
            bench->mail.first = mail.first;
        bench->mail.last = mail.last;
        mail.first = mail.last = NULL;
    }
    mr_mail_free(&mail);
}

static size_t results_in(const mr_mail_t *mail) {
    size_t count = 0;
    for (const mr_partial_t *partial = mail->first; partial; partial = partial->next)
        count += partial->result_count;
    return count;
}

static void await_done(bench_t *bench, size_t count) {
    while (bench->mail.done.count < count)
        fetch(bench);
}

static void await_results(bench_t *bench, size_t count) {
    while (results_in(&bench->mail) < count)
        fetch(bench);
}

static void expect_each_once(const bench_t *bench, size_t count) {
    unsigned seen[1024] = {0};
    for (const mr_partial_t *partial = bench->mail.first; partial; partial = partial->next)
        for (size_t i = 0; i < partial->result_count; i++)
            seen[partial->results[i].task]++;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen[i], 1);
}

/* ---- the tests ---- */

static void flush_comes_when_all_that_was_sent_is_done(void **state) {
    (void) state;
    bench_t bench = {0};
    set_up(&bench, 3);
    give(&bench, 0, 100, 0, "a\n");
    await_done(&bench, 100);
    assert_null(bench.mail.first); /* nobody asked */
    mr_pool_flush(bench.pool, 150);
    give(&bench, 100, 49, 0, "b\n");
    await_done(&bench, 149);
    assert_null(bench.mail.first); /* one is still on its way */
    give(&bench, 149, 1, 0, "c\n");
    await_results(&bench, 150);
    expect_each_once(&bench, 150);
    tear_down(&bench);
}

/* A lane that is busy when the flush is asked for flushes when it is done; one that is not, at once. */
static void flush_does_not_wait_for_the_slowest(void **state) {
    (void) state;
    bench_t bench = {0};
    set_up(&bench, 2);
    give(&bench, 0, 1, 0, "wait\n");
    wait_at_gate(1);
    give(&bench, 1, 10, 0, "a\n");
    mr_pool_flush(bench.pool, 11);
    await_results(&bench, 10);
    assert_false(mr_pool_idle(bench.pool));
    mr_running_t running[8];
    assert_int_equal(mr_pool_running(bench.pool, running), 1);
    set_gate(true);
    await_results(&bench, 11);
    expect_each_once(&bench, 11);
    tear_down(&bench);
}

/* Tasks after a flush make a new generation: they wait to be asked for again. */
static void tasks_after_a_flush_wait_for_the_next(void **state) {
    (void) state;
    bench_t bench = {0};
    set_up(&bench, 2);
    give(&bench, 0, 10, 0, "a\n");
    mr_pool_flush(bench.pool, 10);
    await_results(&bench, 10);
    give(&bench, 10, 10, 0, "a\n");
    await_done(&bench, 20);
    assert_int_equal(results_in(&bench.mail), 10);
    mr_pool_flush(bench.pool, 20);
    await_results(&bench, 20);
    expect_each_once(&bench, 20);
    tear_down(&bench);
}

static void drain_returns_what_is_not_begun(void **state) {
    (void) state;
    bench_t bench = {0};
    mr_attempts_t returned = {0};
    set_up(&bench, 2);
    give(&bench, 0, 50, 0, "wait\n");
    wait_at_gate(2);
    assert_int_equal(mr_pool_drain(bench.pool, &returned), 0);
    assert_int_equal(returned.count, 48);
    assert_int_equal(returned.items[0].task, 2);
    assert_false(mr_pool_idle(bench.pool));
    set_gate(true);
    await_results(&bench, 2);
    give(&bench, 50, 5, 0, "wait\n"); /* what was on its way */
    assert_int_equal(mr_pool_drain(bench.pool, &returned), 0);
    while (results_in(&bench.mail) + returned.count < 55)
        fetch(&bench);
    for (size_t i = 0; i < returned.count; i++)
        assert_int_not_equal(returned.items[i].task, bench.mail.first->results[0].task);
    mr_attempts_free(&returned);
    tear_down(&bench);
}

/* The last partial is in the outbox before the pool is idle: a drain that looks in this order loses nothing. */
static void idle_means_all_is_in_the_outbox(void **state) {
    (void) state;
    for (int round = 0; round < 100; round++) {
        bench_t bench = {0};
        mr_attempts_t returned = {0};
        mr_mail_t mail;
        mr_error_t error = {0};
        set_up(&bench, 2);
        give(&bench, 0, 100, 0, "a\n");
        assert_int_equal(mr_pool_drain(bench.pool, &returned), 0);
        while (!mr_pool_idle(bench.pool))
            sched_yield();
        assert_int_equal(mr_outbox_take(&bench.outbox, &mail, &error), 0);
        assert_int_equal(results_in(&mail) + returned.count, 100);
        assert_int_equal(mail.done.count, results_in(&mail));
        mr_mail_free(&mail);
        mr_attempts_free(&returned);
        tear_down(&bench);
    }
}

static void stop_with_work_left(void **state) {
    (void) state;
    bench_t bench = {0};
    set_up(&bench, 4);
    give(&bench, 0, 256, 0, "a\n");
    tear_down(&bench);
}

/* When partials wait to be committed past the bound, nothing is begun; a release lets it go on. */
static void held_memory_is_bounded(void **state) {
    (void) state;
    bench_t bench = {.limits = {.table_memory = 4096}};
    size_t released = 0;
    char payload[2000];
    set_up(&bench, 1); /* the bound is 8,192 bytes */
    memset(payload, 'k', sizeof payload);
    payload[sizeof payload - 2] = '\n';
    payload[sizeof payload - 1] = 0;
    give(&bench, 0, 200, 0, payload);
    while (bench.mail.done.count < 200) {
        fetch(&bench);
        size_t held = atomic_load(&bench.shop.held);
        assert_true(held <= 8192 + 4096);
        for (mr_partial_t *partial = bench.mail.first; partial; partial = partial->next) {
            size_t memory = partial->memory;
            partial->memory = 0;
            released += memory;
            if (memory)
                mr_pool_release(bench.pool, memory);
        }
    }
    assert_true(released > 8192);
    mr_pool_flush(bench.pool, 200);
    await_results(&bench, 200);
    expect_each_once(&bench, 200);
    tear_down(&bench);
}

/* A job whose results stream: each group in partials of its own, without being asked. */
static void eager_partials_are_of_one_group(void **state) {
    (void) state;
    bench_t bench = {.limits = {.eager = 1}};
    set_up(&bench, 2);
    for (uint32_t group = 0; group < 10; group++)
        give(&bench, group * 10, 10, group, "a\n");
    await_results(&bench, 100);
    for (const mr_partial_t *partial = bench.mail.first; partial; partial = partial->next)
        for (size_t i = 0; i < partial->result_count; i++)
            assert_int_equal(partial->results[i].task / 10, partial->results[0].task / 10);
    expect_each_once(&bench, 100);
    tear_down(&bench);
}

/* Rows of a failed task must not be in any partial: what was folded with it is given back. */
static size_t partials_in(const mr_mail_t *mail) {
    size_t count = 0;
    for (const mr_partial_t *partial = mail->first; partial; partial = partial->next)
        count++;
    return count;
}

/* Also when other tasks are queued: those of a result that is waited for shall not wait for them. */
static void an_eager_partial_is_sent_when_it_is_old(void **state) {
    (void) state;
    bench_t bench = {.limits = {.eager = 1}};
    set_up(&bench, 1);
    give(&bench, 0, 1, 0, "wait\n");
    give(&bench, 1, 1, 0, "a\n");
    wait_at_gate(1);
    for (int64_t since = mr_clock_ms(); mr_clock_ms() - since < 60;)
        poll(NULL, 0, 5); /* the partial grows old */
    set_gate(true);
    await_results(&bench, 2);
    assert_int_equal(partials_in(&bench.mail), 2);
    tear_down(&bench);
}

static void failed_task_spoils_its_partial(void **state) {
    (void) state;
    bench_t bench = {0};
    set_up(&bench, 1);
    give(&bench, 0, 5, 0, "a\n");
    await_done(&bench, 5);
    give(&bench, 5, 1, 0, "most\nmost\n"); /* overflows */
    while (!bench.mail.failures)
        fetch(&bench);
    assert_int_equal(bench.mail.failures->attempt.task, 5);
    assert_false(bench.mail.failures->retry);
    while (bench.mail.returned.count < 5)
        fetch(&bench);
    assert_null(bench.mail.first);
    give(&bench, 6, 2, 0, "b\n");
    mr_pool_flush(bench.pool, 8);
    await_results(&bench, 2);
    assert_int_equal(bench.mail.first->results[0].task, 6);
    tear_down(&bench);
}

/* A file that cannot be opened here may be open to others; what other tasks had in the partial stays. */
static void unopenable_file_may_be_tried_elsewhere(void **state) {
    (void) state;
    bench_t bench = {0};
    mr_segment_t gone = {.path = "/nonexistent/file", .file_size = 1, .end = 1};
    mr_spec_t spec = {.task = 1, .attempt = 1, .segments = &gone, .segment_count = 1};
    mr_buffer_t out = {0};
    mr_error_t error = {0};
    mr_message_t message;
    set_up(&bench, 1);
    give(&bench, 0, 1, 0, "a\n");
    assert_int_equal(mr_message_encode(&(mr_message_t){.type = MR_TASKS, .tasks = {1, 0, &spec, 1}}, &out), 0);
    assert_int_equal(mr_message_decode(&message, out.data, out.size, &error), 0);
    assert_int_equal(mr_pool_give(bench.pool, &message), 0);
    while (!bench.mail.failures)
        fetch(&bench);
    assert_true(bench.mail.failures->retry);
    assert_non_null(strstr(bench.mail.failures->error.text, "/nonexistent/file"));
    mr_pool_flush(bench.pool, 2);
    await_results(&bench, 1);
    assert_int_equal(bench.mail.returned.count, 0);
    mr_buffer_free(&out);
    tear_down(&bench);
}

/* Bad records are allowed by attempt: attempts that run twice in one process do not count twice. */
static void bad_records_are_counted_by_attempt(void **state) {
    (void) state;
    bench_t bench = {.limits = {.skip_bad = 2}};
    set_up(&bench, 1);
    for (uint32_t i = 0; i < 5; i++)
        give(&bench, i, 1, 0, "bad\na\nbad\n");
    await_done(&bench, 5);
    assert_null(bench.mail.failures);
    give(&bench, 5, 1, 0, "bad\nbad\nbad\n");
    while (!bench.mail.failures)
        fetch(&bench);
    assert_int_equal(bench.mail.failures->attempt.task, 5);
    assert_int_equal(bench.mail.failures->error.status, MR_STATUS_INPUT);
    tear_down(&bench);
}

/* A thread that hangs: its task is told once, its thread is no longer waited for, and nothing of the task comes out later. */
static void an_overdue_task_is_disowned(void **state) {
    (void) state;
    bench_t bench = {.limits = {.task_timeout_ms = 1000}};
    mr_running_t running[2];
    mr_attempt_t attempt;
    mr_error_t error = {0};
    set_up(&bench, 2);
    give(&bench, 7, 1, 0, "wait\n");
    wait_at_gate(1);
    int64_t now = mr_clock_ms();
    assert_false(mr_pool_overdue(bench.pool, now, &attempt, &error));
    assert_true(mr_pool_overdue(bench.pool, now + 1000, &attempt, &error));
    assert_int_equal(attempt.task, 7);
    assert_string_equal(error.text, "task 7: it ran longer than --task-timeout 1s");
    assert_false(mr_pool_overdue(bench.pool, now + 1000, &attempt, &error));
    assert_int_equal(mr_pool_running(bench.pool, running), 0);
    assert_true(mr_pool_idle(bench.pool));
    assert_false(mr_pool_stop(bench.pool, 1)); /* the process would have to end without it */
    set_gate(true);
    assert_true(mr_pool_stop(bench.pool, DEADLINE_MS));
    assert_int_equal(mr_outbox_take(&bench.outbox, &bench.mail, &error), 0);
    assert_int_equal(bench.mail.done.count + bench.mail.returned.count, 0);
    assert_null(bench.mail.failures);
    assert_null(bench.mail.first);
    tear_down(&bench);
}

static void without_a_timeout_nothing_is_overdue(void **state) {
    (void) state;
    bench_t bench = {0};
    mr_attempt_t attempt;
    mr_error_t error = {0};
    set_up(&bench, 1);
    give(&bench, 0, 1, 0, "wait\n");
    wait_at_gate(1);
    assert_false(mr_pool_overdue(bench.pool, INT64_MAX / 2, &attempt, &error));
    tear_down(&bench);
}

/* What ends after all, though it was given up, counts; an abandoned thread is not waited for. */
static void given_up_and_abandoned(void **state) {
    (void) state;
    bench_t bench = {0};
    mr_attempts_t returned = {0};
    set_up(&bench, 1);
    give(&bench, 0, 1, 0, "wait\n");
    wait_at_gate(1);
    mr_pool_drain(bench.pool, &returned);
    mr_pool_give_up(bench.pool);
    assert_false(mr_pool_idle(bench.pool));
    mr_pool_abandon(bench.pool);
    assert_true(mr_pool_idle(bench.pool));
    set_gate(true);
    await_results(&bench, 1);
    expect_each_once(&bench, 1);
    mr_attempts_free(&returned);
    tear_down(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flush_comes_when_all_that_was_sent_is_done),
        cmocka_unit_test(flush_does_not_wait_for_the_slowest),
        cmocka_unit_test(tasks_after_a_flush_wait_for_the_next),
        cmocka_unit_test(drain_returns_what_is_not_begun),
        cmocka_unit_test(idle_means_all_is_in_the_outbox),
        cmocka_unit_test(stop_with_work_left),
        cmocka_unit_test(held_memory_is_bounded),
        cmocka_unit_test(eager_partials_are_of_one_group),
        cmocka_unit_test(an_eager_partial_is_sent_when_it_is_old),
        cmocka_unit_test(failed_task_spoils_its_partial),
        cmocka_unit_test(unopenable_file_may_be_tried_elsewhere),
        cmocka_unit_test(bad_records_are_counted_by_attempt),
        cmocka_unit_test(an_overdue_task_is_disowned),
        cmocka_unit_test(without_a_timeout_nothing_is_overdue),
        cmocka_unit_test(given_up_and_abandoned),
    };
    alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
