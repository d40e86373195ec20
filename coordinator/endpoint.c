#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MOST_PORT 65535u
#define BACKLOG 4096 /* workers that connect at once; one that finds no room waits a second before it tries again */
#define MOST_HOST 200

/* ---- reading ---- */

static int read_port(const char *text, uint32_t *port) {
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end || number < 1 || number > MOST_PORT)
        return -1;
    *port = (uint32_t) number;
    return 0;
}

static int read_lane_ports(mr_endpoint_t *endpoint, const char *text, mr_error_t *error) {
    char low[16] = "";
    const char *dash = text ? strchr(text, '-') : NULL;
    if (!text)
        return 0;
    if (dash && (size_t) (dash - text) < sizeof low)
        memcpy(low, text, (size_t) (dash - text));
    if (!dash || read_port(low, &endpoint->lane_low) || read_port(dash + 1, &endpoint->lane_high) ||
        endpoint->lane_low > endpoint->lane_high)
        return mr_error_set(error, MR_STATUS_USAGE, "--lane-ports: '%s' is not a range of ports such as 5600-5699",
                            text);
    return 0;
}

static int read_tcp(mr_endpoint_t *endpoint, const char *address) {
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t) (colon - address) : 0;
    if (!size || size >= sizeof endpoint->host)
        return -1;
    endpoint->tcp = true;
    memcpy(endpoint->host, address, size);
    endpoint->host[size] = 0;
    /* The sink and the inputs take the next ports. */
    return strcmp(colon + 1, "*") && (read_port(colon + 1, &endpoint->port) || endpoint->port + 2 > MOST_PORT) ? -1 : 0;
}

static int read_ipc(mr_endpoint_t *endpoint, const char *path) {
    if (!*path || strlen(path) + sizeof ".lane-4294967295" > sizeof endpoint->path)
        return -1;
    snprintf(endpoint->path, sizeof endpoint->path, "%s", path);
    return 0;
}

int mr_endpoint_parse(mr_endpoint_t *endpoint, const char *text, const char *lane_ports, mr_error_t *error) {
    *endpoint = (mr_endpoint_t){.lock = -1};
    int failed = !strncmp(text, "tcp://", 6)   ? read_tcp(endpoint, text + 6)
                 : !strncmp(text, "ipc://", 6) ? read_ipc(endpoint, text + 6)
                                               : -1;
    if (failed)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "--listen: '%s' is not an endpoint: tcp://HOST:PORT, tcp://HOST:* or ipc://PATH (short)",
                            text);
    return read_lane_ports(endpoint, lane_ports, error);
}

bool mr_endpoint_is_local(const mr_endpoint_t *endpoint) {
    const char *host = endpoint->host;
    return !endpoint->tcp || !strncmp(host, "127.", 4) || !strcmp(host, "localhost") || !strcmp(host, "[::1]") ||
           !strcmp(host, "lo");
}

int mr_endpoint_advertise(mr_endpoint_t *endpoint, const char *host, mr_error_t *error) {
    const char *colon = host ? strchr(host, ':') : NULL;
    bool bracketed = host && host[0] == '[' && host[strlen(host) - 1] == ']';
    if (host && (!*host || strlen(host) > MOST_HOST || strchr(host, '/') || (colon && !bracketed)))
        return mr_error_set(error, MR_STATUS_USAGE,
                            "--advertise: '%s' is not a host: a name, an address, or [an IPv6 address], without a port",
                            host);
    endpoint->advertise = host;
    return 0;
}

/* ---- binding ---- */

static int in_use(const char *where, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_USAGE,
                        "%s: another program listens there (a coordinator that still runs?); end it, or choose another "
                        "endpoint",
                        where);
}

static int bind_tcp(const mr_endpoint_t *endpoint, zsock_t *socket, uint32_t port, char bound[256], mr_error_t *error) {
    char where[256];
    zsock_set_ipv6(socket, endpoint->host[0] == '[');
    if (port)
        snprintf(where, sizeof where, "tcp://%s:%u", endpoint->host, port);
    else
        snprintf(where, sizeof where, "tcp://%s:*", endpoint->host);
    if (zmq_bind(zsock_resolve(socket), where)) {
        if (zmq_errno() == EADDRINUSE)
            return in_use(where, error);
        return mr_error_set(error, MR_STATUS_USAGE, "%s: cannot listen there: %s", where, zmq_strerror(zmq_errno()));
    }
    size_t size = 256;
    zmq_getsockopt(zsock_resolve(socket), ZMQ_LAST_ENDPOINT, bound, &size);
    return 0;
}

/* The port of a bound endpoint, at the host that a worker should ask: the one it knows, if this listens on all or by name. */
void mr_endpoint_for_workers(const char *advertise, char text[256]) {
    const char *colon = strrchr(text, ':');
    char port[16];
    snprintf(port, sizeof port, "%s", colon ? colon + 1 : "");
    if (!strncmp(text, "tcp://", 6))
        snprintf(text, 256, "tcp://%s:%s", advertise ? advertise : "*", port);
}

/* Whoever listens on all addresses listens on loopback. */
void mr_endpoint_from_here(const mr_endpoint_t *endpoint, char text[256]) {
    static const char *const all[] = {"tcp://0.0.0.0:", "tcp://[::]:", "tcp://*:"};
    const char *colon = strrchr(endpoint->control, ':');
    snprintf(text, 256, "%s", endpoint->control);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strncmp(endpoint->control, all[i], strlen(all[i])))
            snprintf(text, 256, "tcp://%s%s", i == 1 ? "[::1]" : "127.0.0.1", colon);
}

