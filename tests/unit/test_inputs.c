/* Collecting inputs: every row of the inputs table in docs, by status and message; what is found, in what order, and how often; stdin; and
 * that a change is seen afterwards. Each test runs in an empty directory of its own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs.h"

static char directory[64];
static int saved_stdin;

/* ---- the directory ---- */

static int enter_directory(void **state) {
    (void) state;
    strcpy(directory, "/tmp/millrace-test-inputs-XXXXXX");
    if (!mkdtemp(directory) || chmod(directory, 0755))
        return -1;
    saved_stdin = dup(STDIN_FILENO);
    return chdir(directory);
}

static int leave_directory(void **state) {
    (void) state;
    char command[128];
    dup2(saved_stdin, STDIN_FILENO);
    close(saved_stdin);
    clearerr(stdin);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return chdir("/") || system(command);
}

static void make_file(const char *name, const void *data, size_t size) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    if (size)
        assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void make_text(const char *name) {
    make_file(name, "text\n", 5);
}

/* Stdin becomes a pipe that holds `text`. */
static void pipe_in(const char *text, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, size), size);
    close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    close(ends[0]);
    clearerr(stdin);
}

/* ---- collecting ---- */

/* Arguments separated by spaces. */
static int collect(mr_inputs_t *inputs, const mr_inputs_config_t *config, const char *arguments, mr_error_t *error) {
    char text[256], *list[32];
    int count = 0;
    snprintf(text, sizeof text, "%s", arguments);
    for (char *at = strtok(text, " "); at; at = strtok(NULL, " "))
        list[count++] = at;
    *error = (mr_error_t){0};
    return mr_inputs_collect(inputs, config, count, list, error);
}

static void expect_error(const mr_inputs_config_t *config, const char *arguments, mr_status_t status,
                         const char *text) {
    mr_inputs_t inputs;
    mr_error_t error;
    assert_int_equal(collect(&inputs, config, arguments, &error), -1);
    assert_string_equal(error.text, text);
    assert_int_equal(error.status, status);
    assert_null(inputs.items);
}

/* The names collected, joined by spaces, are `names`. */
static mr_inputs_t expect_names(const mr_inputs_config_t *config, const char *arguments, const char *names) {
    char got[4096] = "";
    mr_inputs_t inputs;
    mr_error_t error;
    collect(&inputs, config, arguments, &error);
    assert_string_equal(error.text, "");
    for (size_t i = 0; i < inputs.count; i++) {
        strcat(got, i ? " " : "");
        strcat(got, inputs.items[i].name);
        assert_int_equal(inputs.items[i].path[0], '/');
        assert_int_equal(access(inputs.items[i].path, R_OK), 0);
    }
    assert_string_equal(got, names);
    return inputs;
}

static void expect_only(const mr_inputs_config_t *config, const char *arguments, const char *names) {
    mr_inputs_t inputs = expect_names(config, arguments, names);
    mr_inputs_free(&inputs);
    mr_inputs_free(&inputs);
}

static const mr_inputs_config_t plain_config = {.spool_dir = directory};
static const mr_inputs_config_t recursive = {.spool_dir = directory, .recursive = true};

static void test_files(void **state) {
    (void) state;
    make_text("b");
    make_file("a", "", 0);
    mr_inputs_t inputs = expect_names(&plain_config, "b a b ./a", "b a b ./a");
    char path[128];
    snprintf(path, sizeof path, "%s/./a", directory);
    assert_string_equal(inputs.items[3].path, path);
    assert_int_equal(inputs.bytes, 10);
    assert_int_equal(inputs.items[0].size, 5);
    struct stat status;
    assert_int_equal(stat("b", &status), 0);
    assert_true(mr_inputs_contain(&inputs, status.st_dev, status.st_ino));
    assert_false(mr_inputs_contain(&inputs, status.st_dev, status.st_ino + 1000000));
    mr_inputs_free(&inputs);
    expect_only(&plain_config, path, path);
}

static void test_formats_by_content(void **state) {
    (void) state;
    make_text("plain.gz");
    make_file("gzip.txt", "\x1f\x8b\x08", 3);
    make_file("one", "\x1f", 1);
    mr_inputs_t inputs = expect_names(&plain_config, "plain.gz gzip.txt one", "plain.gz gzip.txt one");
    assert_int_equal(inputs.items[0].format, MR_FORMAT_PLAIN);
    assert_int_equal(inputs.items[1].format, MR_FORMAT_GZIP);
    assert_int_equal(inputs.items[2].format, MR_FORMAT_PLAIN);
    mr_inputs_free(&inputs);
}

