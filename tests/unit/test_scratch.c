/* Runs' directories: one each, and those of the dead are removed, no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"

static char tmp[64];

static int make_tmp(void **state) {
    (void) state;
    snprintf(tmp, sizeof tmp, "/tmp/scratch-test-XXXXXX");
    return mkdtemp(tmp) ? 0 : -1;
}

/* Empty, or the test has left something. */
static int remove_tmp(void **state) {
    (void) state;
    return rmdir(tmp);
}

static void put_file(const char *dir, const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static mr_scratch_t make(void) {
    mr_error_t error = {0};
    mr_scratch_t scratch = {0};
    assert_int_equal(mr_scratch_make(&scratch, tmp, &error), 0);
    assert_int_equal(strncmp(scratch.dir, tmp, strlen(tmp)), 0);
    put_file(scratch.dir, "stdin");
    return scratch;
}

static bool exists(const char *path) {
    return !access(path, F_OK);
}

/* A run that is killed: its directory's path. */
static void killed_run(char path[4096]) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        mr_scratch_t scratch = make();
        ssize_t put = write(ends[1], scratch.dir, sizeof scratch.dir);
        _exit(put == sizeof scratch.dir ? 0 : 1);
    }
    assert_int_equal(read(ends[0], path, 4096), 4096);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    assert_true(exists(path));
}

static void the_living_are_left_alone(void **state) {
    (void) state;
    mr_scratch_t one = make(), other = make(), third = make();
    assert_true(exists(one.dir) && exists(other.dir) && exists(third.dir));
    mr_scratch_remove(&other);
    mr_scratch_remove(&other);
    mr_scratch_t fourth = make();
    assert_true(exists(one.dir) && exists(third.dir));
    mr_scratch_remove(&one);
    mr_scratch_remove(&third);
    mr_scratch_remove(&fourth);
}

static void what_a_killed_run_left_is_removed(void **state) {
    (void) state;
    char first[4096], second[4096];
    killed_run(first);
    killed_run(second); /* which removes the first's */
    assert_false(exists(first));
    mr_scratch_t scratch = make();
    assert_false(exists(second));
    assert_true(exists(scratch.dir));
    mr_scratch_remove(&scratch);
}

/* Not ours: another name, a file, a link, a directory without the mark of one, or that others may read. */
static void what_others_made_is_left_alone(void **state) {
    (void) state;
    static const char *const names[] = {"millrace-abc", "millrace-abcdefg", "other-abcdef", "millrace-backup",
                                        "millrace-open00"};
    char path[256], file[256], link[256];
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", tmp, names[i]);
        assert_int_equal(mkdir(path, i == 4 ? 0755 : 0700), 0);
        put_file(path, "kept");
    }
    put_file(tmp, "millrace-file00");
    snprintf(link, sizeof link, "%s/millrace-link00", tmp);
    snprintf(path, sizeof path, "%s/other-abcdef", tmp);
    assert_int_equal(symlink(path, link), 0);
    mr_scratch_t scratch = make();
    mr_scratch_remove(&scratch);
    for (size_t i = 0; i < 5; i++) {
        snprintf(file, sizeof file, "%s/%s/kept", tmp, names[i]);
        assert_int_equal(unlink(file), 0);
        snprintf(path, sizeof path, "%s/%s", tmp, names[i]);
        assert_int_equal(rmdir(path), 0);
    }
    snprintf(path, sizeof path, "%s/millrace-file00", tmp);
    assert_int_equal(unlink(path) || unlink(link), 0);
}

static void no_directory(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_scratch_t scratch = {0};
    assert_int_equal(mr_scratch_make(&scratch, "/nonexistent", &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(
        error.text, "/nonexistent: cannot make a directory: No such file or directory (name another with --tmp)"));
    mr_scratch_remove(&scratch);
}

#define IN_TMP(test) cmocka_unit_test_setup_teardown(test, make_tmp, remove_tmp)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_TMP(the_living_are_left_alone),
        IN_TMP(what_a_killed_run_left_is_removed),
        IN_TMP(what_others_made_is_left_alone),
        cmocka_unit_test(no_directory),
    };
    return cmocka_run_group_tests_name("scratch", tests, NULL, NULL);
}
