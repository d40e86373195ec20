/* peak FILE COMMAND ARGUMENT... runs a command, writes the largest resident size, in KiB, of it and of the processes it waited for
 * to FILE, and ends with its exit status. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct rusage usage;
    int status;
    if (argc < 3)
        return 125;
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    signal(SIGTERM, SIG_IGN); /* `timeout` sends it to the child as well */
    while (child > 0 && wait4(child, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    FILE *file = fopen(argv[1], "w");
    if (child < 0 || !file) {
        perror(argv[1]);
        return 125;
    }
    fprintf(file, "%ld\n", usage.ru_maxrss);
    fclose(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
