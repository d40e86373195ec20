/* The journal as its callers see it: what was committed comes back, whoever is killed; locks, modes, failures. */
#include "journal_help.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "log.h"

static void comes_back(void **state) {
    (void) state;
    place_t place;
    shown_t shown;
    size_t size;
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    assert_int_equal(mr_journal_life(journal), 1);
    add_run(journal, 1, 7, "abc");
    add_run(journal, 2, 7, "defgh");
    add_run(journal, 1, 7, "");
    assert_int_equal(add_commit(journal, 1, 7, 3), 1);
    add_run(journal, 2, 8, "never committed");
    wait_durable(journal, add_commit(journal, 2, 7, 4));
    wait_durable(journal, add_commit(journal, 9, 1, 5));
    mr_journal_destroy(&journal);
    assert_null(journal);
    assert_int_equal(live_runs, 0);

    journal = replay_journal(&place, &shown);
    assert_string_equal(shown.text, "1/7:3,53=abc+;2/7:4,54=defgh;9/1:5,55=;");
    assert_memory_equal(mr_journal_binding(journal, &size), BINDING, strlen(BINDING));
    assert_int_equal(size, strlen(BINDING));
    assert_int_equal(mr_journal_life(journal), 2);
    mr_journal_destroy(&journal);
    remove_place(&place);
}

/* Numbers of workers and partials may come again in another life. */
static void goes_on(void **state) {
    (void) state;
    place_t place;
    shown_t shown;
    mr_error_t error = {0};
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    add_run(journal, 1, 1, "left over");
    wait_durable(journal, add_commit(journal, 1, 2, 1));
    mr_journal_destroy(&journal);
    for (uint32_t life = 2; life < 5; life++) {
        journal = replay_journal(&place, &shown);
        assert_int_equal(mr_journal_life(journal), life);
        add_run(journal, 1, 1, "new");
        wait_durable(journal, add_commit(journal, 1, 1, life));
        mr_journal_destroy(&journal);
    }
    journal = replay_journal(&place, &shown);
    assert_string_equal(shown.text, "1/2:1,51=;1/1:2,52=new;1/1:3,53=new;1/1:4,54=new;");
    wait_durable(journal, mr_journal_end(journal, "of it", 5, &error));
    mr_journal_destroy(&journal);
    journal = replay_journal(&place, &shown);
    assert_non_null(strstr(shown.text, "end of it;"));
    assert_int_equal(mr_journal_finish(journal, &error), 0);
    mr_journal_destroy(&journal);
    assert_int_equal(access(place.file, F_OK), -1);
    remove_place(&place);
}

static void dropped(void **state) {
    (void) state;
    place_t place;
    shown_t shown;
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    add_run(journal, 1, 1, "a");
    add_run(journal, 1, 2, "b");
    add_run(journal, 2, 1, "c");
    add_run(journal, 3, 1, "d");
    mr_journal_drop(journal, 1, 1);
    mr_journal_drop_worker(journal, 2);
    add_commit(journal, 1, 1, 1);
    add_commit(journal, 2, 1, 2);
    add_commit(journal, 1, 2, 3);
    wait_durable(journal, add_commit(journal, 3, 1, 4));
    mr_journal_destroy(&journal);
    journal = replay_journal(&place, &shown);
    assert_string_equal(shown.text, "1/1:1,51=;2/1:2,52=;1/2:3,53=b;3/1:4,54=d;");
    mr_journal_destroy(&journal);
    remove_place(&place);
}

/* What was queued is written before a journal closes. */
static void many(void **state) {
    (void) state;
    enum { COUNT = 3000 };
    place_t place;
    shown_t shown;
    mr_error_t error = {0};
    uint64_t durable = 0, before;
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    for (uint32_t i = 0; i < COUNT; i++) {
        add_run(journal, i % 7, i, i % 3 ? "run" : "another run");
        assert_int_equal(add_commit(journal, i % 7, i, i), i + 1);
    }
    struct pollfd ready = {mr_journal_event_fd(journal), POLLIN, 0};
    while (durable < COUNT) {
        assert_int_equal(poll(&ready, 1, 60000), 1);
        before = durable;
        assert_int_equal(mr_journal_check(journal, &durable, &error), 0);
        assert_true(durable >= before && durable <= COUNT);
    }
    assert_int_equal(mr_journal_backlog(journal), 0);
    add_run(journal, 1, COUNT, "at the end");
    add_commit(journal, 1, COUNT, 9);
    mr_journal_destroy(&journal);
    assert_int_equal(live_runs, 0);
    journal = replay_journal(&place, &shown);
    assert_int_equal(shown.commits, COUNT + 1);
    mr_journal_destroy(&journal);
    remove_place(&place);
}

/* ---- what is refused ---- */

static void expect_refused(const place_t *place, bool resume, mr_status_t status, const char *word) {
    mr_error_t error = {0};
    assert_null(mr_journal_open(place->dir, resume, &error));
    assert_int_equal(error.status, status);
    if (!strstr(error.text, word))
        fail_msg("no '%s' in: %s", word, error.text);
    assert_non_null(strstr(error.text, place->dir));
}

