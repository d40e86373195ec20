#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tmpfile.h"

mr_partial_t *mr_partial_new(uint64_t id) {
    mr_partial_t *partial = calloc(1, sizeof *partial);
    if (partial) {
        partial->id = id;
        partial->file = -1;
    }
    return partial;
}

void mr_partial_destroy(mr_partial_t **partial) {
    mr_partial_t *self = *partial;
    if (!self)
        return;
    for (size_t i = 0; i < self->run_count; i++)
        if (self->runs[i].bytes)
            mr_run_bytes_release(NULL, self->runs[i].bytes);
    if (self->file >= 0)
        close(self->file);
    free(self->runs);
    free(self->results);
    free(self);
    *partial = NULL;
}

int mr_partial_add_result(mr_partial_t *partial, const mr_result_t *result, mr_error_t *error) {
    if (partial->result_count == partial->result_capacity) {
        size_t capacity = partial->result_capacity ? 2 * partial->result_capacity : 64;
        mr_result_t *results = realloc(partial->results, capacity * sizeof *results);
        if (!results)
            return mr_error_memory(error, "naming the tasks of a partial");
        partial->results = results;
        partial->result_capacity = capacity;
    }
    partial->results[partial->result_count++] = *result;
    return 0;
}

static mr_run_bytes_t *run_bytes_new(char *data) {
    mr_run_bytes_t *bytes = malloc(sizeof *bytes);
    if (bytes) {
        atomic_init(&bytes->references, 1);
        bytes->data = data;
    }
    return bytes;
}

void mr_run_bytes_release(void *data, void *bytes) {
    mr_run_bytes_t *self = bytes;
    (void) data;
    if (atomic_fetch_sub(&self->references, 1) == 1) {
        free(self->data);
        free(self);
    }
}

static int write_all(int fd, const char *data, size_t size, uint64_t offset) {
    while (size) {
        ssize_t written = pwrite(fd, data, size, (off_t) offset);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            data += written;
            offset += (uint64_t) written;
            size -= (size_t) written;
        }
    }
    return 0;
}

static int spill_run(mr_partial_t *partial, mr_held_run_t *held, mr_buffer_t *run, const char *dir, mr_error_t *error) {
    if (partial->file < 0)
        partial->file = mr_tmpfile(dir, error);
    if (partial->file < 0)
        return -1;
    if (write_all(partial->file, run->data, run->size, partial->file_size))
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot spill: %s (free space, or name another with --tmp)",
                            dir, strerror(errno));
    held->offset = partial->file_size;
    partial->file_size += run->size;
    mr_buffer_free(run);
    return 0;
}

/* The buffer grew by half each time; what it does not use is given back. */
static int keep_run(mr_partial_t *partial, mr_held_run_t *held, mr_buffer_t *run, mr_error_t *error) {
    mr_buffer_trim(run);
    held->bytes = run_bytes_new(run->data);
    if (!held->bytes)
        return mr_error_memory(error, "keeping a run");
    partial->memory += run->size;
    *run = (mr_buffer_t){0};
    return 0;
}

int mr_partial_add_run(mr_partial_t *partial, mr_buffer_t *run, const char *spill_dir, mr_error_t *error) {
    mr_held_run_t *runs = realloc(partial->runs, (partial->run_count + 1) * sizeof *runs);
    if (!runs)
        return mr_error_memory(error, "keeping a run");
    partial->runs = runs;
    mr_held_run_t *held = &runs[partial->run_count];
    *held = (mr_held_run_t){.size = run->size};
    if (spill_dir ? spill_run(partial, held, run, spill_dir, error) : keep_run(partial, held, run, error))
        return -1;
    partial->run_count++;
    return 0;
}

static int read_all(int fd, char *data, size_t size, uint64_t offset) {
    while (size) {
        ssize_t got = pread(fd, data, size, (off_t) offset);
        if (got == 0)
            errno = EIO; /* nobody else can have cut the file short */
        if (got == 0 || (got < 0 && errno != EINTR))
            return -1;
        if (got > 0) {
            data += got;
            offset += (uint64_t) got;
            size -= (size_t) got;
        }
    }
    return 0;
}

mr_run_bytes_t *mr_partial_run_bytes(const mr_partial_t *partial, size_t index, mr_error_t *error) {
    const mr_held_run_t *held = &partial->runs[index];
    if (held->bytes) {
        atomic_fetch_add(&held->bytes->references, 1);
        return held->bytes;
    }
    char *data = malloc(held->size);
    mr_run_bytes_t *bytes = data ? run_bytes_new(data) : NULL;
    if (!bytes) {
        free(data);
        mr_error_memory(error, "reading a spilled run");
        return NULL;
    }
    if (read_all(partial->file, data, held->size, held->offset)) {
        mr_run_bytes_release(NULL, bytes);
        mr_error_set(error, MR_STATUS_STORAGE, "cannot read a spilled run back: %s", strerror(errno));
        return NULL;
    }
    return bytes;
}
