/* cluster_help.h - a real cluster in a thread, without workers of its own, and what a test needs to play a worker to it: sockets,
 * and receiving with a deadline. The job is `count` over one file whose lines are all 8 bytes long, so that a task is a range
 * of whole lines. */
#ifndef TEST_CLUSTER_HELP_H
#define TEST_CLUSTER_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <czmq.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "cluster.h"
#include "jobs/registry.h"
#include "run.h"
#include "scratch.h"
#include "table.h"

#define DEADLINE_MS 20000
#define LINE 8u
#define TASKS 20u
#define TASK_LINES 64u
#define KEYS 50u

extern char **environ;

/* ---- the cluster ---- */

typedef struct stage {
    mr_scratch_t scratch;
    char file[4200];
    mr_work_t work;
    mr_options_t *options;
    mr_sink_t *sink;
    mr_groups_t *groups;
    mr_output_t *output;
    mr_ledger_t ledger;
    mr_progress_t progress;
    mr_cluster_config_t config;
    mr_cluster_t *cluster;
    mr_error_t error;
    pthread_t thread;
    int failed;
    pid_t honest; /* a millrace-worker, or 0 */
} stage_t;

static inline void write_lines(const char *path) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (uint32_t i = 0; i < TASKS * TASK_LINES; i++)
        fprintf(file, "key%04u\n", i * 7 % KEYS);
    assert_int_equal(fclose(file), 0);
}

static inline void *stage_main(void *argument) {
    stage_t *stage = argument;
    stage->failed = mr_cluster_run(stage->cluster, &stage->error);
    return NULL;
}

static inline void prepare(stage_t *stage, const char *job, uint32_t lease_ms) {
    sigset_t set;
    alarm(120); /* a test that hangs must not hang all */
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    *stage = (stage_t){0};
    assert_int_equal(mr_scratch_make(&stage->scratch, "/tmp", &stage->error), 0);
    const mr_job_t *found = mr_job_find(job);
    stage->options = mr_options_new(found);
    stage->config = (mr_cluster_config_t){.job = mr_job_variant(found, stage->options),
                                          .options = stage->options,
                                          .work = &stage->work,
                                          .ledger = &stage->ledger,
                                          .progress = &stage->progress,
                                          .dir = stage->scratch.dir,
                                          .tmp_dir = stage->scratch.dir,
                                          .log_level = "error",
                                          .threads = 1,
                                          .most_workers = 100,
                                          .worker_memory = 1 << 22,
                                          .block_size = 1 << 16,
                                          .max_record = 1 << 20,
                                          .flush_ms = 1000,
                                          .lease_ms = lease_ms,
                                          .worker_timeout_ms = 60000,
                                          .signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
}

static inline void start(stage_t *stage) {
    stage->ledger.input_bytes = mr_work_bytes(&stage->work);
    stage->cluster = mr_cluster_new(&stage->config, &stage->error);
    assert_string_equal(stage->error.text, "");
    assert_int_equal(pthread_create(&stage->thread, NULL, stage_main, stage), 0);
}

/* The job over a file. */
static inline void set_up(stage_t *stage, uint32_t lease_ms) {
    prepare(stage, "count", lease_ms);
    snprintf(stage->file, sizeof stage->file, "%s/lines", stage->scratch.dir);
    write_lines(stage->file);
    char *arguments[] = {stage->file};
    mr_inputs_config_t inputs = {.spool_dir = stage->scratch.dir};
    assert_int_equal(mr_inputs_collect(&stage->work.inputs, &inputs, 1, arguments, &stage->error), 0);
    assert_int_equal(mr_inputs_split(&stage->work.inputs, TASK_LINES * LINE, &stage->work.splits, &stage->error), 0);
    assert_int_equal(mr_work_tasks(&stage->work), TASKS);
    mr_sink_config_t sink = {1 << 22, stage->scratch.dir, 1, stage->config.job->ops, stage->config.job->ncells};
    stage->sink = stage->config.sink = mr_sink_new(&sink, &stage->error);
    start(stage);
}

/* A job with arguments: `noop`, whose rows go to /dev/null. */
static inline void set_up_groups(stage_t *stage, uint32_t tasks) {
    prepare(stage, "noop", 5000);
    stage->work.planned = true;
    for (uint32_t i = 0; i < tasks; i++)
        assert_int_equal(mr_plan_add(&stage->work.plan, 0, "\n", 1), 0);
    mr_output_config_t output = {.path = "/dev/null", .overwrite = true, .job = stage->config.job};
    stage->output = mr_output_open(&output, &stage->error);
    assert_non_null(stage->output);
    stage->groups = stage->config.groups =
        mr_groups_new(stage->config.job, &stage->work, stage->output, false, &stage->error);
    start(stage);
}

/* A sound worker, so that the job can end. */
static inline void send_in_the_honest(stage_t *stage) {
    char own[4096], program[4200], endpoint[4200];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../worker/millrace-worker", own);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/control", stage->scratch.dir);
    const char *arguments[] = {program, "--connect", endpoint, "--threads", "1", NULL};
    assert_int_equal(posix_spawn(&stage->honest, program, NULL, NULL, (char *const *) (uintptr_t) arguments, environ),
                     0);
}

