#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "endpoint.h"
#include "jobs/registry.h"
#include "log.h"
#include "standard.h"
#include "units.h"

#define MOST_THREADS 1024

void mr_request_help(const mr_job_t *job, const char *command, mr_use_t use) {
    printf("Usage: millrace %s %s [options] %s\n\n%s.\n\n", command, job->name, job->arguments, job->summary);
    for (const mr_option_t *option = job->options; option && option->name; option++) {
        char name[64];
        snprintf(name, sizeof name, "--%s %s", option->name, option->value ? option->value : "");
        printf("      %-28s %s", name, option->help);
        if (option->default_value)
            printf(" (%s)", option->default_value);
        putchar('\n');
    }
    puts(job->options && job->options[0].name ? "\nOptions of every job:" : "Options of every job:");
    mr_settings_help(stdout, use);
    puts("\nSizes take K M G T (powers of 1,024), times ms s m h. Each option may also stand in the\n"
         "environment (MILLRACE_CHUNK) or in ./millrace.conf (chunk = 4M). `man millrace` has the rest.");
}

int mr_request_job(const char *name, const mr_job_t **job, mr_options_t **options, mr_error_t *error) {
    *job = mr_job_find(name);
    const char *nearest = *job ? NULL : mr_job_nearest(name);
    if (!*job)
        return mr_error_set(error, MR_STATUS_USAGE, "unknown job '%s'%s%s%s; see millrace jobs", name,
                            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    *options = mr_options_new(*job);
    return *options ? 0 : mr_error_memory(error, "reading options");
}

static int configure_job(mr_request_t *request, mr_error_t *error) {
    mr_complaint_t complaint = {0};
    request->job = mr_job_variant(request->job, request->options);
    if (request->job->configure && request->job->configure(request->options, &request->state, &complaint))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s", request->job->name, complaint.text);
    return 0;
}

/* "N" or "N%" of the processors this process may use. */
static int read_threads(const mr_settings_t *settings, uint32_t *threads, mr_error_t *error) {
    char text[32];
    uint64_t number;
    snprintf(text, sizeof text, "%s", mr_settings_text(settings, MR_SETTING_THREADS));
    size_t length = strlen(text);
    bool percent = length && text[length - 1] == '%';
    if (percent)
        text[length - 1] = 0;
    if (mr_parse_count(mr_settings_source(settings, MR_SETTING_THREADS), text, 1, percent ? 10000 : MOST_THREADS,
                       &number, error))
        return -1;
    if (percent)
        number = (number * mr_cpu_count() + 99) / 100;
    if (number > MOST_THREADS)
        number = MOST_THREADS;
    *threads = (uint32_t) number;
    return 0;
}

/* "auto" or a number. */
int mr_request_local(const mr_settings_t *settings, uint64_t least, uint32_t *processes, uint32_t *threads,
                     mr_error_t *error) {
    if (read_threads(settings, threads, error))
        return -1;
    uint64_t workers = (*threads + 7) / 8;
    if (strcmp(mr_settings_text(settings, MR_SETTING_WORKERS), "auto") &&
        mr_settings_count(settings, MR_SETTING_WORKERS, least, 1024, &workers, error))
        return -1;
    if (workers > *threads)
        *threads = (uint32_t) workers; /* each process computes with one thread at least */
    *processes = (uint32_t) workers;
    return 0;
}

static int read_workers(mr_request_t *request, mr_error_t *error) {
    mr_cluster_config_t *cluster = &request->cluster;
    uint64_t least = cluster->listen ? 0 : 1; /* none only where others start workers */
    if (mr_request_local(&request->settings, least, &cluster->processes, &cluster->threads, error) ||
        mr_settings_count(&request->settings, MR_SETTING_REDUCERS, 0, 256, &request->reducers, error))
        return -1;
    if (!request->reducers)
        request->reducers = mr_cpu_count() < 256 ? mr_cpu_count() : 256;
    return 0;
}

int mr_request_keys(const mr_settings_t *settings, mr_keys_t *keys, mr_error_t *error) {
    return mr_keys_load(keys, MR_ROLE_COORDINATOR, mr_settings_text(settings, MR_SETTING_KEYS), error);
}

/* Whoever reaches a coordinator without keys can make it believe any result. */
int mr_request_check_listen(const mr_settings_t *settings, const char *listen, mr_error_t *error) {
    mr_endpoint_t endpoint;
    if (mr_endpoint_parse(&endpoint, listen, mr_settings_text(settings, MR_SETTING_LANE_PORTS), error) ||
        mr_endpoint_advertise(&endpoint, mr_settings_text(settings, MR_SETTING_ADVERTISE), error))
        return -1;
    if (mr_endpoint_is_local(&endpoint) || mr_settings_text(settings, MR_SETTING_KEYS))
        return 0;
    if (!mr_settings_switch(settings, MR_SETTING_INSECURE))
        return mr_error_set(
            error, MR_STATUS_USAGE,
            "--listen %s: anyone who reaches it could join; give it --keys DIR (millrace keygen makes them), "
            "listen on tcp://127.0.0.1:PORT, or add --insecure on a network you trust",
            listen);
    if (!mr_settings_switch(settings, MR_SETTING_SUBMITTED)) /* for which its server has said it */
        mr_log(MR_LOG_WARNING, "--listen %s --insecure: anyone who reaches it can join", listen);
    return 0;
}

static int read_listen(mr_request_t *request, mr_error_t *error) {
    const mr_settings_t *settings = &request->settings;
    mr_cluster_config_t *cluster = &request->cluster;
    cluster->listen = mr_settings_text(settings, MR_SETTING_LISTEN);
    cluster->lane_ports = mr_settings_text(settings, MR_SETTING_LANE_PORTS);
    cluster->advertise = mr_settings_text(settings, MR_SETTING_ADVERTISE);
    if (!cluster->listen)
        return 0;
    cluster->keys = &request->keys;
    return mr_request_check_listen(settings, cluster->listen, error) || mr_request_keys(settings, &request->keys, error)
               ? -1
               : 0;
}

static int read_limits(mr_request_t *request, mr_error_t *error) {
    const mr_settings_t *settings = &request->settings;
    mr_cluster_config_t *cluster = &request->cluster;
    uint64_t flush, lease, task_timeout, timeout, backup;
    if (mr_settings_size(settings, MR_SETTING_CHUNK, 0, (uint64_t) 1 << 50, &request->chunk, error) ||
        mr_settings_size(settings, MR_SETTING_MEMORY, (uint64_t) 1 << 20, (uint64_t) 1 << 44, &request->memory,
                         error) ||
        mr_settings_size(settings, MR_SETTING_BLOCK, 1, (uint64_t) 1 << 28, &cluster->block_size, error) ||
        mr_settings_size(settings, MR_SETTING_MAX_RECORD, 1, (uint64_t) 1 << 34, &cluster->max_record, error) ||
        mr_settings_count(settings, MR_SETTING_SKIP_BAD, 0, UINT64_MAX, &cluster->skip_bad, error) ||
        mr_settings_time(settings, MR_SETTING_FLUSH, 1, 86400000, &flush, error) ||
        mr_settings_time(settings, MR_SETTING_LEASE, 200, 86400000, &lease, error) ||
        mr_settings_time(settings, MR_SETTING_BACKUP, 0, 86400000, &backup, error) ||
        mr_settings_time(settings, MR_SETTING_TASK_TIMEOUT, 0, 86400000, &task_timeout, error) ||
        mr_settings_time(settings, MR_SETTING_WORKER_TIMEOUT, 0, 864000000, &timeout, error))
        return -1;
    cluster->flush_ms = (uint32_t) flush;
    cluster->lease_ms = (uint32_t) lease;
    cluster->backup_ms = (uint32_t) backup;
    cluster->task_timeout_ms = (uint32_t) task_timeout;
    cluster->worker_timeout_ms = (uint32_t) timeout;
    cluster->worker_memory = request->memory;
    cluster->only = mr_settings_text(settings, MR_SETTING_ONLY);
    return 0;
}

static int read_output(mr_request_t *request, mr_error_t *error) {
    static const char *const formats[] = {"tsv", "csv", "json", NULL};
    static const char *const sorts[] = {"key", "value", "none", NULL};
    static const char *const orders[] = {"completion", "input", NULL};
    const mr_settings_t *settings = &request->settings;
    unsigned format, sort, order;
    if (mr_settings_choice(settings, MR_SETTING_FORMAT, formats, &format, error) ||
        mr_settings_choice(settings, MR_SETTING_SORT, sorts, &sort, error) ||
        mr_settings_choice(settings, MR_SETTING_ORDER, orders, &order, error) ||
        mr_settings_count(settings, MR_SETTING_TOP, 0, UINT64_MAX, &request->output.top, error))
        return -1;
    request->output.path = mr_settings_text(settings, MR_SETTING_OUTPUT);
    request->output.overwrite = mr_settings_switch(settings, MR_SETTING_OVERWRITE);
    request->output.format = (mr_row_format_t) format;
    request->output.sort = (mr_sort_t) sort;
    request->output.job = request->job;
    request->output.state = request->state;
    request->output.memory = request->memory;
    request->output.tmp_dir = request->tmp_dir;
    request->output.reducers = (uint32_t) request->reducers;
    request->in_order = order == 1;
    return 0;
}

int mr_request_log_level(const mr_settings_t *settings, const char **name, mr_error_t *error) {
    *name = mr_settings_text(settings, MR_SETTING_LOG_LEVEL);
    int level = mr_log_level_find(*name);
    if (level < 0)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is none of error, warning, info, debug",
                            mr_settings_source(settings, MR_SETTING_LOG_LEVEL), *name);
    mr_log_init("millrace", (mr_log_level_t) level);
    return 0;
}