static void test_refused(void **state) {
    (void) state;
    make_file("empty.gz", "", 0);
    make_file("le",
              "\xff\xfe"
              "a\0",
              4);
    make_file("be", "\xfe\xff\0a", 4);
    assert_int_equal(mkdir("dir", 0755), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(symlink("gone", "dangling"), 0);
    expect_error(&plain_config, "", MR_STATUS_USAGE, "no input: name a file, or - for stdin");
    expect_error(&plain_config, "gone", MR_STATUS_INPUT, "gone: No such file or directory");
    expect_error(&plain_config, "dangling", MR_STATUS_INPUT, "dangling: No such file or directory");
    expect_error(&plain_config, "loop", MR_STATUS_INPUT, "loop: Too many levels of symbolic links");
    expect_error(&plain_config, "empty.gz", MR_STATUS_INPUT, "empty.gz: truncated gzip (the file is empty)");
    expect_error(&plain_config, "dir", MR_STATUS_INPUT, "dir: is a directory (use --recursive)");
    expect_error(&plain_config, "fifo", MR_STATUS_INPUT, "fifo: not a regular file (use - for stdin)");
    expect_error(&plain_config, "/dev/zero", MR_STATUS_INPUT, "/dev/zero: not a regular file (use - for stdin)");
    expect_error(&plain_config, "/proc/cpuinfo", MR_STATUS_INPUT,
                 "/proc/cpuinfo: its size is not known (use - for stdin)");
    expect_error(&plain_config, "le", MR_STATUS_INPUT,
                 "le: UTF-16 is not supported (convert it first: iconv -f UTF-16 -t UTF-8)");
    expect_error(&plain_config, "be", MR_STATUS_INPUT,
                 "be: UTF-16 is not supported (convert it first: iconv -f UTF-16 -t UTF-8)");
}

static void test_unreadable(void **state) {
    (void) state;
    make_text("secret");
    assert_int_equal(chmod("secret", 0), 0);
    bool root = geteuid() == 0;
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    mr_inputs_t inputs;
    mr_error_t error;
    int result = collect(&inputs, &plain_config, "secret", &error);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(result, -1);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_string_equal(error.text, "secret: Permission denied");
}

static void test_all_problems_are_found(void **state) {
    (void) state;
    make_text("good");
    expect_error(&plain_config, "x good y", MR_STATUS_INPUT, "x: No such file or directory (and 1 more input problem)");
    expect_error(&plain_config, "x y good z", MR_STATUS_INPUT,
                 "x: No such file or directory (and 2 more input problems)");
}

static void test_patterns(void **state) {
    (void) state;
    make_text("b1");
    make_text("a1");
    make_text("a*");
    make_text("a2");
    expect_only(&plain_config, "?1", "a1 b1");
    expect_only(&plain_config, "a*", "a*"); /* it is a name */
    expect_only(&plain_config, "[ab][12]", "a1 a2 b1");
    expect_error(&plain_config, "c*", MR_STATUS_INPUT, "c*: no file has this name or matches this pattern");
    make_text("c[1"); /* matched, and not a pattern again */
    expect_only(&plain_config, "c*", "c[1");
}

/* ---- --recursive ---- */

static void test_walk(void **state) {
    (void) state;
    assert_int_equal(mkdir("d", 0755), 0);
    assert_int_equal(mkdir("d/sub", 0755), 0);
    assert_int_equal(mkdir("d/empty", 0755), 0);
    make_text("d/z");
    make_text("d/a");
    make_text("d/sub/m");
    make_text("d/.hidden");
    assert_int_equal(mkfifo("d/fifo", 0600), 0);
    assert_int_equal(symlink("..", "d/sub/up"), 0);
    assert_int_equal(symlink("../z", "d/sub/again"), 0);
    assert_int_equal(link("d/a", "d/b"), 0);
    expect_only(&recursive, "d", "d/.hidden d/a d/sub/again d/sub/m");
    expect_only(&recursive, "d/ d/z", "d/.hidden d/a d/sub/again d/sub/m");
    expect_only(&recursive, "d/z d", "d/z d/.hidden d/a d/sub/m");
    expect_error(&recursive, "d/empty", MR_STATUS_INPUT, "no input: what was named holds no files");
    assert_int_equal(symlink("loop", "d/loop"), 0);
    expect_error(&recursive, "d", MR_STATUS_INPUT,
                 "d/loop: Too many levels of symbolic links (a symbolic link that leads nowhere)");
}

static void test_many_files(void **state) {
    (void) state;
    char name[64];
    assert_int_equal(mkdir("d", 0755), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "d/%04d", i);
        make_text(name);
    }
    mr_inputs_t inputs;
    mr_error_t error;
    assert_int_equal(collect(&inputs, &recursive, "d d", &error), 0);
    assert_int_equal(inputs.count, 3000);
    assert_string_equal(inputs.items[2999].name, "d/2999");
    assert_int_equal(mr_inputs_verify(&inputs, &error), 0);
    mr_inputs_free(&inputs);
}

