#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tmpfile.h"

struct mr_spill {
    int fd;
    atomic_uint references;
    uint64_t size; /* bytes written */
    char *dir;     /* owned */
    char *name;    /* owned; for messages: the file itself has no name */
};

static void free_spill(mr_spill_t *spill) {
    if (spill->fd >= 0)
        close(spill->fd);
    free(spill->dir);
    free(spill->name);
    free(spill);
}

mr_spill_t *mr_spill_new(const char *dir, mr_error_t *error) {
    mr_spill_t *spill = calloc(1, sizeof *spill);
    if (!spill)
        return mr_error_memory(error, "making a spill file"), NULL;
    spill->fd = -1;
    atomic_init(&spill->references, 1);
    spill->dir = strdup(dir);
    if (!spill->dir || asprintf(&spill->name, "%s: spilled run", dir) < 0) {
        spill->name = NULL;
        mr_error_memory(error, "making a spill file");
    } else {
        spill->fd = mr_tmpfile(dir, error);
    }
    if (spill->fd >= 0)
        return spill;
    free_spill(spill);
    return NULL;
}

mr_spill_t *mr_spill_of(int fd, const char *name, mr_error_t *error) {
    mr_spill_t *spill = calloc(1, sizeof *spill);
    if (!spill)
        return mr_error_memory(error, "opening a file of runs"), NULL;
    atomic_init(&spill->references, 1);
    spill->name = strdup(name);
    spill->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (spill->name && spill->fd >= 0)
        return spill;
    mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot be opened again: %s", name, strerror(errno));
    free_spill(spill);
    return NULL;
}

mr_spill_t *mr_spill_keep(mr_spill_t *spill) {
    atomic_fetch_add_explicit(&spill->references, 1, memory_order_relaxed);
    return spill;
}

void mr_spill_drop(mr_spill_t **spill) {
    if (*spill && atomic_fetch_sub_explicit(&(*spill)->references, 1, memory_order_acq_rel) == 1)
        free_spill(*spill);
    *spill = NULL;
}

int mr_spill_append(mr_spill_t *spill, const void *data, size_t size, mr_error_t *error) {
    const char *from = data;
    while (size) {
        ssize_t written = pwrite(spill->fd, from, size, (off_t) spill->size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return mr_error_set(error, MR_STATUS_STORAGE,
                                "%s: cannot write spilled rows: %s (free space there, or use --tmp DIR)", spill->dir,
                                strerror(written < 0 ? errno : ENOSPC));
        from += written;
        size -= (size_t) written;
        spill->size += (uint64_t) written;
    }
    return 0;
}

int mr_spill_read(const mr_spill_t *spill, uint64_t offset, void *out, size_t size, mr_error_t *error) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(spill->fd, (char *) out + done, size - done, (off_t) (offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return mr_error_set(error, MR_STATUS_STORAGE, "%s:%llu: cannot read the run: %s", spill->name,
                                (unsigned long long) (offset + done), got ? strerror(errno) : "the file was cut short");
        done += (size_t) got;
    }
    return 0;
}

int mr_spill_fd(const mr_spill_t *spill) {
    return spill->fd;
}

uint64_t mr_spill_size(const mr_spill_t *spill) {
    return spill->size;
}

const char *mr_spill_name(const mr_spill_t *spill) {
    return spill->name;
}
