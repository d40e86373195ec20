/* The binding: what is the same job, and what is said when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "binding.h"
#include "jobs/registry.h"

/* A request over files, and its inputs, in memory only. */
typedef struct fixture {
    mr_request_t request;
    mr_work_t work;
    mr_input_t inputs[2];
} fixture_t;

static void make(fixture_t *fixture, const char *key) {
    mr_error_t error = {0};
    static char first[] = "/d/a\nb\\c", second[] = "/d/second";
    *fixture = (fixture_t){.inputs = {{.path = first, .name = first + 3, .size = 10, .mtime_ns = -5, .inode = 7},
                                      {.path = second, .name = second + 3, .size = 20, .mtime_ns = 6, .inode = 8}}};
    fixture->request.job = mr_job_find("sum");
    fixture->request.options = mr_options_new(fixture->request.job);
    fixture->request.cluster.max_record = 100;
    assert_int_equal(mr_options_set(fixture->request.options, "key", key, &error), 0);
    fixture->work.inputs = (mr_inputs_t){fixture->inputs, 2, 30};
}

static mr_buffer_t bind(fixture_t *fixture, uint64_t chunk) {
    mr_buffer_t text = {0};
    assert_int_equal(mr_binding_make(&fixture->request, &fixture->work, chunk, &text), 0);
    return text;
}

static void compare(const mr_buffer_t *then, fixture_t *now, mr_status_t status, const char *words) {
    mr_error_t error = {0};
    mr_buffer_t text = bind(now, 4096);
    int failed = mr_binding_compare(then->data, then->size, &text, &now->work, "D/journal", &error);
    assert_int_equal(failed, status ? -1 : 0);
    assert_int_equal(error.status, status);
    if (!strstr(error.text, words))
        fail_msg("no '%s' in: %s", words, error.text);
    mr_buffer_free(&text);
}

static void is_text(void **state) {
    (void) state;
    fixture_t fixture;
    make(&fixture, "3");
    mr_buffer_t text = bind(&fixture, 4096);
    assert_int_equal(mr_binding_chunk(text.data, text.size), 4096);
    assert_int_equal(mr_buffer_append(&text, "", 1), 0);
    assert_non_null(strstr(text.data, "version " MILLRACE_VERSION "\njob sum\n--key 3\n"));
    assert_non_null(strstr(text.data, "\ninput 10 -5 7 /d/a\\nb\\\\c\ninput 20 6 8 /d/second\n"));
    assert_int_equal(mr_binding_chunk("chunks 7\nchunk 12", 17), 0); /* its line does not end */
    mr_buffer_free(&text);
    mr_options_destroy(&fixture.request.options);
}

static void tells_what_differs(void **state) {
    (void) state;
    fixture_t then, now;
    make(&then, "1");
    mr_buffer_t text = bind(&then, 4096);
    make(&now, "1");
    compare(&text, &now, MR_STATUS_OK, "");
    now.inputs[0].device = 77;
    now.request.cluster.skip_bad = 5;
    compare(&text, &now, MR_STATUS_OK, "");
    now.inputs[1].inode++;
    compare(&text, &now, MR_STATUS_INPUT, "second: changed since the job was begun (it is another file of that name)");
    now.inputs[1].mtime_ns++;
    compare(&text, &now, MR_STATUS_INPUT, "second: changed since the job was begun (it was modified)");
    now.inputs[1].size = 21;
    compare(&text, &now, MR_STATUS_INPUT, "second: changed since the job was begun (it had 20 bytes and has 21)");
    now.inputs[0].mtime_ns = -6;
    compare(&text, &now, MR_STATUS_INPUT, "a\nb\\c: changed since the job was begun (it was modified)");
    mr_options_destroy(&now.request.options);
    make(&now, "1");
    now.work.inputs.count = 1;
    compare(&text, &now, MR_STATUS_USAGE, "that one has 'input 20 6 8 /d/second', this one 'nothing of the kind'");
    now.work.inputs.count = 2;
    now.inputs[1].path = now.inputs[0].path;
    compare(&text, &now, MR_STATUS_USAGE, "D/journal: it is of another job");
    now.request.cluster.only = "x";
    compare(&text, &now, MR_STATUS_USAGE, "this one '--only x'");
    mr_options_destroy(&now.request.options);
    make(&now, "2");
    compare(&text, &now, MR_STATUS_USAGE, "that one has '--key 1', this one '--key 2'");
    mr_options_destroy(&now.request.options);
    mr_options_destroy(&then.request.options);
    mr_buffer_free(&text);
}

/* A binding comes from a file: whatever it says, it only differs. */
static void of_nonsense(void **state) {
    (void) state;
    static const char *const texts[] = {
        "", "\n", "input\n", "input 1 2\n", "input 99999999999999999999999 x\n", "chunk\n", "no end"};
    fixture_t now;
    make(&now, "1");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mr_buffer_t text = {0};
        assert_int_equal(mr_buffer_append(&text, texts[i], strlen(texts[i])), 0);
        assert_int_equal(mr_binding_chunk(texts[i], strlen(texts[i])), 0);
        compare(&text, &now, MR_STATUS_USAGE, "it is of another job");
        mr_buffer_free(&text);
    }
    mr_options_destroy(&now.request.options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_text),
        cmocka_unit_test(tells_what_differs),
        cmocka_unit_test(of_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
