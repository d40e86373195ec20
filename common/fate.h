/* fate.h - how a process ended, in words, and whether the kernel ended it because memory was out. */
#ifndef MR_FATE_H
#define MR_FATE_H

#include <stddef.h>
#include <stdint.h>

/* Processes of this one's memory cgroup that the kernel has ended for want of memory, so far; -1: not known. */
int64_t mr_fate_oom_kills(void);

/* The number behind `oom_kill` in a file such as memory.events (cgroup v2) or memory.oom_control (v1); -1: there is none. */
int64_t mr_fate_read_oom_kills(const char *path);

/* "killed by signal 11 (Segmentation fault)", "killed by signal 9 (Killed; out of memory)", "exit status 3". `status` is that of
 * wait; `kills_before` is what mr_fate_oom_kills said while the process lived. */
void mr_fate_describe(char *text, size_t size, int status, int64_t kills_before);

#endif