static int read_talk(mr_request_t *request, mr_error_t *error) {
    const mr_settings_t *settings = &request->settings;
    int mode = mr_progress_mode_find(mr_settings_text(settings, MR_SETTING_PROGRESS));
    if (mr_request_log_level(settings, &request->cluster.log_level, error))
        return -1;
    if (mode < 0)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is none of auto, bar, json, none",
                            mr_settings_source(settings, MR_SETTING_PROGRESS),
                            mr_settings_text(settings, MR_SETTING_PROGRESS));
    request->progress = (mr_progress_mode_t) mode;
    request->quiet = mr_settings_switch(settings, MR_SETTING_QUIET);
    request->dry_run = mr_settings_switch(settings, MR_SETTING_DRY_RUN);
    request->submitted = mr_settings_switch(settings, MR_SETTING_SUBMITTED);
    return 0;
}

const char *mr_request_tmp(const mr_settings_t *settings) {
    const char *tmp = mr_settings_text(settings, MR_SETTING_TMP), *environment = getenv("TMPDIR");
    return tmp ? tmp : environment && *environment ? environment : "/tmp";
}

static int read_root(mr_request_t *request, mr_error_t *error) {
    const char *root = mr_settings_text(&request->settings, MR_SETTING_ROOT);
    request->inputs.root = &request->root;
    request->cluster.root = &request->root;
    return root ? mr_root_open(&request->root, mr_settings_source(&request->settings, MR_SETTING_ROOT), root, error)
                : 0;
}

