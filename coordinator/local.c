#include "local.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fate.h"

#define MOST_RESTARTS 32 /* for each process; past that something is wrong that starting again does not mend */

typedef struct child {
    pid_t pid;   /* 0: none */
    bool killed; /* by mr_local_kill */
} child_t;

struct mr_local {
    char endpoint[256];
    char tmp_dir[4096];
    char log_level[16];
    char root[4096]; /* "": none */
    char keys[4200]; /* "": none */
    char program[4096 + 64];
    uint32_t processes;
    uint32_t threads;
    uint32_t restarts; /* since a worker last joined */
    int64_t oom_kills; /* before the next death */
    child_t children[];
};

/* Where it may be, from this program's own directory: installed side by side, or in the build tree. */
static bool find_program(char *path, size_t size) {
    static const char *const places[] = {"millrace-worker", "../worker/millrace-worker",
                                         "../libexec/millrace/millrace-worker"};
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    char *slash = strrchr(own, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        slash[1] = 0;
        if (snprintf(path, size, "%s%s", own, places[i]) < (int) size && !access(path, X_OK))
            return true;
    }
    snprintf(path, size, "millrace-worker");
    return false;
}

/* A process group of its own keeps a terminal's Ctrl-C from the workers: the coordinator decides what becomes of them. Blocked
 * signals would be inherited. */
static int prepare(posix_spawnattr_t *attributes) {
    sigset_t none;
    sigemptyset(&none);
    return posix_spawnattr_init(attributes) || posix_spawnattr_setpgroup(attributes, 0) ||
           posix_spawnattr_setsigmask(attributes, &none) ||
           posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
}

static void add_option(const char **arguments, size_t *count, const char *name, const char *value) {
    if (!*value)
        return;
    arguments[(*count)++] = name;
    arguments[(*count)++] = value;
}

static int start(mr_local_t *local, uint32_t index, mr_error_t *error) {
    char threads[16], parent[16];
    posix_spawnattr_t attributes;
    uint32_t share = local->threads / local->processes + (index < local->threads % local->processes);
    snprintf(threads, sizeof threads, "%u", share ? share : 1);
    snprintf(parent, sizeof parent, "%ld", (long) getpid());
    const char *arguments[] = {
        "millrace-worker", "--connect", local->endpoint, "--threads", threads, "--tmp", local->tmp_dir, "--log-level",
        local->log_level,  "--parent",  parent,          NULL,        NULL,    NULL,    NULL,           NULL};
    size_t count = sizeof arguments / sizeof *arguments - 5;
    add_option(arguments, &count, "--root", local->root);
    add_option(arguments, &count, "--keys", local->keys);
    if (prepare(&attributes))
        return mr_error_memory(error, "starting a worker");
    int failed = posix_spawnp(&local->children[index].pid, local->program, NULL, &attributes,
                              (char *const *) (uintptr_t) arguments, environ);
    posix_spawnattr_destroy(&attributes);
    if (failed) {
        local->children[index].pid = 0;
        return mr_error_set(error, MR_STATUS_NO_WORKERS,
                            "%s: cannot start it: %s (install millrace-worker beside millrace)", local->program,
                            strerror(failed));
    }
    return 0;
}

mr_local_t *mr_local_new(const mr_local_config_t *config, mr_error_t *error) {
    mr_local_t *local = calloc(1, sizeof *local + config->processes * sizeof *local->children);
    if (!local) {
        mr_error_memory(error, "starting workers");
        return NULL;
    }
    snprintf(local->endpoint, sizeof local->endpoint, "%s", config->endpoint);
    snprintf(local->tmp_dir, sizeof local->tmp_dir, "%s", config->tmp_dir);
    snprintf(local->root, sizeof local->root, "%s", config->root ? config->root : "");
    snprintf(local->log_level, sizeof local->log_level, "%s", config->log_level);
    snprintf(local->keys, sizeof local->keys, "%s", config->keys ? config->keys : "");
    local->processes = config->processes;
    local->threads = config->threads;
    local->oom_kills = mr_fate_oom_kills();
    find_program(local->program, sizeof local->program);
    for (uint32_t i = 0; i < local->processes; i++)
        if (start(local, i, error)) {
            mr_local_destroy(&local, 0);
            return NULL;
        }
    return local;
}

static void describe(const mr_local_t *local, mr_local_death_t *death, int status) {
    death->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    death->clean = death->status == 0;
    mr_fate_describe(death->cause, sizeof death->cause, status, local->oom_kills);
}

/* What a kernel has started may outlive the process, but not its group. While the leader is a zombie the number is surely still its own. */
static bool has_ended(const child_t *child, int *status) {
    siginfo_t info = {0};
    if (!child->pid || waitid(P_PID, (id_t) child->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
        return false;
    kill(-child->pid, SIGKILL);
    return waitpid(child->pid, status, WNOHANG) == child->pid;
}

bool mr_local_reap(mr_local_t *local, mr_local_death_t *death) {
    for (uint32_t i = 0; i < local->processes; i++) {
        int status;
        child_t *child = &local->children[i];
        if (!has_ended(child, &status))
            continue;
        *death = (mr_local_death_t){.pid = child->pid, .wanted = child->killed};
        describe(local, death, status);
        local->oom_kills = mr_fate_oom_kills();
        *child = (child_t){0};
        return true;
    }
    return false;
}

void mr_local_joined(mr_local_t *local) {
    local->restarts = 0;
}

int mr_local_restart(mr_local_t *local, mr_error_t *error) {
    if (local->restarts++ >= MOST_RESTARTS * local->processes)
        return mr_error_set(error, MR_STATUS_NO_WORKERS, "workers died %u times on this machine; giving up",
                            local->restarts);
    for (uint32_t i = 0; i < local->processes; i++)
        if (!local->children[i].pid)
            return start(local, i, error);
    return 0;
}

void mr_local_kill(mr_local_t *local, pid_t pid, int signal) {
    for (uint32_t i = 0; i < local->processes; i++)
        if (pid && local->children[i].pid == pid) {
            kill(pid, signal);
            local->children[i].killed = true;
        }
}

pid_t mr_local_child(const mr_local_t *local, uint32_t index) {
    return local->children[index].pid;
}

uint32_t mr_local_alive(const mr_local_t *local) {
    uint32_t alive = 0;
    for (uint32_t i = 0; i < local->processes; i++)
        alive += local->children[i].pid != 0;
    return alive;
}

/* SIGCHLD is blocked in the coordinator, so it can be waited for with a deadline. */
static void wait_for_children(mr_local_t *local, int64_t deadline) {
    mr_local_death_t death;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        while (mr_local_reap(local, &death))
            ;
        int64_t left = deadline - mr_clock_ms();
        if (!mr_local_alive(local) || left <= 0)
            return;
        struct timespec wait = {left / 1000, left % 1000 * 1000000};
        sigtimedwait(&set, NULL, &wait);
    }
}

void mr_local_destroy(mr_local_t **local, int64_t grace_ms) {
    mr_local_t *self = *local;
    if (!self)
        return;
    wait_for_children(self, mr_clock_ms() + grace_ms);
    for (uint32_t i = 0; i < self->processes; i++)
        if (self->children[i].pid) {
            kill(-self->children[i].pid, SIGKILL);
            waitpid(self->children[i].pid, NULL, 0);
        }
    free(self);
    *local = NULL;
}
