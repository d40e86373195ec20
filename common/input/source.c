/* An input file as the reader sees it. A file must stay what it was when the job was planned: its size and time are compared
 * at open and at the end, and a read that comes back short is the same failure. What the system refuses (EACCES, EIO, ...) is
 * reported with its own words and the offset. */
#include "input/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int64_t mr_mtime_ns(const struct stat *status) {
    return (int64_t) status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static int changed(const mr_source_t *source, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_INPUT, "%s: changed during the job", source->path);
}

int mr_source_verify(const mr_source_t *source, mr_error_t *error) {
    struct stat status;
    if (fstat(source->fd, &status))
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", source->path, strerror(errno));
    if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != source->size ||
        mr_mtime_ns(&status) != source->mtime_ns)
        return changed(source, error);
    return 0;
}

int mr_source_open(mr_source_t *source, mr_error_t *error) {
    /* O_NONBLOCK: a FIFO that took the file's place must not hold the worker. */
    source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (source->fd < 0)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", source->path, strerror(errno));
    if (mr_source_verify(source, error)) {
        mr_source_close(source);
        return -1;
    }
    return 0;
}

int mr_source_read(const mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(source->fd, (char *) into + done, size - done, (off_t) (offset + done));
        if (got > 0)
            done += (size_t) got;
        else if (got == 0)
            return changed(source, error);
        else if (errno != EINTR)
            return mr_error_set(error, MR_STATUS_INPUT, "%s:%llu: %s", source->path,
                                (unsigned long long) (offset + done), strerror(errno));
    }
    return 0;
}

void mr_source_close(mr_source_t *source) {
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}
