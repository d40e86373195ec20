/* catch PID BYTES stops a process (SIGSTOP) as soon as it has read so many bytes, by the kernel's count, libraries included. Exit 1 if
 * it ends before. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* -1: there is no such process, or it has ended. */
static long long bytes_read(const char *path) {
    long long bytes = -1;
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "rchar: %lld", &bytes) != 1)
        bytes = -1;
    if (file)
        fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 125;
    char path[64];
    pid_t pid = (pid_t) atoi(argv[1]);
    long long wanted = atoll(argv[2]), bytes;
    snprintf(path, sizeof path, "/proc/%d/io", (int) pid);
    while ((bytes = bytes_read(path)) >= 0 && bytes < wanted)
        if (kill(pid, 0) || usleep(100))
            break;
    return bytes >= wanted && kill(pid, SIGSTOP) == 0 ? 0 : 1;
}
