#include "guard.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "admitted.h"
#include "clock.h"
#include "handshake.h"
#include "log.h"

#define ZAP "inproc://zeromq.zap.01"
#define MOST_WATCHED 8
#define PROBE_MS 5000
#define SAME_MS 10000 /* the same line is not said again for so long */
#define MANY_EARLY 3
#define KINDS 8
#define LINE_MS 100 /* and no other line for so long */
#define WATCHED                                                                                                        \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_MONITOR_STOPPED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |  \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

typedef struct watch {
    void *monitor; /* PAIR; NULL: free */
    char name[32];
    int64_t peers;
    char last[64];       /* address of the last that connected */
    unsigned early_ends; /* of handshakes, the last of them then */
    int64_t early_ms;
} watch_t;

/* The last line of a kind. */
typedef struct line {
    const char *format; /* NULL: none yet */
    char text[512];
    int64_t told_ms;
    unsigned untold; /* others since then */
} line_t;

struct mr_guard {
    const mr_keys_t *keys;
    uint32_t most_peers;
    char probe_public[MR_KEY_TEXT]; /* of mr_guard_probe: nobody's key */
    char probe_secret[MR_KEY_TEXT];
    zactor_t *actor; /* the thread; what follows is its own */
    zsock_t *zap;
    mr_admitted_t admitted;
    watch_t watches[MOST_WATCHED];
    line_t lines[KINDS];
};

/* ---- what is said ---- */

/* Who is turned away tries again, and whoever wants to fill a log can try often: of each kind of line (each has a format of its own), one that is the
 * same as the last waits for 10 s, and another for a tenth of one. */
static void tell(mr_guard_t *guard, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(mr_guard_t *guard, const char *format, ...) {
    line_t *line = guard->lines;
    char text[sizeof line->text];
    int64_t now = mr_clock_ms();
    va_list arguments;
    va_start(arguments, format);
    mr_format_message(text, sizeof text, format, arguments);
    va_end(arguments);
    while (line->format && line->format != format && line < guard->lines + KINDS - 1)
        line++;
    bool same = !strcmp(text, line->text);
    if (line->format == format && now - line->told_ms < (same ? SAME_MS : LINE_MS)) {
        line->untold += !same;
        return;
    }
    if (line->untold)
        mr_log(MR_LOG_WARNING, "%s (%u more like it since the last such line)", text, line->untold);
    else
        mr_log(MR_LOG_WARNING, "%s", text);
    *line = (line_t){.format = format, .told_ms = now};
    snprintf(line->text, sizeof line->text, "%s", text);
}

/* ---- ZAP ---- */

typedef struct zap_request {
    char *version;
    char *id;
    char *domain; /* as in mr_guarded_t.who */
    char *address;
    char *mechanism;
    char key[MR_KEY_TEXT]; /* "": none */
} zap_request_t;

static void free_request(zap_request_t *request) {
    zstr_free(&request->version);
    zstr_free(&request->id);
    zstr_free(&request->domain);
    zstr_free(&request->address);
    zstr_free(&request->mechanism);
}

static bool read_request(zap_request_t *request, zmsg_t *message) {
    *request = (zap_request_t){.version = zmsg_popstr(message), .id = zmsg_popstr(message)};
    request->domain = zmsg_popstr(message);
    request->address = zmsg_popstr(message);
    char *identity = zmsg_popstr(message);
    zstr_free(&identity);
    request->mechanism = zmsg_popstr(message);
    zframe_t *key = zmsg_pop(message);
    if (key && zframe_size(key) == 32)
        zmq_z85_encode(request->key, zframe_data(key), 32);
    zframe_destroy(&key);
    return request->version && request->id && request->domain && request->address && request->mechanism;
}

static bool is_role(const mr_peer_t *peer, mr_role_t role) {
    const char *name = mr_role_name(role);
    return !strncmp(peer->id, name, strlen(name));
}

/* Whether the connection may be; who it is then stands in `peer`. */
static bool admit(mr_guard_t *guard, const zap_request_t *request, mr_peer_t *peer) {
    const char *domain = request->domain;
    if (strcmp(request->mechanism, "CURVE") || !*request->key || !strcmp(request->key, guard->probe_public))
        return false;
    if (!mr_admitted_find(&guard->admitted, request->key, peer)) {
        tell(guard, "%s: its key is not among those in %s: refused (public key: %s)", request->address,
             guard->keys->dir, request->key);
        return false;
    }
    bool may = !strcmp(domain, MR_GUARD_ALL) || !strcmp(domain, peer->id) ||
               (!strcmp(domain, MR_GUARD_WORKERS) && is_role(peer, MR_ROLE_WORKER));
    if (!may)
        tell(guard, "%s: its key is %s, and not for this: refused (public key: %s)", request->address,
             is_role(peer, MR_ROLE_CLIENT) ? "a client's" : "another worker's", request->key);
    return may;
}

static void answer_zap(mr_guard_t *guard) {
    zmsg_t *message = zmsg_recv(guard->zap);
    zap_request_t request;
    mr_peer_t peer = {""};
    if (!message)
        return;
    if (read_request(&request, message)) {
        bool may = !strcmp(request.version, "1.0") && admit(guard, &request, &peer);
        zstr_sendx(guard->zap, "1.0", request.id, may ? "200" : "400", may ? "OK" : "not admitted", may ? peer.id : "",
                   "", NULL);
    }
    free_request(&request);
    zmsg_destroy(&message);
}

/* ---- what the sockets' monitors tell ---- */

static void name_peer(int fd, char name[64]) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *) &address, &size))
        return; /* it has gone already, and was most likely the one before, once more */
    if (address.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *) &address)->sin_addr, name, 64);
    else if (address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *) &address)->sin6_addr, name, 64);
    else
        snprintf(name, 64, "a process of this machine");
}

