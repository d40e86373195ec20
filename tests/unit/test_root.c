/* Files beneath a root: what is in it opens; `..`, links that lead out, and a directory that is swapped for such a link while files are opened,
 * do not. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "input/root.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static char directory[64];
static mr_root_t root;

static const char *at(const char *name) {
    static char path[4][128];
    static unsigned next;
    char *to = path[next++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", directory, name);
    return to;
}

static void make_file(const char *name) {
    FILE *file = fopen(at(name), "we");
    assert_non_null(file);
    fputs(name, file);
    assert_int_equal(fclose(file), 0);
}

static int make_tree(void **state) {
    mr_error_t error = {0};
    (void) state;
    strcpy(directory, "/tmp/millrace-test-root-XXXXXX");
    if (!mkdtemp(directory) || mkdir(at("in"), 0700) || mkdir(at("in/d"), 0700) || mkdir(at("out"), 0700) ||
        mkdir(at("inner"), 0700))
        return -1;
    make_file("in/d/f");
    make_file("out/f");
    make_file("inner/f");
    return symlink("../out", at("in/link")) || symlink("d/f", at("in/inside")) ||
           symlink(at("in/d/f"), at("in/absolute")) || symlink(at("in"), at("alias")) ||
           mr_root_open(&root, "--root", at("in"), &error);
}

static int remove_tree(void **state) {
    char command[128];
    (void) state;
    mr_root_close(&root);
    mr_root_close(&root);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* What the file that opens says, or NULL. */
static const char *read_at(const char *path) {
    static char text[32];
    int fd = mr_root_open_file(&root, path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (size < 0)
        return NULL;
    text[size] = 0;
    return text;
}

static void what_is_beneath_opens(void **state) {
    (void) state;
    assert_string_equal(read_at(at("in/d/f")), "in/d/f");
    assert_string_equal(read_at(at("in/d/../d//f")), "in/d/f");
    assert_string_equal(read_at(at("in//inside")), "in/d/f");
    int fd = mr_root_open_file(&root, at("in"), O_PATH | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    assert_null(read_at(at("in/none")));
    assert_int_equal(errno, ENOENT);
}

static void what_leads_out_does_not(void **state) {
    static const char *const bad[] = {"out/f",
                                      "inner/f",
                                      "in/../out/f",
                                      "in/d/../../out/f",
                                      "in/link/f",
                                      "in/absolute",
                                      "in/../in/d/f",
                                      "alias/d/f",
                                      "in/link/../in",
                                      "in/link/../f",
                                      "in"
                                      "ner"};
    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        assert_null(read_at(at(bad[i])));
        assert_int_equal(errno, EXDEV);
    }
    assert_null(read_at("/etc/passwd"));
    assert_null(read_at(""));
    assert_null(read_at("relative"));
}

/* ---- a race ---- */

static atomic_bool over;

static void *swap(void *argument) {
    (void) argument;
    while (!atomic_load(&over))
        syscall(SYS_renameat2, AT_FDCWD, at("in/d"), AT_FDCWD, at("in/link"), RENAME_EXCHANGE);
    return NULL;
}

static void nothing_else_opens_while_a_link_takes_its_place(void **state) {
    pthread_t thread;
    unsigned opened = 0, refused = 0;
    (void) state;
    char path[128];
    snprintf(path, sizeof path, "%s/in/d/f", directory);
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    for (unsigned i = 0; i < 2000000 && (i < 20000 || !opened || !refused); i++) {
        const char *text = read_at(path);
        opened += text != NULL;
        refused += !text;
        if (text && strcmp(text, "in/d/f"))
            fail_msg("opened %s", text);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    assert_true(opened && refused);
}

static void a_root_is_a_directory(void **state) {
    mr_root_t none;
    mr_error_t error = {0};
    (void) state;
    assert_int_equal(mr_root_open(&none, "--root", at("in/d/f"), &error), -1);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    mr_root_close(&none);
    error = (mr_error_t){0};
    assert_int_equal(mr_root_open(&none, "--root", at("none"), &error), -1);
    assert_non_null(strstr(error.text, "/none: No such file"));
    mr_root_close(&none);
}

static void the_root_of_all_opens_all(void **state) {
    mr_error_t error = {0};
    (void) state;
    mr_root_close(&root);
    assert_int_equal(mr_root_open(&root, "--root", "/", &error), 0);
    assert_string_equal(read_at(at("out/f")), "out/f");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_beneath_opens, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(what_leads_out_does_not, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(nothing_else_opens_while_a_link_takes_its_place, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_root_is_a_directory, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(the_root_of_all_opens_all, make_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
