/* The thread: it takes in what is asked, then sends one piece to each peer that may have one, until nothing more can be done, and waits. A
 * peer has a queue of what it asked for, and pieces that ZeroMQ holds for it; ZeroMQ's thread tells (through an eventfd) when one is gone. */
#include "supply.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "router.h"
#include "supply_files.h"

#define MOST_ASKED 32u                /* requests of a peer that wait; more are dropped, and asked again */
#define MOST_UNDERWAY 4u              /* pieces of a peer that ZeroMQ holds */
#define MOST_HELD ((size_t) 64 << 20) /* bytes that ZeroMQ holds for all, but for one piece each */
#define MOST_PEERS ((size_t) 1 << 16) /* more are not heard until others have gone */
#define MOST_MESSAGE 4096             /* bytes of a FETCH: it is far smaller */
#define MOST_AT_ONCE 1024             /* requests taken before pieces are sent */
#define FORGET_MS 60000               /* a peer that asked for nothing so long is gone */
#define SWEEP_MS 10000

/* What outlives the supply, as ZeroMQ's threads may hold pieces longer. */
typedef struct meter {
    atomic_int references;
    atomic_size_t held; /* bytes of pieces */
    int wake;           /* eventfd */
} meter_t;

/* The same of a peer. */
typedef struct traffic {
    atomic_int references;
    atomic_uint underway; /* pieces */
    meter_t *meter;
} traffic_t;

typedef struct piece {
    traffic_t *traffic;
    size_t size;
    char bytes[];
} piece_t;

typedef struct request {
    uint32_t input;
    uint64_t offset;
    size_t size;
} request_t;

typedef struct peer {
    mr_sender_t sender;
    request_t asked[MOST_ASKED]; /* a ring */
    unsigned first, count;
    traffic_t *traffic;
    int64_t heard_at;
} peer_t;

struct mr_supply {
    const mr_inputs_t *inputs;
    uint64_t epoch;
    zsock_t *socket;
    mr_supply_files_t files;
    zhashx_t *peers; /* peer_t by sender */
    meter_t *meter;
    mr_buffer_t out;
    int64_t swept_at;
    atomic_uint_fast64_t bytes;
    atomic_bool stop;
    bool started;
    pthread_t thread;
};

/* ---- pieces ---- */

static void release_meter(meter_t *meter) {
    if (atomic_fetch_sub(&meter->references, 1) > 1)
        return;
    close(meter->wake);
    free(meter);
}

static void release_traffic(traffic_t *traffic) {
    if (atomic_fetch_sub(&traffic->references, 1) > 1)
        return;
    release_meter(traffic->meter);
    free(traffic);
}

/* Called by ZeroMQ, in any thread. */
static void release_piece(void *bytes, void *hint) {
    piece_t *piece = hint;
    (void) bytes;
    atomic_fetch_sub(&piece->traffic->meter->held, piece->size);
    atomic_fetch_sub(&piece->traffic->underway, 1);
    eventfd_write(piece->traffic->meter->wake, 1);
    release_traffic(piece->traffic);
    free(piece);
}

static piece_t *make_piece(peer_t *peer, size_t size) {
    piece_t *piece = malloc(sizeof *piece + size);
    if (!piece)
        return NULL;
    piece->traffic = peer->traffic;
    piece->size = size;
    atomic_fetch_add(&peer->traffic->references, 1);
    atomic_fetch_add(&peer->traffic->underway, 1);
    atomic_fetch_add(&peer->traffic->meter->held, size);
    return piece;
}

/* ---- peers ---- */

static size_t hash_sender(const void *key) {
    const mr_sender_t *sender = key;
    size_t hash = 0;
    for (size_t i = 0; i < sender->size; i++)
        hash = hash * 31 + sender->identity[i];
    return hash;
}

static int compare_senders(const void *a, const void *b) {
    const mr_sender_t *x = a, *y = b;
    return x->size == y->size ? memcmp(x->identity, y->identity, x->size) : x->size < y->size ? -1 : 1;
}

static void destroy_peer(void **item) {
    peer_t *peer = *item;
    if (peer->traffic)
        release_traffic(peer->traffic);
    free(peer);
    *item = NULL;
}

