#include "watcher.h"

#include <string.h>

#include "clock.h"
#include "log.h"

#define WHY_MS 1500

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name) {
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number < 0 ? 0 : (uint64_t) number;
}

/* ---- rows ---- */

/* Also of a job that another coordinator goes on with: it prints what was printed before, and in the same order. */
static int take_rows(mr_watcher_t *watcher, const mr_buffer_t *rows, mr_error_t *error) {
    watcher->rows += rows->size;
    return rows->size ? mr_output_text(watcher->output, rows->data, rows->size, error) : 0;
}

/* ---- words ---- */

/* Its error is said at the end, when it is known to be its last word. */
static void take_message(mr_watcher_t *watcher, const char *line) {
    static const char error[] = "millrace: error: ", warning[] = "millrace: warning: ";
    mr_progress_clear(&watcher->progress);
    if (!strncmp(line, error, sizeof error - 1) || (watcher->quiet && strncmp(line, warning, sizeof warning - 1)))
        return;
    mr_print_escaped(stderr, line, strlen(line));
    fputc('\n', stderr);
}

static void take_messages(mr_watcher_t *watcher, const json_t *body) {
    size_t index;
    json_t *line;
    json_array_foreach(json_object_get(body, "messages"), index, line) {
        if (json_is_string(line))
            take_message(watcher, json_string_value(line));
    }
    watcher->messages = number_of(body, "messages_end");
}

/* What passes in a moment is not worth a line. */
static void tell_why(mr_watcher_t *watcher, const json_t *job) {
    const char *why = text_of(job, "why");
    int64_t now = mr_clock_ms();
    if (strcmp(why, watcher->why)) {
        snprintf(watcher->why, sizeof watcher->why, "%s", why);
        watcher->why_ms = now;
        watcher->why_said = watcher->quiet;
    }
    if (!*why || watcher->why_said || now - watcher->why_ms < WHY_MS)
        return;
    watcher->why_said = true;
    mr_progress_clear(&watcher->progress);
    mr_log(MR_LOG_WARNING, "job %llu: %s", (unsigned long long) watcher->id, why);
}

static void show_progress(mr_watcher_t *watcher, const json_t *told) {
    static const char *const phases[] = {"map", "merge"};
    mr_progress_t *progress = &watcher->progress;
    const char *phase = phases[!strcmp(text_of(told, "phase"), "merge")];
    int64_t now = mr_clock_ms();
    if (!json_is_object(told) || progress->mode == MR_PROGRESS_NONE)
        return;
    if (progress->phase != phase) {
        if (progress->phase)
            mr_progress_end(progress, now, progress->done, 0);
        mr_progress_start(progress, phase, number_of(told, "total_bytes"),
                          now - (int64_t) (1000 * json_number_value(json_object_get(told, "seconds"))));
    }
    mr_progress_show(progress, now, number_of(told, "bytes"), (uint32_t) number_of(told, "workers"));
}

/* ---- one answer ---- */

static bool has_ended(const char *state) {
    return !strcmp(state, "done") || !strcmp(state, "failed") || !strcmp(state, "cancelled");
}

/* How it ended, once everything of it is here. */
static int end(const json_t *job, mr_error_t *error) {
    json_int_t status = json_integer_value(json_object_get(job, "status"));
    if (!strcmp(text_of(job, "state"), "done"))
        return 1;
    const char *message = text_of(job, "message");
    return mr_error_set(error, mr_client_status(status), "%s", *message ? message : "the job failed without a word");
}

/* 1: it is done; 0: watch on. */
static int take_answer(mr_watcher_t *watcher, const mr_answer_t *answer, mr_error_t *error) {
    const json_t *job = json_object_get(answer->body, "job");
    if (!json_is_object(job))
        return mr_error_set(error, MR_STATUS_REFUSED, "the coordinator's answer says nothing of the job");
    snprintf(watcher->state, sizeof watcher->state, "%s", text_of(job, "state"));
    take_messages(watcher, answer->body);
    tell_why(watcher, job);
    show_progress(watcher, json_object_get(job, "progress"));
    if (take_rows(watcher, &answer->rows, error))
        return -1;
    watcher->ended = has_ended(watcher->state) && !json_is_true(json_object_get(answer->body, "more"));
    return watcher->ended ? end(job, error) : 0;
}

static int ask(mr_watcher_t *watcher, mr_answer_t *answer, mr_error_t *error) {
    json_t *body = json_pack("{s:I,s:I,s:I,s:s}", "id", (json_int_t) watcher->id, "rows", (json_int_t) watcher->rows,
                             "messages", (json_int_t) watcher->messages, "state", watcher->state);
    int failed = body ? mr_client_ask(watcher->client, "watch", body, answer, error)
                      : mr_error_memory(error, "watching the job");
    json_decref(body);
    return failed;
}

int mr_watcher_run(mr_watcher_t *watcher, mr_error_t *error) {
    mr_answer_t answer = {0};
    int done = 0;
    while (!done)
        done = ask(watcher, &answer, error) ? -1 : take_answer(watcher, &answer, error);
    mr_answer_free(&answer);
    if (watcher->progress.phase)
        mr_progress_end(&watcher->progress, mr_clock_ms(), done > 0 ? watcher->progress.total : 0, 0);
    mr_progress_clear(&watcher->progress);
    return done > 0 ? 0 : -1;
}
