/* Records tried in another process: what comes through, what does not and where, and what becomes of a task with such records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "configure.h"
#include "log.h"
#include "probe.h"
#include "slot.h"

static char program[4200];

/* ---- one probe ---- */

typedef struct trial {
    mr_job_message_t job;
    atomic_bool stop;
    atomic_int fate;
    mr_probe_t *probe;
    mr_error_t error;
} trial_t;

static void open_trial(trial_t *trial, uint32_t timeout_ms) {
    *trial = (trial_t){.job = {.name = "faulty", .table_memory = 1 << 20, .task_timeout_ms = timeout_ms}};
    trial->probe = mr_probe_new(program, &trial->job, &trial->stop, &trial->fate, &trial->error);
    assert_non_null(trial->probe);
}

static void close_trial(trial_t *trial) {
    mr_probe_destroy(&trial->probe);
    mr_probe_destroy(&trial->probe);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, nor a zombie */
    assert_int_equal(errno, ECHILD);
}

static void expect_harmless(trial_t *trial, const char *text, bool by_record) {
    mr_verdict_t verdict;
    assert_int_equal(mr_probe_try(trial->probe, text, strlen(text), by_record, &verdict, &trial->error), 0);
    assert_true(verdict.harmless);
}

static void expect_bad(trial_t *trial, const char *text, bool by_record, size_t at, const char *deed) {
    mr_verdict_t verdict;
    assert_int_equal(mr_probe_try(trial->probe, text, strlen(text), by_record, &verdict, &trial->error), 0);
    assert_false(verdict.harmless);
    assert_int_equal(verdict.at, at);
    assert_string_equal(verdict.deed, deed);
}

static void the_record_is_found(void **state) {
    (void) state;
    trial_t trial;
    open_trial(&trial, 0);
    expect_harmless(&trial, "a\nb\n", false);
    expect_harmless(&trial, "a\nb\n", true);
    expect_bad(&trial, "a\nb\n!crash\nc\n", false, 0, "crashes the job (killed by signal 11 (Segmentation fault))");
    expect_bad(&trial, "a\nb\n!crash\nc\n", true, 4, "crashes the job (killed by signal 11 (Segmentation fault))");
    expect_bad(&trial, "!abort\n", true, 0, "crashes the job (killed by signal 6 (Aborted))");
    expect_bad(&trial, "\n\n!exit\n", true, 2, "crashes the job (exit status 3)");
    expect_harmless(&trial, "a\n!sleep 10\n", true);
    close_trial(&trial);
}

static void a_hang_is_found_with_what_it_has_started(void **state) {
    (void) state;
    trial_t trial;
    open_trial(&trial, 150);
    expect_harmless(&trial, "!sleep 100\n!sleep 100\n!sleep 100\n", true); /* each is within its time */
    expect_bad(&trial, "a\n!hang\n", true, 2, "runs longer than --task-timeout 150ms");
    expect_bad(&trial, "a\nb\n!fork\n", true, 4, "runs longer than --task-timeout 150ms");
    close_trial(&trial);
}

/* The thread that owns the sockets raises a flag while a trial hangs. */
static void *give_up(void *argument) {
    usleep(20000);
    atomic_store((atomic_int *) argument, 1);
    return NULL;
}

static void a_trial_is_given_up(void **state) {
    (void) state;
    trial_t trial;
    mr_verdict_t verdict;
    pthread_t thread;
    open_trial(&trial, 0);
    assert_int_equal(pthread_create(&thread, NULL, give_up, &trial.fate), 0);
    assert_int_equal(mr_probe_try(trial.probe, "!hang\n", 6, true, &verdict, &trial.error), -1);
    assert_int_equal(trial.error.status, MR_STATUS_INTERRUPTED);
    pthread_join(thread, NULL);
    close_trial(&trial);
}

/* More than a socket holds, both ways. */
static void much_text(void **state) {
    (void) state;
    trial_t trial;
    mr_verdict_t verdict;
    size_t lines = 1000000;
    char *text = malloc(8 * lines + 1);
    open_trial(&trial, 0);
    for (size_t i = 0; i < lines; i++)
        snprintf(text + 8 * i, 9, "%07zu\n", i);
    assert_int_equal(mr_probe_try(trial.probe, text, 8 * lines, true, &verdict, &trial.error), 0);
    assert_true(verdict.harmless);
    memcpy(text + 8 * (lines - 2), "!crash \n", 8);
    assert_int_equal(mr_probe_try(trial.probe, text, 8 * lines, true, &verdict, &trial.error), 0);
    assert_int_equal(verdict.at, 8 * (lines - 2));
    free(text);
    close_trial(&trial);
}

