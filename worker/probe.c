#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fate.h"
#include "units.h"

#define LOOK_MS 50 /* the flags are looked at so often */
#define CHILD_SOCKET 3

struct mr_probe {
    const char *program;
    const mr_job_message_t *job;
    const atomic_bool *stop;
    const atomic_int *fate;
    pid_t child; /* 0: none */
    int socket;
    int64_t oom_kills; /* before the trial */
    mr_buffer_t hello; /* the encoded JOB */
    uint64_t at;       /* the byte named last; MR_TRIAL_OVER: none since the trial began */
    size_t partly;     /* bytes of the next number */
    char number[sizeof(uint64_t)];
};

mr_probe_t *mr_probe_new(const char *program, const mr_job_message_t *job, const atomic_bool *stop,
                         const atomic_int *fate, mr_error_t *error) {
    mr_probe_t *probe = calloc(1, sizeof *probe);
    if (probe) {
        *probe = (mr_probe_t){.program = program, .job = job, .stop = stop, .fate = fate, .socket = -1};
        if (!mr_message_encode(&(mr_message_t){.type = MR_JOB, .job = *job}, &probe->hello))
            return probe;
    }
    mr_probe_destroy(&probe);
    mr_error_memory(error, "trying records");
    return NULL;
}

/* Kills what is left of the group and takes the wait status. */
static int end_child(mr_probe_t *probe) {
    int status = 0;
    if (!probe->child)
        return 0;
    kill(-probe->child, SIGKILL);
    close(probe->socket);
    while (waitpid(probe->child, &status, 0) < 0 && errno == EINTR)
        ;
    probe->child = 0;
    probe->socket = -1;
    return status;
}

/* One that dies by itself is a zombie until here, so its group can be killed without a doubt whose it is. */
static int take_fate(mr_probe_t *probe) {
    siginfo_t info;
    while (waitid(P_PID, (id_t) probe->child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    return end_child(probe);
}

void mr_probe_destroy(mr_probe_t **probe) {
    if (!*probe)
        return;
    end_child(*probe);
    mr_buffer_free(&(*probe)->hello);
    free(*probe);
    *probe = NULL;
}

/* ---- starting ---- */

static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *files, int socket) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawnattr_setpgroup(attributes, 0) || posix_spawnattr_setsigmask(attributes, &none) ||
           posix_spawnattr_setsigdefault(attributes, &all) ||
           posix_spawnattr_setflags(attributes,
                                    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) ||
           posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ||
           posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ||
           posix_spawn_file_actions_adddup2(files, socket, CHILD_SOCKET) ||
           posix_spawn_file_actions_addclosefrom_np(files, CHILD_SOCKET + 1);
}

