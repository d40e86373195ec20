#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/registry.h"
#include "options.h"

static mr_options_t *options_of(const char *job) {
    mr_options_t *options = mr_options_new(mr_job_find(job));
    assert_non_null(options);
    return options;
}

static void test_defaults_and_settings(void **unused) {
    (void) unused;
    mr_options_t *options = options_of("sum");
    mr_error_t error = {0};
    assert_string_equal(mr_option_get(options, "key"), "1");
    assert_string_equal(mr_option_get(options, "delimiter"), "tab");
    assert_null(mr_option_get(options, "columns"));
    assert_null(mr_option_get(options, "signed"));
    assert_null(mr_option_get(options, "nonsense"));
    assert_int_equal(mr_options_set(options, "key", "3", &error), 0);
    assert_int_equal(mr_options_set(options, "signed", NULL, &error), 0);
    assert_int_equal(mr_options_set(options, "key", "4", &error), 0);
    assert_string_equal(mr_option_get(options, "key"), "4");
    assert_string_equal(mr_option_get(options, "signed"), "1");
    assert_int_equal(mr_options_count(options), 2);
    assert_string_equal(mr_options_name(options, 0), "key");
    assert_string_equal(mr_options_value(options, 0), "4");
    assert_string_equal(mr_options_name(options, 1), "signed");
    assert_string_equal(mr_options_value(options, 1), "1");
    mr_options_destroy(&options);
    assert_null(options);
    mr_options_destroy(&options);
    mr_options_destroy(NULL);
}

/* What was listed in one process can be set again in another. */
static void test_sent_on(void **unused) {
    (void) unused;
    mr_options_t *here = options_of("sum"), *there = options_of("sum");
    mr_error_t error = {0};
    mr_options_set(here, "signed", NULL, &error);
    mr_options_set(here, "delimiter", "comma", &error);
    for (size_t i = 0; i < mr_options_count(here); i++)
        assert_int_equal(mr_options_set(there, mr_options_name(here, i), mr_options_value(here, i), &error), 0);
    assert_string_equal(mr_option_get(there, "signed"), "1");
    assert_string_equal(mr_option_get(there, "delimiter"), "comma");
    mr_options_destroy(&here);
    mr_options_destroy(&there);
}

static void check_refused(const char *job, const char *name, const char *value, const char *text) {
    mr_options_t *options = options_of(job);
    mr_error_t error = {0};
    assert_int_equal(mr_options_set(options, name, value, &error), -1);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_string_equal(error.text, text);
    assert_int_equal(mr_options_count(options), 0);
    mr_options_destroy(&options);
}

static void test_refusals(void **unused) {
    (void) unused;
    check_refused("sum", "vlaue", "1", "--vlaue: job sum has no such option; did you mean --value?");
    check_refused("sum", "zzzzzz", "1", "--zzzzzz: job sum has no such option");
    check_refused("ngrams", "key", "1", "--key: job ngrams has no such option");
    check_refused("sum", "key", NULL, "--key: needs a value (N)");
    check_refused("sum", "signed", "yes", "--signed: takes no value");
}

static int read_number(const char *text, uint64_t low, uint64_t high, uint64_t *number, mr_complaint_t *complaint) {
    mr_options_t *options = options_of("sum");
    mr_error_t error = {0};
    assert_int_equal(mr_options_set(options, "columns", text, &error), 0);
    int result = mr_option_number(options, "columns", low, high, number, complaint);
    mr_options_destroy(&options);
    return result;
}

static void test_numbers(void **unused) {
    (void) unused;
    static const char *const bad[] = {"", "0", "11", "-1", "+1", " 1", "1 ", "1e1", "0x1", "18446744073709551617"};
    mr_complaint_t complaint = {{0}};
    uint64_t number = 77;
    assert_int_equal(read_number("10", 1, 10, &number, &complaint), 0);
    assert_int_equal(number, 10);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        complaint.text[0] = 0;
        assert_int_equal(read_number(bad[i], 1, 10, &number, &complaint), -1);
        assert_non_null(strstr(complaint.text, "must be a whole number from 1 to 10"));
        assert_int_equal(number, 10);
    }
    mr_options_t *options = options_of("sum");
    assert_int_equal(mr_option_number(options, "columns", 1, 10, &number, &complaint), 0); /* not given: kept */
    assert_int_equal(number, 10);
    mr_options_destroy(&options);
}

static void test_first_complaint_is_kept(void **unused) {
    (void) unused;
    mr_complaint_t complaint = {{0}};
    assert_int_equal(mr_complain(&complaint, "first %d", 1), -1);
    assert_int_equal(mr_complain(&complaint, "second"), -1);
    assert_string_equal(complaint.text, "first 1");
    assert_int_equal(mr_complain(NULL, "nowhere"), -1);
}

static const char *nearest(const char *typed) {
    static const char *const names[] = {"delimiter", "key", "value", "columns", "lower"};
    mr_nearest_t search = {.typed = typed};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        mr_nearest_offer(&search, names[i]);
    return search.best;
}

static void test_nearest(void **unused) {
    (void) unused;
    char endless[300];
    memset(endless, 'k', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_string_equal(nearest("delimeter"), "delimiter");
    assert_string_equal(nearest("delimter"), "delimiter");
    assert_string_equal(nearest("vlaue"), "value");
    assert_string_equal(nearest("keys"), "key");
    assert_string_equal(nearest("column"), "columns");
    assert_null(nearest("delim"));
    assert_null(nearest("xyz"));
    assert_null(nearest(""));
    assert_null(nearest(endless));
}

static void test_jobs_by_name(void **unused) {
    (void) unused;
    static const char *const names[] = {"ngrams", "sum", "count", "wordcount", "sum-range", "noop", "faulty"};
    size_t count = 0;
    for (; mr_job_at(count); count++) {
        const mr_job_t *job = mr_job_at(count);
        assert_string_equal(job->name, names[count]);
        assert_ptr_equal(mr_job_find(job->name), job);
        assert_int_equal(job->abi, MR_JOB_ABI);
        assert_true(job->ncells >= 1 && job->ncells <= MR_MAX_CELLS);
        assert_non_null(job->map);
        assert_non_null(job->summary);
        assert_true(!job->plan == !(job->flags & MR_JOB_ARGUMENTS));
    }
    assert_int_equal(count, sizeof names / sizeof *names);
    assert_null(mr_job_find("summ"));
    assert_string_equal(mr_job_nearest("ngram"), "ngrams");
    assert_string_equal(mr_job_nearest("worcount"), "wordcount");
    assert_string_equal(mr_job_nearest("sumrange"), "sum-range");
    assert_null(mr_job_nearest("nooop")); /* hidden */
    assert_null(mr_job_nearest("frobnicate"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_settings),
        cmocka_unit_test(test_sent_on),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_first_complaint_is_kept),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_jobs_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
