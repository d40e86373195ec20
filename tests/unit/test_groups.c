/* Results of a job with arguments: each group printed once, when its last task is committed, in the order asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"
#include "jobs/registry.h"
#include "table.h"

typedef struct stage {
    mr_work_t work;
    mr_output_t *output;
    mr_groups_t *groups;
    const mr_job_t *job;
    uint64_t rows;
    uint64_t ticket;  /* of the next commit */
    uint64_t durable; /* tickets up to this one are */
    mr_error_t error;
    char path[64];
} stage_t;

/* `tasks` tasks, dealt to `groups` groups in turn. */
static void set_up(stage_t *stage, uint32_t tasks, uint32_t groups, bool in_order) {
    *stage = (stage_t){.job = mr_job_find("noop"), .work = {.planned = true}};
    snprintf(stage->path, sizeof stage->path, "/tmp/millrace-groups-%ld", (long) getpid());
    for (uint32_t i = 0; i < tasks; i++)
        assert_int_equal(mr_plan_add(&stage->work.plan, i % groups, "\n", 1), 0);
    mr_output_config_t output = {.path = stage->path, .overwrite = true, .job = stage->job};
    stage->output = mr_output_open(&output, &stage->error);
    assert_non_null(stage->output);
    stage->groups = mr_groups_new(stage->job, &stage->work, stage->output, in_order, &stage->error);
    assert_non_null(stage->groups);
}

static void tear_down(stage_t *stage, const char *want) {
    char text[4096];
    assert_int_equal(mr_output_commit(stage->output, &stage->error), 0);
    FILE *file = fopen(stage->path, "re");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    unlink(stage->path);
    assert_string_equal(text, want);
    mr_groups_destroy(&stage->groups);
    mr_groups_destroy(&stage->groups);
    mr_output_destroy(&stage->output);
    mr_work_free(&stage->work);
}

static mr_buffer_t run_of(const char *key, uint64_t value) {
    mr_buffer_t run = {0};
    mr_run_writer_t writer = {.out = &run, .ncells = 1};
    assert_int_equal(mr_run_write(&writer, key, strlen(key), &value), 0);
    mr_run_end_block(&writer);
    return run;
}

static void put(stage_t *stage, uint32_t worker, uint64_t partial, const char *key, uint64_t value) {
    mr_buffer_t run = run_of(key, value);
    assert_int_equal(mr_groups_stage(stage->groups, worker, partial, run.data, run.size, &stage->error), 0);
    mr_buffer_free(&run); /* a copy was kept */
}

static int commit(stage_t *stage, uint32_t worker, uint64_t partial, uint32_t task) {
    mr_result_t result = {.task = task, .attempt = 1};
    return mr_groups_commit(stage->groups, worker, partial, &result, 1, stage->ticket, &stage->error) ||
                   mr_groups_print(stage->groups, stage->durable, &stage->rows, &stage->error)
               ? -1
               : 0;
}

static void printed_when_complete(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 4, 2, false); /* group 0: tasks 0 and 2; group 1: 1 and 3 */
    put(&stage, 1, 1, "zero", 10);
    assert_int_equal(commit(&stage, 1, 1, 0), 0);
    assert_int_equal(stage.rows, 0);
    put(&stage, 1, 2, "one", 1);
    put(&stage, 1, 3, "one", 2);
    assert_int_equal(commit(&stage, 1, 3, 3), 0);
    assert_int_equal(commit(&stage, 1, 2, 1), 0);
    assert_int_equal(stage.rows, 1);
    put(&stage, 2, 1, "zero", 5);
    assert_int_equal(commit(&stage, 2, 1, 2), 0);
    assert_int_equal(stage.rows, 2);
    tear_down(&stage, "one\t3\nzero\t15\n");
}

static void printed_in_order(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 3, 3, true);
    put(&stage, 1, 1, "c", 3);
    put(&stage, 1, 2, "b", 2);
    assert_int_equal(commit(&stage, 1, 1, 2), 0);
    assert_int_equal(commit(&stage, 1, 2, 1), 0);
    assert_int_equal(stage.rows, 0);
    put(&stage, 1, 3, "a", 1);
    assert_int_equal(commit(&stage, 1, 3, 0), 0);
    assert_int_equal(stage.rows, 3);
    tear_down(&stage, "a\t1\nb\t2\nc\t3\n");
}

