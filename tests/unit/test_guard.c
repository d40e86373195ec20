/* test_guard.c - whom the guard admits, and as whom: real sockets with real keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <czmq.h>
#include <poll.h>

#include "clock.h"
#include "guard.h"
#include "handshake.h"
#include "keygen.h"

#define DEADLINE_MS 15000

typedef struct house {
    char dir[64];
    mr_keys_t coordinator, worker, second, client;
    mr_guard_t *guard;
} house_t;

static void load(mr_keys_t *keys, const house_t *house, mr_role_t role, const char *name) {
    char path[256];
    mr_error_t error = {0};
    snprintf(path, sizeof path, "%s/%s", house->dir, name);
    assert_int_equal(mr_keys_load(keys, role, path, &error), 0);
}

static int open_house(void **state) {
    house_t *house = calloc(1, sizeof *house);
    mr_error_t error = {0};
    snprintf(house->dir, sizeof house->dir, "/tmp/test_guard-XXXXXX");
    assert_non_null(mkdtemp(house->dir));
    assert_int_equal(mr_keygen_coordinator(house->dir, &error), 0);
    assert_int_equal(mr_keygen_peer(house->dir, MR_ROLE_WORKER, "worker", &error), 0);
    assert_int_equal(mr_keygen_peer(house->dir, MR_ROLE_WORKER, "second", &error), 0);
    assert_int_equal(mr_keygen_peer(house->dir, MR_ROLE_CLIENT, "client", &error), 0);
    load(&house->coordinator, house, MR_ROLE_COORDINATOR, "coordinator");
    load(&house->worker, house, MR_ROLE_WORKER, "worker");
    load(&house->second, house, MR_ROLE_WORKER, "second");
    load(&house->client, house, MR_ROLE_CLIENT, "client");
    house->guard = mr_guard_new(&house->coordinator, 4, &error);
    assert_non_null(house->guard);
    *state = house;
    return 0;
}

static int close_house(void **state) {
    house_t *house = *state;
    zdir_t *dir = zdir_new(house->dir, NULL);
    mr_guard_destroy(&house->guard);
    zdir_remove(dir, true);
    zdir_destroy(&dir);
    free(house);
    return 0;
}

static zsock_t *listen_for(house_t *house, const char *name, const char *who, char endpoint[256]) {
    zsock_t *socket = zsock_new(ZMQ_ROUTER);
    mr_error_t error = {0};
    zsock_set_linger(socket, 0);
    assert_int_equal(mr_guard_protect(house->guard, socket, &(mr_guarded_t){name, who, 1000}, &error), 0);
    assert_true(zsock_bind(socket, "tcp://127.0.0.1:*") > 0);
    snprintf(endpoint, 256, "%s", zsock_endpoint(socket));
    return socket;
}

/* Whether who has these keys gets in. If so, what it sends arrives as `id`. */
static bool gets_in(zsock_t *at, const char *endpoint, const mr_keys_t *keys, const char *id) {
    zsock_t *socket = zsock_new(ZMQ_DEALER);
    void *monitor = mr_monitor_open(zsock_resolve(socket), MR_HANDSHAKE_EVENTS);
    zmq_pollitem_t item = {monitor, -1, ZMQ_POLLIN, 0};
    mr_monitored_t event = {0};
    int64_t deadline = mr_clock_ms() + DEADLINE_MS;
    zsock_set_linger(socket, 0);
    mr_keys_connect(keys, zsock_resolve(socket));
    assert_int_equal(zsock_connect(socket, "%s", endpoint), 0);
    while (event.event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED && event.event != ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        assert_true(mr_clock_ms() < deadline);
        if (zmq_poll(&item, 1, 100) > 0)
            mr_monitor_next(monitor, &event);
    }
    bool in = event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    if (in) {
        mr_peer_t peer;
        zmq_msg_t frame;
        zsock_set_rcvtimeo(at, DEADLINE_MS);
        zstr_send(socket, "hello");
        zmq_msg_init(&frame);
        assert_true(zmq_msg_recv(&frame, zsock_resolve(at), 0) > 0);
        assert_true(zmq_msg_recv(&frame, zsock_resolve(at), 0) == 5);
        mr_peer_of(&frame, &peer);
        assert_string_equal(peer.id, id);
        zmq_msg_close(&frame);
    }
    zmq_socket_monitor(zsock_resolve(socket), NULL, 0);
    zmq_close(monitor);
    zsock_destroy(&socket);
    return in;
}

static void named(char id[64], mr_role_t role, const mr_keys_t *keys) {
    snprintf(id, 64, "%s:%s", mr_role_name(role), keys->public_key);
}

