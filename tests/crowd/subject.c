/* subject.c - the coordinator's process: started here, heard on its standard error, and measured by what the kernel says of it. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "crowd.h"

#define LISTENS "millrace: listening on "

static void become(char *const *command, int messages) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(messages, STDERR_FILENO);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

/* Lines are passed on up to the one that names the endpoint. */
static int await_endpoint(subject_t *subject) {
    char line[256];
    size_t size = 0;
    while (size < sizeof line - 1 && read(subject->messages, line + size, 1) == 1) {
        if (line[size++] != '\n')
            continue;
        line[size - 1] = 0;
        fprintf(stderr, "%s\n", line);
        if (!strncmp(line, LISTENS, sizeof LISTENS - 1)) {
            snprintf(subject->endpoint, sizeof subject->endpoint, "%s", line + sizeof LISTENS - 1);
            return 0;
        }
        size = 0;
    }
    fprintf(stderr, "crowd: the coordinator has not said where it listens (--listen)\n");
    return -1;
}

int subject_start(subject_t *subject, char *const *command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        perror("crowd");
        return -1;
    }
    subject->pid = fork();
    if (subject->pid == 0)
        become(command, ends[1]);
    close(ends[1]);
    subject->messages = ends[0];
    if (subject->pid < 0 || await_endpoint(subject))
        return -1;
    fcntl(subject->messages, F_SETFL, O_NONBLOCK);
    return clock_getcpuclockid(subject->pid, &subject->clock) ? -1 : 0;
}

void subject_relay(subject_t *subject) {
    char text[4096];
    ssize_t got;
    while ((got = read(subject->messages, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t) got, stderr);
    if (got == 0) {
        close(subject->messages);
        subject->messages = -1;
    }
}

int subject_wait(subject_t *subject) {
    int status = 0;
    if (!subject->pid)
        return 0;
    if (subject->messages >= 0)
        fcntl(subject->messages, F_SETFL, 0);
    if (subject->messages >= 0)
        subject_relay(subject);
    waitpid(subject->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- measuring ---- */

static double seconds_of(clockid_t clock) {
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* A line "NAME:  NUMBER kB" of /proc/PID/status, in bytes. */
static uint64_t status_bytes(pid_t pid, const char *name) {
    char path[64], line[256];
    unsigned long long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long) pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), ": %llu", &kilobytes);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

static uint64_t open_files(pid_t pid) {
    char path[64];
    uint64_t count = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long) pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count > 2 ? count - 2 : 0;
}

static uint64_t sum(const uint64_t *counts) {
    uint64_t all = 0;
    for (size_t i = 0; i < CROWD_TYPES; i++)
        all += counts[i];
    return all;
}

sample_t subject_sample(const crowd_t *crowd) {
    const subject_t *subject = &crowd->subject;
    sample_t sample = {.at_us = crowd_now_us(), .own_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID)};
    sample.lanes = crowd->got[MR_TASKS];
    sample.all = sum(crowd->sent) + sum(crowd->got);
    sample.heard = crowd->sent[MR_HEARTBEAT] + crowd->got[MR_ALIVE];
    if (!subject->pid)
        return sample;
    sample.cpu = seconds_of(subject->clock);
    sample.memory = status_bytes(subject->pid, "VmRSS");
    sample.peak = status_bytes(subject->pid, "VmHWM");
    sample.files = open_files(subject->pid);
    return sample;
}
