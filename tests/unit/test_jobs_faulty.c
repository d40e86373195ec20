/* The job `faulty`: it counts like `count` and `sum`, and each word does what it says. What kills is tried in a child. */
#include "job_harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void map_text(const char *settings, const char *input, const char *key, uint64_t value) {
    harness_job_t set = set_up_job("faulty", settings, mr_simd_choose());
    mr_out_t out = {.table = mr_table_new(set.job->ops, 1)};
    text_t text = make_text(input, strlen(input));
    set.job->map(set.state, text.data, text.size, &out);
    harness_rows_t rows = drain_rows(out.table, 1);
    uint64_t found = 0;
    for (size_t i = 0; i < rows.count; i++)
        if (!strcmp(rows.items[i].key, key))
            found = rows.items[i].cells[0];
    assert_int_equal(found, value);
    free_rows(&rows);
    free(text.memory);
    mr_table_destroy(&out.table);
    tear_down_job(&set);
}

static void maps_like_count_and_sum(void **unused) {
    (void) unused;
    map_text("", "a\tx\nb\nb\ta\n", "b", 2);
    map_text("key=2", "a\tx\nb\tx\n!sleep 1\tx\n", "x", 3);
    map_text("value=2", "a\t2\nb\t3\n!eat 64K\t4\na\t5\n", "a", 7);
    map_text("value=2", "!eat 64K\t4\n", "!eat 64K", 4);
    map_text("", "!unknown\n!\n", "!", 1);
}

/* The wait status of a child that maps the text; killed if it still lives after `patience_ms`. */
static int fate_of(const char *input, unsigned patience_ms) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        map_text("", input, "", 0);
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (patience_ms-- == 0)
            kill(child, SIGKILL);
        usleep(1000);
    }
    return status;
}

static void kills(void **unused) {
    (void) unused;
    int status = fate_of("a\n!crash\n", 20000);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = fate_of("!abort\n", 20000);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = fate_of("!exit\n", 20000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    status = fate_of("!hang\n", 50);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_like_count_and_sum),
        cmocka_unit_test(kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
