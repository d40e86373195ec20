/* One run, from the request to the output in its place. It reads as phases: plan, open, map, merge, settle. */
#include <czmq.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "log.h"
#include "request.h"
#include "resume.h"
#include "scratch.h"
#include "signals.h"
#include "timeline.h"

#define LEAST_CHUNK ((uint64_t) 256 << 10)
#define LEAST_URL_CHUNK ((uint64_t) 4 << 20) /* each is a request */
#define MOST_CHUNK ((uint64_t) 8 << 20)
#define TASKS_A_THREAD 128 /* enough for threads to end together, few enough to cost nothing */
#define GRACE_MS 2000      /* for local workers to end by themselves */

typedef struct run {
    const mr_request_t *request;
    mr_scratch_t scratch;
    mr_work_t work;
    mr_ledger_t ledger;
    mr_resume_t resume; /* the journal, if there is one */
    mr_progress_t progress;
    mr_output_t *output;
    mr_sink_t *sink;     /* of a job over files */
    mr_groups_t *groups; /* of a job with arguments */
    mr_cluster_t *cluster;
    uint64_t chunk; /* bytes of a task over files */
    int signals;    /* signalfd */
    int64_t started_ms;
} run_t;

/* ---- plan ---- */

static uint64_t choose_chunk(const mr_request_t *request, const mr_inputs_t *inputs) {
    uint64_t chunk = inputs->bytes / (TASKS_A_THREAD * (uint64_t) request->cluster.threads);
    uint64_t least = mr_inputs_have_url(inputs) ? LEAST_URL_CHUNK : LEAST_CHUNK;
    if (request->chunk)
        return request->chunk;
    return chunk < least ? least : chunk > MOST_CHUNK ? MOST_CHUNK : chunk;
}

static int plan_files(run_t *run, mr_error_t *error) {
    const mr_request_t *request = run->request;
    mr_inputs_config_t inputs = request->inputs;
    inputs.spool_dir = run->resume.journal ? NULL : run->scratch.dir; /* what is spooled could not be read again */
    if (mr_inputs_collect(&run->work.inputs, &inputs, request->operand_count, request->operands, error))
        return -1;
    run->chunk = run->resume.chunk ? run->resume.chunk : choose_chunk(request, &run->work.inputs);
    if (mr_inputs_split(&run->work.inputs, run->chunk, &run->work.splits, error))
        return -1;
    run->ledger.files = run->work.inputs.count;
    return 0;
}

static int plan_arguments(run_t *run, mr_error_t *error) {
    const mr_request_t *request = run->request;
    mr_complaint_t complaint = {0};
    run->work.planned = true;
    if (request->job->plan(request->state, request->operand_count, request->operands, &run->work.plan, &complaint))
        return *complaint.text ? mr_error_set(error, MR_STATUS_USAGE, "%s", complaint.text)
                               : mr_error_memory(error, "planning"); /* what mr_plan_add lacked */
    return 0;
}

static int plan(run_t *run, mr_error_t *error) {
    int failed = run->request->job->flags & MR_JOB_ARGUMENTS ? plan_arguments(run, error) : plan_files(run, error);
    run->ledger.input_bytes = mr_work_bytes(&run->work);
    mr_timeline("planned");
    return failed ? failed : mr_resume_bind(&run->resume, run->request, &run->work, run->chunk, error);
}

static int print_plan(const run_t *run, mr_error_t *error) {
    const mr_request_t *request = run->request;
    printf("job\t%s\nfiles\t%llu\nbytes\t%llu\ntasks\t%u\nworkers\t%u\nthreads\t%u\nreducers\t%llu\nmemory\t%"
           "llu\noutput\t%s\n",
           request->job->name, (unsigned long long) run->ledger.files, (unsigned long long) run->ledger.input_bytes,
           mr_work_tasks(&run->work), request->cluster.processes, request->cluster.threads,
           (unsigned long long) request->reducers, (unsigned long long) request->memory,
           request->output.path ? request->output.path : "standard output");
    return fflush(stdout) ? mr_error_set(error, MR_STATUS_STORAGE, "standard output: %s", strerror(errno)) : 0;
}

/* ---- open ---- */

static int check_output(const run_t *run, mr_error_t *error) {
    dev_t device;
    ino_t inode;
    if (mr_output_identity(run->output, &device, &inode) && mr_inputs_contain(&run->work.inputs, device, inode))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: the output is one of the inputs", run->request->output.path);
    return 0;
}

