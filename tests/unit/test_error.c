/* The error value, and what of a text reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "log.h"

static void expect_escaped(const char *text, size_t size, const char *want) {
    char *got = NULL;
    size_t got_size = 0;
    FILE *stream = open_memstream(&got, &got_size);
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    assert_int_equal(mr_print_escaped(stream, copy, size), 0);
    fclose(stream);
    assert_string_equal(got, want);
    free(copy);
    free(got);
}

#define EXPECT_ESCAPED(literal, want) expect_escaped(literal, sizeof literal - 1, want)

static void text_stays(void **state) {
    (void) state;
    EXPECT_ESCAPED("", "");
    EXPECT_ESCAPED("plain ~text", "plain ~text");
    EXPECT_ESCAPED("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80");
    EXPECT_ESCAPED("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void controls_are_shown(void **state) {
    (void) state;
    EXPECT_ESCAPED("a\x1b[31mb\nc\td\x7f", "a\\x1b[31mb\\x0ac\\x09d\\x7f");
    EXPECT_ESCAPED("\0x", "\\x00x");
    EXPECT_ESCAPED("\xc2\x9b"
                   "2J",
                   "\\xc2\\x9b2J"); /* a C1 control: terminals take it for ESC [ */
}

static void what_is_not_utf8_is_shown(void **state) {
    (void) state;
    EXPECT_ESCAPED("\x80", "\\x80");
    EXPECT_ESCAPED("\xc0\x80", "\\xc0\\x80");                   /* overlong */
    EXPECT_ESCAPED("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");          /* overlong */
    EXPECT_ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    EXPECT_ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* past the last */
    EXPECT_ESCAPED("\xe2\x82", "\\xe2\\x82");                   /* cut off by the end */
    EXPECT_ESCAPED("\xe2\x82x", "\\xe2\\x82x");
    EXPECT_ESCAPED("\xff\xfe", "\\xff\\xfe");
}

static void first_error_is_kept(void **state) {
    (void) state;
    mr_error_t error = {0};
    assert_int_equal(mr_error_set(&error, MR_STATUS_INPUT, "%s:%d: first", "file", 3), -1);
    assert_int_equal(mr_error_memory(&error, "doing more"), -1);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_string_equal(error.text, "file:3: first");
    assert_int_equal(mr_error_set(NULL, MR_STATUS_JOB, "nobody wants to know"), -1);
}

static void long_messages_are_cut_not_overrun(void **state) {
    (void) state;
    mr_error_t error = {0};
    char path[5000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = 0;
    mr_error_set(&error, MR_STATUS_INPUT, "%s: the reason", path);
    assert_true(strlen(error.text) < sizeof error.text);
    assert_non_null(strstr(error.text, "the reason"));
}

static void log_levels(void **state) {
    (void) state;
    assert_int_equal(mr_log_level_find("error"), MR_LOG_ERROR);
    assert_int_equal(mr_log_level_find("debug"), MR_LOG_DEBUG);
    assert_int_equal(mr_log_level_find("Debug"), -1);
    assert_int_equal(mr_log_level_find(""), -1);
}

/* One write a line, escaped, with the program's name. */
static void log_line(void **state) {
    (void) state;
    int ends[2], saved = dup(STDERR_FILENO);
    char line[8192];
    mr_error_t error = {.status = MR_STATUS_JOB};
    memset(error.text, 1, sizeof error.text - 1); /* each becomes four */
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    mr_log_init("program", MR_LOG_WARNING);
    mr_log(MR_LOG_INFO, "not this");
    mr_log(MR_LOG_WARNING, "key '%s'", "\x1b[0m");
    mr_log_error(&error);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t size = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    assert_true(size > 0);
    line[size] = 0;
    static const char first[] = "program: warning: key '\\x1b[0m'\n";
    assert_memory_equal(line, first, sizeof first - 1);
    assert_int_equal(strlen(line), sizeof first - 1 + strlen("program: error: ") + 4 * (sizeof error.text - 1) + 1);
    assert_int_equal(line[size - 1], '\n');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays),
        cmocka_unit_test(controls_are_shown),
        cmocka_unit_test(what_is_not_utf8_is_shown),
        cmocka_unit_test(first_error_is_kept),
        cmocka_unit_test(long_messages_are_cut_not_overrun),
        cmocka_unit_test(log_levels),
        cmocka_unit_test(log_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
