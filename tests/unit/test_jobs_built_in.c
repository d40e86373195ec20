/* The jobs as the engine uses them: options to results. The kernels have tests of their own. */
#include "job_harness.h"

/* ---- a plan to look at ---- */

typedef struct planned {
    uint32_t group;
    char payload[96];
} planned_t;

struct mr_plan {
    planned_t *tasks; /* owned; NULL: only counts */
    size_t count;
    size_t limit; /* fails beyond */
};

int mr_plan_add(mr_plan_t *plan, uint32_t group, const char *payload, size_t size) {
    if (plan->count == plan->limit)
        return -1;
    if (plan->tasks) {
        assert_true(size > 0 && size < sizeof plan->tasks->payload && payload[size - 1] == '\n');
        planned_t *task = &plan->tasks[plan->count];
        task->group = group;
        memcpy(task->payload, payload, size);
        task->payload[size] = 0;
    }
    plan->count++;
    return 0;
}

static int plan_job(const harness_job_t *set, int count, const char *const *arguments, mr_plan_t *plan,
                    mr_complaint_t *complaint) {
    char *copies[8] = {NULL};
    for (int i = 0; i < count; i++)
        copies[i] = strdup(arguments[i]);
    int result = set->job->plan(set->state, count, copies, plan, complaint);
    for (int i = 0; i < count; i++)
        free(copies[i]);
    return result;
}

/* ---- mapping a text ---- */

static void check_map(const char *name, const char *settings, const char *input, const char *wanted) {
    harness_job_t set = set_up_job(name, settings, mr_simd_choose());
    mr_out_t out = {.table = mr_table_new(set.job->ops, set.job->ncells)};
    text_t text = make_text(input, strlen(input));
    set.job->map(set.state, text.data, text.size, &out);
    assert_int_equal(out.rejected, 0);
    harness_rows_t rows = drain_rows(out.table, set.job->ncells);
    char printed[1024] = "";
    for (size_t i = 0; i < rows.count; i++) {
        char value[MR_PRINT_MAX];
        size_t size = set.job->print ? set.job->print(set.state, rows.items[i].cells, value)
                                     : (size_t) sprintf(value, "%llu", (unsigned long long) rows.items[i].cells[0]);
        size_t at = strlen(printed);
        snprintf(printed + at, sizeof printed - at, "%s=%.*s ", rows.items[i].key, (int) size, value);
    }
    assert_string_equal(printed, wanted);
    free_rows(&rows);
    free(text.memory);
    mr_table_destroy(&out.table);
    tear_down_job(&set);
}

static void test_sum(void **unused) {
    (void) unused;
    check_map("sum", "", "b\t2\na\t1\nb\t3\textra\n", "a=1 b=5 ");
    check_map("sum", "key=2 value=1 delimiter=comma", "2,b\n1,a\n3,b\n", "a=1 b=5 ");
    check_map("sum", "key=1 value=2 delimiter=; columns=2", "x;18446744073709551615\n", "x=18446744073709551615 ");
    check_map("sum", "delimiter=space", "x 1\nx 2\n 3\n", "=3 x=3 ");
    check_map("sum", "key=1 value=3 columns=4", "w\t1\t2\t3\nw\t2\t5\t3\n", "w=7 ");
    check_map("ngrams", "", "w\t1\t2\t3\nw\t2\t5\t3\nv\t1\t1\t1\n", "v=1 w=7 ");
}

static void test_signed_sum(void **unused) {
    (void) unused;
    check_map("sum", "signed", "a\t5\na\t-7\nb\t-0\nc\t3\n", "a=-2 b=0 c=3 ");
    check_map("sum", "signed", "a\t-18446744073709551615\nb\t18446744073709551615\n",
              "a=-18446744073709551615 b=18446744073709551615 ");
    check_map("sum", "signed", "a\t18446744073709551615\na\t-18446744073709551615\n", "a=0 ");
}

static void test_count(void **unused) {
    (void) unused;
    check_map("count", "", "x y\n\nx y\nz\n", "=1 x y=2 z=1 ");
    check_map("count", "key=2 delimiter=space", "x y\nz y q\na b\n", "b=1 y=2 ");
}

