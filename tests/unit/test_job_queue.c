/* The queue of jobs: order, states, what survives, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job_queue.h"
#include "tree.h"

static char dir[64];

static int make_dir(void **state) {
    (void) state;
    snprintf(dir, sizeof dir, "/tmp/millrace-queue-XXXXXX");
    return !mkdtemp(dir);
}

static int remove_dir(void **state) {
    (void) state;
    return mr_tree_remove(dir);
}

static mr_job_queue_t *open_queue(void) {
    mr_error_t error = {0};
    mr_job_queue_t *queue = mr_job_queue_open(dir, &error);
    assert_string_equal(error.text, "");
    assert_non_null(queue);
    return queue;
}

static char *words[] = {(char *) "sum", (char *) "--delimiter", (char *) "\t\xff", (char *) "", (char *) "a b", NULL};

static uint64_t add(mr_job_queue_t *queue, int64_t priority) {
    mr_error_t error = {0};
    mr_queued_t job = {.priority = priority,
                       .words = words,
                       .word_count = 5,
                       .directory = (char *) "/some\nwhere",
                       .user = (char *) "me",
                       .host = (char *) "here"};
    assert_int_equal(mr_job_queue_add(queue, &job, &error), 0);
    assert_true(job.submitted_ms > 1600000000000);
    return job.id;
}

static mr_queued_t find(mr_job_queue_t *queue, uint64_t id) {
    mr_error_t error = {0};
    mr_queued_t job;
    assert_int_equal(mr_job_queue_find(queue, id, &job, &error), 1);
    assert_int_equal(job.id, id);
    return job;
}

static void set(mr_job_queue_t *queue, uint64_t id, mr_job_state_t state, int64_t ended_ms) {
    mr_error_t error = {0};
    mr_queued_t job = find(queue, id);
    job.state = state;
    job.started_ms = 11;
    job.ended_ms = ended_ms;
    job.lives = 3;
    job.status = 4;
    free(job.message);
    job.message = strdup("why");
    assert_int_equal(mr_job_queue_set(queue, &job, &error), 0);
    mr_queued_free(&job);
}

static uint64_t next(mr_job_queue_t *queue) {
    mr_error_t error = {0};
    mr_queued_t job;
    int found = mr_job_queue_next(queue, &job, &error);
    assert_true(found >= 0);
    uint64_t id = found ? job.id : 0;
    if (found)
        mr_queued_free(&job);
    return id;
}

static void all_is_kept(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_queued_t job;
    mr_job_queue_t *queue = open_queue();
    uint64_t id = add(queue, -7);
    set(queue, id, MR_JOB_FAILED, 12);
    mr_job_queue_close(&queue);
    mr_job_queue_close(&queue);
    queue = open_queue();
    job = find(queue, id);
    assert_int_equal(job.priority, -7);
    assert_int_equal(job.state, MR_JOB_FAILED);
    assert_int_equal(job.word_count, 5);
    for (size_t i = 0; words[i]; i++)
        assert_string_equal(job.words[i], words[i]);
    assert_null(job.words[5]);
    assert_string_equal(job.directory, "/some\nwhere");
    assert_string_equal(job.user, "me");
    assert_string_equal(job.host, "here");
    assert_int_equal(job.started_ms, 11);
    assert_int_equal(job.ended_ms, 12);
    assert_int_equal(job.lives, 3);
    assert_int_equal(job.status, 4);
    assert_string_equal(job.message, "why");
    mr_queued_free(&job);
    assert_int_equal(mr_job_queue_find(queue, id + 1, &job, &error), 0);
    assert_int_equal(mr_job_queue_forget(queue, id, &error), 0);
    assert_int_equal(mr_job_queue_find(queue, id, &job, &error), 0);
    assert_true(add(queue, 0) > id); /* no number is used twice */
    mr_job_queue_close(&queue);
}

static void priority_then_arrival(void **state) {
    (void) state;
    mr_job_queue_t *queue = open_queue();
    assert_int_equal(next(queue), 0);
    uint64_t low = add(queue, -1), first = add(queue, 0), second = add(queue, 0), high = add(queue, 5);
    uint64_t order[] = {high, first, second, low};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(next(queue), order[i]);
        set(queue, order[i], MR_JOB_RUNNING, 0);
    }
    assert_int_equal(next(queue), 0);
    add(queue, 9);
    set(queue, second, MR_JOB_QUEUED, 0); /* it was started before, and its server was killed */
    assert_int_equal(next(queue), second);
    mr_job_queue_close(&queue);
}

static void lists(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_job_queue_list_t list;
    mr_job_queue_t *queue = open_queue();
    uint64_t waits = add(queue, 0), done = add(queue, 0), urgent = add(queue, 3), runs = add(queue, 0);
    set(queue, done, MR_JOB_DONE, 1000);
    set(queue, runs, MR_JOB_RUNNING, 0);
    uint64_t order[] = {done, runs, urgent, waits};
    assert_int_equal(mr_job_queue_list(queue, MR_JOB_QUEUE_ALL, &list, &error), 0);
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(list.items[i].id, order[i]);
    mr_job_queue_list_free(&list);
    assert_int_equal(mr_job_queue_list(queue, MR_JOB_QUEUE_STATE(MR_JOB_RUNNING), &list, &error), 0);
    assert_int_equal(list.count, 1);
    mr_job_queue_list_free(&list);
    assert_int_equal(mr_job_queue_old(queue, 999, &list, &error), 0);
    assert_int_equal(list.count, 0);
    assert_int_equal(mr_job_queue_old(queue, 1000, &list, &error), 0);
    assert_int_equal(list.count, 1);
    mr_job_queue_list_free(&list);
    mr_job_queue_list_free(&list);
    mr_job_queue_close(&queue);
}

