/* A coordinator that is stopped for two leases and goes on: none of its workers may be taken for dead, for it was the coordinator
 * that did not listen. Also: Ctrl-C of the whole, which leaves no process behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

#define DEADLINE_MS 20000

extern char **environ;

typedef struct job {
    pid_t pid;
    FILE *talk; /* its stderr */
} job_t;

/* Far more to add than the test has patience for; ended by a signal. */
static void start(job_t *job, const char *lease) {
    char own[4096], program[4200];
    int ends[2];
    posix_spawn_file_actions_t actions;
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../coordinator/millrace", own);
    const char *arguments[64] = {program, "run",       "sum-range", "--lease",    lease, "--workers",
                                 "2",     "--threads", "2",         "--progress", "json"};
    for (int i = 11; i < 51; i++)
        arguments[i] = "6074000999";
    alarm(120);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO), 0);
    assert_int_equal(posix_spawn(&job->pid, program, &actions, NULL, (char *const *) (uintptr_t) arguments, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    job->talk = fdopen(ends[0], "r");
    assert_non_null(job->talk);
}

/* Reads lines until `count` of them speak of two workers; no line may speak of a silent one. */
static void expect_two_workers(job_t *job, int count) {
    char line[4096];
    while (count > 0) {
        assert_non_null(fgets(line, sizeof line, job->talk));
        if (strstr(line, "silent"))
            fail_msg("%s", line);
        count -= strstr(line, "\"workers\":2") != NULL;
    }
}

static void wait_until_stopped(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

/* The pipe ends when the last process that holds it does: workers inherit it. */
static void interrupt(job_t *job) {
    char line[4096];
    int status;
    bool told = false;
    kill(job->pid, SIGINT);
    while (fgets(line, sizeof line, job->talk))
        told = told || strstr(line, "interrupted by signal 2");
    fclose(job->talk);
    assert_true(told);
    assert_int_equal(waitpid(job->pid, &status, 0), job->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), MR_STATUS_INTERRUPTED);
}

static void stopped_coordinator_blames_nobody(void **state) {
    (void) state;
    job_t job;
    struct timespec leases = {2, 0};
    start(&job, "1s");
    expect_two_workers(&job, 1);
    kill(job.pid, SIGSTOP);
    wait_until_stopped(job.pid);
    nanosleep(&leases, NULL); /* the fault lasts so long */
    kill(job.pid, SIGCONT);
    expect_two_workers(&job, 3);
    interrupt(&job);
}

static void interrupt_leaves_no_process(void **state) {
    (void) state;
    job_t job;
    start(&job, "10s");
    expect_two_workers(&job, 1);
    interrupt(&job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_coordinator_blames_nobody),
        cmocka_unit_test(interrupt_leaves_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
