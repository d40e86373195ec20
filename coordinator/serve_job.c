/* A job's coordinator: what it is started with, and what it says. On its stderr it tells its progress by JSON objects, one a line; other lines are for
 * people, and are kept in the job's file of messages. */
#include "serve_job.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "clock.h"
#include "log.h"

#define PORTS_OF_A_JOB 3 /* control, sink, inputs */
#define MOST_WORDS 40    /* of ours */
#define MOST_MESSAGES ((uint64_t) 4 << 20)

/* ---- what it is started with ---- */

typedef struct words {
    const char **items; /* owned; ended by NULL when complete */
    size_t count;
    char endpoint[256];
    char parent[24];
    char journal[4300];
    char output[4300];
} words_t;

/* Where a job listens: at the ports behind the server's, or at any that are free if the server listens at any. */
static void choose_endpoint(const mr_serve_t *serve, uint32_t slot, char text[256]) {
    const mr_endpoint_t *own = &serve->listen;
    if (!own->tcp)
        snprintf(text, 256, "ipc://%s.%u", own->path, slot);
    else if (!own->port)
        snprintf(text, 256, "tcp://%s:*", own->host);
    else
        snprintf(text, 256, "tcp://%s:%u", own->host, own->port + 1 + slot * PORTS_OF_A_JOB);
}

bool mr_serve_ports_are_free(const mr_serve_t *serve, uint32_t slot, char text[128]) {
    const mr_endpoint_t *own = &serve->listen;
    uint32_t first = own->port + 1 + slot * PORTS_OF_A_JOB;
    bool free = true;
    if (!own->tcp || !own->port)
        return true;
    for (uint32_t i = 0; i < PORTS_OF_A_JOB; i++)
        free = mr_endpoint_port_is_free(own, first + i) && free;
    snprintf(text, 128, "%u to %u", first, first + PORTS_OF_A_JOB - 1);
    return free;
}

static void add(words_t *words, const char *word) {
    words->items[words->count++] = word;
}

static void add_pair(words_t *words, const char *name, const char *value) {
    add(words, name);
    add(words, value);
}

/* Ours come first, and --submitted forbids to say them again: behind a -- they would be inputs. */
static void add_ours(const mr_serve_t *serve, const mr_serve_job_t *job, words_t *words) {
    const mr_serve_config_t *config = serve->config;
    add_pair(words, "millrace", "run");
    add(words, job->queued.words[0]);
    add_pair(words, "--parent", words->parent);
    add_pair(words, "--listen", words->endpoint);
    if (config->lane_ports)
        add_pair(words, "--lane-ports", config->lane_ports);
    if (config->advertise)
        add_pair(words, "--advertise", config->advertise);
    if (config->root)
        add_pair(words, "--root", config->root);
    if (mr_keys_given(config->keys))
        add_pair(words, "--keys", config->keys->dir);
    if (config->insecure)
        add(words, "--insecure");
    add_pair(words, "--workers", "0");
    add_pair(words, "--journal", words->journal);
    add(words, "--resume");
    if (job->over_files)
        add_pair(words, "--output", words->output);
    add_pair(words, "--tmp", serve->scratch.dir);
    add_pair(words, "--log-level", "warning"); /* unless the job says otherwise */
    add_pair(words, "--progress", "json");
    add(words, "--submitted");
}

static int make_words(const mr_serve_t *serve, const mr_serve_job_t *job, words_t *words, mr_error_t *error) {
    uint64_t id = job->queued.id;
    snprintf(words->parent, sizeof words->parent, "%ld", (long) getpid());
    choose_endpoint(serve, job->slot, words->endpoint);
    if (mr_job_queue_path(serve->queue, id, "journal", words->journal, sizeof words->journal, error) ||
        mr_job_queue_path(serve->queue, id, "output", words->output, sizeof words->output, error))
        return -1;
    words->items = calloc(MOST_WORDS + job->queued.word_count, sizeof *words->items);
    if (!words->items)
        return mr_error_memory(error, "starting a job");
    add_ours(serve, job, words);
    for (uint32_t i = 1; i < job->queued.word_count; i++)
        add(words, job->queued.words[i]);
    return 0;
}