static void what_cannot_be_tried(void **state) {
    (void) state;
    trial_t trial;
    mr_verdict_t verdict;
    open_trial(&trial, 0);
    mr_probe_destroy(&trial.probe);
    trial.job.name = "no-such-job";
    trial.probe = mr_probe_new(program, &trial.job, &trial.stop, &trial.fate, &trial.error);
    assert_int_equal(mr_probe_try(trial.probe, "a\n", 2, true, &verdict, &trial.error), -1);
    assert_non_null(strstr(trial.error.text, "did not begin: it crashes the job (exit status 6)"));
    close_trial(&trial);
    trial.error = (mr_error_t){0};
    trial.probe = mr_probe_new("/no/such/program", &trial.job, &trial.stop, &trial.fate, &trial.error);
    assert_int_equal(mr_probe_try(trial.probe, "a\n", 2, true, &verdict, &trial.error), -1);
    assert_non_null(strstr(trial.error.text, "/no/such/program: cannot start it to try records: No such file"));
    close_trial(&trial);
}

/* ---- careful tasks in a slot ---- */

typedef struct bench {
    mr_job_message_t limits;
    mr_configured_t configured;
    mr_workshop_t shop;
    mr_outbox_t outbox;
    mr_slot_t slot;
    mr_mail_t mail;
} bench_t;

static void call_nobody(void *pool) {
    (void) pool;
}

static void set_up(bench_t *bench, uint64_t skip_bad) {
    mr_error_t error = {0};
    *bench = (bench_t){.limits = {.name = "faulty",
                                  .block_size = 1 << 16,
                                  .table_memory = 1 << 20,
                                  .max_record = 1 << 20,
                                  .flush_ms = 1000000,
                                  .skip_bad = skip_bad}};
    assert_int_equal(mr_outbox_init(&bench->outbox, &error), 0);
    assert_int_equal(mr_configure(&bench->configured, &bench->limits, &error), 0);
    bench->shop.job = bench->configured.job;
    bench->shop.state = bench->configured.state;
    bench->shop.limits = &bench->limits;
    bench->shop.tmp_dir = "/tmp";
    bench->shop.outbox = &bench->outbox;
    bench->shop.program = program;
    bench->shop.call_mates = call_nobody;
    assert_int_equal(mr_slot_init(&bench->slot, &bench->shop, &error), 0);
}

static void tear_down(bench_t *bench) {
    mr_slot_close(&bench->slot);
    mr_unconfigure(&bench->configured);
    mr_mail_free(&bench->mail);
    mr_outbox_close(&bench->outbox);
}

static void fetch(bench_t *bench) {
    mr_error_t error = {0};
    mr_mail_free(&bench->mail);
    assert_int_equal(mr_outbox_take(&bench->outbox, &bench->mail, &error), 0);
}

/* The one partial there is names the one task, with these counts. */
static void expect_result(bench_t *bench, uint64_t records, uint64_t rejected, uint64_t bytes) {
    fetch(bench);
    assert_null(bench->mail.failures);
    assert_int_equal(bench->mail.done.count, 1);
    assert_non_null(bench->mail.first);
    assert_ptr_equal(bench->mail.first, bench->mail.last);
    assert_int_equal(bench->mail.first->result_count, 1);
    const mr_result_t *result = &bench->mail.first->results[0];
    assert_int_equal(result->records, records);
    assert_int_equal(result->rejected, rejected);
    assert_int_equal(result->bytes, bytes);
}

static void expect_failure(bench_t *bench, bool retry, const char *text) {
    fetch(bench);
    assert_null(bench->mail.first);
    assert_non_null(bench->mail.failures);
    assert_int_equal(bench->mail.failures->retry, retry);
    assert_string_equal(bench->mail.failures->error.text, text);
}

static void run_payload(bench_t *bench, uint32_t flags, const char *payload) {
    mr_spec_t spec = {.attempt = 1, .flags = flags, .payload = {payload, strlen(payload)}};
    mr_slot_run(&bench->slot, &spec);
}

