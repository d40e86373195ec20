/* Progress on stderr, caught in a pipe: what it says, how often, and that it never goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

typedef struct caught {
    int saved;
    int ends[2];
    char text[65536];
} caught_t;

static void catch_stderr(caught_t *caught) {
    assert_int_equal(pipe2(caught->ends, O_NONBLOCK), 0);
    caught->saved = dup(STDERR_FILENO);
    dup2(caught->ends[1], STDERR_FILENO);
}

static const char *let_go(caught_t *caught) {
    dup2(caught->saved, STDERR_FILENO);
    close(caught->saved);
    close(caught->ends[1]);
    ssize_t size = read(caught->ends[0], caught->text, sizeof caught->text - 1);
    close(caught->ends[0]);
    caught->text[size > 0 ? size : 0] = 0;
    return caught->text;
}

static size_t lines_in(const char *text) {
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void modes(void **state) {
    (void) state;
    assert_int_equal(mr_progress_mode_find("bar"), MR_PROGRESS_BAR);
    assert_int_equal(mr_progress_mode_find("json"), MR_PROGRESS_JSON);
    assert_int_equal(mr_progress_mode_find("none"), MR_PROGRESS_NONE);
    assert_int_equal(mr_progress_mode_find("fancy"), -1);
    caught_t caught;
    catch_stderr(&caught);
    int mode = mr_progress_mode_find("auto"); /* a pipe is no terminal */
    let_go(&caught);
    assert_int_equal(mode, MR_PROGRESS_NONE);
}

static void json_lines(void **state) {
    (void) state;
    mr_progress_t progress = {.mode = MR_PROGRESS_JSON};
    caught_t caught;
    catch_stderr(&caught);
    mr_progress_start(&progress, "map", 1000, 5000);
    mr_progress_show(&progress, 5100, 100, 3); /* too soon */
    mr_progress_show(&progress, 5500, 250, 3);
    mr_progress_show(&progress, 5600, 300, 3); /* too soon */
    mr_progress_show(&progress, 6000, 200, 2); /* a task had to run again: the figure stays */
    mr_progress_end(&progress, 7000, 5000, 2); /* never more than there is */
    const char *text = let_go(&caught);
    assert_int_equal(lines_in(text), 4);
    assert_non_null(strstr(text, "\"phase\":\"map\",\"seconds\":0.000,\"bytes\":0,")); /* the phase begins */
    assert_non_null(strstr(text, "\"bytes\":250,\"total_bytes\":1000,\"percent\":25.00,\"bytes_per_second\":500"));
    assert_non_null(strstr(text, "\"eta_seconds\":1.500}\n"));
    assert_non_null(strstr(text, "\"seconds\":1.000,\"bytes\":250"));
    assert_non_null(strstr(text, "\"seconds\":2.000,\"bytes\":1000,\"total_bytes\":1000,\"percent\":100.00"));
}

static void nothing_to_do_is_all_done(void **state) {
    (void) state;
    mr_progress_t progress = {.mode = MR_PROGRESS_JSON};
    caught_t caught;
    catch_stderr(&caught);
    mr_progress_start(&progress, "map", 0, 0);
    mr_progress_end(&progress, 0, 0, 0);
    const char *text = let_go(&caught);
    assert_non_null(strstr(text, "\"percent\":100.00,\"bytes_per_second\":0,\"workers\":0,\"eta_seconds\":-1.000}"));
}

/* A bar is one line, drawn over itself, and taken away before a message. */
static void bar(void **state) {
    (void) state;
    mr_progress_t progress = {.mode = MR_PROGRESS_BAR};
    caught_t caught;
    catch_stderr(&caught);
    mr_progress_start(&progress, "map", UINT64_MAX, 0);
    for (int64_t now = 0; now <= 1000; now += 10)
        mr_progress_show(&progress, now, (uint64_t) now * 1000000, UINT32_MAX);
    mr_progress_clear(&progress);
    mr_progress_clear(&progress);
    mr_progress_end(&progress, 2000, 0, 0);
    const char *text = let_go(&caught);
    assert_int_equal(lines_in(text), 0);
    size_t drawn = 0, cleared = 0;
    for (const char *at = text; (at = strchr(at, '\r')); at++)
        drawn += at[1] != '\x1b', cleared += at[1] == '\x1b';
    assert_int_equal(drawn, 10);
    assert_int_equal(cleared, 1);
    assert_int_equal(text[0], '\r');
    assert_non_null(strstr(text, "map "));
}

static void none_is_silent(void **state) {
    (void) state;
    mr_progress_t progress = {.mode = MR_PROGRESS_NONE};
    caught_t caught;
    catch_stderr(&caught);
    mr_progress_start(&progress, "map", 10, 0);
    mr_progress_show(&progress, 10000, 5, 1);
    mr_progress_end(&progress, 20000, 10, 1);
    assert_string_equal(let_go(&caught), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes), cmocka_unit_test(json_lines),     cmocka_unit_test(nothing_to_do_is_all_done),
        cmocka_unit_test(bar),   cmocka_unit_test(none_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