static void read_inputs(mr_request_t *request) {
    request->tmp_dir = mr_request_tmp(&request->settings);
    request->cluster.tmp_dir = request->tmp_dir;
    request->inputs.fingerprints = mr_settings_text(&request->settings, MR_SETTING_LISTEN) != NULL;
    request->inputs.recursive = mr_settings_switch(&request->settings, MR_SETTING_RECURSIVE);
    request->inputs.files_from = mr_settings_text(&request->settings, MR_SETTING_FILES_FROM);
    request->inputs.files0_from = mr_settings_text(&request->settings, MR_SETTING_FILES0_FROM);
}

static int read_journal(mr_request_t *request, mr_error_t *error) {
    request->journal = mr_settings_text(&request->settings, MR_SETTING_JOURNAL);
    request->resume = mr_settings_switch(&request->settings, MR_SETTING_RESUME);
    if (request->resume && !request->journal)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: needs --journal DIR, to know what to go on with",
                            mr_settings_source(&request->settings, MR_SETTING_RESUME));
    return 0;
}

/* Asked for on the command line, such an option would be missed; in the environment or a file it is for other jobs. */
static int refuse_meaningless(const mr_request_t *request, mr_error_t *error) {
    static const mr_setting_t of_files[] = {MR_SETTING_TOP, MR_SETTING_SORT, MR_SETTING_RECURSIVE,
                                            MR_SETTING_FILES_FROM, MR_SETTING_FILES0_FROM};
    static const mr_setting_t of_arguments[] = {MR_SETTING_ORDER};
    bool arguments = request->job->flags & MR_JOB_ARGUMENTS;
    const mr_setting_t *others = arguments ? of_files : of_arguments;
    size_t count = arguments ? sizeof of_files / sizeof *of_files : sizeof of_arguments / sizeof *of_arguments;
    for (size_t i = 0; i < count; i++) {
        const char *source = request->settings.sources[others[i]];
        if (source && source[0] == '-')
            return mr_error_set(error, MR_STATUS_USAGE, "%s: means nothing for %s, a job over %s", source,
                                request->job->name, arguments ? "arguments" : "files");
    }
    return 0;
}

/* The server that has started this process may have died before the kernel was asked to tell. */
static int follow_parent(const mr_request_t *request, mr_error_t *error) {
    uint64_t parent = 0;
    if (!mr_settings_text(&request->settings, MR_SETTING_PARENT))
        return 0;
    if (mr_settings_count(&request->settings, MR_SETTING_PARENT, 1, INT32_MAX, &parent, error))
        return -1;
    mr_follow_parent((pid_t) parent);
    return 0;
}

int mr_request_read(mr_request_t *request, int argc, char **argv, mr_error_t *error) {
    int first;
    *request = (mr_request_t){0};
    if (mr_request_job(argv[0], &request->job, &request->options, error) || mr_settings_load(&request->settings, error))
        return -1;
    int parsed =
        mr_settings_parse(&request->settings, MR_USE_R, request->options, request->job, argc, argv, &first, error);
    if (parsed > 0)
        mr_request_help(request->job, "run", MR_USE_R);
    if (parsed)
        return parsed;
    request->operand_count = argc - first;
    request->operands = argv + first;
    read_inputs(request);
    return follow_parent(request, error) || read_root(request, error) || refuse_meaningless(request, error) ||
                   configure_job(request, error) || read_talk(request, error) || read_listen(request, error) ||
                   read_workers(request, error) || read_limits(request, error) || read_output(request, error) ||
                   read_journal(request, error)
               ? -1
               : 0;
}

void mr_request_free(mr_request_t *request) {
    if (request->job && request->job->destroy && request->state)
        request->job->destroy(request->state);
    mr_options_destroy(&request->options);
    mr_root_close(&request->root);
    mr_keys_clear(&request->keys);
    mr_settings_free(&request->settings);
}
