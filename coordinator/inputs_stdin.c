/* `-`: what comes from stdin must be a file to be cut into tasks and read by other processes, perhaps twice. A redirected file is one
 * already and is read where it is; anything else is spooled into the job's directory, readable by its owner only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs_private.h"

#define SHOWN "standard input"
#define SPOOL_BLOCK ((size_t) 256 << 10)

int mr_collect_take_stdin(mr_collector_t *collector) {
    if (collector->stdin_taken)
        return mr_error_set(collector->fatal, MR_STATUS_USAGE, "standard input can be read only once: name - once");
    collector->stdin_taken = true;
    return 0;
}

/* The path of the file that stdin reads from its beginning, or NULL: there is none, or no name leads to it. */
static char *redirected_file(void) {
    struct stat from, named;
    if (fstat(STDIN_FILENO, &from) || !S_ISREG(from.st_mode) || lseek(STDIN_FILENO, 0, SEEK_CUR) != 0)
        return NULL;
    char *path = realpath("/proc/self/fd/0", NULL);
    if (path && stat(path, &named) == 0 && named.st_dev == from.st_dev && named.st_ino == from.st_ino)
        return path;
    free(path);
    return NULL;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            data += written;
            size -= (size_t) written;
        }
    }
    return 0;
}

/* A failing read is a problem of the input, a failing write one of the storage. */
static int copy_stdin(mr_collector_t *collector, int fd, const char *path, char *block) {
    for (;;) {
        ssize_t size = read(STDIN_FILENO, block, SPOOL_BLOCK);
        if (size == 0)
            return 0;
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return mr_collect_problem(collector, SHOWN ": %s", strerror(errno));
        if (write_all(fd, block, (size_t) size))
            return mr_error_set(collector->fatal, MR_STATUS_STORAGE, "%s: %s (stdin is spooled there)", path,
                                strerror(errno));
    }
}

static int spool_to(mr_collector_t *collector, const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return mr_error_set(collector->fatal, MR_STATUS_STORAGE, "%s: %s (stdin is spooled there)", path,
                            strerror(errno));
    char *block = malloc(SPOOL_BLOCK);
    int result = block ? copy_stdin(collector, fd, path, block) : mr_error_memory(collector->fatal, "spooling stdin");
    free(block);
    if (close(fd) && result == 0)
        result =
            mr_error_set(collector->fatal, MR_STATUS_STORAGE, "%s: %s (stdin is spooled there)", path, strerror(errno));
    return result;
}

static int collect_spooled(mr_collector_t *collector) {
    char *path;
    if (collector->config->root && collector->config->root->path)
        return mr_error_set(collector->fatal, MR_STATUS_USAGE,
                            "standard input: with --root it must be a file beneath it (< FILE)");
    if (!collector->config->spool_dir)
        return mr_error_set(
            collector->fatal, MR_STATUS_USAGE,
            "standard input: with --journal it must be a file (< FILE): what comes through a pipe cannot "
            "be read again");
    if (asprintf(&path, "%s/stdin", collector->config->spool_dir) < 0)
        return mr_error_memory(collector->fatal, "spooling stdin");
    int result = spool_to(collector, path);
    if (result == 0)
        result = mr_collect_file(collector, path, SHOWN);
    free(path);
    return result;
}

int mr_collect_stdin(mr_collector_t *collector) {
    if (mr_collect_take_stdin(collector))
        return -1;
    char *path = redirected_file();
    if (!path)
        return collect_spooled(collector);
    int result = mr_collect_file(collector, path, SHOWN);
    free(path);
    return result;
}
