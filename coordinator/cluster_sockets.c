/* What the cluster listens on: a private ipc endpoint for the workers it starts, and the one it was asked to listen on for all others.
 * Both lead to the same two sockets. */
#include "cluster_private.h"

#define LINGER_MS 200 /* so that SHUTDOWN is heard */

static zsock_t *bind_socket(int type, const char *dir, const char *name, char endpoint[256], mr_error_t *error) {
    zsock_t *socket = zsock_new(type);
    if (!socket) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    mr_endpoint_set_socket(socket, LINGER_MS);
    snprintf(endpoint, 256, "ipc://%s/%s", dir, name);
    if (zsock_bind(socket, "%s", endpoint) < 0) {
        mr_error_set(error, MR_STATUS_JOB, "%s: cannot bind: %s", endpoint, zmq_strerror(zmq_errno()));
        zsock_destroy(&socket);
    }
    return socket;
}

/* Workers of other machines may not see the inputs. */
static int supply_inputs(mr_cluster_t *cluster, mr_error_t *error) {
    if (cluster->config.work->planned)
        return 0;
    zsock_t *socket = zsock_new(ZMQ_ROUTER);
    if (!socket)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_endpoint_set_socket(socket, 0);
    if (mr_endpoint_bind_inputs(&cluster->listen, socket, error)) {
        zsock_destroy(&socket);
        return -1;
    }
    cluster->supply = mr_supply_new(&cluster->config.work->inputs, cluster->epoch, socket, error);
    return cluster->supply ? 0 : -1;
}

static int listen_for_others(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    if (!config->listen)
        return 0;
    return mr_endpoint_parse(&cluster->listen, config->listen, config->lane_ports, error) ||
                   mr_endpoint_advertise(&cluster->listen, config->advertise, error) ||
                   mr_endpoint_bind(&cluster->listen, cluster->control, cluster->sink, error) ||
                   supply_inputs(cluster, error)
               ? -1
               : 0;
}

static int watch_all(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    zmq_pollitem_t guests = {NULL, cluster->guests.fd, ZMQ_POLLIN, 0};
    zmq_pollitem_t signals = {NULL, config->signals, ZMQ_POLLIN, 0};
    zmq_pollitem_t sink = {NULL, config->sink ? mr_sink_fd(config->sink) : -1, ZMQ_POLLIN, 0};
    zmq_pollitem_t journal = {NULL, config->journal ? mr_journal_event_fd(config->journal) : -1, ZMQ_POLLIN, 0};
    if (zloop_reader(cluster->loop, cluster->control, mr_cluster_on_control, cluster) ||
        zloop_reader(cluster->loop, cluster->sink, mr_cluster_on_sink, cluster) ||
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
    zsock_set_router_handover(cluster->control, 1); /* a worker that connects again is the same worker */
    return listen_for_others(cluster, error) || watch_all(cluster, error) ? -1 : 0;
}
