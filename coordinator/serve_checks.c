/* A job is looked at before it is taken: its options and inputs are checked by `run --dry-run`, the same code that will run it, in a process of its own,
 * so that a plan of a million files keeps nobody waiting. */
#include <signal.h>
#include <sys/wait.h>

#include "clock.h"
#include "serve_job.h"
#include "serve_requests.h"

#define MOST_WORDS_OF_A_JOB 1000000u
#define MOST_PROCESSES 4
#define SAY_MS 2000 /* so often who waits is told that the job is being looked at: else it gives up */
#define MOST_BYTES ((size_t) 64 << 20) /* of words, unless it is one job's */

/* ---- reading the request ---- */

/* Bytes of all words with their ends; 0: one is no text. */
static size_t count_bytes(const json_t *words) {
    size_t index, bytes = 0;
    json_t *word;
    json_array_foreach(words, index, word) {
        if (!json_is_string(word))
            return 0;
        bytes += json_string_length(word) + 1;
    }
    return bytes;
}

/* The words stand behind the array in one piece of memory, as those that come from the queue. */
static int take_words(mr_check_t *check, const json_t *words, mr_error_t *error) {
    mr_queued_t *queued = &check->queued;
    size_t index, count = json_array_size(words), bytes = count_bytes(words);
    json_t *word;
    if (!count || count > MOST_WORDS_OF_A_JOB)
        return mr_error_set(error, MR_STATUS_USAGE, "a job is 1 to %u words; name many inputs with --files-from",
                            MOST_WORDS_OF_A_JOB);
    if (!bytes)
        return mr_error_set(error, MR_STATUS_USAGE, "a word of the job is no text");
    queued->words = malloc((count + 1) * sizeof *queued->words + bytes);
    if (!queued->words)
        return mr_error_memory(error, "taking a job");
    char *at = (char *) (queued->words + count + 1);
    json_array_foreach(words, index, word) {
        queued->words[index] = strcpy(at, json_string_value(word));
        at += json_string_length(word) + 1;
    }
    queued->words[count] = NULL;
    queued->word_count = (uint32_t) count;
    check->bytes += bytes;
    return 0;
}

static char *text_of(const json_t *body, const char *name, const char *otherwise) {
    const char *text = json_string_value(json_object_get(body, name));
    return strdup(text ? text : otherwise);
}

static int read_submission(mr_check_t *check, const json_t *body, mr_error_t *error) {
    mr_queued_t *queued = &check->queued;
    queued->priority = json_integer_value(json_object_get(body, "priority"));
    queued->directory = text_of(body, "directory", "/");
    queued->user = text_of(body, "user", "?");
    queued->host = text_of(body, "host", "?");
    queued->message = strdup("");
    if (!queued->directory || !queued->user || !queued->host || !queued->message)
        return mr_error_memory(error, "taking a job");
    return take_words(check, json_object_get(body, "words"), error);
}

/* ---- the process ---- */

static int start(const mr_serve_t *serve, mr_check_t *check, mr_error_t *error) {
    const mr_queued_t *queued = &check->queued;
    const char *root = serve->config->root;
    const char *const first[] = {
        "millrace", "run", queued->words[0], "--dry-run", root ? "--root" : "--submitted", root, "--submitted"};
    size_t ours = sizeof first / sizeof *first - (root ? 0 : 2);
    const char **words = calloc(ours + queued->word_count, sizeof *words);
    const char **environment = mr_serve_job_environment();
    int failed = -1;
    check->started = true;
    if (!words || !environment) {
        mr_error_memory(error, "taking a job");
    } else {
        memcpy(words, first, ours * sizeof *words);
        memcpy(words + ours, queued->words + 1, (queued->word_count - 1) * sizeof *words);
        mr_child_config_t config = {"/proc/self/exe", words, environment, mr_serve_job_directory(queued), -1};
        failed = mr_child_start(&check->child, &config, error);
    }
    free(words);
    free(environment);
    return failed;
}

static void hear(mr_check_t *check) {
    static const char error[] = "millrace: error: ";
    char line[MR_SERVE_LINE];
    while (mr_child_line(&check->child, line, sizeof line) > 0)
        if (!*check->complaint && !strncmp(line, error, sizeof error - 1))
            snprintf(check->complaint, sizeof check->complaint, "%s", line + sizeof error - 1);
}

/* ---- its life ---- */

static void free_check(mr_serve_t *serve, size_t index) {
    mr_check_t *check = serve->requests->checks[index];
    serve->requests->checks[index] = NULL;
    mr_child_close(&check->child);
    mr_queued_free(&check->queued);
    free(check);
}

