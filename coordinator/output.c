/* output.c - the output as a whole: opens, writes rows in the order asked for, commits.
 *
 * Rows of the sink come as the texts of whole key ranges and are written with one write each; no stdio. Fails with the
 * output's name and the reason. */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output_private.h"

mr_output_t *mr_output_open(const mr_output_config_t *config, mr_error_t *error) {
    mr_output_t *output = calloc(1, sizeof *output);
    if (!output)
        return mr_error_memory(error, "opening the output"), NULL;
    output->config = *config;
    output->fd = STDOUT_FILENO;
    output->file.dir_fd = -1;
    output->name = config->path ? config->path : "standard output";
    output->headed = config->format != MR_ROW_CSV;
    if (mr_columns_make(&output->columns, config->job, error) || (config->path && mr_output_file_open(output, error)))
        mr_output_destroy(&output);
    return output;
}

bool mr_output_identity(const mr_output_t *output, dev_t *device, ino_t *inode) {
    if (!output->file.exists)
        return false;
    *device = output->file.at.st_dev;
    *inode = output->file.at.st_ino;
    return true;
}

static int write_error(const mr_output_t *output, mr_error_t *error) {
    int reason = errno;
    if (reason == EPIPE)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: closed", output->name);
    const char *help = reason == ENOSPC || reason == EDQUOT ? " (free space there, or name another file with -o)" : "";
    return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot write: %s%s", output->name, strerror(reason), help);
}

/* stdout may be a pipe that somebody made non-blocking. */
static bool try_again(int fd) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        return poll(&ready, 1, -1) > 0 || errno == EINTR;
    }
    return errno == EINTR;
}

static int write_all(mr_output_t *output, const char *data, size_t size, mr_error_t *error) {
    while (size) {
        ssize_t written = write(output->fd, data, size);
        if (written < 0 && try_again(output->fd))
            continue;
        if (written < 0)
            return write_error(output, error);
        data += written;
        size -= (size_t) written;
        output->file.size += (uint64_t) written;
    }
    return 0;
}

static int write_header(mr_output_t *output, mr_error_t *error) {
    mr_buffer_t line = {0};
    output->headed = true;
    int result = mr_put_csv(&line, "key", 3);
    for (size_t i = 0; result == 0 && i < output->columns.count; i++) {
        const char *name = output->columns.names[i];
        result = mr_buffer_append(&line, ",", 1) || mr_put_csv(&line, name, strlen(name)) ? -1 : 0;
    }
    if (result || mr_buffer_append(&line, "\n", 1))
        result = mr_error_memory(error, "writing the header");
    else
        result = write_all(output, line.data, line.size, error);
    mr_buffer_free(&line);
    return result;
}

int mr_output_write(mr_output_t *output, const void *data, size_t size, mr_error_t *error) {
    if (!output->headed && write_header(output, error))
        return -1;
    if (write_all(output, data, size, error))
        return -1;
    mr_output_file_push(output);
    return 0;
}

int mr_output_text(mr_output_t *output, const void *text, size_t size, mr_error_t *error) {
    output->headed = true;
    return mr_output_write(output, text, size, error);
}

static int format_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    return mr_output_format(context, row, buffer, error);
}

static int write_text(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    return mr_output_write(context, buffer->data, buffer->size, error);
}

int mr_output_sink(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error) {
    if (output->config.top)
        return mr_output_top(output, sink, rows, error);
    if (output->config.sort == MR_SORT_VALUE)
        return mr_output_sorted(output, sink, rows, error);
    mr_sink_visitor_t visitor = {.context = output, .row = format_row, .write = write_text};
    return mr_sink_finish(sink, &visitor, rows, error);
}

int mr_output_row(mr_output_t *output, const mr_row_t *row, mr_error_t *error) {
    output->line.size = 0;
    if (mr_output_format(output, row, &output->line, error))
        return -1;
    return mr_output_write(output, output->line.data, output->line.size, error);
}

int mr_output_commit(mr_output_t *output, mr_error_t *error) {
    if (!output->headed && write_header(output, error))
        return -1;
    return mr_output_file_commit(output, error);
}

void mr_output_abandon(const mr_output_t *output) {
    if (output->file.temp)
        unlinkat(output->file.dir_fd, output->file.temp, 0);
}

void mr_output_destroy(mr_output_t **self) {
    mr_output_t *output = self ? *self : NULL;
    if (!output)
        return;
    mr_output_file_close(output);
    mr_columns_free(&output->columns);
    mr_buffer_free(&output->line);
    free(output);
    *self = NULL;
}
