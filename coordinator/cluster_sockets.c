/* What the cluster listens on: a private ipc endpoint for the workers it starts, and the one it was asked to listen on for all others.
 * Each has sockets of its own: keys belong to a socket, and workers in a private directory need none. */
#include "cluster_private.h"
#include "log.h"
#include "units.h"

#define LINGER_MS 200  /* so that SHUTDOWN is heard */
#define SPARE_PEERS 16 /* connections beyond the workers': old ones that are not known to be dead yet */
#define LEAST_RUN_LIMIT ((uint64_t) 1 << 30)

static zsock_t *make_socket(int type, mr_error_t *error) {
    zsock_t *socket = zsock_new(type);
    if (!socket) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    mr_endpoint_set_socket(socket, LINGER_MS);
    if (type == ZMQ_ROUTER)
        zsock_set_router_handover(socket, 1); /* a worker that connects again is the same worker */
    return socket;
}

static zsock_t *bind_socket(int type, const char *dir, const char *name, char endpoint[256], mr_error_t *error) {
    zsock_t *socket = make_socket(type, error);
    snprintf(endpoint, 256, "ipc://%s/%s", dir, name);
    if (socket && zsock_bind(socket, "%s", endpoint) < 0) {
        mr_error_set(error, MR_STATUS_JOB, "%s: cannot bind: %s", endpoint, zmq_strerror(zmq_errno()));
        zsock_destroy(&socket);
    }
    return socket;
}

/* ---- for others ---- */

/* A run is part of what a worker's share of memory holds, and of its longest record; what is more than twice that is no run of ours. */
static uint64_t most_run(const mr_cluster_config_t *config) {
    uint64_t most = 2 * (config->worker_memory + config->max_record);
    return most < LEAST_RUN_LIMIT ? LEAST_RUN_LIMIT : most;
}

static int make_far_sockets(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    mr_guarded_t control = {"control", MR_GUARD_WORKERS, MR_WIRE_MAX_HEADER};
    mr_guarded_t sink = {"sink", MR_GUARD_WORKERS, most_run(config)};
    cluster->guard = mr_guard_new(config->keys, config->most_workers + config->most_workers / 4 + SPARE_PEERS, error);
    cluster->far_control = cluster->guard ? make_socket(ZMQ_ROUTER, error) : NULL;
    cluster->far_sink = cluster->far_control ? make_socket(ZMQ_PULL, error) : NULL;
    return !cluster->far_sink || mr_guard_protect(cluster->guard, cluster->far_control, &control, error) ||
                   mr_guard_protect(cluster->guard, cluster->far_sink, &sink, error)
               ? -1
               : 0;
}

/* Workers of other machines may not see the inputs. */
static int supply_inputs(mr_cluster_t *cluster, mr_error_t *error) {
    mr_guarded_t inputs = {NULL, MR_GUARD_WORKERS, MR_WIRE_INLINE_RUN};
    if (cluster->config.work->planned)
        return 0;
    zsock_t *socket = zsock_new(ZMQ_ROUTER);
    if (!socket)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_endpoint_set_socket(socket, 0);
    if (mr_guard_protect(cluster->guard, socket, &inputs, error) ||
        mr_endpoint_bind_inputs(&cluster->listen, socket, error)) {
        zsock_destroy(&socket);
        return -1;
    }
    cluster->supply = mr_supply_new(&cluster->config.work->inputs, cluster->epoch, socket, error);
    return cluster->supply ? 0 : -1;
}

static int listen_for_others(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    char here[256];
    if (!config->listen)
        return 0;
    if (mr_endpoint_parse(&cluster->listen, config->listen, config->lane_ports, error) ||
        mr_endpoint_advertise(&cluster->listen, config->advertise, error) || make_far_sockets(cluster, error) ||
        mr_endpoint_bind(&cluster->listen, cluster->far_control, cluster->far_sink, error))
        return -1;
    mr_endpoint_from_here(&cluster->listen, here);
    return mr_guard_probe(cluster->guard, here, error) || supply_inputs(cluster, error) ? -1 : 0;
}

/* ---- all ---- */

static int watch_all(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    zmq_pollitem_t guests = {NULL, cluster->guests.fd, ZMQ_POLLIN, 0};
    zmq_pollitem_t signals = {NULL, config->signals, ZMQ_POLLIN, 0};
    zmq_pollitem_t sink = {NULL, config->sink ? mr_sink_fd(config->sink) : -1, ZMQ_POLLIN, 0};
    zmq_pollitem_t journal = {NULL, config->journal ? mr_journal_event_fd(config->journal) : -1, ZMQ_POLLIN, 0};
    if (zloop_reader(cluster->loop, cluster->control, mr_cluster_on_control, cluster) ||
        zloop_reader(cluster->loop, cluster->sink, mr_cluster_on_sink, cluster) ||
        (cluster->far_control && (zloop_reader(cluster->loop, cluster->far_control, mr_cluster_on_control, cluster) ||
                                  zloop_reader(cluster->loop, cluster->far_sink, mr_cluster_on_sink, cluster))) ||
        zloop_poller(cluster->loop, &guests, mr_cluster_on_guests, cluster) ||
        zloop_poller(cluster->loop, &signals, mr_cluster_on_signal, cluster) ||
        (config->sink && zloop_poller(cluster->loop, &sink, mr_cluster_on_sink_event, cluster)) ||
        (config->journal && zloop_poller(cluster->loop, &journal, mr_cluster_on_journal, cluster)) ||
        zloop_timer(cluster->loop, MR_CLUSTER_TICK_MS, 0, mr_cluster_on_tick, cluster) < 0)
        return mr_error_memory(error, "starting the loop");
    return 0;
}

int mr_cluster_open_sockets(mr_cluster_t *cluster, mr_error_t *error) {
    const char *dir = cluster->config.dir;
    cluster->loop = zloop_new();
    if (!cluster->loop)
        return mr_error_memory(error, "starting the loop");
    if (mr_guests_open(&cluster->guests))
        return mr_error_set(error, MR_STATUS_JOB, "cannot make an epoll descriptor: %s (raise ulimit -n)",
                            strerror(errno));
    cluster->control = bind_socket(ZMQ_ROUTER, dir, "control", cluster->control_endpoint, error);
    cluster->sink = cluster->control ? bind_socket(ZMQ_PULL, dir, "sink", cluster->sink_endpoint, error) : NULL;
    if (!cluster->sink)
        return -1;
    return listen_for_others(cluster, error) || watch_all(cluster, error) ? -1 : 0;
}

static void tell_supplied(const mr_cluster_t *cluster) {
    char text[32];
    if (!cluster->supply || !mr_supply_bytes(cluster->supply))
        return;
    mr_format_size(text, (double) mr_supply_bytes(cluster->supply));
    mr_log(MR_LOG_INFO, "%s of inputs were sent to workers that do not see them", text);
}

void mr_cluster_close_sockets(mr_cluster_t *cluster) {
    tell_supplied(cluster);
    mr_supply_destroy(&cluster->supply);
    zsock_destroy(&cluster->control);
    zsock_destroy(&cluster->sink);
    mr_guard_close(&cluster->far_control);
    mr_guard_close(&cluster->far_sink);
    mr_guard_destroy(&cluster->guard);
}