/* Settings of the server's environment are the server's. A job that was accepted waits for workers as long as it takes. */
static bool may_pass(const char *entry) {
    static const char *const names[] = {"PATH=",
                                        "HOME=",
                                        "USER=",
                                        "LOGNAME=",
                                        "LANG=",
                                        "LC_",
                                        "TZ=",
                                        "TMPDIR=",
                                        "XDG_CONFIG_HOME=",
                                        "LD_LIBRARY_PATH=",
                                        "ASAN_OPTIONS=",
                                        "UBSAN_OPTIONS=",
                                        "TSAN_OPTIONS=",
                                        "LSAN_OPTIONS="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(entry, names[i], strlen(names[i])))
            return true;
    return false;
}

const char **mr_serve_job_environment(void) {
    static const char *const ours[] = {"MILLRACE_WORKER_TIMEOUT=10d", "MILLRACE_DRY_RUN=no"};
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    const char **entries = calloc(count + sizeof ours / sizeof *ours + 1, sizeof *entries);
    for (size_t i = 0; entries && i < count; i++)
        if (may_pass(environ[i]))
            entries[kept++] = environ[i];
    for (size_t i = 0; entries && i < sizeof ours / sizeof *ours; i++)
        entries[kept++] = ours[i];
    return entries;
}

/* ---- what it says ---- */

/* The text of a line "millrace: TEXT", or "millrace: LEVEL: TEXT" of that level (NULL: of none); NULL: it is another. */
static const char *text_of(const char *line, const char *level) {
    static const char ours[] = "millrace: ";
    char known[16] = "";
    if (strncmp(line, ours, strlen(ours)))
        return NULL;
    line += strlen(ours);
    size_t length = strcspn(line, ": ");
    if (length < sizeof known && line[length] == ':')
        memcpy(known, line, length);
    if (mr_log_level_find(known) < 0)
        return level ? NULL : line;
    return level && !strcmp(known, level) ? line + length + 2 : NULL;
}

static void keep_message(mr_serve_job_t *job, const char *line) {
    const char *complaint = text_of(line, "error"), *summary = text_of(line, NULL);
    size_t length = strlen(line);
    if (complaint)
        snprintf(job->complaint, sizeof job->complaint, "%s", complaint);
    if (summary)
        snprintf(job->summary, sizeof job->summary, "%s", summary);
    if (job->messages_fd < 0 || job->messages + length >= MOST_MESSAGES)
        return;
    if (dprintf(job->messages_fd, "%s\n", line) == (int) length + 1)
        job->messages += length + 1;
    else if (ftruncate(job->messages_fd, (off_t) job->messages))
        mr_log(MR_LOG_DEBUG, "a message of a job could not be written"); /* it is no line */
}

static void take_endpoint(mr_serve_t *serve, mr_serve_job_t *job, const char *endpoint) {
    snprintf(job->endpoint, sizeof job->endpoint, "%s", endpoint);
    mr_endpoint_for_workers(serve->config->advertise, job->endpoint);
    job->listened = true;
    mr_serve_tell_workers(serve, job);
}

static void take_progress(mr_serve_t *serve, mr_serve_job_t *job, const char *line, const char *phase) {
    snprintf(job->progress, sizeof job->progress, "%s", line);
    if (strcmp(phase, "merge") || job->merging)
        return;
    job->merging = true;
    mr_serve_share(serve);
}

/* False: it is not one of those objects. */
static bool take_event(mr_serve_t *serve, mr_serve_job_t *job, const char *line) {
    json_t *object = *line == '{' ? json_loads(line, 0, NULL) : NULL;
    const char *event = json_string_value(json_object_get(object, "event"));
    const char *endpoint = json_string_value(json_object_get(object, "endpoint"));
    const char *phase = json_string_value(json_object_get(object, "phase"));
    bool known = event && (endpoint || phase);
    if (known && endpoint && !strcmp(event, "listening"))
        take_endpoint(serve, job, endpoint);
    else if (known && phase && !strcmp(event, "progress"))
        take_progress(serve, job, line, phase);
    json_decref(object);
    return known;
}