static int open_reduction(run_t *run, mr_error_t *error) {
    const mr_request_t *request = run->request;
    mr_sink_config_t sink = {request->memory, request->tmp_dir, (uint32_t) request->reducers, request->job->ops,
                             request->job->ncells};
    if (request->job->flags & MR_JOB_ARGUMENTS) {
        run->groups = mr_groups_new(request->job, &run->work, run->output, request->in_order, error);
        return run->groups ? 0 : -1;
    }
    run->sink = mr_sink_new(&sink, error);
    return run->sink ? 0 : -1;
}

/* Attempts of one life are not taken for those of another, as long as no worker holds one of 4,096 lives ago. */
static void use_journal(mr_cluster_config_t *config, mr_journal_t *journal) {
    if (!journal)
        return;
    config->journal = journal;
    config->journal_memory = config->worker_memory / 8;
    config->job_id = mr_journal_job(journal);
    config->first_attempt = (uint32_t) ((mr_journal_life(journal) - 1) << 20 | 1);
}

static void tell_endpoint(run_t *run) {
    mr_progress_endpoint(&run->progress, mr_cluster_endpoint(run->cluster));
    if (!run->request->quiet && !run->request->submitted)
        fprintf(stderr, "millrace: listening on %s\n", mr_cluster_endpoint(run->cluster));
}

static int open_cluster(run_t *run, mr_error_t *error) {
    mr_cluster_config_t config = run->request->cluster;
    zsys_handler_set(NULL); /* signals are ours */
    config.job = run->request->job;
    config.options = run->request->options;
    config.work = &run->work;
    config.sink = run->sink;
    config.groups = run->groups;
    config.ledger = &run->ledger;
    config.progress = &run->progress;
    config.dir = run->scratch.dir;
    config.signals = run->signals;
    config.restored = run->resume.restored;
    use_journal(&config, run->resume.journal);
    if (mr_descriptors_reserve(config.processes, config.threads, error))
        return -1;
    config.most_workers = config.listen ? mr_descriptors_most_workers(config.threads) : UINT32_MAX;
    run->cluster = mr_cluster_new(&config, error);
    if (run->cluster && config.listen)
        tell_endpoint(run);
    return run->cluster ? 0 : -1;
}

static int open_parts(run_t *run, mr_error_t *error) {
    run->output = mr_output_open(&run->request->output, error);
    return !run->output || check_output(run, error) || open_reduction(run, error) ? -1 : 0;
}

static int replay(run_t *run, mr_error_t *error) {
    mr_resume_target_t target = {&run->work, run->sink, run->groups, &run->ledger};
    return mr_resume_replay(&run->resume, &target, error);
}

/* ---- what may take long and hears no signals runs in a thread of its own, so that Ctrl-C is heard meanwhile ---- */

typedef struct aside {
    run_t *run;
    int (*work)(run_t *run, mr_error_t *error);
    pthread_t thread;
    int done; /* eventfd */
    int failed;
    mr_error_t error;
} aside_t;

static void *aside_main(void *argument) {
    aside_t *aside = argument;
    aside->failed = aside->work(aside->run, &aside->error);
    eventfd_write(aside->done, 1);
    return NULL;
}

/* Such work cannot be stopped halfway; the process ends instead, and takes what has no name yet with it. */
static void leave_at_once(run_t *run, const aside_t *aside, unsigned signal_number) {
    mr_error_t error = {0};
    mr_scratch_t scratch = run->scratch; /* the thread may still read the run's */
    mr_progress_clear(&run->progress);
    mr_error_set(&error, MR_STATUS_INTERRUPTED, "interrupted by signal %u; no output was written", signal_number);
    mr_resume_advise(&run->resume, &error);
    mr_log_error(&error);
    if (run->output)
        mr_output_abandon(run->output);
    mr_scratch_remove(&scratch);
    mr_cluster_destroy(&run->cluster, 0);
    pthread_detach(aside->thread);
    _exit(MR_STATUS_INTERRUPTED);
}

static void wait_for(run_t *run, const aside_t *aside) {
    struct pollfd items[] = {{aside->done, POLLIN, 0}, {run->signals, POLLIN, 0}};
    struct signalfd_siginfo info;
    for (;;) {
        int ready = poll(items, 2, 100);
        if (ready > 0 && items[0].revents)
            return;
        while (ready > 0 && read(run->signals, &info, sizeof info) == sizeof info)
            if (info.ssi_signo != SIGCHLD)
                leave_at_once(run, aside, info.ssi_signo);
        if (run->progress.phase)
            mr_progress_show(&run->progress, mr_clock_ms(), 0, 0);
    }
}