static void check_refused(const char *name, const char *option, const char *value, const char *text) {
    const mr_job_t *job = mr_job_find(name);
    mr_options_t *options = mr_options_new(job);
    mr_error_t error = {0};
    mr_complaint_t complaint = {{0}};
    void *state = NULL;
    assert_int_equal(mr_options_set(options, option, value, &error), 0);
    assert_int_equal(job->configure(options, &state, &complaint), -1);
    assert_null(state);
    assert_non_null(strstr(complaint.text, text));
    mr_options_destroy(&options);
}

static void test_refused_options(void **unused) {
    (void) unused;
    check_refused("sum", "key", "0", "--key 0: must be a whole number from 1 to 1000000");
    check_refused("sum", "value", "x", "--value x");
    check_refused("sum", "columns", "1", "--columns 1: there would be no column 2");
    check_refused("sum", "delimiter", "\n", "--delimiter");
    check_refused("sum", "delimiter", "", "--delimiter ''");
    check_refused("sum", "delimiter", "tabs", "--delimiter 'tabs'");
    check_refused("sum", "delimiter", "\xC3\xA9", "--delimiter"); /* one character, two bytes */
    check_refused("count", "key", "-1", "--key -1");
    check_refused("noop", "tasks", "many", "--tasks many");
    check_refused("sum", "signed", NULL, "variant");
}

/* ---- sum-range ---- */

/* Maps all planned tasks of a group and checks the one row they make. */
static void check_group(const harness_job_t *set, const mr_plan_t *plan, uint32_t group, const char *key,
                        uint64_t sum) {
    mr_out_t out = {.table = mr_table_new(set->job->ops, set->job->ncells)};
    for (size_t i = 0; i < plan->count; i++)
        if (plan->tasks[i].group == group) {
            mr_tally_t tally = set->job->map(set->state, plan->tasks[i].payload, strlen(plan->tasks[i].payload), &out);
            assert_int_equal(tally.records, 1);
            assert_int_equal(tally.rejected, 0);
        }
    harness_rows_t rows = drain_rows(out.table, 1);
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.items[0].key, key);
    assert_int_equal(rows.items[0].cells[0], sum);
    free_rows(&rows);
    mr_table_destroy(&out.table);
}

static void test_sum_range(void **unused) {
    (void) unused;
    static const char *const arguments[] = {"50000000", "0", "1", "7", "16777216", "007", "16777215"};
    static const char *const keys[] = {"50000000", "0", "1", "7", "16777216", "7", "16777215"};
    harness_job_t set = set_up_job("sum-range", "", mr_simd_choose());
    mr_complaint_t complaint = {{0}};
    planned_t tasks[64];
    mr_plan_t plan = {.tasks = tasks, .limit = 64};
    assert_int_equal(plan_job(&set, 7, arguments, &plan, &complaint), 0);
    for (uint32_t i = 0; i < 7; i++) {
        uint64_t n = strtoull(keys[i], NULL, 10);
        check_group(&set, &plan, i, keys[i], n * (n + 1) / 2);
    }
    for (uint32_t i = 0; i < 7; i++) /* dealt out in turn */
        assert_int_equal(tasks[i].group, i);
    tear_down_job(&set);
}

/* The pieces of a range join without gap or overlap, and are not too many. */
static void check_pieces(const char *argument) {
    harness_job_t set = set_up_job("sum-range", "", mr_simd_choose());
    mr_complaint_t complaint = {{0}};
    planned_t *tasks = calloc(4096, sizeof *tasks);
    mr_plan_t plan = {.tasks = tasks, .limit = 4096};
    assert_int_equal(plan_job(&set, 1, &argument, &plan, &complaint), 0);
    unsigned long long n = 0, low, high, next = 0;
    for (size_t i = 0; i < plan.count; i++) {
        assert_int_equal(sscanf(tasks[i].payload, "%llu %llu %llu\n", &n, &low, &high), 3);
        assert_int_equal(low, next);
        assert_true(high >= low && high <= n);
        next = high + 1;
    }
    assert_int_equal(next, n + 1);
    assert_int_equal(n, strtoull(argument, NULL, 10));
    free(tasks);
    tear_down_job(&set);
}

