/* journal_help.h - for the tests of the journal: one in a directory of its own, and what a replay shows as text. */
#ifndef TEST_JOURNAL_HELP_H
#define TEST_JOURNAL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

#define BINDING "job test\ntasks 100\n"

/* Where the test's journals are: on a file system of memory, where fsync costs nothing, if there is one. */
typedef struct place {
    char dir[80];
    char file[96];
} place_t;

static inline void make_place(place_t *place) {
    snprintf(place->dir, sizeof place->dir, "%s/millrace-journal-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->file, sizeof place->file, "%s/journal", place->dir);
}

static inline void remove_place(const place_t *place) {
    unlink(place->file);
    assert_int_equal(rmdir(place->dir), 0);
}

/* Runs handed to a journal and not yet released. */
static atomic_long live_runs;

static inline void release_run(void *hint) {
    atomic_fetch_sub(&live_runs, 1);
    free(hint);
}

static inline void add_run(mr_journal_t *journal, uint32_t worker, uint64_t partial, const char *text) {
    mr_error_t error = {0};
    char *copy = strdup(text);
    atomic_fetch_add(&live_runs, 1);
    assert_int_equal(mr_journal_run(journal, worker, partial, copy, strlen(copy), release_run, copy, &error), 0);
}

static inline uint64_t add_commit(mr_journal_t *journal, uint32_t worker, uint64_t partial, uint32_t task) {
    mr_error_t error = {0};
    const mr_result_t results[] = {{task, 1, 10 + task, 5, 1, 2}, {task + 50, 3, 1, 2, 3, 4}};
    uint64_t ticket = mr_journal_commit(journal, worker, partial, results, 2, &error);
    assert_string_equal(error.text, "");
    return ticket;
}

static inline void wait_durable(mr_journal_t *journal, uint64_t ticket) {
    mr_error_t error = {0};
    int failed = mr_journal_wait(journal, ticket, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(failed, 0);
}

static inline mr_journal_t *open_journal(const place_t *place, bool resume) {
    mr_error_t error = {0};
    mr_journal_t *journal = mr_journal_open(place->dir, resume, &error);
    assert_string_equal(error.text, "");
    assert_non_null(journal);
    return journal;
}

static inline mr_journal_t *begin_journal(const place_t *place) {
    mr_error_t error = {0};
    size_t size;
    mr_journal_t *journal = open_journal(place, false);
    assert_null(mr_journal_binding(journal, &size));
    int failed = mr_journal_begin(journal, BINDING, strlen(BINDING), &error);
    assert_string_equal(error.text, "");
    assert_int_equal(failed, 0);
    return journal;
}

/* What a replay has shown: "worker/partial:task,task=run+run;" for each commit. */
typedef struct shown {
    int fd;
    size_t commits;
    char text[4096];
} shown_t;

static inline void show(shown_t *shown, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void show(shown_t *shown, const char *format, ...) {
    va_list arguments;
    size_t used = strlen(shown->text);
    va_start(arguments, format);
    vsnprintf(shown->text + used, sizeof shown->text - used, format, arguments);
    va_end(arguments);
}

static inline int show_commit(void *context, const mr_journal_commit_t *commit, mr_error_t *error) {
    shown_t *shown = context;
    (void) error;
    shown->commits++;
    show(shown, "%u/%llu:", commit->worker, (unsigned long long) commit->partial);
    for (size_t i = 0; i < commit->result_count; i++)
        show(shown, "%s%u", i ? "," : "", commit->results[i].task);
    show(shown, "=");
    for (size_t i = 0; i < commit->run_count; i++) {
        char run[256] = "";
        size_t size = commit->runs[i].size < sizeof run ? commit->runs[i].size : sizeof run - 1;
        assert_int_equal(pread(shown->fd, run, size, (off_t) commit->runs[i].offset), size);
        show(shown, "%s%s", i ? "+" : "", run);
    }
    show(shown, ";");
    return 0;
}

static inline int show_end(void *context, const char *text, size_t size, mr_error_t *error) {
    (void) error;
    show(context, "end %.*s;", (int) size, text);
    return 0;
}

/* Opens for resume, replays, and compares. The caller destroys the journal. */
static inline mr_journal_t *replay_journal(const place_t *place, shown_t *shown) {
    mr_error_t error = {0};
    mr_journal_t *journal = open_journal(place, true);
    *shown = (shown_t){.fd = mr_journal_fd(journal)};
    mr_journal_visitor_t visitor = {shown, show_commit, show_end};
    int failed = mr_journal_replay(journal, &visitor, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(failed, 0);
    return journal;
}

static inline size_t file_size(const place_t *place) {
    struct stat status;
    assert_int_equal(stat(place->file, &status), 0);
    return (size_t) status.st_size;
}

#endif