/* ---- lists ---- */

static void test_lists(void **state) {
    (void) state;
    mr_inputs_config_t config = {.spool_dir = directory, .files_from = "list"};
    make_text("a");
    make_text("b*");
    make_text("new\nline");
    make_file("list", "a\nb*", 4);
    expect_only(&config, "", "a b*");
    expect_only(&config, "a", "a a b*");
    make_file("list", "a\n\nb*\n", 6);
    expect_error(&config, "", MR_STATUS_INPUT, "list:2: an empty file name");
    make_file("list", "a\n?\n", 4); /* no patterns here */
    expect_error(&config, "", MR_STATUS_INPUT, "?: No such file or directory");
    make_file("list", "a\nb\0c\n", 6);
    expect_error(&config, "", MR_STATUS_INPUT, "list:2: a NUL in a file name (use --files0-from)");
    make_file("list", "", 0);
    expect_error(&config, "", MR_STATUS_INPUT, "no input: what was named holds no files");
    config.files_from = "gone";
    expect_error(&config, "", MR_STATUS_INPUT, "gone: No such file or directory");
    config.files_from = ".";
    expect_error(&config, "", MR_STATUS_INPUT, ".: Is a directory");
    config = (mr_inputs_config_t){.spool_dir = directory, .files0_from = "list"};
    make_file("list", "new\nline\0a", 10);
    expect_only(&config, "", "new\nline a");
    make_file("list", "a\0\0", 3);
    expect_error(&config, "", MR_STATUS_INPUT, "list:2: an empty file name");
}

static void test_list_on_stdin(void **state) {
    (void) state;
    mr_inputs_config_t config = {.spool_dir = directory, .files_from = "-"};
    make_text("a");
    make_text("b");
    pipe_in("a\nb\n", 4);
    expect_only(&config, "", "a b");
    pipe_in("a\n-\n", 4);
    expect_error(&config, "", MR_STATUS_USAGE, "standard input can be read only once: name - once");
    expect_error(&config, "-", MR_STATUS_USAGE, "standard input can be read only once: name - once");
}

/* ---- stdin ---- */

static void test_stdin_is_spooled(void **state) {
    (void) state;
    make_text("a");
    pipe_in("\x1f\x8b some gzip", 12);
    mr_inputs_t inputs = expect_names(&plain_config, "a -", "a standard input");
    struct stat status;
    assert_int_equal(stat(inputs.items[1].path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(inputs.items[1].size, 12);
    assert_int_equal(inputs.items[1].format, MR_FORMAT_GZIP);
    mr_inputs_free(&inputs);
    pipe_in("x", 1); /* the spool file of before is not overwritten */
    mr_error_t error;
    assert_int_equal(collect(&inputs, &plain_config, "-", &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "/stdin: File exists"));
}

static void test_stdin_empty_or_twice(void **state) {
    (void) state;
    pipe_in("", 0);
    expect_error(&plain_config, "- -", MR_STATUS_USAGE, "standard input can be read only once: name - once");
    assert_int_equal(unlink("stdin"), 0);
    pipe_in("", 0);
    expect_only(&plain_config, "-", "standard input");
}

static void test_stdin_redirected_is_not_copied(void **state) {
    (void) state;
    make_text("a");
    int fd = open("a", O_RDONLY);
    assert_true(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    mr_inputs_t inputs = expect_names(&plain_config, "-", "standard input");
    assert_non_null(strstr(inputs.items[0].path, "/a"));
    assert_int_equal(access("stdin", F_OK), -1);
    mr_inputs_free(&inputs);
    assert_int_equal(lseek(STDIN_FILENO, 2, SEEK_SET), 2); /* the rest only */
    inputs = expect_names(&plain_config, "-", "standard input");
    assert_int_equal(inputs.items[0].size, 3);
    mr_inputs_free(&inputs);
    assert_int_equal(unlink("stdin"), 0);
    assert_int_equal(unlink("a"), 0); /* no name leads to it any more */
    assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_SET), 0);
    expect_only(&plain_config, "-", "standard input");
    close(fd);
}

/* ---- changes ---- */

static void test_changes_are_seen(void **state) {
    (void) state;
    mr_error_t error = {0};
    make_text("a");
    make_text("b");
    mr_inputs_t inputs = expect_names(&plain_config, "a b", "a b");
    assert_int_equal(mr_inputs_verify(&inputs, &error), 0);
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, "b", times, 0), 0);
    assert_int_equal(mr_inputs_verify(&inputs, &error), -1);
    assert_string_equal(error.text, "b: changed during the job");
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_int_equal(unlink("a"), 0);
    error = (mr_error_t){0};
    assert_int_equal(mr_inputs_verify(&inputs, &error), -1);
    assert_string_equal(error.text, "a: changed during the job");
    mr_inputs_free(&inputs);
}

