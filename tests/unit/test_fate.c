/* How a process ended, in words; and what the kernel counts when memory is out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fate.h"

static void expect_kills(const char *text, int64_t wanted) {
    char path[] = "/tmp/test-fate-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    close(fd);
    assert_int_equal(mr_fate_read_oom_kills(path), wanted);
    unlink(path);
}

static void counts(void **state) {
    (void) state;
    expect_kills("low 0\nhigh 0\nmax 17\noom 2\noom_kill 5\noom_group_kill 0\n", 5);
    expect_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3);
    expect_kills("low 0\nhigh 0\n", -1);
    expect_kills("", -1);
    expect_kills("oom_kill many\n", -1);
    assert_int_equal(mr_fate_read_oom_kills("/no/such/file"), -1);
}

/* The wait status of a child that dies so. */
static int die(int number, int status) {
    int fate;
    pid_t child = fork();
    if (child == 0) {
        signal(number ? number : SIGTERM, SIG_DFL);
        if (number)
            raise(number);
        _exit(status);
    }
    assert_int_equal(waitpid(child, &fate, 0), child);
    return fate;
}

static void expect_text(int fate, int64_t before, const char *wanted) {
    char text[128];
    mr_fate_describe(text, sizeof text, fate, before);
    assert_string_equal(text, wanted);
}

static void words(void **state) {
    (void) state;
    int64_t now = mr_fate_oom_kills();
    expect_text(die(0, 3), -1, "exit status 3");
    expect_text(die(SIGSEGV, 0), -1, "killed by signal 11 (Segmentation fault)");
    expect_text(die(SIGKILL, 0), -1, "killed by signal 9 (Killed; perhaps out of memory)");
    if (now >= 0)
        expect_text(die(SIGKILL, 0), now, "killed by signal 9 (Killed)");
    if (now > 0)
        expect_text(die(SIGKILL, 0), now - 1, "killed by signal 9 (Killed; out of memory)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
