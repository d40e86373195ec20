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

/* Takes one whole line out of those that have been written already. False: it is not among them. */
static bool was_had(mr_buffer_t *again, const char *line, size_t size) {
    for (size_t at = 0; at < again->size;) {
        const char *have = again->data + at;
        size_t length = (size_t) ((const char *) memchr(have, '\n', again->size - at) - have) + 1;
        if (length == size && !memcmp(have, line, size)) {
            memmove(again->data + at, again->data + at + length, again->size - at - length);
            again->size -= length;
            return true;
        }
        at += length;
    }
    return false;
}

static int write_line(mr_watcher_t *watcher, const char *line, size_t size, mr_error_t *error) {
    if (was_had(&watcher->again, line, size))
        return 0;
    if (mr_buffer_append(&watcher->had, line, size))
        return mr_error_memory(error, "writing rows");
    return mr_output_text(watcher->output, line, size, error);
}

/* Only whole lines are written, so that those which the next life of the coordinator prints again can be told. */
static int write_lines(mr_watcher_t *watcher, const mr_buffer_t *rows, mr_error_t *error) {
    mr_buffer_t *tail = &watcher->tail;
    if (mr_buffer_append(tail, rows->data, rows->size))
        return mr_error_memory(error, "writing rows");
    size_t at = 0;
    if (!tail->size)
        return 0;
    for (const char *end; (end = memchr(tail->data + at, '\n', tail->size - at));) {
        size_t size = (size_t) (end - (tail->data + at)) + 1;
        if (write_line(watcher, tail->data + at, size, error))
            return -1;
        at += size;
    }
    memmove(tail->data, tail->data + at, tail->size - at);
    tail->size -= at;
    return 0;
}

static int take_rows(mr_watcher_t *watcher, const json_t *job, const mr_buffer_t *rows, mr_error_t *error) {
    if (!rows->size)
        return 0;
    watcher->rows += rows->size;
    return json_is_true(json_object_get(job, "grows")) ? write_lines(watcher, rows, error)
                                                       : mr_output_text(watcher->output, rows->data, rows->size, error);
}

/* A coordinator of a job with arguments that was started anew prints all its rows again. */
static int begin_again(mr_watcher_t *watcher, mr_error_t *error) {
    watcher->rows = 0;
    watcher->tail.size = watcher->again.size = 0;
    return mr_buffer_append(&watcher->again, watcher->had.data, watcher->had.size)
               ? mr_error_memory(error, "writing rows")
               : 0;
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
    return mr_error_set(error, status > 0 ? (mr_status_t) status : MR_STATUS_JOB, "%s",
                        *message ? message : "the job failed without a word");
}

/* 1: it is done; 0: watch on. */
static int take_answer(mr_watcher_t *watcher, const mr_answer_t *answer, mr_error_t *error) {
    const json_t *job = json_object_get(answer->body, "job");
    uint64_t lives = number_of(job, "lives");
    snprintf(watcher->state, sizeof watcher->state, "%s", text_of(job, "state"));
    take_messages(watcher, answer->body);
    tell_why(watcher, job);
    show_progress(watcher, json_object_get(job, "progress"));
    if (json_is_true(json_object_get(job, "grows")) && watcher->lives && watcher->lives != lives) {
        watcher->lives = lives;
        return begin_again(watcher, error); /* what came with this answer is not from the beginning */
    }
    watcher->lives = lives;
    if (take_rows(watcher, job, &answer->rows, error))
        return -1;
    bool more = json_is_true(json_object_get(answer->body, "more"));
    return has_ended(watcher->state) && !more ? end(job, error) : 0;
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

void mr_watcher_free(mr_watcher_t *watcher) {
    mr_buffer_free(&watcher->had);
    mr_buffer_free(&watcher->again);
    mr_buffer_free(&watcher->tail);
}
