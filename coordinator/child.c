#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_AT_ONCE ((size_t) 16 << 10)
#define LONGEST_LINE ((size_t) 64 << 10) /* what is longer is cut into lines */

/* ---- starting ---- */

/* Blocked signals, and those that are ignored, would be inherited. */
static int set_attributes(posix_spawnattr_t *attributes) {
    static const int defaults[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGCHLD};
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        sigaddset(&usual, defaults[i]);
    return posix_spawnattr_setpgroup(attributes, 0) || posix_spawnattr_setsigmask(attributes, &none) ||
           posix_spawnattr_setsigdefault(attributes, &usual) ||
           posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int set_files(posix_spawn_file_actions_t *actions, const mr_child_config_t *config, int lines) {
    int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed && config->output >= 0)
        failed = posix_spawn_file_actions_adddup2(actions, config->output, STDOUT_FILENO);
    else if (!failed)
        failed = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    return failed ? failed
                  : posix_spawn_file_actions_adddup2(actions, lines, STDERR_FILENO) ||
                        posix_spawn_file_actions_addchdir_np(actions, config->directory);
}

static int spawn(mr_child_t *child, const mr_child_config_t *config, int lines) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int failed = posix_spawnattr_init(&attributes);
    if (failed)
        return failed;
    failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = set_attributes(&attributes) || set_files(&actions, config, lines) ? ENOMEM : 0;
        if (!failed)
            failed =
                posix_spawn(&child->pid, config->program, &actions, &attributes,
                            (char *const *) (uintptr_t) config->words, (char *const *) (uintptr_t) config->environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return failed;
}

int mr_child_start(mr_child_t *child, const mr_child_config_t *config, mr_error_t *error) {
    int ends[2];
    *child = (mr_child_t){.lines = -1};
    if (pipe2(ends, O_CLOEXEC))
        return mr_error_set(error, MR_STATUS_JOB, "%s: cannot make a pipe: %s", config->program, strerror(errno));
    int failed = spawn(child, config, ends[1]);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        child->pid = 0;
        return mr_error_set(error, MR_STATUS_JOB, "cannot start a process in %s: %s", config->directory,
                            strerror(failed));
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->lines = ends[0];
    return 0;
}

/* ---- what it says ---- */

static void hand_out(mr_child_t *child, size_t length, size_t skip, char *line, size_t size) {
    size_t kept = length < size ? length : size - 1;
    memcpy(line, child->heard.data, kept);
    line[kept] = 0;
    child->heard.size -= length + skip;
    memmove(child->heard.data, child->heard.data + length + skip, child->heard.size);
}

static bool take_line(mr_child_t *child, char *line, size_t size) {
    const char *newline = child->heard.size ? memchr(child->heard.data, '\n', child->heard.size) : NULL;
    if (newline)
        hand_out(child, (size_t) (newline - child->heard.data), 1, line, size);
    else if (child->heard.size >= LONGEST_LINE)
        hand_out(child, LONGEST_LINE, 0, line, size);
    else
        return false;
    return true;
}

/* 1: more was read; 0: nothing is there now; -1: nothing will come. Without memory, what it says is lost, which is no reason to end. */
static int listen_more(mr_child_t *child) {
    if (mr_buffer_reserve(&child->heard, READ_AT_ONCE))
        return 0;
    ssize_t got = read(child->lines, child->heard.data + child->heard.size, READ_AT_ONCE);
    if (got > 0)
        child->heard.size += (size_t) got;
    return got > 0 ? 1 : got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int mr_child_line(mr_child_t *child, char *line, size_t size) {
    int more = child->lines < 0 ? -1 : 1;
    while (!take_line(child, line, size)) {
        if (more > 0)
            more = listen_more(child);
        if (more == 0)
            return 0;
        if (more < 0 && !child->heard.size)
            return -1;
        if (more < 0) {
            hand_out(child, child->heard.size, 0, line, size);
            return 1;
        }
    }
    return 1;
}

/* ---- its end ---- */

/* While the leader is a zombie the number of its group is surely still its own. */
bool mr_child_ended(mr_child_t *child, int *status) {
    siginfo_t info = {0};
    if (!child->pid || waitid(P_PID, (id_t) child->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
        return false;
    kill(-child->pid, SIGKILL);
    if (waitpid(child->pid, status, WNOHANG) != child->pid)
        return false;
    child->pid = 0;
    return true;
}

void mr_child_signal(const mr_child_t *child, int signal) {
    if (child->pid)
        kill(child->pid, signal);
}

void mr_child_close(mr_child_t *child) {
    if (child->pid) {
        kill(-child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    child->pid = 0;
    if (child->lines >= 0)
        close(child->lines);
    child->lines = -1;
    mr_buffer_free(&child->heard);
}