static inline int add_text(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    char text[64];
    (void) context;
    (void) error;
    int size =
        snprintf(text, sizeof text, "%.*s\t%llu\n", (int) row->key_size, row->key, (unsigned long long) row->cells[0]);
    return mr_buffer_append(buffer, text, (size_t) size);
}

static inline int take_text(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    (void) error;
    return mr_buffer_append(context, buffer->data, buffer->size);
}

/* What a serial run would print. */
static inline void expect_rows(mr_sink_t *sink) {
    mr_buffer_t text = {0}, want = {0};
    mr_error_t error = {0};
    uint64_t rows, counts[KEYS] = {0};
    mr_sink_visitor_t visitor = {.context = &text, .row = add_text, .write = take_text};
    assert_int_equal(mr_sink_finish(sink, &visitor, &rows, &error), 0);
    for (uint32_t i = 0; i < TASKS * TASK_LINES; i++)
        counts[i * 7 % KEYS]++;
    for (uint32_t i = 0; i < KEYS; i++) {
        char line[64];
        int size = snprintf(line, sizeof line, "key%04u\t%llu\n", i, (unsigned long long) counts[i]);
        assert_int_equal(mr_buffer_append(&want, line, (size_t) size), 0);
    }
    assert_int_equal(text.size, want.size);
    assert_memory_equal(text.data, want.data, want.size);
    mr_buffer_free(&text);
    mr_buffer_free(&want);
}

static inline void tear_down(stage_t *stage) {
    mr_cluster_destroy(&stage->cluster, 0);
    if (stage->honest)
        waitpid(stage->honest, NULL, 0);
    mr_sink_destroy(&stage->sink);
    mr_groups_destroy(&stage->groups);
    mr_output_destroy(&stage->output);
    mr_work_free(&stage->work);
    mr_options_destroy(&stage->options);
    mr_scratch_remove(&stage->scratch);
    close(stage->config.signals);
}

/* The job ended right, and every record was counted once. */
static inline void expect_right_end(stage_t *stage) {
    pthread_join(stage->thread, NULL);
    assert_string_equal(stage->error.text, "");
    assert_int_equal(stage->failed, 0);
    assert_int_equal(mr_ledger_reconcile(&stage->ledger, &stage->error), 0);
    if (stage->sink) {
        assert_int_equal(stage->ledger.records, TASKS * TASK_LINES);
        expect_rows(stage->sink);
    }
    tear_down(stage);
}

/* ---- a worker played by the test ---- */

typedef struct fake {
    zsock_t *control;
    zsock_t *lane;
    zsock_t *sink;
    uint64_t epoch;
    uint32_t worker;
    uint64_t partial; /* the runs sent last are of it */
    uint32_t runs;    /* so many */
    uint64_t rows;    /* in them */
} fake_t;

static inline zsock_t *dial(int type, const char *endpoint) {
    zsock_t *socket = zsock_new(type);
    assert_non_null(socket);
    zsock_set_linger(socket, 0);
    assert_int_equal(zsock_connect(socket, "%s", endpoint), 0);
    return socket;
}

static inline void send_frame(zsock_t *socket, const void *data, size_t size, int flags) {
    assert_int_equal(zmq_send(zsock_resolve(socket), data, size, flags), (int) size);
}

static inline void send_message(zsock_t *socket, const mr_message_t *message) {
    mr_buffer_t out = {0};
    assert_int_equal(mr_message_encode(message, &out), 0);
    send_frame(socket, out.data, out.size, 0);
    mr_buffer_free(&out);
}

/* The next message, whatever it is. False: none came before the deadline. */
static inline bool next_before(zsock_t *socket, int64_t deadline, mr_message_t *message) {
    int64_t left = deadline - mr_clock_ms();
    mr_error_t error = {0};
    zmq_msg_t frame;
    zsock_set_rcvtimeo(socket, left > 1 ? (int) left : 1);
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, zsock_resolve(socket), 0) < 0)
        return false;
    assert_int_equal(mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
    zmq_msg_close(&frame);
    return true;
}

