#include "supply_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "input/source.h"

void mr_supply_files_init(mr_supply_files_t *files, const mr_inputs_t *inputs) {
    *files = (mr_supply_files_t){.inputs = inputs};
    for (unsigned i = 0; i < MR_SUPPLY_OPEN; i++)
        files->open[i].fd = -1;
}

void mr_supply_files_close(mr_supply_files_t *files) {
    for (unsigned i = 0; i < MR_SUPPLY_OPEN; i++)
        if (files->open[i].fd >= 0)
            close(files->open[i].fd);
    mr_supply_files_init(files, files->inputs);
}

static int changed(mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_INPUT, "changed during the job");
}

/* The open file is the one that was planned: also by identity, as a path may lead elsewhere meanwhile. */
static int verify(const mr_input_t *input, int fd, mr_error_t *error) {
    struct stat status;
    if (fstat(fd, &status))
        return mr_error_set(error, MR_STATUS_INPUT, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_dev != input->device || status.st_ino != input->inode ||
        (uint64_t) status.st_size != input->size || mr_mtime_ns(&status) != input->mtime_ns)
        return changed(error);
    return 0;
}

/* Its place among the open files, or MR_SUPPLY_OPEN. */
static unsigned find(const mr_supply_files_t *files, uint32_t input) {
    unsigned i = 0;
    while (i < MR_SUPPLY_OPEN && (files->open[i].fd < 0 || files->open[i].input != input))
        i++;
    return i;
}

/* A free place, or that of the file used longest ago, which is closed. */
static unsigned make_place(mr_supply_files_t *files) {
    unsigned oldest = 0;
    for (unsigned i = 0; i < MR_SUPPLY_OPEN; i++) {
        if (files->open[i].fd < 0)
            return i;
        if (files->open[i].used < files->open[oldest].used)
            oldest = i;
    }
    close(files->open[oldest].fd);
    files->open[oldest].fd = -1;
    return oldest;
}

/* Returns the descriptor, or -1. */
static int open_input(mr_supply_files_t *files, uint32_t index, mr_error_t *error) {
    const mr_input_t *input = &files->inputs->items[index];
    unsigned place = find(files, index);
    if (place == MR_SUPPLY_OPEN) {
        place = make_place(files);
        int fd = open(input->path, MR_SOURCE_FLAGS);
        if (fd < 0)
            return mr_error_set(error, MR_STATUS_INPUT, "%s", strerror(errno));
        files->open[place].fd = fd;
        files->open[place].input = index;
    }
    files->open[place].used = ++files->uses;
    return files->open[place].fd;
}

int mr_supply_files_read(mr_supply_files_t *files, uint32_t input, void *into, size_t size, uint64_t offset,
                         mr_error_t *error) {
    int fd = open_input(files, input, error);
    if (fd < 0)
        return -1;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *) into + done, size - done, (off_t) (offset + done));
        if (got == 0)
            return changed(error);
        if (got < 0 && errno != EINTR)
            return mr_error_set(error, MR_STATUS_INPUT, "%s", strerror(errno));
        done += got > 0 ? (size_t) got : 0;
    }
    return verify(&files->inputs->items[input], fd, error);
}

void mr_supply_files_announce(mr_supply_files_t *files, uint32_t input, uint64_t offset, size_t size) {
    unsigned place = find(files, input);
    if (place < MR_SUPPLY_OPEN)
        posix_fadvise(files->open[place].fd, (off_t) offset, (off_t) size, POSIX_FADV_WILLNEED);
}
