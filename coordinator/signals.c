#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

/* As nohup and the shell's & ask for it by the dispositions that are inherited. */
static bool is_ignored(int number) {
    struct sigaction action;
    return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* The signals are blocked before the first thread is made, so that no thread but the one that reads the signalfd gets them. */
int mr_signals_watch(mr_error_t *error) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!is_ignored(ends[i]))
            sigaddset(&set, ends[i]);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGCHLD, SIG_DFL); /* one that is ignored would take the children's fates with it */
    signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error to report, not a death */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        mr_error_set(error, MR_STATUS_JOB, "cannot watch signals: %s", strerror(errno));
    return fd;
}
