/* Who follows a job: a watch is answered when there is something new, or after a second; the client asks again from where it is. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "serve_describe.h"
#include "serve_requests.h"

#define PATIENCE_MS 1000
#define MOST_ROWS ((size_t) 1 << 20)      /* bytes an answer */
#define MOST_MESSAGES ((size_t) 64 << 10) /* the same */

/* ---- files of a job ---- */

/* Reads from `offset` on, `most` bytes at most. `size` gets the file's. What is not there (yet) is empty; what cannot be opened is not. */
static int read_part(const mr_serve_t *serve, uint64_t id, const char *name, uint64_t offset, size_t most,
                     mr_buffer_t *into, uint64_t *size) {
    char path[4300];
    struct stat status;
    mr_error_t error = {0};
    *size = 0;
    if (mr_job_queue_path(serve->queue, id, name, path, sizeof path, &error))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    ssize_t got = -1;
    if (!fstat(fd, &status) && !mr_buffer_reserve(into, most))
        got = pread(fd, into->data + into->size, most, (off_t) offset);
    close(fd);
    if (got < 0)
        return -1;
    into->size += (size_t) got;
    *size = (uint64_t) status.st_size;
    return 0;
}

static uint64_t size_of(const mr_serve_t *serve, uint64_t id, const char *name) {
    char path[4300];
    struct stat status;
    mr_error_t error = {0};
    return mr_job_queue_path(serve->queue, id, name, path, sizeof path, &error) || stat(path, &status)
               ? 0
               : (uint64_t) status.st_size;
}

/* A job over files has rows when it is done. */
static bool has_rows(const mr_queued_t *queued) {
    return queued->state == MR_JOB_DONE || mr_serve_grows(queued);
}

/* Rows of a job that is done are all there: a file that is gone, or shorter than what the client has, is no end of them. */
static int read_rows(const mr_serve_t *serve, const mr_watch_request_t *watch, const mr_queued_t *queued,
                     mr_buffer_t *rows, uint64_t *size) {
    char path[4300];
    mr_error_t error = {0};
    if (!has_rows(queued))
        return 0;
    if (read_part(serve, watch->id, "output", watch->rows, MOST_ROWS, rows, size))
        return -1;
    return queued->state == MR_JOB_DONE &&
                   (*size < watch->rows ||
                    mr_job_queue_path(serve->queue, watch->id, "output", path, sizeof path, &error) ||
                    access(path, F_OK))
               ? -1
               : 0;
}

/* ---- one answer ---- */

/* The whole lines from an offset on; `end` gets where they end. */
static json_t *messages_of(const mr_serve_t *serve, const mr_watch_request_t *watch, uint64_t *end, uint64_t *size) {
    mr_buffer_t text = {0};
    json_t *lines = json_array();
    *end = watch->messages;
    if (read_part(serve, watch->id, "messages", watch->messages, MOST_MESSAGES, &text, size))
        text.size = 0;
    size_t at = 0;
    for (const char *stop; at < text.size && (stop = memchr(text.data + at, '\n', text.size - at));) {
        size_t length = (size_t) (stop - (text.data + at));
        json_array_append_new(lines, json_stringn(text.data + at, length));
        at += length + 1;
    }
    *end += at;
    mr_buffer_free(&text);
    return lines;
}

static void answer(mr_serve_t *serve, const mr_watch_request_t *watch, const mr_queued_t *queued) {
    mr_buffer_t rows = {0};
    uint64_t rows_size = 0, messages_end, messages_size = 0;
    json_t *messages = messages_of(serve, watch, &messages_end, &messages_size);
    if (read_rows(serve, watch, queued, &rows, &rows_size)) {
        mr_error_t error = {0};
        mr_error_set(&error, MR_STATUS_STORAGE, "job %llu: its rows cannot be read", (unsigned long long) watch->id);
        mr_serve_answer_error(serve, &watch->asker, &error);
        json_decref(messages);
        mr_buffer_free(&rows);
        return;
    }
    bool more = watch->rows + rows.size < rows_size || (messages_end < messages_size && messages_end > watch->messages);
    mr_serve_answer(serve, &watch->asker,
                    json_pack("{s:o,s:o,s:I,s:b}", "job", mr_serve_describe_job(serve, queued), "messages", messages,
                              "messages_end", (json_int_t) messages_end, "more", more),
                    &rows);
    mr_buffer_free(&rows);
}

