/* The process that records are tried in: the other side of probe.c. What it maps goes nowhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "configure.h"
#include "out.h"
#include "probe.h"

typedef struct server {
    int socket;
    mr_message_t message; /* the JOB */
    mr_configured_t configured;
    mr_out_t out;
    mr_buffer_t text; /* of the trial, with its margins */
} server_t;

/* Returns 1, 0 when the socket is closed, -1. */
static int read_all(int socket, void *into, size_t size) {
    char *to = into;
    while (size) {
        ssize_t got = read(socket, to, size);
        if (got == 0 || (got < 0 && errno != EINTR))
            return got == 0 ? 0 : -1;
        if (got > 0) {
            to += got;
            size -= (size_t) got;
        }
    }
    return 1;
}

static int write_number(int socket, uint64_t number) {
    const char *from = (const char *) &number;
    for (size_t left = sizeof number; left;) {
        ssize_t written = write(socket, from, left);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            from += written;
            left -= (size_t) written;
        }
    }
    return 0;
}

/* A crash here is expected: it leaves no core. When memory is out, the worker is not to die for it. */
static void expect_the_worst(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0 && write(score, "1000", 4) < 0)
        errno = 0; /* then it is not the first to go */
    if (score >= 0)
        close(score);
}

static int take_job(server_t *server, mr_error_t *error) {
    mr_buffer_t frame = {0};
    uint64_t size;
    int failed = read_all(server->socket, &size, sizeof size) <= 0 || size > MR_WIRE_MAX_HEADER ||
                 mr_buffer_reserve(&frame, (size_t) size) || read_all(server->socket, frame.data, (size_t) size) <= 0;
    if (failed)
        mr_error_set(error, MR_STATUS_JOB, "no job was given");
    else
        failed = mr_message_decode(&server->message, frame.data, (size_t) size, error) ||
                 mr_configure(&server->configured, &server->message.job, error);
    mr_buffer_free(&frame);
    return failed ? -1 : 0;
}

/* A table that fails (an overflow, memory) or is full is begun anew: the worker's own will tell. */
static int refresh_table(server_t *server, mr_error_t *error) {
    mr_out_t *out = &server->out;
    if (out->table && !mr_table_error(out->table) && mr_table_bytes(out->table) <= server->message.job.table_memory)
        return 0;
    mr_table_destroy(&out->table);
    out->table = mr_table_new(server->configured.job->ops, server->configured.job->ncells);
    return out->table ? 0 : mr_error_memory(error, "trying records");
}

static int map_all(server_t *server, const mr_trial_t *trial, mr_error_t *error) {
    const char *data = server->text.data + MR_MAP_MARGIN, *end = data + trial->size;
    for (const char *from = data, *to = end; from < end; from = to, to = end) {
        if (trial->by_record)
            to = (const char *) memchr(from, '\n', (size_t) (end - from)) + 1;
        if (refresh_table(server, error))
            return -1;
        mr_out_begin(&server->out);
        if (write_number(server->socket, (uint64_t) (from - data)))
            return 1;
        server->configured.job->map(server->configured.state, from, (size_t) (to - from), &server->out);
    }
    return write_number(server->socket, MR_TRIAL_OVER) ? 1 : 0;
}

/* Returns 0; 1: the worker is gone; -1. */
static int serve_one(server_t *server, mr_error_t *error) {
    mr_trial_t trial;
    server->text.size = 0;
    if (read_all(server->socket, &trial, sizeof trial) <= 0)
        return 1;
    if (mr_buffer_reserve(&server->text, (size_t) trial.size + 2 * (size_t) MR_MAP_MARGIN))
        return mr_error_memory(error, "trying records");
    if (read_all(server->socket, server->text.data + MR_MAP_MARGIN, (size_t) trial.size) <= 0)
        return 1;
    return map_all(server, &trial, error);
}

int mr_probe_serve(int socket, mr_error_t *error) {
    server_t server = {.socket = socket};
    expect_the_worst();
    int ended = take_job(&server, error);
    if (!ended && server.message.job.only_set) {
        server.out.only = server.message.job.only.data;
        server.out.only_size = server.message.job.only.size;
    }
    while (!ended)
        ended = serve_one(&server, error);
    mr_table_destroy(&server.out.table);
    mr_buffer_free(&server.text);
    mr_unconfigure(&server.configured);
    mr_message_clear(&server.message);
    return ended < 0 ? -1 : 0;
}