/* ---- beneath a root ---- */

static void test_root(void **state) {
    (void) state;
    mr_root_t root;
    mr_error_t error = {0};
    assert_true(!mkdir("in", 0755) && !mkdir("out", 0755));
    make_text("in/a");
    make_text("in/b");
    make_text("out/secret");
    make_file("in/list", "in/a\n../in/b\n", 13);
    assert_true(!symlink("../out", "in/link") && !symlink("../out/secret", "in/alias") && !symlink("a", "in/c"));
    assert_int_equal(mr_root_open(&root, "--root", "in", &error), 0);
    mr_inputs_config_t config = {.spool_dir = directory, .root = &root}, walk = config, list = config;
    walk.recursive = true;
    list.files_from = "out/secret";
    expect_only(&config, "in/a in/c in/./b", "in/a in/c in/./b");
    expect_error(&config, "out/secret", MR_STATUS_INPUT, "out/secret: not beneath --root");
    expect_error(&config, "in/../out/secret", MR_STATUS_INPUT, "in/../out/secret: not beneath --root");
    expect_error(&config, "in/link/secret", MR_STATUS_INPUT, "in/link/secret: not beneath --root");
    expect_error(&config, "in/link/none", MR_STATUS_INPUT, "in/link/none: not beneath --root");
    expect_error(&config, "in/alias", MR_STATUS_INPUT, "in/alias: not beneath --root");
    expect_error(&config, "/etc/passwd", MR_STATUS_INPUT, "/etc/passwd: not beneath --root");
    expect_error(&config, "in/*", MR_STATUS_INPUT,
                 "in/*: no file has this name (and with --root, patterns match none)");
    expect_error(&walk, "in", MR_STATUS_INPUT, "in/alias: not beneath --root (and 1 more input problem)");
    expect_error(&walk, "out", MR_STATUS_INPUT, "out: not beneath --root");
    expect_error(&list, "", MR_STATUS_INPUT, "out/secret: not beneath --root");
    pipe_in("x\n", 2);
    expect_error(&config, "-", MR_STATUS_USAGE, "standard input: with --root it must be a file beneath it (< FILE)");
    mr_root_close(&root);
}

/* Files of the same size are told apart, where workers of other machines are to do so. */
static void test_fingerprints(void **state) {
    (void) state;
    mr_inputs_config_t config = {.spool_dir = directory, .fingerprints = true};
    make_file("a", "1\n", 2);
    make_file("b", "2\n", 2);
    make_file("empty", "", 0);
    mr_inputs_t inputs = expect_names(&config, "a b a empty", "a b a empty");
    assert_true(inputs.items[0].fingerprint && inputs.items[0].fingerprint != inputs.items[1].fingerprint);
    assert_true(inputs.items[0].fingerprint == inputs.items[2].fingerprint && inputs.items[3].fingerprint);
    mr_inputs_free(&inputs);
    inputs = expect_names(&plain_config, "a", "a");
    assert_true(!inputs.items[0].fingerprint);
    mr_inputs_free(&inputs);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_files),
        TEST(test_formats_by_content),
        TEST(test_refused),
        TEST(test_unreadable),
        TEST(test_all_problems_are_found),
        TEST(test_patterns),
        TEST(test_walk),
        TEST(test_many_files),
        TEST(test_lists),
        TEST(test_list_on_stdin),
        TEST(test_stdin_is_spooled),
        TEST(test_stdin_empty_or_twice),
        TEST(test_stdin_redirected_is_not_copied),
        TEST(test_changes_are_seen),
        TEST(test_root),
        TEST(test_fingerprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
