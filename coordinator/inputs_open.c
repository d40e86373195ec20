/* How names are looked at and opened: anywhere, or beneath --root only. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs_private.h"

char *mr_collect_absolute(const mr_collector_t *collector, const char *name, const char **tail) {
    size_t base = name[0] == '/' ? 0 : strlen(collector->cwd), size = strlen(name) + 1;
    char *path = malloc(base + size);
    if (!path)
        return NULL;
    memcpy(path, collector->cwd, base);
    memcpy(path + base, name, size);
    *tail = path + base;
    return path;
}

int mr_collect_open(const mr_collector_t *collector, const char *name, int flags) {
    const mr_root_t *root = collector->config->root;
    const char *tail;
    if (!root || !root->path)
        return open(name, flags);
    char *path = mr_collect_absolute(collector, name, &tail);
    if (!path)
        return -1;
    int fd = mr_root_open_file(root, path, flags), reason = errno;
    free(path);
    errno = reason;
    return fd;
}

int mr_collect_stat(const mr_collector_t *collector, const char *name, struct stat *status) {
    if (!collector->config->root || !collector->config->root->path)
        return stat(name, status);
    int fd = mr_collect_open(collector, name, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int failed = fstat(fd, status);
    close(fd);
    return failed;
}

const char *mr_collect_reason(const mr_collector_t *collector, int reason) {
    bool bounded = collector->config->root && collector->config->root->path;
    return bounded && reason == EXDEV ? "not beneath --root" : strerror(reason);
}