static peer_t *make_peer(meter_t *meter, const mr_sender_t *sender) {
    peer_t *peer = calloc(1, sizeof *peer);
    if (peer)
        peer->traffic = calloc(1, sizeof *peer->traffic);
    if (!peer || !peer->traffic) {
        free(peer);
        return NULL;
    }
    peer->sender = *sender;
    atomic_store(&peer->traffic->references, 1);
    peer->traffic->meter = meter;
    atomic_fetch_add(&meter->references, 1);
    return peer;
}

static peer_t *find_peer(mr_supply_t *supply, const mr_sender_t *sender) {
    peer_t *peer = zhashx_lookup(supply->peers, sender);
    if (peer || zhashx_size(supply->peers) >= MOST_PEERS || !(peer = make_peer(supply->meter, sender)))
        return peer;
    zhashx_insert(supply->peers, &peer->sender, peer);
    return peer;
}

/* A peer that has gone is known by its silence only; a new connection is a new peer. */
static void sweep(mr_supply_t *supply, int64_t now) {
    if (now - supply->swept_at < SWEEP_MS)
        return;
    supply->swept_at = now;
    zlistx_t *keys = zhashx_keys(supply->peers);
    for (void *key = keys ? zlistx_first(keys) : NULL; key; key = zlistx_next(keys)) {
        const peer_t *peer = zhashx_lookup(supply->peers, key);
        if (now - peer->heard_at >= FORGET_MS && !peer->count && !atomic_load(&peer->traffic->underway))
            zhashx_delete(supply->peers, key);
    }
    zlistx_destroy(&keys);
}

/* ---- what is asked ---- */

static bool is_asked(const peer_t *peer, const request_t *request) {
    for (unsigned i = 0; i < peer->count; i++) {
        const request_t *other = &peer->asked[(peer->first + i) % MOST_ASKED];
        if (other->input == request->input && other->offset == request->offset && other->size == request->size)
            return true;
    }
    return false;
}

static bool is_sound(const mr_supply_t *supply, const mr_fetch_message_t *fetch) {
    if (fetch->epoch != supply->epoch || fetch->input >= supply->inputs->count || !fetch->size ||
        fetch->size > MR_WIRE_PIECE)
        return false;
    uint64_t size = supply->inputs->items[fetch->input].size;
    return fetch->offset < size && fetch->size <= size - fetch->offset;
}

static void take_fetch(mr_supply_t *supply, const mr_sender_t *sender, const mr_fetch_message_t *fetch, int64_t now) {
    if (!is_sound(supply, fetch))
        return;
    request_t request = {fetch->input, fetch->offset, (size_t) fetch->size};
    peer_t *peer = find_peer(supply, sender);
    if (!peer)
        return;
    peer->heard_at = now;
    if (peer->count == MOST_ASKED || is_asked(peer, &request))
        return;
    peer->asked[(peer->first + peer->count++) % MOST_ASKED] = request;
    mr_supply_files_announce(&supply->files, request.input, request.offset, request.size);
}

static void take_all(mr_supply_t *supply) {
    int64_t now = mr_clock_ms();
    mr_sender_t sender;
    mr_message_t message;
    mr_error_t error = {0};
    int got, left = MOST_AT_ONCE;
    while (left-- && (got = mr_router_receive(supply->socket, &sender, &message, &error)) != 0) {
        if (got < 0)
            continue;
        if (message.type == MR_FETCH)
            take_fetch(supply, &sender, &message.fetch, now);
        mr_message_clear(&message);
    }
    sweep(supply, now);
}

/* ---- what is sent ---- */