static void test_roles(void **state) {
    house_t *house = *state;
    char workers[256], all[256], lane[256], worker[64], client[64];
    named(worker, MR_ROLE_WORKER, &house->worker);
    named(client, MR_ROLE_CLIENT, &house->client);
    zsock_t *for_workers = listen_for(house, "control", MR_GUARD_WORKERS, workers);
    zsock_t *for_all = listen_for(house, "all", MR_GUARD_ALL, all);
    zsock_t *for_one = listen_for(house, NULL, worker, lane);
    assert_true(gets_in(for_workers, workers, &house->worker, worker));
    assert_false(gets_in(for_workers, workers, &house->client, client));
    assert_true(gets_in(for_all, all, &house->worker, worker));
    assert_true(gets_in(for_all, all, &house->client, client));
    assert_true(gets_in(for_one, lane, &house->worker, worker)); /* its own lane */
    assert_false(gets_in(for_one, lane, &house->second, ""));    /* another worker's */
    assert_false(gets_in(for_one, lane, &house->client, ""));
    mr_guard_close(&for_workers);
    mr_guard_close(&for_all);
    mr_guard_close(&for_one);
}

static void test_peers_may(void **state) {
    house_t *house = *state;
    mr_peer_t worker, client, none = {""}, alike = {"workers:x"};
    named(worker.id, MR_ROLE_WORKER, &house->worker);
    named(client.id, MR_ROLE_CLIENT, &house->client);
    assert_true(mr_peer_may(&worker, MR_ROLE_WORKER, &house->coordinator));
    assert_false(mr_peer_may(&worker, MR_ROLE_CLIENT, &house->coordinator));
    assert_false(mr_peer_may(&client, MR_ROLE_WORKER, &house->coordinator));
    assert_false(mr_peer_may(&none, MR_ROLE_WORKER, &house->coordinator));
    assert_false(mr_peer_may(&alike, MR_ROLE_WORKER, &house->coordinator));
    assert_true(mr_peer_may(&none, MR_ROLE_WORKER, NULL));
    assert_false(mr_peer_same(&worker, &client));
}

static void test_removed_key(void **state) {
    house_t *house = *state;
    char endpoint[256], worker[64], path[256];
    named(worker, MR_ROLE_WORKER, &house->worker);
    zsock_t *socket = listen_for(house, "control", MR_GUARD_WORKERS, endpoint);
    assert_true(gets_in(socket, endpoint, &house->worker, worker));
    snprintf(path, sizeof path, "%s/coordinator/workers/worker.pub", house->dir);
    assert_int_equal(unlink(path), 0);
    assert_false(gets_in(socket, endpoint, &house->worker, worker));
    mr_guard_close(&socket);
}

/* A socket that asks nobody (it has no ZAP domain of ours to be asked about, and no keys) is found out. */
static void test_probe(void **state) {
    house_t *house = *state;
    char endpoint[256];
    mr_error_t error = {0};
    zsock_t *socket = listen_for(house, "control", MR_GUARD_WORKERS, endpoint);
    assert_int_equal(mr_guard_probe(house->guard, endpoint, &error), 0);
    mr_guard_close(&socket);
    socket = zsock_new_router("tcp://127.0.0.1:*");
    assert_int_equal(mr_guard_probe(house->guard, zsock_endpoint(socket), &error), -1);
    assert_int_equal(error.status, MR_STATUS_REFUSED);
    zsock_destroy(&socket);
}

static int dial(const char *endpoint) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t) atoi(strrchr(endpoint, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

/* Reads until the other side closes (true), or until nothing has come for so long. */
static bool is_closed(int fd, int wait_ms) {
    char bytes[256];
    struct pollfd item = {fd, POLLIN, 0};
    while (poll(&item, 1, wait_ms) > 0)
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    return false;
}

/* Beyond the most (4), new connections are closed at once; those that are there stay. */
static void test_most_peers(void **state) {
    house_t *house = *state;
    char endpoint[256];
    int fds[5];
    zsock_t *door = listen_for(house, "control", MR_GUARD_WORKERS, endpoint);
    for (int i = 0; i < 5; i++)
        fds[i] = dial(endpoint);
    assert_true(is_closed(fds[4], MR_GUARD_HANDSHAKE_MS / 2));
    for (int i = 0; i < 4; i++)
        assert_false(is_closed(fds[i], 20));
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    mr_guard_close(&door);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_roles, open_house, close_house),
                                       cmocka_unit_test_setup_teardown(test_peers_may, open_house, close_house),
                                       cmocka_unit_test_setup_teardown(test_removed_key, open_house, close_house),
                                       cmocka_unit_test_setup_teardown(test_probe, open_house, close_house),
                                       cmocka_unit_test_setup_teardown(test_most_peers, open_house, close_house)};
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