static int spawn(mr_probe_t *probe, int socket) {
    char parent[16], number[16];
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    snprintf(parent, sizeof parent, "%ld", (long) getpid());
    snprintf(number, sizeof number, "%d", CHILD_SOCKET);
    const char *arguments[] = {"millrace-worker", "--probe", number, "--parent", parent, NULL};
    if (posix_spawnattr_init(&attributes))
        return ENOMEM;
    int failed = posix_spawn_file_actions_init(&files);
    if (!failed) {
        failed = prepare(&attributes, &files, socket) ? ENOMEM
                                                      : posix_spawn(&probe->child, probe->program, &files, &attributes,
                                                                    (char *const *) (uintptr_t) arguments, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static int start(mr_probe_t *probe, mr_error_t *error) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket to try records: %s", strerror(errno));
    int failed = spawn(probe, pair[1]);
    close(pair[1]);
    if (failed) {
        close(pair[0]);
        probe->child = 0;
        return mr_error_set(error, MR_STATUS_JOB, "%s: cannot start it to try records: %s", probe->program,
                            strerror(failed));
    }
    probe->socket = pair[0];
    return 0;
}

/* ---- a trial ---- */

typedef enum turn { TURN_ON, TURN_OVER, TURN_DEAD, TURN_SILENT, TURN_GIVEN_UP } turn_t;

/* Waits until the socket is ready for `events`, or something ends the trial. `heard_at`: the other side's last sign of life. */
static turn_t wait_for(const mr_probe_t *probe, short events, int64_t heard_at) {
    for (;;) {
        struct pollfd item = {probe->socket, events, 0};
        if (poll(&item, 1, LOOK_MS) > 0)
            return TURN_ON;
        if (atomic_load(probe->stop) || atomic_load(probe->fate))
            return TURN_GIVEN_UP;
        if (probe->job->task_timeout_ms && mr_clock_ms() - heard_at >= probe->job->task_timeout_ms)
            return TURN_SILENT;
    }
}

static turn_t send_all(mr_probe_t *probe, const void *data, size_t size) {
    const char *from = data;
    int64_t heard_at = mr_clock_ms();
    while (size) {
        ssize_t sent = send(probe->socket, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return TURN_DEAD;
        if (sent > 0) {
            from += sent;
            size -= (size_t) sent;
            heard_at = mr_clock_ms();
        }
        turn_t turn = size ? wait_for(probe, POLLOUT, heard_at) : TURN_ON;
        if (turn != TURN_ON)
            return turn;
    }
    return TURN_ON;
}

/* Takes the numbers out of what has come. */
static turn_t take_numbers(mr_probe_t *probe, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint64_t number;
        probe->number[probe->partly++] = data[i];
        if (probe->partly < sizeof number)
            continue;
        memcpy(&number, probe->number, sizeof number);
        probe->partly = 0;
        if (number == MR_TRIAL_OVER)
            return TURN_OVER;
        probe->at = number;
    }
    return TURN_ON;
}

static turn_t read_numbers(mr_probe_t *probe) {
    char data[4096];
    turn_t turn = TURN_ON;
    while (turn == TURN_ON && (turn = wait_for(probe, POLLIN, mr_clock_ms())) == TURN_ON) {
        ssize_t got = recv(probe->socket, data, sizeof data, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return TURN_DEAD;
        if (got > 0)
            turn = take_numbers(probe, data, (size_t) got);
    }
    return turn;
}

static turn_t send_trial(mr_probe_t *probe, bool fresh, const mr_trial_t *trial, const char *data) {
    uint64_t hello = probe->hello.size;
    turn_t turn = fresh ? send_all(probe, &hello, sizeof hello) : TURN_ON;
    if (turn == TURN_ON && fresh)
        turn = send_all(probe, probe->hello.data, probe->hello.size);
    if (turn == TURN_ON)
        turn = send_all(probe, trial, sizeof *trial);
    return turn == TURN_ON ? send_all(probe, data, (size_t) trial->size) : turn;
}

/* The process is dead, or hangs and is ended. */
static int judge(mr_probe_t *probe, turn_t turn, size_t size, mr_verdict_t *verdict, mr_error_t *error) {
    char text[128];
    if (turn == TURN_SILENT) {
        end_child(probe);
        mr_format_time(text, probe->job->task_timeout_ms);
        snprintf(verdict->deed, sizeof verdict->deed, "runs longer than --task-timeout %s", text);
    } else {
        mr_fate_describe(text, sizeof text, take_fate(probe), probe->oom_kills);
        snprintf(verdict->deed, sizeof verdict->deed, "crashes the job (%s)", text);
    }
    if (probe->at >= size) /* it named none: no record is to blame */
        return mr_error_set(error, MR_STATUS_JOB, "the process to try records in did not begin: it %s", verdict->deed);
    verdict->at = (size_t) probe->at;
    return 0;
}

int mr_probe_try(mr_probe_t *probe, const char *data, size_t size, bool by_record, mr_verdict_t *verdict,
                 mr_error_t *error) {
    mr_trial_t trial = {size, by_record};
    bool fresh = !probe->child;
    *verdict = (mr_verdict_t){0};
    probe->oom_kills = mr_fate_oom_kills();
    probe->at = MR_TRIAL_OVER;
    probe->partly = 0;
    if (fresh && start(probe, error))
        return -1;
    turn_t turn = send_trial(probe, fresh, &trial, data);
    if (turn == TURN_ON || turn == TURN_DEAD)
        turn = read_numbers(probe);
    if (turn == TURN_GIVEN_UP) {
        end_child(probe);
        return mr_error_set(error, MR_STATUS_INTERRUPTED, "stopped");
    }
    verdict->harmless = turn == TURN_OVER;
    return verdict->harmless ? 0 : judge(probe, turn, size, verdict, error);
}
