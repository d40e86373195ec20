/* A relay with a real mate: whatever it maps and whenever it leaves, the owner's partial gets every row once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/registry.h"
#include "merge.h"
#include "options.h"
#include "relay.h"

#define BLOCKS 300

typedef struct fixture {
    mr_job_message_t limits;
    mr_workshop_t shop;
    mr_options_t *options;
    void *state;
    mr_relay_t relay;
    mr_mapper_t own; /* for what the mate does not take */
    mr_partial_t *partial;
    mr_result_t result;
    atomic_bool end;
    atomic_uint session; /* files begun so far */
} fixture_t;

static int set_up(void **state) {
    fixture_t *f = calloc(1, sizeof *f);
    mr_complaint_t complaint = {0};
    mr_error_t error = {0};
    f->limits = (mr_job_message_t){.table_memory = 1 << 20, .skip_bad = 0};
    f->shop = (mr_workshop_t){.job = mr_job_find("sum"), .limits = &f->limits, .tmp_dir = "/tmp"};
    f->options = mr_options_new(f->shop.job);
    assert_int_equal(mr_options_set(f->options, "key", "1", &error), 0);
    assert_int_equal(mr_options_set(f->options, "value", "2", &error), 0);
    assert_int_equal(f->shop.job->configure(f->options, &f->state, &complaint), 0);
    f->shop.state = f->state;
    mr_relay_init(&f->relay, &f->shop);
    assert_int_equal(mr_mapper_init(&f->own, &f->shop, &error), 0);
    f->partial = mr_partial_new(1);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_t *f = *state;
    mr_relay_close(&f->relay);
    mr_mapper_close(&f->own);
    mr_partial_destroy(&f->partial);
    f->shop.job->destroy(f->state);
    mr_options_destroy(&f->options);
    free(f);
    return 0;
}

static void *mate_main(void *argument) {
    fixture_t *f = argument;
    while (!atomic_load(&f->end))
        if (mr_relay_join(&f->relay))
            mr_relay_serve(&f->relay);
    return NULL;
}

/* Hands `text` on again and again; returns what mr_relay_end returns. */
static int run_owner(fixture_t *f, const char *text, unsigned tasks_come_at, mr_error_t *error) {
    char bytes[256 + 2 * MR_MAP_MARGIN] = {0};
    pthread_t mate;
    int failed = 0;
    memcpy(bytes + MR_MAP_MARGIN, text, strlen(text));
    mr_block_t block = {.data = bytes + MR_MAP_MARGIN, .size = strlen(text)};
    mr_place_t place = {"file", NULL, block.data, 0};
    assert_int_equal(pthread_create(&mate, NULL, mate_main, f), 0);
    mr_relay_begin(&f->relay, "file");
    for (unsigned i = 0; i < BLOCKS && !failed; i++) {
        if (i == tasks_come_at)
            atomic_store(&f->shop.waiting, 1);
        int put = mr_relay_put(&f->relay, &block, i * block.size, f->partial, error);
        if (put < 0 || (!put && mr_mapper_map(&f->own, &place, block.size, &f->result, error)))
            failed = -1;
    }
    failed = mr_relay_end(&f->relay, failed, f->partial, &f->result, error);
    atomic_store(&f->end, true);
    pthread_join(mate, NULL);
    return failed;
}

static uint64_t sum_of(fixture_t *f, const char *key) {
    mr_error_t error = {0};
    mr_row_t row;
    uint64_t sum = 0;
    assert_int_equal(mr_mapper_drain(&f->own, f->partial, NULL, &error), 0);
    for (size_t i = 0; i < f->partial->run_count; i++) {
        mr_run_bytes_t *bytes = mr_partial_run_bytes(f->partial, i, &error);
        mr_run_t *run = mr_run_from_memory(bytes->data, f->partial->runs[i].size, 1, NULL, NULL, &error);
        mr_merge_t *merge = mr_merge_new(&run, 1, f->shop.job->ops, 1, (mr_range_t){0}, &error);
        while (mr_merge_next(merge, &row, &error) > 0)
            if (row.key_size == strlen(key) && !memcmp(row.key, key, row.key_size))
                sum += row.cells[0];
        mr_merge_destroy(&merge);
        mr_run_destroy(&run);
        mr_run_bytes_release(NULL, bytes);
    }
    return sum;
}