/* Returns whether it will say more. */
static bool hear(mr_serve_t *serve, mr_serve_job_t *job) {
    char line[MR_SERVE_LINE];
    int got;
    bool news = false;
    while ((got = mr_child_line(&job->child, line, sizeof line)) > 0) {
        news = true;
        if (!take_event(serve, job, line))
            keep_message(job, line);
    }
    if (news)
        mr_serve_news(serve, job->queued.id);
    return got == 0;
}

static void stop_hearing(mr_serve_t *serve, mr_serve_job_t *job) {
    zmq_pollitem_t item = {NULL, job->child.lines, ZMQ_POLLIN, 0};
    if (job->child.lines < 0)
        return;
    zloop_poller_end(serve->loop, &item);
    close(job->child.lines);
    job->child.lines = -1;
}

static int on_lines(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_serve_t *serve = argument;
    (void) loop;
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++) {
        mr_serve_job_t *job = serve->jobs[slot];
        if (job && job->child.lines == item->fd && !hear(serve, job))
            stop_hearing(serve, job);
    }
    return serve->over ? -1 : 0;
}

/* ---- its life ---- */

static int open_files(const mr_serve_t *serve, mr_serve_job_t *job, int *output, mr_error_t *error) {
    char path[4300];
    struct stat status;
    uint64_t id = job->queued.id;
    if (mr_job_queue_path(serve->queue, id, NULL, path, sizeof path, error))
        return -1;
    if (mkdir(path, 0700) && errno != EEXIST)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the directory: %s", path, strerror(errno));
    mr_job_queue_path(serve->queue, id, "messages", path, sizeof path, NULL);
    job->messages_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    job->messages = job->messages_fd >= 0 && !fstat(job->messages_fd, &status) ? (uint64_t) status.st_size : 0;
    mr_job_queue_path(serve->queue, id, "output", path, sizeof path, NULL);
    /* The rows that were printed by an earlier life of it are printed again. */
    *output = job->over_files ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (!job->over_files && *output < 0)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make it: %s", path, strerror(errno));
    return 0;
}

const char *mr_serve_job_directory(const mr_queued_t *queued) {
    struct stat status;
    return !stat(queued->directory, &status) && S_ISDIR(status.st_mode) ? queued->directory : "/";
}

static int start(mr_serve_t *serve, mr_serve_job_t *job, int output, mr_error_t *error) {
    words_t words = {0};
    const char **environment = mr_serve_job_environment();
    int failed = environment ? make_words(serve, job, &words, error) : mr_error_memory(error, "starting a job");
    mr_child_config_t config = {"/proc/self/exe", words.items, environment, mr_serve_job_directory(&job->queued),
                                output};
    if (!failed)
        failed = mr_child_start(&job->child, &config, error);
    free(words.items);
    free(environment);
    return failed;
}

int mr_serve_job_start(mr_serve_t *serve, mr_serve_job_t *job, mr_error_t *error) {
    int output = -1;
    *job->endpoint = *job->progress = *job->complaint = *job->summary = 0;
    job->merging = job->listened = false;
    job->oom_kills = mr_fate_oom_kills();
    int failed = open_files(serve, job, &output, error) || start(serve, job, output, error);
    if (output >= 0)
        close(output);
    if (failed)
        return -1;
    zmq_pollitem_t item = {NULL, job->child.lines, ZMQ_POLLIN, 0};
    return zloop_poller(serve->loop, &item, on_lines, serve) ? mr_error_memory(error, "starting a job") : 0;
}

int mr_serve_job_sync(const mr_serve_t *serve, const mr_serve_job_t *job, mr_error_t *error) {
    char path[4300];
    if (mr_job_queue_path(serve->queue, job->queued.id, "output", path, sizeof path, error))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed = fd < 0 || fsync(fd);
    if (failed)
        mr_error_set(error, MR_STATUS_STORAGE, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

void mr_serve_job_leave(mr_serve_t *serve, mr_serve_job_t *job) {
    if (job->child.lines >= 0)
        hear(serve, job);
    stop_hearing(serve, job);
    mr_child_close(&job->child);
    if (job->messages_fd >= 0)
        close(job->messages_fd);
    job->messages_fd = -1;
    *job->endpoint = 0;
}
