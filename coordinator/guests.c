#include "guests.h"

#include <sys/epoll.h>

int mr_guests_open(mr_guests_t *guests) {
    guests->fd = epoll_create1(EPOLL_CLOEXEC);
    return guests->fd < 0 ? -1 : 0;
}

void mr_guests_close(mr_guests_t *guests) {
    if (guests->fd >= 0)
        close(guests->fd);
    guests->fd = -1;
}

/* A socket of ZeroMQ wakes the descriptor only after it was found without news. */
static void look(zsock_t *lane) {
    int events;
    size_t size = sizeof events;
    zmq_getsockopt(zsock_resolve(lane), ZMQ_EVENTS, &events, &size);
}

int mr_guests_add(mr_guests_t *guests, zsock_t *lane, uint32_t number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(guests->fd, EPOLL_CTL_ADD, zsock_fd(lane), &event))
        return -1;
    look(lane);
    return 0;
}

void mr_guests_remove(mr_guests_t *guests, zsock_t *lane) {
    epoll_ctl(guests->fd, EPOLL_CTL_DEL, zsock_fd(lane), NULL);
}

size_t mr_guests_ready(mr_guests_t *guests, uint32_t numbers[MR_GUESTS_AT_ONCE]) {
    struct epoll_event events[MR_GUESTS_AT_ONCE];
    int count = epoll_wait(guests->fd, events, MR_GUESTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++)
        numbers[i] = events[i].data.u32;
    return count < 0 ? 0 : (size_t) count;
}