static int do_aside(run_t *run, int (*work)(run_t *run, mr_error_t *error), mr_error_t *error) {
    aside_t aside = {.run = run, .work = work, .done = eventfd(0, EFD_CLOEXEC)};
    int failed = aside.done < 0 ? errno : pthread_create(&aside.thread, NULL, aside_main, &aside);
    if (failed) {
        if (aside.done >= 0)
            close(aside.done);
        return mr_error_set(error, MR_STATUS_JOB, "cannot start a thread: %s", strerror(failed));
    }
    wait_for(run, &aside);
    pthread_join(aside.thread, NULL);
    close(aside.done);
    if (aside.failed)
        *error = aside.error;
    return aside.failed;
}

static int merge_sink(run_t *run, mr_error_t *error) {
    return mr_output_sink(run->output, run->sink, &run->ledger.rows, error);
}

/* A bar would be drawn between the rows. */
static void spare_terminal(run_t *run) {
    if (run->progress.mode == MR_PROGRESS_BAR && !run->request->output.path && isatty(STDOUT_FILENO))
        run->progress.mode = MR_PROGRESS_NONE;
}

static int merge(run_t *run, mr_error_t *error) {
    if (!run->sink)
        return 0;
    spare_terminal(run);
    mr_progress_start(&run->progress, "merge", run->ledger.input_bytes, mr_clock_ms());
    int failed = do_aside(run, merge_sink, error);
    mr_timeline("merged");
    mr_progress_end(&run->progress, mr_clock_ms(), run->ledger.input_bytes, 0);
    run->ledger.spilled = mr_sink_stats(run->sink).spilled_bytes;
    return failed;
}

/* ---- settle ---- */

/* What was read must be what was planned, before anything appears at the output's path. */
static int verify(run_t *run, mr_error_t *error) {
    if (!run->work.planned && mr_inputs_verify(&run->work.inputs, error)) {
        run->resume.ready = false; /* with other inputs it is another job */
        return -1;
    }
    return mr_ledger_reconcile(&run->ledger, error);
}

static void print_summary(const run_t *run) {
    char text[512];
    if (run->request->quiet)
        return;
    mr_ledger_summary(&run->ledger, (double) (mr_clock_ms() - run->started_ms) / 1000, text, sizeof text);
    fprintf(stderr, "millrace: %s\n", text);
}

static void close_parts(run_t *run) {
    mr_cluster_destroy(&run->cluster,
                       run->cluster && run->ledger.tasks.committed == run->ledger.tasks.tasks ? GRACE_MS : 0);
    mr_timeline("the workers have ended");
    mr_groups_destroy(&run->groups);
    mr_sink_destroy(&run->sink);
    mr_output_destroy(&run->output);
    mr_timeline("freed");
    mr_work_free(&run->work);
    mr_resume_close(&run->resume);
    mr_scratch_remove(&run->scratch);
    if (run->signals >= 0)
        close(run->signals);
}

/* The coordinator before this one had all but removed its journal. */
static int leave_complete(run_t *run) {
    mr_resume_finish(&run->resume);
    if (!run->request->quiet)
        fprintf(stderr, "millrace: %s is complete; nothing was left to do\n", run->request->output.path);
    return 0;
}

static int carry_out(run_t *run, mr_error_t *error) {
    if ((run->signals = mr_signals_watch(error)) < 0 || mr_scratch_make(&run->scratch, run->request->tmp_dir, error) ||
        (!run->request->dry_run && mr_resume_open(&run->resume, run->request, error)) || do_aside(run, plan, error))
        return -1;
    if (run->request->dry_run)
        return print_plan(run, error);
    int complete = mr_resume_is_complete(&run->resume, run->request->output.path, error);
    if (complete)
        return complete < 0 ? -1 : leave_complete(run);
    if (open_parts(run, error) || (run->resume.journal && do_aside(run, replay, error)) || open_cluster(run, error) ||
        mr_cluster_run(run->cluster, error) || verify(run, error) || merge(run, error) ||
        mr_resume_end(&run->resume, run->output, error) || mr_output_commit(run->output, error))
        return -1;
    mr_timeline("the output is durable");
    mr_resume_finish(&run->resume);
    print_summary(run);
    return 0;
}

int mr_run(const mr_request_t *request, mr_error_t *error) {
    run_t run = {
        .request = request, .progress = {.mode = request->progress}, .signals = -1, .started_ms = mr_clock_ms()};
    mr_timeline("began");
    int failed = carry_out(&run, error);
    if (!request->submitted)
        mr_resume_advise(&run.resume, error);
    mr_progress_clear(&run.progress);
    close_parts(&run);
    return failed;
}