static void used_by_another(void **state) {
    (void) state;
    place_t place;
    char holder[64];
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    snprintf(holder, sizeof holder, "another coordinator (process %ld) is using this journal", (long) getpid());
    expect_refused(&place, true, MR_STATUS_USAGE, access("/proc/locks", R_OK) ? "another coordinator" : holder);
    expect_refused(&place, false, MR_STATUS_USAGE, "another coordinator");
    mr_journal_destroy(&journal);
    expect_refused(&place, false, MR_STATUS_USAGE, "add --resume to go on with it, or remove it");
    remove_place(&place);
    make_place(&place);
    journal = open_journal(&place, false); /* not begun: the other must not remove it */
    expect_refused(&place, false, MR_STATUS_USAGE, "another coordinator");
    assert_int_equal(access(place.file, F_OK), 0);
    mr_journal_destroy(&journal);
    assert_int_equal(access(place.file, F_OK), -1);
    remove_place(&place);
}

static void is_private(void **state) {
    (void) state;
    place_t place, below;
    struct stat status;
    make_place(&place);
    snprintf(below.dir, sizeof below.dir, "%.40s/d", place.dir);
    snprintf(below.file, sizeof below.file, "%.40s/d/journal", place.dir);
    mode_t mask = umask(0);
    mr_journal_t *journal = open_journal(&below, true);
    umask(mask);
    assert_int_equal(stat(below.dir, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(below.file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    mr_journal_destroy(&journal);
    assert_int_equal(rmdir(below.dir), 0);
    assert_int_equal(mkfifo(place.file, 0600), 0);
    expect_refused(&place, true, MR_STATUS_USAGE, "no regular file");
    expect_refused(&(place_t){.dir = "/proc/self/stat"}, true, MR_STATUS_USAGE, "needs a directory");
    expect_refused(&(place_t){.dir = "/proc/nowhere"}, true, MR_STATUS_STORAGE, "cannot make the journal's directory");
    remove_place(&place);
}

/* Somebody's file of that name is not ours to cut or overwrite. */
static void of_others(void **state) {
    (void) state;
    static const char *const texts[] = {"x", "MRK", "my diary\n",
                                        "a longer text that has more bytes than a header has"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        place_t place;
        make_place(&place);
        FILE *file = fopen(place.file, "w");
        fputs(texts[i], file);
        fclose(file);
        expect_refused(&place, true, MR_STATUS_STORAGE, ":0: the journal is damaged");
        expect_refused(&place, false, MR_STATUS_STORAGE, "journal");
        assert_int_equal(file_size(&place), strlen(texts[i]));
        remove_place(&place);
    }
}

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may grow so far only: whatever of the second commit does not fit, the first is there and the second is not. */
static void check_full(size_t more) {
    place_t place;
    shown_t shown;
    mr_error_t error = {0};
    uint64_t durable;
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    add_run(journal, 1, 1, "first");
    wait_durable(journal, add_commit(journal, 1, 1, 1));
    size_t good = file_size(&place);
    limit_files(good + more);
    add_run(journal, 1, 2, "second");
    uint64_t ticket = add_commit(journal, 1, 2, 2);
    assert_int_equal(mr_journal_wait(journal, ticket, &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "cannot write the journal: File too large"));
    assert_non_null(strstr(error.text, place.file));
    assert_int_equal(mr_journal_check(journal, &durable, &(mr_error_t){0}), -1);
    assert_int_equal(durable, 1);
    add_run(journal, 1, 3, "third");
    add_commit(journal, 1, 3, 3);
    mr_journal_destroy(&journal);
    limit_files(RLIM_INFINITY);
    assert_int_equal(live_runs, 0);
    assert_int_equal(file_size(&place), good);
    journal = replay_journal(&place, &shown);
    assert_string_equal(shown.text, "1/1:1,51=first;");
    mr_journal_destroy(&journal);
    remove_place(&place);
}

static void full(void **state) {
    (void) state;
    signal(SIGXFSZ, SIG_IGN);
    for (size_t more = 0; more < 200; more += 9)
        check_full(more);
}

/* ---- a coordinator killed ---- */

/* Tells through the pipe what is durable, until it is killed. */
static void write_for_ever(const place_t *place, int pipe) {
    mr_journal_t *journal = begin_journal(place);
    mr_error_t error = {0};
    uint64_t durable, told = 0;
    for (uint32_t i = 1;; i++) {
        add_run(journal, 1, i, "some run");
        add_commit(journal, 1, i, i);
        if (mr_journal_check(journal, &durable, &error))
            _exit(1);
        if (durable > told && write(pipe, &durable, sizeof durable) < 0)
            _exit(1);
        told = durable;
    }
}

static void killed(void **state) {
    (void) state;
    for (int round = 0; round < 20; round++) {
        place_t place;
        shown_t shown;
        int ends[2];
        uint64_t durable = 0, next;
        make_place(&place);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            write_for_ever(&place, ends[1]);
        close(ends[1]);
        for (int i = 0; i <= round && read(ends[0], &next, sizeof next) == sizeof next; i++)
            durable = next;
        kill(child, SIGKILL);
        while (read(ends[0], &next, sizeof next) == sizeof next)
            durable = next;
        waitpid(child, NULL, 0);
        close(ends[0]);
        assert_true(durable > 0);
        mr_journal_t *journal = replay_journal(&place, &shown);
        assert_true(shown.commits >= durable);
        mr_journal_destroy(&journal);
        remove_place(&place);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),      cmocka_unit_test(goes_on),
        cmocka_unit_test(dropped),         cmocka_unit_test(many),
        cmocka_unit_test(used_by_another), cmocka_unit_test(is_private),
        cmocka_unit_test(of_others),       cmocka_unit_test(full),
        cmocka_unit_test(killed),
    };
    mr_log_init("test", MR_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