/* Rows of the run must be those of the same text without the bad lines. */
static void expect_run_of(bench_t *bench, const char *good) {
    mr_buffer_t wanted = {0};
    mr_mapper_t mapper;
    mr_error_t error = {0};
    mr_result_t result = {0};
    char *copy = calloc(1, strlen(good) + 2 * (size_t) MR_MAP_MARGIN);
    memcpy(copy + MR_MAP_MARGIN, good, strlen(good));
    assert_int_equal(mr_mapper_init(&mapper, &bench->shop, &error), 0);
    mr_place_t place = {"good", NULL, copy + MR_MAP_MARGIN, 0};
    assert_int_equal(mr_mapper_map(&mapper, &place, strlen(good), &result, &error), 0);
    assert_int_equal(mr_table_drain(mapper.out.table, &wanted), 0);
    assert_int_equal(bench->mail.first->run_count, 1);
    assert_int_equal(bench->mail.first->runs[0].size, wanted.size);
    assert_memory_equal(bench->mail.first->runs[0].bytes->data, wanted.data, wanted.size);
    mr_mapper_close(&mapper);
    mr_buffer_free(&wanted);
    free(copy);
}

static void payloads(void **state) {
    (void) state;
    static const char text[] = "a\nb\n!crash\nb\n!exit\n!abort 1\nc\n", good[] = "a\nb\nb\nc\n";
    bench_t bench;
    set_up(&bench, 3);
    run_payload(&bench, MR_SPEC_CAREFUL, text);
    expect_result(&bench, 7, 3, sizeof text - 1);
    expect_run_of(&bench, good);
    run_payload(&bench, MR_SPEC_CAREFUL, "a\nb\n!sleep 1\n"); /* nothing is wrong with it after all */
    expect_result(&bench, 3, 0, 13);
    expect_run_of(&bench, "a\nb\n!sleep 1\n");
    run_payload(&bench, MR_SPEC_CAREFUL, "!crash\n");
    expect_result(&bench, 1, 1, 7);
    assert_int_equal(bench.mail.first->run_count, 0);
    tear_down(&bench);
}

static void more_than_is_allowed(void **state) {
    (void) state;
    bench_t bench;
    set_up(&bench, 1);
    run_payload(&bench, MR_SPEC_CAREFUL, "a\n!crash\nb\n!exit\n");
    expect_failure(&bench, false,
                   "argument:11: bad record: it crashes the job (exit status 3) (--skip-bad N allows N of them)");
    tear_down(&bench);
    set_up(&bench, 0);
    run_payload(&bench, MR_SPEC_CAREFUL, "a\n!crash\nb\n!exit\n");
    expect_failure(&bench, true,
                   "argument:2: this record crashes the job (killed by signal 11 (Segmentation fault)); --skip-bad 1 "
                   "skips it");
    tear_down(&bench);
}

/* A partial of its own: what was folded before comes first, and is not lost with it. */
static void alone(void **state) {
    (void) state;
    bench_t bench;
    set_up(&bench, 0);
    run_payload(&bench, 0, "a\n");
    run_payload(&bench, MR_SPEC_ALONE, "b\n");
    fetch(&bench);
    assert_int_equal(bench.mail.done.count, 2);
    assert_ptr_equal(bench.mail.first->next, bench.mail.last);
    assert_int_equal(bench.mail.first->result_count, 1);
    assert_int_equal(bench.mail.last->result_count, 1);
    run_payload(&bench, 0, "a\n");
    run_payload(&bench, MR_SPEC_CAREFUL, "b\n!crash\n");
    fetch(&bench);
    assert_non_null(bench.mail.failures);
    assert_int_equal(bench.mail.returned.count, 0);
    assert_int_equal(bench.mail.first->result_count, 1);
    tear_down(&bench);
}

/* ---- files: the same lines plain, with CR LF, cut anywhere, and as gzip ---- */

static size_t compress_text(unsigned char *to, size_t room, const char *text) {
    struct isal_zstream stream;
    isal_deflate_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.next_in = (unsigned char *) (uintptr_t) text;
    stream.avail_in = (uint32_t) strlen(text);
    stream.next_out = to;
    stream.avail_out = (uint32_t) room;
    stream.end_of_stream = 1;
    assert_int_equal(isal_deflate(&stream), COMP_OK);
    return stream.total_out;
}

