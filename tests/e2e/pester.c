/* pester PID... sends signals that mean nothing to each process, a thousand rounds a second, and now and then stops it for a
 * moment, until the first is gone. Prints how many rounds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void send_all(int argc, char **argv, int signal) {
    for (int i = 1; i < argc; i++)
        kill((pid_t) atoi(argv[i]), signal);
}

int main(int argc, char **argv) {
    static const int harmless[] = {SIGWINCH, SIGCONT, SIGURG, SIGCHLD};
    unsigned long rounds = 0;
    for (; argc > 1 && kill((pid_t) atoi(argv[1]), 0) == 0; rounds++) {
        if (rounds % 50 == 49)
            send_all(argc, argv, SIGSTOP);
        send_all(argc, argv, harmless[rounds % 4]);
        usleep(1000);
        if (rounds % 50 == 49)
            send_all(argc, argv, SIGCONT);
    }
    printf("%lu\n", rounds);
    return 0;
}