/* A free place; MR_SERVE_MOST_CHECKS: there is none. */
static size_t find_room(const mr_serve_t *serve) {
    size_t index = 0, bytes = 0;
    for (size_t i = 0; i < MR_SERVE_MOST_CHECKS; i++)
        bytes += serve->requests->checks[i] ? serve->requests->checks[i]->bytes : 0;
    while (index < MR_SERVE_MOST_CHECKS && serve->requests->checks[index])
        index++;
    return bytes < MOST_BYTES ? index : MR_SERVE_MOST_CHECKS;
}

/* The one that has waited longest, if a process may be started. `index` gets its place. */
static bool find_next(const mr_serve_t *serve, size_t *index) {
    const mr_check_t *first = NULL;
    unsigned running = 0;
    for (size_t i = 0; i < MR_SERVE_MOST_CHECKS; i++) {
        const mr_check_t *check = serve->requests->checks[i];
        running += check && check->started;
        if (check && !check->started && (!first || check->number < first->number)) {
            first = check;
            *index = i;
        }
    }
    return first && running < MOST_PROCESSES;
}

static void start_checks(mr_serve_t *serve) {
    size_t index = 0;
    while (find_next(serve, &index)) {
        mr_error_t error = {0};
        mr_check_t *check = serve->requests->checks[index];
        if (!start(serve, check, &error))
            continue;
        mr_serve_answer_error(serve, &check->asker, &error);
        free_check(serve, index);
    }
}

static int begin(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body, mr_error_t *error) {
    size_t index = find_room(serve);
    if (index == MR_SERVE_MOST_CHECKS)
        return mr_error_set(error, MR_STATUS_JOB,
                            "too many jobs were submitted at once; submit this one again in a moment");
    mr_check_t *check = serve->requests->checks[index] = calloc(1, sizeof *check);
    if (!check)
        return mr_error_memory(error, "taking a job");
    check->asker = *asker;
    check->child.lines = -1;
    check->said_ms = mr_clock_ms();
    check->number = ++serve->requests->check_number;
    if (!read_submission(check, body, error))
        return 0;
    free_check(serve, index);
    return -1;
}

static void say_checking(mr_serve_t *serve, const mr_asker_t *asker) {
    mr_serve_answer(serve, asker, json_pack("{s:b}", "checking", 1), NULL);
}

static void say_again(mr_serve_t *serve, mr_check_t *check, int64_t now) {
    if (now - check->said_ms < SAY_MS)
        return;
    check->said_ms = now;
    say_checking(serve, &check->asker);
}

void mr_serve_check(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body) {
    mr_error_t error = {0};
    if (begin(serve, asker, body, &error))
        mr_serve_answer_error(serve, asker, &error);
    else
        say_checking(serve, asker);
    start_checks(serve);
}

static void refuse(mr_serve_t *serve, const mr_check_t *check, int status) {
    mr_error_t error = {0};
    mr_error_set(&error, WIFEXITED(status) ? (mr_status_t) WEXITSTATUS(status) : MR_STATUS_JOB, "%s",
                 *check->complaint ? check->complaint : "the job could not be looked at");
    mr_serve_answer_error(serve, &check->asker, &error);
}

static void accept_job(mr_serve_t *serve, mr_check_t *check) {
    mr_error_t error = {0};
    if (mr_serve_submit(serve, &check->queued, &error))
        mr_serve_answer_error(serve, &check->asker, &error);
    else
        mr_serve_answer(serve, &check->asker, json_pack("{s:I}", "id", (json_int_t) check->queued.id), NULL);
}

void mr_serve_end_checks(mr_serve_t *serve, int64_t now) {
    for (size_t i = 0; i < MR_SERVE_MOST_CHECKS; i++) {
        mr_check_t *check = serve->requests->checks[i];
        int status;
        if (check)
            say_again(serve, check, now);
        if (!check || !check->started)
            continue;
        hear(check);
        if (!mr_child_ended(&check->child, &status))
            continue;
        hear(check);
        if (WIFEXITED(status) && !WEXITSTATUS(status))
            accept_job(serve, check);
        else
            refuse(serve, check, status);
        free_check(serve, i);
    }
    start_checks(serve);
}

void mr_serve_free_checks(mr_serve_t *serve) {
    for (size_t i = 0; i < MR_SERVE_MOST_CHECKS; i++)
        if (serve->requests->checks[i])
            free_check(serve, i);
}