/* Many jobs of many words each are more than can be shown. */
static void outlines(void **state) {
    (void) state;
    enum { WORDS = 1000 };
    mr_error_t error = {0};
    mr_job_queue_list_t list;
    mr_queued_t job = {.word_count = WORDS, .directory = (char *) "/", .user = (char *) "me", .host = (char *) "here"};
    bool cut;
    mr_job_queue_t *queue = open_queue();
    job.words = calloc(WORDS + 1, sizeof *job.words);
    assert_non_null(job.words);
    for (size_t i = 0; i < WORDS; i++)
        job.words[i] = (char *) "word-of-16-bytes";
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(mr_job_queue_add(queue, &job, &error), 0);
    free(job.words);
    uint64_t last = job.id, order[] = {last - 4, last - 3, last - 1, last - 2};
    for (uint64_t id = last - 5; id < last - 2; id++)
        set(queue, id, MR_JOB_DONE, 1);
    set(queue, last - 1, MR_JOB_RUNNING, 0);
    assert_int_equal(mr_job_queue_outline(queue, 2, &list, &cut, &error), 0);
    assert_true(cut);
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(list.items[i].id, order[i]);
        assert_int_equal(list.items[i].word_count, 4096 / 17); /* whole words only */
        assert_true(list.items[i].cut);
    }
    mr_job_queue_list_free(&list);
    assert_int_equal(mr_job_queue_outline(queue, 100, &list, &cut, &error), 0);
    assert_false(cut);
    assert_int_equal(list.count, 6);
    mr_job_queue_list_free(&list);
    assert_int_equal(mr_job_queue_glance(queue, last, &job, &error), 1);
    assert_true(job.cut);
    mr_queued_free(&job);
    assert_int_equal(mr_job_queue_find(queue, last, &job, &error), 1);
    assert_int_equal(job.word_count, WORDS);
    assert_false(job.cut);
    mr_queued_free(&job);
    mr_job_queue_close(&queue);
}

static void one_server_at_a_time(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_job_queue_t *queue = open_queue();
    assert_null(mr_job_queue_open(dir, &error));
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_non_null(strstr(error.text, "another millrace serve"));
    mr_job_queue_close(&queue);
}

/* Runs SQL on the file behind the queue's back. */
static void tamper(const char *statement) {
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/queue.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void of_a_later_version(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_job_queue_t *queue = open_queue();
    mr_job_queue_close(&queue);
    tamper("PRAGMA user_version=99");
    assert_null(mr_job_queue_open(dir, &error));
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_non_null(strstr(error.text, "a later version"));
}

static void damaged_or_not_writable(void **state) {
    (void) state;
    char path[128];
    mr_error_t error = {0}, other = {0};
    mr_job_queue_t *queue = open_queue();
    mr_job_queue_close(&queue);
    snprintf(path, sizeof path, "%s/queue.db", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no table, but it is long enough to be looked at as one: it has more than a hundred bytes in it, see",
          file);
    fclose(file);
    assert_null(mr_job_queue_open(dir, &error));
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "queue.db"));
    assert_null(mr_job_queue_open("/proc/none", &other));
    assert_int_equal(other.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(other.text, "/proc/none"));
}

/* Adds jobs and says their numbers on the pipe, until it is killed. */
static void add_for_ever(int pipe) {
    mr_job_queue_t *queue = open_queue();
    for (;;) {
        uint64_t id = add(queue, 0);
        if (write(pipe, &id, sizeof id) != sizeof id)
            _exit(1);
    }
}

static void what_was_accepted_survives_sigkill(void **state) {
    (void) state;
    for (int round = 0; round < 3; round++) {
        int ends[2];
        uint64_t id = 0, last = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            add_for_ever(ends[1]);
        close(ends[1]);
        for (int i = 0; i < 20 + round; i++)
            assert_int_equal(read(ends[0], &id, sizeof id), sizeof id);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(ends[0], &last, sizeof last) == sizeof last)
            id = last;
        close(ends[0]);
        mr_job_queue_t *queue = open_queue();
        for (uint64_t i = 1; i <= id; i++) {
            mr_queued_t job = find(queue, i);
            assert_int_equal(job.state, MR_JOB_QUEUED);
            mr_queued_free(&job);
        }
        mr_job_queue_close(&queue);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {TEST(all_is_kept),
                                       TEST(priority_then_arrival),
                                       TEST(lists),
                                       TEST(outlines),
                                       TEST(one_server_at_a_time),
                                       TEST(of_a_later_version),
                                       TEST(damaged_or_not_writable),
                                       TEST(what_was_accepted_survives_sigkill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
