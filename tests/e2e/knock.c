/* knock HOST PORT KIND - a stranger at a coordinator's door, without ZeroMQ.
 *
 *   idle N    opens N connections, says "open", and holds them, silent, until its standard input ends; then says how many were closed meanwhile
 *   huge      a peer without keys that announces a message of 1 TB
 *   zmtp1     a peer that says it speaks ZMTP 1.0, in which there are no keys
 *
 * The last two say "closed" when the other side closes, and how many bytes it has sent. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short) atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || fd < 0 ||
        connect(fd, (struct sockaddr *) &address, sizeof address)) {
        perror("knock");
        exit(1);
    }
    return fd;
}

static int idle(const char *host, const char *port, int count) {
    int *fds = calloc((size_t) count, sizeof *fds), closed = 0;
    char byte;
    for (int i = 0; i < count; i++)
        fds[i] = dial(host, port);
    puts("open");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (int i = 0; i < count; i++) {
        char bytes[256];
        ssize_t got;
        while ((got = recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
            ;
        closed += got == 0;
    }
    printf("%d closed\n", closed);
    return 0;
}

static int say(int fd, const void *bytes, size_t size) {
    char answer[256];
    size_t heard = 0;
    ssize_t got = 0;
    struct pollfd item = {fd, POLLIN, 0};
    send(fd, bytes, size, MSG_NOSIGNAL);
    while (poll(&item, 1, 20000) > 0 && (got = recv(fd, answer, sizeof answer, 0)) > 0)
        heard += (size_t) got;
    printf("%s after %zu bytes\n", got > 0 ? "open" : item.revents ? "closed" : "silent", heard);
    return 0;
}

static size_t greet(unsigned char *bytes, const char *mechanism) {
    static const unsigned char signature[12] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0};
    memset(bytes, 0, 64);
    memcpy(bytes, signature, sizeof signature);
    memcpy(bytes + 12, mechanism, strlen(mechanism));
    return 64;
}

static int huge(int fd) {
    static const unsigned char ready[] = "\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04PUSH\x02\0\0\1\0\0\0\0\0tail";
    unsigned char bytes[256];
    size_t size = greet(bytes, "NULL");
    memcpy(bytes + size, ready, sizeof ready - 1);
    return say(fd, bytes, size + sizeof ready - 1);
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    if (!strcmp(argv[3], "idle") && argc == 5)
        return idle(argv[1], argv[2], atoi(argv[4]));
    int fd = dial(argv[1], argv[2]);
    return !strcmp(argv[3], "huge") ? huge(fd) : say(fd, "\x01\x00\x03\x00hi", 6);
}