/* Fails only when memory is out, or the peer is gone. It then asks again. */
static void send_data(mr_supply_t *supply, const peer_t *peer, const mr_data_message_t *data, piece_t *piece) {
    void *handle = zsock_resolve(supply->socket);
    mr_message_t header = {.type = MR_DATA, .data = *data};
    zmq_msg_t frame;
    size_t size = data->status ? 0 : piece->size; /* once sent, the piece is not ours */
    supply->out.size = 0;
    if (mr_message_encode(&header, &supply->out) ||
        zmq_msg_init_data(&frame, piece->bytes, size, release_piece, piece)) {
        release_piece(NULL, piece);
        return;
    }
    if (zmq_send(handle, peer->sender.identity, peer->sender.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(handle, supply->out.data, supply->out.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&frame, handle, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&frame);
    else
        atomic_fetch_add_explicit(&supply->bytes, size, memory_order_relaxed);
}

static void answer(mr_supply_t *supply, peer_t *peer) {
    request_t request = peer->asked[peer->first];
    mr_error_t error = {0};
    piece_t *piece = make_piece(peer, request.size);
    peer->first = (peer->first + 1) % MOST_ASKED;
    peer->count--;
    if (!piece)
        return;
    mr_supply_files_read(&supply->files, request.input, piece->bytes, request.size, request.offset, &error);
    mr_data_message_t data = {supply->epoch, request.input, request.offset, error.status, error.text};
    send_data(supply, peer, &data, piece);
}

static bool may_have(const mr_supply_t *supply, const peer_t *peer) {
    unsigned underway = atomic_load(&peer->traffic->underway);
    return peer->count && (!underway || (underway < MOST_UNDERWAY && atomic_load(&supply->meter->held) < MOST_HELD));
}

/* A piece for each peer that may have one. Returns whether there was any. */
static bool serve_round(mr_supply_t *supply) {
    bool served = false;
    for (peer_t *peer = zhashx_first(supply->peers); peer; peer = zhashx_next(supply->peers))
        if (may_have(supply, peer)) {
            answer(supply, peer);
            served = true;
        }
    return served;
}

static void *supply_main(void *argument) {
    mr_supply_t *supply = argument;
    bool busy = false;
    while (!atomic_load(&supply->stop)) {
        eventfd_t count;
        zmq_pollitem_t items[] = {{zsock_resolve(supply->socket), 0, ZMQ_POLLIN, 0},
                                  {NULL, supply->meter->wake, ZMQ_POLLIN, 0}};
        if (zmq_poll(items, 2, busy ? 0 : SWEEP_MS) < 0 && zmq_errno() != EINTR)
            break;
        if (items[1].revents)
            eventfd_read(supply->meter->wake, &count);
        take_all(supply);
        busy = serve_round(supply);
    }
    return NULL;
}

/* ---- life ---- */

static meter_t *make_meter(void) {
    meter_t *meter = calloc(1, sizeof *meter);
    if (!meter)
        return NULL;
    atomic_store(&meter->references, 1);
    meter->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (meter->wake >= 0)
        return meter;
    free(meter);
    return NULL;
}

static int start(mr_supply_t *supply, mr_error_t *error) {
    supply->peers = zhashx_new();
    supply->meter = make_meter();
    if (!supply->peers || !supply->meter)
        return mr_error_memory(error, "starting to serve inputs");
    zhashx_set_key_hasher(supply->peers, hash_sender);
    zhashx_set_key_comparator(supply->peers, compare_senders);
    zhashx_set_key_duplicator(supply->peers, NULL);
    zhashx_set_key_destructor(supply->peers, NULL);
    zhashx_set_destructor(supply->peers, destroy_peer);
    zsock_set_router_mandatory(supply->socket, 1);
    zsock_set_maxmsgsize(supply->socket, MOST_MESSAGE);
    int failed = pthread_create(&supply->thread, NULL, supply_main, supply);
    if (failed)
        return mr_error_set(error, MR_STATUS_JOB, "cannot start a thread: %s", strerror(failed));
    supply->started = true;
    return 0;
}

mr_supply_t *mr_supply_new(const mr_inputs_t *inputs, uint64_t epoch, zsock_t *socket, mr_error_t *error) {
    mr_supply_t *supply = calloc(1, sizeof *supply);
    if (!supply) {
        mr_error_memory(error, "starting to serve inputs");
        zsock_destroy(&socket);
        return NULL;
    }
    supply->inputs = inputs;
    supply->epoch = epoch;
    supply->socket = socket;
    mr_supply_files_init(&supply->files, inputs);
    if (start(supply, error))
        mr_supply_destroy(&supply);
    return supply;
}

uint64_t mr_supply_bytes(const mr_supply_t *supply) {
    return atomic_load(&supply->bytes);
}

void mr_supply_destroy(mr_supply_t **supply) {
    mr_supply_t *self = *supply;
    if (!self)
        return;
    atomic_store(&self->stop, true);
    if (self->started) {
        eventfd_write(self->meter->wake, 1);
        pthread_join(self->thread, NULL);
    }
    zsock_destroy(&self->socket);
    zhashx_destroy(&self->peers);
    if (self->meter)
        release_meter(self->meter);
    mr_supply_files_close(&self->files);
    mr_buffer_free(&self->out);
    free(self);
    *supply = NULL;
}