static inline void hear_any(zsock_t *socket, mr_message_t *message) {
    if (!next_before(socket, mr_clock_ms() + DEADLINE_MS, message))
        fail_msg("no message came");
}

/* The next message of that type; others are passed over. The test fails when none comes. */
static inline void expect(zsock_t *socket, mr_message_type_t type, mr_message_t *message) {
    int64_t deadline = mr_clock_ms() + DEADLINE_MS;
    for (;;) {
        if (!next_before(socket, deadline, message))
            fail_msg("no %s came", mr_message_name(type));
        if (message->type == type)
            return;
        mr_message_clear(message);
    }
}

static inline void expect_and_forget(zsock_t *socket, mr_message_type_t type) {
    mr_message_t message;
    expect(socket, type, &message);
    mr_message_clear(&message);
}

static inline void knock(fake_t *fake, const stage_t *stage) {
    char endpoint[4200];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/control", stage->scratch.dir);
    *fake = (fake_t){.control = dial(ZMQ_DEALER, endpoint)};
}

/* Says HELLO and connects what WELCOME names. */
static inline void say_hello(fake_t *fake) {
    mr_message_t message;
    send_message(fake->control,
                 &(mr_message_t){.type = MR_HELLO, .hello = {MR_PROTOCOL, MILLRACE_VERSION, "fake", 1, 1, "", 0}});
    expect(fake->control, MR_WELCOME, &message);
    fake->epoch = message.welcome.epoch;
    fake->worker = message.welcome.worker;
    fake->lane = dial(ZMQ_PULL, message.welcome.lane);
    fake->sink = dial(ZMQ_PUSH, message.welcome.sink);
    mr_message_clear(&message);
    expect_and_forget(fake->control, MR_JOB);
}

static inline void join(fake_t *fake, const stage_t *stage) {
    knock(fake, stage);
    say_hello(fake);
}

/* The same worker, welcomed anew. */
static inline void rejoin(fake_t *fake) {
    zsock_destroy(&fake->lane);
    zsock_destroy(&fake->sink);
    say_hello(fake);
}

static inline void leave(fake_t *fake) {
    zsock_destroy(&fake->control);
    zsock_destroy(&fake->lane);
    zsock_destroy(&fake->sink);
}

static inline void say_bye(const fake_t *fake, const char *reason) {
    send_message(fake->control, &(mr_message_t){.type = MR_BYE, .bye = {fake->epoch, fake->worker, reason}});
}

static inline uint64_t rows_of(const void *bytes, size_t size) {
    const char *run = bytes;
    uint64_t rows = 0;
    for (size_t at = 0; at + MR_RUN_BLOCK_HEADER <= size; at += MR_RUN_BLOCK_HEADER + mr_load32(run + at))
        rows += mr_load32(run + at + 4);
    return rows;
}

static inline void send_run(fake_t *fake, uint64_t partial, const void *data, size_t size) {
    mr_buffer_t out = {0};
    fake->runs = fake->partial == partial ? fake->runs : 0;
    fake->partial = partial;
    fake->rows = (fake->runs ? fake->rows : 0) + rows_of(data, size);
    mr_message_t header = {.type = MR_RUN, .run = {fake->epoch, fake->worker, partial, fake->runs++}};
    assert_int_equal(mr_message_encode(&header, &out), 0);
    send_frame(fake->sink, out.data, out.size, ZMQ_SNDMORE);
    send_frame(fake->sink, data, size, 0);
    mr_buffer_free(&out);
}

static inline void send_partial(const fake_t *fake, uint64_t partial, uint32_t runs, mr_result_t *results,
                                size_t count) {
    send_message(fake->sink, &(mr_message_t){.type = MR_PARTIAL,
                                             .partial = {fake->epoch, fake->worker, partial, runs,
                                                         fake->partial == partial ? fake->rows : 0, results, count}});
}

/* Computes a task as a worker would. */
static inline mr_result_t compute(const mr_spec_t *spec, mr_buffer_t *run) {
    static const mr_op_t sum = MR_SUM;
    mr_table_t *table = mr_table_new(&sum, 1);
    const mr_segment_t *segment = &spec->segments[0];
    mr_result_t result = {.task = spec->task, .attempt = spec->attempt, .bytes = segment->end - segment->start};
    int fd = open(segment->path, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = segment->start; at < segment->end; at += LINE, result.records++) {
        char line[LINE];
        uint64_t one = 1;
        assert_int_equal(pread(fd, line, LINE, (off_t) at), LINE);
        assert_int_equal(mr_table_add(table, line, LINE - 1, &one), 0);
    }
    close(fd);
    assert_int_equal(mr_table_drain(table, run), 0);
    mr_table_destroy(&table);
    return result;
}

#endif
