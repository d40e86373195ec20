#include "tmpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For file systems without O_TMPFILE (NFS, overlays of old kernels). */
static int named_then_unlinked(const char *dir) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/millrace-XXXXXX", dir) >= (int) sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int mr_tmpfile(const char *dir, mr_error_t *error) {
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        fd = named_then_unlinked(dir);
    if (fd < 0)
        return mr_error_set(error, MR_STATUS_STORAGE,
                            "%s: cannot make a temporary file: %s (name another directory with --tmp)", dir,
                            strerror(errno));
    return fd;
}
