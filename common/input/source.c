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

int mr_source_changed(const mr_source_t *source, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_INPUT, "%s: changed during the job", source->segment.path);
}

static int verify_file(const mr_source_t *source, mr_error_t *error) {
    struct stat status;
    if (fstat(source->fd, &status))
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", source->segment.path, strerror(errno));
    if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != source->segment.file_size ||
        mr_mtime_ns(&status) != source->segment.mtime_ns)
        return mr_source_changed(source, error);
    return 0;
}

static int read_file(mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(source->fd, (char *) into + done, size - done, (off_t) (offset + done));
        if (got > 0)
            done += (size_t) got;
        else if (got == 0)
            return mr_source_changed(source, error);
        else if (errno != EINTR)
            return mr_error_set(error, MR_STATUS_INPUT, "%s:%llu: %s", source->segment.path,
                                (unsigned long long) (offset + done), strerror(errno));
    }
    return 0;
}

static void close_file(mr_source_t *source) {
    close(source->fd);
}

static const mr_source_kind_t file_kind = {verify_file, read_file, close_file};

int mr_source_take_file(mr_source_t *source, int fd, mr_error_t *error) {
    source->fd = fd;
    source->kind = &file_kind;
    if (verify_file(source, error)) {
        mr_source_close(source);
        return -1;
    }
    return 0;
}

int mr_source_open_file(mr_source_t *source, mr_error_t *error) {
    int fd = open(source->segment.path, MR_SOURCE_FLAGS);
    if (fd < 0)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", source->segment.path, strerror(errno));
    return mr_source_take_file(source, fd, error);
}

void mr_source_close(mr_source_t *source) {
    if (source->kind)
        source->kind->close(source);
    source->kind = NULL;
}