static void test_every_row_once(void **state) {
    fixture_t *f = *state;
    mr_error_t error = {0};
    assert_int_equal(run_owner(f, "a\t1\nb\t10\n", BLOCKS, &error), 0);
    assert_int_equal(f->result.records, 2 * BLOCKS);
    assert_int_equal(sum_of(f, "a"), BLOCKS);
    assert_int_equal(sum_of(f, "b"), 10 * BLOCKS);
}

static void test_mate_leaves_for_tasks(void **state) {
    fixture_t *f = *state;
    mr_error_t error = {0};
    assert_int_equal(run_owner(f, "a\t1\n", BLOCKS / 2, &error), 0);
    assert_int_equal(f->result.records, BLOCKS);
    assert_int_equal(sum_of(f, "a"), BLOCKS);
}

#ifdef __SANITIZE_THREAD__
#define SESSIONS 150
#else
#define SESSIONS 1000
#endif

/* Serves each file once, and never comes back to it. */
static void *fickle_mate(void *argument) {
    fixture_t *f = argument;
    for (unsigned served = 0; !atomic_load(&f->end);) {
        unsigned session = atomic_load(&f->session);
        if (session == served || !mr_relay_join(&f->relay)) {
            sched_yield();
            continue;
        }
        mr_relay_serve(&f->relay);
        served = session;
    }
    return NULL;
}

static void *tasks_come_and_go(void *argument) {
    fixture_t *f = argument;
    while (!atomic_load(&f->end)) {
        atomic_fetch_xor(&f->shop.waiting, 1);
        sched_yield();
    }
    return NULL;
}

static void run_session(fixture_t *f, const mr_block_t *block) {
    mr_error_t error = {0};
    mr_place_t place = {"file", NULL, block->data, 0};
    mr_relay_begin(&f->relay, "file");
    atomic_fetch_add(&f->session, 1);
    for (unsigned i = 0; i < 8; i++)
        if (!mr_relay_put(&f->relay, block, 0, f->partial, &error))
            assert_int_equal(mr_mapper_map(&f->own, &place, block->size, &f->result, &error), 0);
    assert_int_equal(mr_relay_end(&f->relay, 0, f->partial, &f->result, &error), 0);
}

/* The mate leaves for good at any moment, also while a block is being copied for it. */
static void test_mate_leaves_at_any_moment(void **state) {
    fixture_t *f = *state;
    const size_t size = 500000; /* one line: copying it takes as long as mapping it */
    char *bytes = calloc(1, size + 2 * MR_MAP_MARGIN);
    pthread_t mate, tasks;
    memset(bytes + MR_MAP_MARGIN, 'a', size);
    memcpy(bytes + MR_MAP_MARGIN + size - 3, "\t1\n", 3);
    mr_block_t block = {.data = bytes + MR_MAP_MARGIN, .size = size};
    assert_int_equal(pthread_create(&mate, NULL, fickle_mate, f), 0);
    assert_int_equal(pthread_create(&tasks, NULL, tasks_come_and_go, f), 0);
    for (unsigned i = 0; i < SESSIONS; i++)
        run_session(f, &block);
    atomic_store(&f->end, true);
    pthread_join(mate, NULL);
    pthread_join(tasks, NULL);
    free(bytes);
    assert_int_equal(f->result.records, 8 * SESSIONS);
}

static void test_full_table_becomes_a_run(void **state) {
    fixture_t *f = *state;
    mr_error_t error = {0};
    f->limits.table_memory = 1; /* full after each block */
    assert_int_equal(run_owner(f, "a\t1\n", BLOCKS, &error), 0);
    assert_int_equal(sum_of(f, "a"), BLOCKS);
}

static void test_bad_record_fails_the_owner(void **state) {
    fixture_t *f = *state;
    mr_error_t error = {0};
    assert_int_equal(run_owner(f, "a\t1\na\tx\n", BLOCKS, &error), -1);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_non_null(strstr(error.text, "file:"));
    assert_null(f->relay.mapper.out.table); /* nothing of it is left for the next file */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_row_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mate_leaves_for_tasks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mate_leaves_at_any_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_table_becomes_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_record_fails_the_owner, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