/* ZeroMQ accepts whoever comes. Its descriptor may have been closed since and be another connection's: that one connects again. */
static void take_accepted(mr_guard_t *guard, watch_t *watch, int fd) {
    name_peer(fd, watch->last);
    if (++watch->peers <= (int64_t) guard->most_peers)
        return;
    shutdown(fd, SHUT_RDWR);
    tell(guard, "%s: more than %u connections to %s: closed", watch->last, guard->most_peers, watch->name);
}

/* Somebody who only looks whether a port is open is no matter. */
static void take_early_end(mr_guard_t *guard, watch_t *watch) {
    int64_t now = mr_clock_ms();
    watch->early_ends = now - watch->early_ms < SAME_MS ? watch->early_ends + 1 : 1;
    watch->early_ms = now;
    if (watch->early_ends >= MANY_EARLY)
        tell(guard,
             "%s: again and again its handshake with %s ends early or takes too long: it has keys and this coordinator "
             "none, or the reverse, or it is not Millrace's",
             watch->last, watch->name);
}

static void take_failure(mr_guard_t *guard, watch_t *watch, const mr_monitored_t *event) {
    bool keyed = mr_keys_given(guard->keys);
    if (event->event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        take_early_end(guard, watch);
    else if (event->value != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        tell(guard, "%s: its handshake with %s cannot be read: %sit is not Millrace's; refused", watch->last,
             watch->name, keyed ? "it has another coordinator's public key, or " : "");
    else
        tell(guard,
             keyed
                 ? "%s: it has no keys, and this coordinator admits only who has: refused (give it --keys)"
                 : "%s: it has keys, and this coordinator has none: refused (start this with --keys, or that without)",
             watch->last);
}

static void read_monitor(mr_guard_t *guard, watch_t *watch) {
    mr_monitored_t event;
    while (watch->monitor && mr_monitor_next(watch->monitor, &event)) {
        if (event.event == ZMQ_EVENT_ACCEPTED) {
            take_accepted(guard, watch, (int) event.value);
        } else if (event.event == ZMQ_EVENT_DISCONNECTED) {
            watch->peers--;
        } else if (event.event == ZMQ_EVENT_MONITOR_STOPPED) {
            zmq_close(watch->monitor);
            watch->monitor = NULL;
        } else {
            take_failure(guard, watch, &event);
        }
    }
}

/* ---- the thread ---- */

static void take_watch(mr_guard_t *guard, zmsg_t *message) {
    char *name = zmsg_popstr(message);
    zframe_t *pointer = zmsg_pop(message);
    for (size_t i = 0; i < MOST_WATCHED; i++) {
        watch_t *watch = &guard->watches[i];
        if (watch->monitor)
            continue;
        *watch = (watch_t){.last = "someone"};
        memcpy(&watch->monitor, zframe_data(pointer), sizeof watch->monitor);
        snprintf(watch->name, sizeof watch->name, "%s", name);
        break;
    }
    zframe_destroy(&pointer);
    zstr_free(&name);
}

/* False: it is to end. */
static bool read_pipe(mr_guard_t *guard, zsock_t *pipe) {
    zmsg_t *message = zmsg_recv(pipe);
    char *command = message ? zmsg_popstr(message) : NULL;
    bool go_on = command && strcmp(command, "$TERM");
    if (go_on) {
        take_watch(guard, message);
        zsock_signal(pipe, 0);
    }
    zstr_free(&command);
    zmsg_destroy(&message);
    return go_on;
}

static zmq_pollitem_t item_of(void *socket) {
    return (zmq_pollitem_t){socket, -1, socket ? ZMQ_POLLIN : 0, 0};
}

static void guard_main(zsock_t *pipe, void *argument) {
    mr_guard_t *guard = argument;
    bool go_on = true;
    zsock_signal(pipe, 0);
    while (go_on) {
        zmq_pollitem_t items[2 + MOST_WATCHED] = {item_of(zsock_resolve(pipe)),
                                                  item_of(guard->zap ? zsock_resolve(guard->zap) : NULL)};
        for (size_t i = 0; i < MOST_WATCHED; i++)
            items[2 + i] = item_of(guard->watches[i].monitor);
        if (zmq_poll(items, 2 + MOST_WATCHED, -1) < 0 && zmq_errno() == ETERM)
            break;
        if (items[1].revents)
            answer_zap(guard);
        for (size_t i = 0; i < MOST_WATCHED; i++)
            read_monitor(guard, &guard->watches[i]);
        if (items[0].revents)
            go_on = read_pipe(guard, pipe);
    }
    for (size_t i = 0; i < MOST_WATCHED; i++)
        if (guard->watches[i].monitor)
            zmq_close(guard->watches[i].monitor);
}

/* ---- for the coordinator's thread ---- */

static int open_zap(mr_guard_t *guard, mr_error_t *error) {
    if (!mr_keys_given(guard->keys))
        return 0;
    mr_admitted_init(&guard->admitted, guard->keys->dir);
    if (zmq_curve_keypair(guard->probe_public, guard->probe_secret))
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a key: %s", zmq_strerror(zmq_errno()));
    guard->zap = zsock_new(ZMQ_REP);
    if (!guard->admitted.ids || !guard->zap)
        return mr_error_memory(error, "starting");
    zsock_set_linger(guard->zap, 0);
    if (zmq_bind(zsock_resolve(guard->zap), ZAP))
        return mr_error_set(error, MR_STATUS_JOB, "cannot take charge of keys: %s", zmq_strerror(zmq_errno()));
    return 0;
}

mr_guard_t *mr_guard_new(const mr_keys_t *keys, uint32_t most_peers, mr_error_t *error) {
    mr_guard_t *guard = calloc(1, sizeof *guard);
    if (!guard) {
        mr_error_memory(error, "starting");
        return NULL;
    }
    guard->keys = keys;
    guard->most_peers = most_peers;
    if (!open_zap(guard, error)) {
        guard->actor = zactor_new(guard_main, guard);
        if (guard->actor)
            return guard;
        mr_error_memory(error, "starting");
    }
    mr_guard_destroy(&guard);
    return NULL;
}

static int watch_socket(mr_guard_t *guard, zsock_t *socket, const char *name, mr_error_t *error) {
    void *monitor = mr_monitor_open(zsock_resolve(socket), WATCHED);
    zmsg_t *message = monitor ? zmsg_new() : NULL;
    if (!message || zmsg_addstr(message, "WATCH") || zmsg_addstr(message, name) ||
        zmsg_addmem(message, &monitor, sizeof monitor) || zmsg_send(&message, guard->actor))
        return mr_error_set(error, MR_STATUS_JOB, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    zsock_wait(guard->actor);
    return 0;
}

int mr_guard_protect(mr_guard_t *guard, zsock_t *socket, const mr_guarded_t *guarded, mr_error_t *error) {
    void *handle = zsock_resolve(socket);
    int64_t most = (int64_t) guarded->most_bytes;
    zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &most, sizeof most);
    zsock_set_handshake_ivl(socket, MR_GUARD_HANDSHAKE_MS);
    if (mr_keys_given(guard->keys)) {
        zsock_set_zap_domain(socket, *guarded->who ? guarded->who : MR_GUARD_WORKERS);
        zsock_set_curve_server(socket, 1);
        zsock_set_curve_publickey(socket, guard->keys->public_key);
        zsock_set_curve_secretkey(socket, guard->keys->secret_key);
    }
    return guarded->name ? watch_socket(guard, socket, guarded->name, error) : 0;
}

static int knock(const mr_guard_t *guard, zsock_t *socket, void *monitor, const char *endpoint, mr_error_t *error) {
    zmq_pollitem_t item = item_of(monitor);
    mr_monitored_t event = {0};
    int64_t deadline = mr_clock_ms() + PROBE_MS, left;
    zsock_set_curve_serverkey(socket, guard->keys->public_key);
    zsock_set_curve_publickey(socket, guard->probe_public);
    zsock_set_curve_secretkey(socket, guard->probe_secret);
    zsock_set_ipv6(socket, strchr(endpoint, '[') != NULL);
    if (zmq_connect(zsock_resolve(socket), endpoint))
        return mr_error_set(error, MR_STATUS_REFUSED, "%s: cannot be tried: %s", endpoint, zmq_strerror(zmq_errno()));
    while (event.event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED && event.event != ZMQ_EVENT_HANDSHAKE_FAILED_AUTH &&
           (left = deadline - mr_clock_ms()) > 0)
        if (zmq_poll(&item, 1, (long) left) > 0)
            mr_monitor_next(monitor, &event);
    if (event.event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return 0;
    return mr_error_set(
        error, MR_STATUS_REFUSED, "%s: a key that nobody knows %s; this coordinator does not start", endpoint,
        event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? "was let in" : "was not turned away as it should");
}

int mr_guard_probe(const mr_guard_t *guard, const char *endpoint, mr_error_t *error) {
    if (!mr_keys_given(guard->keys))
        return 0;
    zsock_t *socket = zsock_new(ZMQ_DEALER);
    void *monitor = socket ? mr_monitor_open(zsock_resolve(socket), MR_HANDSHAKE_EVENTS) : NULL;
    int failed = monitor ? knock(guard, socket, monitor, endpoint, error) : mr_error_memory(error, "starting");
    if (socket) {
        zsock_set_linger(socket, 0);
        zmq_socket_monitor(zsock_resolve(socket), NULL, 0);
    }
    if (monitor)
        zmq_close(monitor);
    zsock_destroy(&socket);
    return failed;
}

void mr_guard_close(zsock_t **socket) {
    if (*socket)
        zmq_socket_monitor(zsock_resolve(*socket), NULL, 0);
    zsock_destroy(socket);
}

void mr_guard_destroy(mr_guard_t **guard) {
    mr_guard_t *self = *guard;
    if (!self)
        return;
    zactor_destroy(&self->actor);
    zsock_destroy(&self->zap);
    mr_admitted_free(&self->admitted);
    explicit_bzero(self, sizeof *self);
    free(self);
    *guard = NULL;
}
