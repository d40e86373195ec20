#include "route.h"

#include <stdio.h>
#include <zmq.h>

void mr_route_init(mr_route_t *route) {
    *route = (mr_route_t){0};
    pthread_mutex_init(&route->lock, NULL);
}

void mr_route_close(mr_route_t *route) {
    if (route->context)
        zmq_ctx_term(route->context);
    route->context = NULL;
    pthread_mutex_destroy(&route->lock);
}

void mr_route_set(mr_route_t *route, const char *endpoint, uint64_t epoch, uint32_t lease_ms) {
    pthread_mutex_lock(&route->lock);
    snprintf(route->where.endpoint, sizeof route->where.endpoint, "%s", endpoint);
    route->where.epoch = epoch;
    route->where.lease_ms = lease_ms;
    route->where.version++;
    pthread_mutex_unlock(&route->lock);
}

bool mr_route_look(mr_route_t *route, mr_where_t *where) {
    pthread_mutex_lock(&route->lock);
    bool other = where->version != route->where.version;
    if (other)
        *where = route->where;
    pthread_mutex_unlock(&route->lock);
    return other;
}

void *mr_route_context(mr_route_t *route) {
    pthread_mutex_lock(&route->lock);
    if (!route->context)
        route->context = zmq_ctx_new();
    void *context = route->context;
    pthread_mutex_unlock(&route->lock);
    return context;
}
