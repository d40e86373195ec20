/* What a journal gives back: tasks, numbers and rows, as if nothing had happened; and no task twice. */
#include "sink_help.h"

#include <sys/stat.h>

#include "resume.h"

#define TASKS 8u

static const mr_op_t ops[] = {MR_SUM};

/* Commits one partial of one run of `count` rows, for one task. */
static void commit(mr_journal_t *journal, uint32_t task, uint64_t first, size_t count) {
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    const mr_result_t result = {.task = task, .attempt = 1, .bytes = 100, .records = count};
    number_run(&run, first, 1, count, 1);
    atomic_fetch_add(&live_runs, 1);
    assert_int_equal(mr_journal_run(journal, 1, task, run.data, run.size, release_run, run.data, &error), 0);
    uint64_t ticket = mr_journal_commit(journal, 1, task, &result, 1, &error);
    assert_int_equal(mr_journal_wait(journal, ticket, &error), 0);
}

/* A journal of two tasks, one of them with a run that stays in the file; `again`: the second is committed twice. */
static void make_journal(const char *dir, bool again) {
    mr_error_t error = {0};
    mr_journal_t *journal = mr_journal_open(dir, false, &error);
    assert_non_null(journal);
    assert_int_equal(mr_journal_begin(journal, "x\n", 2, &error), 0);
    commit(journal, 1, 0, 20000);
    commit(journal, 6, 19000, 2000);
    if (again)
        commit(journal, 6, 19000, 2000);
    mr_journal_destroy(&journal);
    assert_int_equal(live_runs, 0);
}

typedef struct sums {
    uint64_t total;
} sums_t;

static int add_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    (void) error;
    (void) buffer;
    ((sums_t *) context)->total += row->cells[0];
    return 0;
}

static int no_text(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    (void) context;
    (void) buffer;
    (void) error;
    return 0;
}

static int take(const char *dir, mr_resume_t *resume, const mr_resume_target_t *target, mr_error_t *error) {
    mr_request_t request = {.journal = dir, .resume = true};
    assert_int_equal(mr_resume_open(resume, &request, error), 0);
    return mr_resume_replay(resume, target, error);
}

static mr_work_t eight_tasks(void) {
    mr_work_t work = {.planned = true};
    for (uint32_t i = 0; i < TASKS; i++)
        assert_int_equal(mr_plan_add(&work.plan, 0, "1\n", 2), 0);
    return work;
}

static void gives_back(void **state) {
    (void) state;
    char dir[] = "/tmp/millrace-resume-XXXXXX";
    assert_non_null(mkdtemp(dir));
    make_journal(dir, false);
    mr_error_t error = {0};
    mr_resume_t resume = {0};
    mr_ledger_t ledger = {0};
    sums_t sums = {0};
    uint64_t rows;
    mr_work_t work = eight_tasks();
    mr_sink_t *sink = new_sink((size_t) 8 << 20, 1, ops, 1);
    mr_resume_target_t target = {.work = &work, .sink = sink, .ledger = &ledger};
    int failed = take(dir, &resume, &target, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(failed, 0);
    for (uint32_t i = 0; i < TASKS; i++)
        assert_int_equal(resume.restored[i], i == 1 || i == 6);
    assert_true(resume.tasks == 2 && ledger.records == 22000 && ledger.bytes == 200);
    mr_sink_visitor_t visitor = {.context = &sums, .row = add_row, .write = no_text};
    mr_error_set(&error, MR_STATUS_STORAGE, "the disk is full");
    mr_resume_advise(&resume, &error);
    assert_string_equal(error.text, "the disk is full; to go on from here, run the same command with --resume");
    mr_resume_finish(&resume); /* runs are read from the file although it has no name any more */
    mr_resume_close(&resume);
    error = (mr_error_t){0};
    assert_int_equal(mr_sink_finish(sink, &visitor, &rows, &error), 0);
    assert_int_equal(rows, 21000);
    assert_int_equal(sums.total, 22000);
    mr_sink_destroy(&sink);
    mr_work_free(&work);
    assert_int_equal(rmdir(dir), 0);
}

static void refuses(bool again, uint32_t tasks, const char *words) {
    char dir[] = "/tmp/millrace-resume-XXXXXX", file[64];
    assert_non_null(mkdtemp(dir));
    make_journal(dir, again);
    mr_error_t error = {0};
    mr_resume_t resume = {0};
    mr_ledger_t ledger = {0};
    mr_work_t work = eight_tasks();
    work.plan.count = tasks;
    mr_sink_t *sink = new_sink((size_t) 8 << 20, 1, ops, 1);
    mr_resume_target_t target = {.work = &work, .sink = sink, .ledger = &ledger};
    assert_int_equal(take(dir, &resume, &target, &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, words));
    mr_resume_advise(&resume, &error);
    assert_null(strstr(error.text, "--resume"));
    mr_resume_close(&resume);
    mr_sink_destroy(&sink);
    mr_work_free(&work);
    snprintf(file, sizeof file, "%s/journal", dir);
    unlink(file);
    assert_int_equal(rmdir(dir), 0);
}

static void contradictions(void **state) {
    (void) state;
    refuses(true, TASKS, "a task was committed twice");
    refuses(false, 6, "it names a task that there is not");
}

static void without_a_journal(void **state) {
    (void) state;
    mr_resume_t resume = {0};
    mr_request_t request = {0};
    mr_error_t error = {0}, kept = {.status = MR_STATUS_JOB, .text = "kept"};
    assert_int_equal(mr_resume_open(&resume, &request, &error), 0);
    assert_int_equal(mr_resume_bind(&resume, &request, NULL, 1, &error), 0);
    assert_int_equal(mr_resume_replay(&resume, NULL, &error), 0);
    mr_resume_advise(&resume, &kept);
    assert_string_equal(kept.text, "kept");
    mr_resume_finish(&resume);
    mr_resume_close(&resume);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back),
        cmocka_unit_test(contradictions),
        cmocka_unit_test(without_a_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