static void test_sum_range_pieces(void **unused) {
    (void) unused;
    static const char *const arguments[] = {"0",        "1",         "16777215",   "16777216",  "16777217",
                                            "33554431", "200000000", "6074000998", "6074000999"};
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        check_pieces(arguments[i]);
}

static void check_range_refused(const char *argument, const char *text) {
    harness_job_t set = set_up_job("sum-range", "", mr_simd_choose());
    mr_complaint_t complaint = {{0}};
    mr_plan_t plan = {.limit = 100};
    const char *arguments[] = {"5", argument};
    assert_int_equal(plan_job(&set, argument ? 2 : 0, arguments, &plan, &complaint), -1);
    assert_non_null(strstr(complaint.text, text));
    assert_int_equal(plan.count, 0);
    tear_down_job(&set);
}

static void test_sum_range_refusals(void **unused) {
    (void) unused;
    check_range_refused("6074001000", "6074001000: the sum would pass 2^64-1");
    check_range_refused("18446744073709551616", "18446744073709551616");
    check_range_refused("-1", "-1: must be a whole number");
    check_range_refused("1e3", "1e3: must be a whole number");
    check_range_refused("", "must be a whole number");
    check_range_refused(NULL, "give at least one N");
}

static void test_bad_pieces(void **unused) {
    (void) unused;
    static const char *const payloads[] = {"\n",      "1\n",       "1 0\n",    "1 0 2\n",  "1 1 0\n",
                                           "x 0 1\n", "1 0 1 1\n", "1  0 1\n", " 1 0 1\n", "6074001000 0 0\n"};
    harness_job_t set = set_up_job("sum-range", "", mr_simd_choose());
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        mr_out_t out = {.table = mr_table_new(set.job->ops, 1)};
        mr_tally_t tally = set.job->map(set.state, payloads[i], strlen(payloads[i]), &out);
        assert_int_equal(tally.records, 1);
        assert_int_equal(tally.rejected, 1);
        assert_int_equal(mr_table_rows(out.table), 0);
        mr_table_destroy(&out.table);
    }
    tear_down_job(&set);
}

static void test_noop(void **unused) {
    (void) unused;
    harness_job_t set = set_up_job("noop", "tasks=1000000", mr_simd_choose());
    mr_complaint_t complaint = {{0}};
    mr_plan_t plan = {.limit = SIZE_MAX};
    assert_int_equal(plan_job(&set, 0, NULL, &plan, &complaint), 0);
    assert_int_equal(plan.count, 1000000);
    plan = (mr_plan_t){.limit = 5};
    assert_int_equal(plan_job(&set, 0, NULL, &plan, &complaint), -1);
    assert_non_null(strstr(complaint.text, "out of memory"));
    tear_down_job(&set);
    check_map("noop", "", "\n", "tasks=1 ");
}

/* ---- where rows and bad records go ---- */

static void test_only_and_rejects(void **unused) {
    (void) unused;
    harness_job_t set = set_up_job("sum", "", mr_simd_choose());
    mr_out_t out = {.table = mr_table_new(set.job->ops, 1), .only = "", .only_size = 0};
    text_t text = make_text("a\t1\n\t2\nbad\n\t3\n", 14);
    set.job->map(set.state, text.data, text.size, &out);
    assert_int_equal(mr_table_rows(out.table), 1);
    assert_int_equal(mr_out_rejects(&out), 1);
    assert_int_equal(out.rejects[0].record - text.data, 7);
    mr_out_begin(&out);
    assert_int_equal(mr_out_rejects(&out), 0);
    for (size_t i = 0; i < MR_OUT_REJECTS + 10; i++)
        mr_reject(&out, text.data, "why");
    assert_int_equal(mr_out_rejects(&out), MR_OUT_REJECTS);
    assert_int_equal(out.rejected, MR_OUT_REJECTS + 10);
    free(text.memory);
    mr_table_destroy(&out.table);
    tear_down_job(&set);
}

static int start(void **unused) {
    (void) unused;
    seed_random();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_signed_sum),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_sum_range),
        cmocka_unit_test(test_sum_range_pieces),
        cmocka_unit_test(test_sum_range_refusals),
        cmocka_unit_test(test_bad_pieces),
        cmocka_unit_test(test_noop),
        cmocka_unit_test(test_only_and_rejects),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
