/* What listens at an endpoint: ZMTP's greeting (RFC 23) names the mechanism, and a server sends it to whoever begins one. ZeroMQ does not tell it when
 * the other side closes first. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "handshake.h"

#define WAIT_MS 500
#define GREETING 64
#define MECHANISM 12 /* where its name stands, 20 bytes */

static int open_socket(int family, const struct sockaddr *address, socklen_t size) {
    const struct timeval wait = {0, WAIT_MS * 1000};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* of connecting too */
    if (!connect(fd, address, size))
        return fd;
    close(fd);
    return -1;
}

static int open_tcp(const char *address) {
    char host[256];
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(address, ':');
    bool bracketed = *address == '[';
    if (!colon)
        return -1;
    snprintf(host, sizeof host, "%.*s", (int) (colon - address) - 2 * bracketed, address + bracketed);
    if (getaddrinfo(host, colon + 1, &wanted, &found))
        return -1;
    int fd = open_socket(found->ai_family, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return fd;
}

static int open_endpoint(const char *endpoint) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    if (!strncmp(endpoint, "tcp://", 6))
        return open_tcp(endpoint + 6);
    if (strncmp(endpoint, "ipc://", 6) || strlen(endpoint + 6) >= sizeof path.sun_path)
        return -1;
    memcpy(path.sun_path, endpoint + 6, strlen(endpoint + 6) + 1);
    return open_socket(AF_UNIX, (struct sockaddr *) &path, sizeof path);
}

mr_speaks_t mr_handshake_ask(const char *endpoint) {
    static const unsigned char begin[11] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3};
    unsigned char greeting[GREETING];
    size_t got = 0;
    int fd = open_endpoint(endpoint);
    if (fd < 0)
        return MR_SPEAKS_UNKNOWN;
    ssize_t more = send(fd, begin, sizeof begin, MSG_NOSIGNAL);
    while (more > 0 && got < sizeof greeting && (more = recv(fd, greeting + got, sizeof greeting - got, 0)) > 0)
        got += (size_t) more;
    close(fd);
    if (!got)
        return MR_SPEAKS_UNKNOWN;
    if (got < sizeof greeting || greeting[0] != 0xFF)
        return MR_SPEAKS_OTHER;
    return !memcmp(greeting + MECHANISM, "CURVE", 6)  ? MR_SPEAKS_CURVE
           : !memcmp(greeting + MECHANISM, "NULL", 5) ? MR_SPEAKS_NULL
                                                      : MR_SPEAKS_OTHER;
}