/* Whether the client does not know all there is. */
static bool has_news(const mr_serve_t *serve, const mr_watch_request_t *watch, const mr_queued_t *queued) {
    return watch->due || strcmp(watch->state, mr_job_state_name(queued->state)) ||
           size_of(serve, watch->id, "messages") > watch->messages ||
           (has_rows(queued) && size_of(serve, watch->id, "output") > watch->rows);
}

/* Most of those that wait have no news, most of the time: so much is seen without the queue. A change of a job's state is told by mr_serve_news. */
static bool may_have_news(const mr_serve_t *serve, const mr_watch_request_t *watch, int64_t now) {
    return watch->due || now - watch->asked_ms >= PATIENCE_MS ||
           size_of(serve, watch->id, "messages") > watch->messages || size_of(serve, watch->id, "output") > watch->rows;
}

/* True: it is answered. */
static bool try_watch(mr_serve_t *serve, const mr_watch_request_t *watch, int64_t now) {
    mr_queued_t queued;
    mr_error_t error = {0};
    int found = mr_job_queue_glance(serve->queue, watch->id, &queued, &error);
    if (found <= 0) {
        if (!found)
            mr_error_set(&error, MR_STATUS_USAGE, "there is no job %llu; see millrace status",
                         (unsigned long long) watch->id);
        mr_serve_answer_error(serve, &watch->asker, &error);
        return true;
    }
    bool answered = now - watch->asked_ms >= PATIENCE_MS || mr_queued_ended(&queued) || has_news(serve, watch, &queued);
    if (answered)
        answer(serve, watch, &queued);
    mr_queued_free(&queued);
    return answered;
}

/* ---- those that wait ---- */

static uint64_t number_of(const json_t *body, const char *name) {
    json_int_t number = json_integer_value(json_object_get(body, name));
    return number < 0 ? 0 : (uint64_t) number;
}

void mr_serve_watch(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body) {
    mr_serve_requests_t *requests = serve->requests;
    const char *state = json_string_value(json_object_get(body, "state"));
    mr_watch_request_t watch = {.asker = *asker,
                                .id = number_of(body, "id"),
                                .rows = number_of(body, "rows"),
                                .messages = number_of(body, "messages"),
                                .asked_ms = mr_clock_ms()};
    snprintf(watch.state, sizeof watch.state, "%s", state ? state : "");
    if (try_watch(serve, &watch, watch.asked_ms))
        return;
    if (requests->watch_count == MR_SERVE_MOST_WATCHES)
        watch.asked_ms = 0, try_watch(serve, &watch, PATIENCE_MS); /* there is no room to wait */
    else
        requests->watches[requests->watch_count++] = watch;
}

void mr_serve_answer_watches(mr_serve_t *serve, int64_t now) {
    mr_serve_requests_t *requests = serve->requests;
    size_t kept = 0;
    for (size_t i = 0; i < requests->watch_count; i++)
        if (!may_have_news(serve, &requests->watches[i], now) || !try_watch(serve, &requests->watches[i], now))
            requests->watches[kept++] = requests->watches[i];
    requests->watch_count = kept;
}

void mr_serve_news(mr_serve_t *serve, uint64_t id) {
    for (size_t i = 0; serve->requests && i < serve->requests->watch_count; i++)
        if (serve->requests->watches[i].id == id)
            serve->requests->watches[i].due = true;
}
