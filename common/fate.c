#include "fate.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

int64_t mr_fate_read_oom_kills(const char *path) {
    char name[64];
    int64_t number, kills = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (kills < 0 && fscanf(file, "%63s %" SCNd64, name, &number) == 2)
        if (!strcmp(name, "oom_kill"))
            kills = number;
    fclose(file);
    return kills;
}

/* A container may see its own cgroup at the root, whatever it is called outside. */
static int64_t read_below(const char *root, const char *group, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s/%s", root, group, name);
    int64_t kills = mr_fate_read_oom_kills(path);
    if (kills >= 0)
        return kills;
    snprintf(path, sizeof path, "%s/%s", root, name);
    return mr_fate_read_oom_kills(path);
}

/* A line of /proc/self/cgroup: "0::GROUP" (v2), or "N:CONTROLLERS:GROUP" with memory among the controllers (v1). */
static int64_t read_group(char *line) {
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return -1;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    if (!strncmp(line, "0:", 2))
        return read_below("/sys/fs/cgroup", group, "memory.events");
    return strcmp(controllers + 1, "memory") ? -1 : read_below("/sys/fs/cgroup/memory", group, "memory.oom_control");
}

int64_t mr_fate_oom_kills(void) {
    char line[PATH_MAX];
    int64_t kills = -1;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return -1;
    while (kills < 0 && fgets(line, sizeof line, file))
        kills = read_group(line);
    fclose(file);
    return kills;
}

static const char *of_memory(int64_t before) {
    int64_t now = mr_fate_oom_kills();
    if (before < 0 || now < 0)
        return "; perhaps out of memory";
    return now > before ? "; out of memory" : "";
}

void mr_fate_describe(char *text, size_t size, int status, int64_t kills_before) {
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number)
        snprintf(text, size, "killed by signal %d (%s%s)", number, strsignal(number),
                 number == SIGKILL ? of_memory(kills_before) : "");
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}
