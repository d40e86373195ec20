/* crowd ENDPOINT COUNT: so many workers that say HELLO at once, connect their lanes, and do nothing. Prints, when all are welcomed, the
 * milliseconds that took; ends when its stdin does. Exit 1 when one is not welcomed in 30 s. */
#include <czmq.h>

#include "clock.h"
#include "wire.h"

#define PATIENCE_MS 30000

typedef struct client {
    void *control; /* DEALER */
    void *lane;    /* PULL; NULL: not welcomed */
} client_t;

static int say_hello(client_t *client, void *context, const char *endpoint, uint32_t number) {
    mr_buffer_t out = {0};
    int none = 0;
    mr_message_t hello = {.type = MR_HELLO,
                          .hello = {MR_PROTOCOL, MILLRACE_VERSION, "crowd", number + 1, 1, endpoint, 0}};
    client->control = zmq_socket(context, ZMQ_DEALER);
    int failed = !client->control || zmq_setsockopt(client->control, ZMQ_LINGER, &none, sizeof none) ||
                 zmq_connect(client->control, endpoint) || mr_message_encode(&hello, &out) ||
                 zmq_send(client->control, out.data, out.size, 0) < 0;
    mr_buffer_free(&out);
    return failed ? -1 : 0;
}

/* WELCOME has no host where the coordinator listens on one that is known already; here it is this one. */
static int connect_lane(client_t *client, void *context, const char *port) {
    int none = 0;
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%s", port);
    client->lane = zmq_socket(context, ZMQ_PULL);
    return !client->lane || zmq_setsockopt(client->lane, ZMQ_LINGER, &none, sizeof none) ||
           zmq_connect(client->lane, endpoint);
}

/* Returns 1 when it was welcomed by this, 0 when not, -1 on failure. */
static int take(client_t *client, void *context) {
    mr_message_t message;
    mr_error_t error = {0};
    zmq_msg_t frame;
    int welcomed = 0;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, client->control, ZMQ_DONTWAIT) >= 0) {
        if (mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error))
            continue;
        if (message.type == MR_WELCOME && !client->lane)
            welcomed = connect_lane(client, context, strrchr(message.welcome.lane, ':') + 1) ? -1 : 1;
        mr_message_clear(&message);
    }
    zmq_msg_close(&frame);
    return welcomed;
}

static int await_all(client_t *all, uint32_t count, void *context, int64_t deadline) {
    uint32_t welcomed = 0;
    for (uint32_t i = 0; welcomed < count; i = (i + 1) % count) {
        int taken = take(&all[i], context);
        if (taken < 0 || mr_clock_ms() > deadline) {
            fprintf(stderr, "crowd: %u of %u welcomed: %s\n", welcomed, count,
                    taken < 0 ? zmq_strerror(errno) : "late");
            return -1;
        }
        welcomed += (uint32_t) taken;
        if (i == 0)
            usleep(1000);
    }
    return 0;
}

static client_t *clients; /* in use until the end */

int main(int argc, char **argv) {
    uint32_t count = argc == 3 ? (uint32_t) atoi(argv[2]) : 0;
    clients = calloc(count + 1, sizeof *clients);
    void *context = zmq_ctx_new();
    if (!count || !clients || !context || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int) (2 * count + 16)))
        return 2;
    int64_t started = mr_clock_ms();
    for (uint32_t i = 0; i < count; i++)
        if (say_hello(&clients[i], context, argv[1], i)) {
            fprintf(stderr, "crowd: client %u: %s\n", i, zmq_strerror(errno));
            return 1;
        }
    if (await_all(clients, count, context, started + PATIENCE_MS))
        return 1;
    printf("%lld\n", (long long) (mr_clock_ms() - started));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0; /* the kernel closes all at once, as when a host goes */
}
