#include "input/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_beneath(int directory, const char *path, int flags) {
    struct open_how how = {.flags = (unsigned) flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int) syscall(SYS_openat2, directory, path, &how, sizeof how);
}

static int fail(const char *option, const char *directory, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_USAGE, "%s %s: %s", option, directory, strerror(errno));
}

int mr_root_open(mr_root_t *root, const char *option, const char *directory, mr_error_t *error) {
    *root = (mr_root_t){.path = realpath(directory, NULL), .fd = -1};
    if (!root->path || (root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return fail(option, directory, error);
    int self = open_beneath(root->fd, ".", O_PATH | O_CLOEXEC);
    if (self < 0 && errno == ENOSYS)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: this kernel cannot keep to a directory (Linux 5.6 can)",
                            option);
    if (self < 0)
        return fail(option, directory, error);
    close(self);
    return 0;
}

int mr_root_open_file(const mr_root_t *root, const char *path, int flags) {
    size_t size = strcmp(root->path, "/") ? strlen(root->path) : 0;
    const char *rest = path + size;
    if (strncmp(path, root->path, size) || (*rest && *rest != '/')) {
        errno = EXDEV;
        return -1;
    }
    while (*rest == '/')
        rest++;
    return open_beneath(root->fd, *rest ? rest : ".", flags);
}

void mr_root_close(mr_root_t *root) {
    if (root->path && root->fd >= 0)
        close(root->fd);
    free(root->path);
    *root = (mr_root_t){0};
}