/* In the order in which they became complete, each when the commit that made it so is durable, and not before one that came earlier. */
static void printed_when_durable(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 3, 3, false);
    put(&stage, 1, 1, "c", 3);
    put(&stage, 1, 2, "b", 2);
    put(&stage, 1, 3, "a", 1);
    for (stage.ticket = 1; stage.ticket <= 3; stage.ticket++)
        assert_int_equal(commit(&stage, 1, stage.ticket, 3 - (uint32_t) stage.ticket), 0);
    mr_groups_drop_worker(stage.groups, 1); /* what is committed is not staged any more */
    assert_int_equal(stage.rows, 0);
    assert_false(mr_groups_printable(stage.groups, 0));
    assert_true(mr_groups_printable(stage.groups, 1));
    assert_int_equal(mr_groups_print(stage.groups, 1, &stage.rows, &stage.error), 0);
    assert_int_equal(stage.rows, 1);
    assert_int_equal(mr_groups_print(stage.groups, 3, &stage.rows, &stage.error), 0);
    assert_int_equal(stage.rows, 3);
    assert_false(mr_groups_printable(stage.groups, UINT64_MAX));
    tear_down(&stage, "c\t3\nb\t2\na\t1\n");
}

static void in_order_and_durable(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 2, 2, true);
    put(&stage, 1, 1, "b", 2);
    put(&stage, 1, 2, "a", 1);
    stage.ticket = 1;
    assert_int_equal(commit(&stage, 1, 1, 1), 0);
    stage.ticket = 2;
    assert_int_equal(commit(&stage, 1, 2, 0), 0);
    assert_false(mr_groups_printable(stage.groups, 1));
    assert_int_equal(mr_groups_print(stage.groups, 2, &stage.rows, &stage.error), 0);
    tear_down(&stage, "a\t1\nb\t2\n");
}

/* What is staged counts for its own worker and partial only, and is gone when dropped. */
static void staged_runs_are_kept_apart(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 1, 1, false);
    put(&stage, 1, 7, "x", 1);
    put(&stage, 1, 7, "y", 1);
    put(&stage, 2, 7, "x", 100);
    put(&stage, 1, 8, "x", 1000);
    put(&stage, 1, 8, "x", 1000);
    assert_int_equal(mr_groups_staged(stage.groups, 1, 7, NULL), 2);
    assert_int_equal(mr_groups_staged(stage.groups, 2, 7, NULL), 1);
    assert_int_equal(mr_groups_staged(stage.groups, 3, 7, NULL), 0);
    mr_groups_drop(stage.groups, 1, 8);
    mr_groups_drop_worker(stage.groups, 2);
    assert_int_equal(mr_groups_staged(stage.groups, 1, 8, NULL) + mr_groups_staged(stage.groups, 2, 7, NULL), 0);
    assert_int_equal(commit(&stage, 1, 7, 0), 0);
    assert_int_equal(mr_groups_staged(stage.groups, 1, 7, NULL), 0);
    put(&stage, 5, 5, "left", 1); /* freed at the end */
    tear_down(&stage, "x\t1\ny\t1\n");
}

static void groups_are_never_mixed(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 4, 2, false);
    const mr_result_t results[] = {{.task = 0, .attempt = 1}, {.task = 1, .attempt = 1}};
    put(&stage, 1, 1, "x", 1);
    assert_int_equal(mr_groups_commit(stage.groups, 1, 1, results, 2, 0, &stage.error), -1);
    assert_int_equal(stage.error.status, MR_STATUS_JOB);
    stage.error = (mr_error_t){0};
    tear_down(&stage, "");
}

static void malformed_runs_are_not_staged(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 1, 1, false);
    assert_int_equal(mr_groups_stage(stage.groups, 1, 1, "no run", 6, &stage.error), -1);
    assert_int_equal(stage.error.status, MR_STATUS_JOB);
    assert_int_equal(mr_groups_staged(stage.groups, 1, 1, NULL), 0);
    stage.error = (mr_error_t){0};
    tear_down(&stage, "");
}

static void overflow_names_the_key(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 2, 1, false);
    put(&stage, 1, 1, "big", UINT64_MAX);
    assert_int_equal(commit(&stage, 1, 1, 0), 0);
    put(&stage, 1, 2, "big", 1);
    assert_int_equal(commit(&stage, 1, 2, 1), -1);
    assert_int_equal(stage.error.status, MR_STATUS_JOB);
    assert_non_null(strstr(stage.error.text, "big"));
    stage.error = (mr_error_t){0};
    tear_down(&stage, "");
}

static void group_without_rows(void **state) {
    (void) state;
    stage_t stage;
    set_up(&stage, 2, 2, true);
    assert_int_equal(commit(&stage, 1, 1, 0), 0);
    put(&stage, 1, 2, "x", 1);
    assert_int_equal(commit(&stage, 1, 2, 1), 0);
    tear_down(&stage, "x\t1\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_when_complete),
        cmocka_unit_test(printed_in_order),
        cmocka_unit_test(printed_when_durable),
        cmocka_unit_test(in_order_and_durable),
        cmocka_unit_test(staged_runs_are_kept_apart),
        cmocka_unit_test(groups_are_never_mixed),
        cmocka_unit_test(malformed_runs_are_not_staged),
        cmocka_unit_test(overflow_names_the_key),
        cmocka_unit_test(group_without_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
