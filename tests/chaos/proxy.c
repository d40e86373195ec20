/* A TCP proxy that passes bytes on, port by port, and resets a connection of the part it is told to (RST to both ends) when so many
 * bytes have passed: in the middle of a message as well as between two. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chaos.h"

#define LISTENERS (2 + NET_LANES)
#define MOST_PAIRS 256
#define PIPE_SIZE 65536

/* One way of a connection: bytes read from one end and not yet written to the other. */
typedef struct way {
    char bytes[PIPE_SIZE];
    size_t size;
    bool ended; /* no more will be read */
} way_t;

typedef struct pair {
    int fds[2]; /* the worker's, the coordinator's; -1 in both: a free place */
    part_t part;
    bool connecting; /* to the coordinator */
    way_t ways[2];   /* from fds[i] */
} pair_t;

static int listeners[LISTENERS];
static pair_t *pairs;

static part_t part_of(unsigned listener) {
    return listener == 0 ? PART_CONTROL : listener == 1 ? PART_SINK : PART_LANE;
}

static struct sockaddr_in address(const char *host, unsigned listener) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t) (NET_PORT + listener))};
    inet_pton(AF_INET, host, &at.sin_addr);
    return at;
}

static void listen_all(void) {
    for (unsigned i = 0; i < LISTENERS; i++) {
        struct sockaddr_in at = address("127.0.0.1", i);
        listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (bind(listeners[i], (struct sockaddr *) &at, sizeof at) || listen(listeners[i], 64)) {
            perror("chaos: proxy");
            _exit(1);
        }
    }
}

static void close_pair(pair_t *pair, bool reset) {
    struct linger abort = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        if (reset)
            setsockopt(pair->fds[i], SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(pair->fds[i]);
        pair->fds[i] = -1;
        pair->ways[i].size = 0;
        pair->ways[i].ended = false;
    }
}

static void accept_one(unsigned listener, const char *host) {
    int fd = accept4(listeners[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    pair_t *pair = pairs;
    while (pair < pairs + MOST_PAIRS && pair->fds[0] >= 0)
        pair++;
    if (fd < 0 || pair == pairs + MOST_PAIRS) {
        close(fd);
        return;
    }
    struct sockaddr_in at = address(host, listener);
    pair->fds[0] = fd;
    pair->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    pair->part = part_of(listener);
    for (int i = 0; i < 2; i++)
        setsockopt(pair->fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pair->connecting = connect(pair->fds[1], (struct sockaddr *) &at, sizeof at) != 0;
    if (pair->connecting && errno != EINPROGRESS)
        close_pair(pair, true);
}

/* How many of `size` bytes may pass before the connection is to be reset; all of them when it is not. */
static size_t allow(proxy_control_t *control, const pair_t *pair, size_t size, bool *reset) {
    int64_t left = atomic_load(&control->distance);
    if (left <= 0 || atomic_load(&control->part) != (int) pair->part)
        return size;
    if ((int64_t) size < left) {
        atomic_store(&control->distance, left - (int64_t) size);
        return size;
    }
    atomic_store(&control->distance, 0);
    atomic_fetch_add(&control->resets, 1);
    *reset = true;
    return (size_t) left;
}

/* Moves what one end has sent to the other. False: the pair is closed. */
static bool pass_on(proxy_control_t *control, pair_t *pair, int from) {
    way_t *way = &pair->ways[from];
    bool reset = false;
    ssize_t got = way->ended ? -1 : read(pair->fds[from], way->bytes + way->size, PIPE_SIZE - way->size);
    if (got > 0)
        way->size += (size_t) got;
    else if (!way->ended && way->size < PIPE_SIZE && (got == 0 || errno != EAGAIN))
        way->ended = true;
    ssize_t put = way->size ? write(pair->fds[!from], way->bytes, way->size) : 0;
    if (put < 0 && errno != EAGAIN) {
        close_pair(pair, true);
        return false;
    }
    if (put > 0) {
        allow(control, pair, (size_t) put, &reset);
        memmove(way->bytes, way->bytes + put, way->size -= (size_t) put);
    }
    if (reset || (way->ended && !way->size)) {
        close_pair(pair, reset);
        return false;
    }
    return true;
}

static void serve(proxy_control_t *control, pair_t *pair, const struct pollfd items[2]) {
    if (pair->connecting && !items[1].revents)
        return;
    int error = 0;
    socklen_t size = sizeof error;
    if (pair->connecting && (getsockopt(pair->fds[1], SOL_SOCKET, SO_ERROR, &error, &size) || error)) {
        close_pair(pair, true);
        return;
    }
    pair->connecting = false;
    if ((items[0].revents || items[1].revents) && pass_on(control, pair, 0))
        pass_on(control, pair, 1);
}

static struct pollfd wish(const pair_t *pair, int end) {
    const way_t *in = &pair->ways[end], *out = &pair->ways[!end];
    short events = 0;
    if (end == 1 && pair->connecting)
        events = POLLOUT;
    else if (!pair->connecting)
        events = (short) ((in->size < PIPE_SIZE && !in->ended ? POLLIN : 0) | (out->size ? POLLOUT : 0));
    return (struct pollfd){events || pair->fds[end] < 0 ? pair->fds[end] : -1, events, 0};
}

static void turn(const char *host, proxy_control_t *control) {
    static struct pollfd items[LISTENERS + 2 * MOST_PAIRS];
    for (unsigned i = 0; i < LISTENERS; i++)
        items[i] = (struct pollfd){listeners[i], POLLIN, 0};
    for (unsigned i = 0; i < 2 * MOST_PAIRS; i++)
        items[LISTENERS + i] = wish(&pairs[i / 2], i % 2);
    poll(items, LISTENERS + 2 * MOST_PAIRS, -1);
    for (unsigned i = 0; i < MOST_PAIRS; i++)
        if (pairs[i].fds[0] >= 0)
            serve(control, &pairs[i], &items[LISTENERS + 2 * i]);
    for (unsigned i = 0; i < LISTENERS; i++)
        if (items[i].revents)
            accept_one(i, host);
}

void proxy_run(const char *host, proxy_control_t *control) {
    pairs = calloc(MOST_PAIRS, sizeof *pairs);
    for (unsigned i = 0; pairs && i < MOST_PAIRS; i++)
        pairs[i].fds[0] = pairs[i].fds[1] = -1;
    listen_all();
    while (pairs)
        turn(host, control);
    _exit(1);
}