void mr_endpoint_set_socket(zsock_t *socket, int linger_ms) {
    zsock_set_sndhwm(socket, 0);
    zsock_set_linger(socket, linger_ms);
    zsock_set_backlog(socket, BACKLOG);
    zsock_set_tcp_keepalive(socket, 1);
    zsock_set_tcp_keepalive_idle(socket, 5);
    zsock_set_tcp_keepalive_intvl(socket, 2);
    zsock_set_tcp_keepalive_cnt(socket, 3);
}

static bool answers(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return answered;
}

static int lock_path(mr_endpoint_t *endpoint, mr_error_t *error) {
    char lock[128];
    snprintf(lock, sizeof lock, "%s.lock", endpoint->path);
    endpoint->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (endpoint->lock < 0)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: cannot make it: %s", lock, strerror(errno));
    if (flock(endpoint->lock, LOCK_EX | LOCK_NB) || answers(endpoint->path)) {
        close(endpoint->lock);
        endpoint->lock = -1;
        return in_use(endpoint->path, error);
    }
    return 0;
}

static int bind_ipc(zsock_t *socket, const char *path, const char *suffix, char bound[256], mr_error_t *error) {
    snprintf(bound, 256, "ipc://%s%s", path, suffix);
    if (zmq_bind(zsock_resolve(socket), bound))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: cannot listen there: %s", bound, zmq_strerror(zmq_errno()));
    return 0;
}

/* The host may be the name of an interface, which only ZeroMQ understands. */
static struct addrinfo *find_addresses(const mr_endpoint_t *endpoint, uint32_t port) {
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[sizeof endpoint->host], service[16];
    size_t bracket = endpoint->host[0] == '[';
    snprintf(host, sizeof host, "%s", endpoint->host + bracket);
    if (bracket)
        host[strcspn(host, "]")] = 0;
    snprintf(service, sizeof service, "%u", port);
    return getaddrinfo(strcmp(host, "*") ? host : NULL, service, &hints, &found) ? NULL : found;
}

bool mr_endpoint_port_is_free(const mr_endpoint_t *endpoint, uint32_t port) {
    struct addrinfo *addresses = find_addresses(endpoint, port);
    bool taken = false;
    int on = 1;
    for (const struct addrinfo *address = addresses; address && !taken; address = address->ai_next) {
        int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* as ZeroMQ does: what lingers is no listener */
        if (address->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        taken = bind(fd, address->ai_addr, address->ai_addrlen) && errno == EADDRINUSE;
        close(fd);
    }
    if (addresses)
        freeaddrinfo(addresses);
    return !taken;
}

int mr_endpoint_bind(mr_endpoint_t *endpoint, zsock_t *control, zsock_t *sink, mr_error_t *error) {
    if (!endpoint->tcp)
        return lock_path(endpoint, error) || bind_ipc(control, endpoint->path, "", endpoint->control, error) ||
                       (sink && bind_ipc(sink, endpoint->path, ".sink", endpoint->sink, error))
                   ? -1
                   : 0;
    if (bind_tcp(endpoint, control, endpoint->port, endpoint->control, error) ||
        (sink && bind_tcp(endpoint, sink, endpoint->port ? endpoint->port + 1 : 0, endpoint->sink, error)))
        return -1;
    mr_endpoint_for_workers(endpoint->advertise, endpoint->sink);
    return 0;
}

int mr_endpoint_bind_inputs(mr_endpoint_t *endpoint, zsock_t *socket, mr_error_t *error) {
    if (!endpoint->tcp)
        return bind_ipc(socket, endpoint->path, ".inputs", endpoint->inputs, error);
    if (bind_tcp(endpoint, socket, endpoint->port ? endpoint->port + 2 : 0, endpoint->inputs, error))
        return -1;
    mr_endpoint_for_workers(endpoint->advertise, endpoint->inputs);
    return 0;
}

/* Each port of the range is tried, from the one behind the last that was taken. */
static int bind_in_range(mr_endpoint_t *endpoint, zsock_t *lane, char text[256], mr_error_t *error) {
    uint32_t ports = endpoint->lane_high - endpoint->lane_low + 1;
    for (uint32_t i = 0; i < ports; i++) {
        mr_error_t taken = {0};
        uint32_t port = endpoint->lane_low + (uint32_t) (endpoint->lanes_bound++ % ports);
        if (!bind_tcp(endpoint, lane, port, text, &taken))
            return 0;
    }
    return mr_error_set(error, MR_STATUS_USAGE, "--lane-ports %u-%u: no port is free; a worker needs one each",
                        endpoint->lane_low, endpoint->lane_high);
}

int mr_endpoint_bind_lane(mr_endpoint_t *endpoint, zsock_t *lane, uint32_t worker, char text[256], mr_error_t *error) {
    char suffix[32];
    snprintf(suffix, sizeof suffix, ".lane-%u", worker);
    if (!endpoint->tcp)
        return bind_ipc(lane, endpoint->path, suffix, text, error);
    if (endpoint->lane_low ? bind_in_range(endpoint, lane, text, error) : bind_tcp(endpoint, lane, 0, text, error))
        return -1;
    mr_endpoint_for_workers(endpoint->advertise, text);
    return 0;
}

void mr_endpoint_close(mr_endpoint_t *endpoint) {
    if (endpoint->lock < 0)
        return;
    static const char *const suffixes[] = {"", ".sink", ".inputs", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", endpoint->path, suffixes[i]);
        unlink(path);
    }
    close(endpoint->lock);
    endpoint->lock = -1;
}
