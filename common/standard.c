#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "error.h"

void mr_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/", O_PATH | O_DIRECTORY) < 0)
            return; /* no descriptors are left: whatever comes next will say so */
}

/* The parent may have died before the kernel was asked to tell. */
void mr_follow_parent(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(MR_STATUS_NO_WORKERS);
}