static mr_segment_t write_file(const char *path, const char *text, mr_format_t format) {
    unsigned char packed[8192];
    struct stat status;
    FILE *file = fopen(path, "we");
    size_t size = strlen(text);
    if (format == MR_FORMAT_GZIP)
        size = compress_text(packed, sizeof packed, text);
    assert_int_equal(fwrite(format == MR_FORMAT_GZIP ? (const void *) packed : text, 1, size, file), size);
    fclose(file);
    assert_int_equal(stat(path, &status), 0);
    return (mr_segment_t){.path = path,
                          .file_size = size,
                          .mtime_ns = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec,
                          .end = size,
                          .format = format};
}

static void check_file(mr_format_t format, const char *end, uint64_t block_size) {
    char path[] = "/tmp/test-probe-XXXXXX", text[4096] = "", good[4096] = "";
    bench_t bench;
    close(mkstemp(path));
    for (int i = 0; i < 60; i++) {
        char line[64];
        snprintf(line, sizeof line, i % 20 == 7 ? "!crash" : "key-%d", i % 9);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s", line, end);
        at = strlen(good);
        if (i % 20 != 7)
            snprintf(good + at, sizeof good - at, "%s\n", line);
    }
    mr_segment_t segments[2] = {write_file(path, text, format)};
    segments[1] = segments[0];
    set_up(&bench, 6);
    bench.limits.block_size = block_size;
    mr_slot_close(&bench.slot);
    assert_int_equal(mr_slot_init(&bench.slot, &bench.shop, &(mr_error_t){0}), 0);
    mr_slot_run(&bench.slot,
                &(mr_spec_t){.attempt = 1, .flags = MR_SPEC_CAREFUL, .segments = segments, .segment_count = 1});
    expect_result(&bench, 60, 3, segments[0].file_size);
    assert_int_equal(bench.mail.first->results[0].crlf, end[0] == '\r' ? 60 : 0);
    expect_run_of(&bench, good);
    mr_slot_run(&bench.slot,
                &(mr_spec_t){.attempt = 1, .flags = MR_SPEC_CAREFUL, .segments = segments, .segment_count = 2});
    expect_result(&bench, 120, 6, 2 * segments[0].file_size); /* small files packed */
    tear_down(&bench);
    unlink(path);
}

static void files(void **state) {
    (void) state;
    check_file(MR_FORMAT_PLAIN, "\n", 1 << 16);
    check_file(MR_FORMAT_PLAIN, "\r\n", 100);
    check_file(MR_FORMAT_GZIP, "\n", 1 << 16);
    check_file(MR_FORMAT_GZIP, "\r\n", 64);
}

static void the_place_in_a_file_is_told(void **state) {
    (void) state;
    char path[] = "/tmp/test-probe-XXXXXX", wanted[256];
    bench_t bench;
    close(mkstemp(path));
    mr_segment_t segment = write_file(path, "one\r\ntwo\r\n!crash\tx\r\nthree\r\n", MR_FORMAT_PLAIN);
    set_up(&bench, 0);
    mr_slot_run(&bench.slot,
                &(mr_spec_t){.attempt = 1, .flags = MR_SPEC_CAREFUL, .segments = &segment, .segment_count = 1});
    snprintf(wanted, sizeof wanted,
             "%s:10: this record crashes the job (killed by signal 11 (Segmentation fault)); --skip-bad 1 skips it",
             path);
    expect_failure(&bench, true, wanted);
    tear_down(&bench);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_is_found),
        cmocka_unit_test(a_hang_is_found_with_what_it_has_started),
        cmocka_unit_test(a_trial_is_given_up),
        cmocka_unit_test(much_text),
        cmocka_unit_test(what_cannot_be_tried),
        cmocka_unit_test(payloads),
        cmocka_unit_test(more_than_is_allowed),
        cmocka_unit_test(alone),
        cmocka_unit_test(files),
        cmocka_unit_test(the_place_in_a_file_is_told),
    };
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../worker/millrace-worker", own);
    mr_log_init("test", MR_LOG_ERROR);
    setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1); /* of the children: they are to die of the signal */
    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
