#include "descriptors.h"

#include <czmq.h>
#include <sys/resource.h>

#define OF_PROCESS 32u /* standard streams, signals, poller, control, sink, inputs, output, spilled runs */
#define OF_WORKER 7u /* its lane's socket, listener and connection, its control and sink connections, one for inputs */
#define OF_THREAD 2u /* in the worker process: an input, a spilled run */
#define USUAL_SOCKETS 1023u
#define MOST_SOCKETS 65535u /* that ZeroMQ can have */
#define MOST_WORKERS 10000u

static rlim_t needed_for(uint32_t workers, uint32_t threads) {
    return OF_PROCESS + OF_WORKER * (rlim_t) workers + OF_THREAD * (rlim_t) threads;
}

static int raise_to(rlim_t needed, struct rlimit *limit) {
    if (limit->rlim_cur >= needed)
        return 0;
    limit->rlim_cur = needed;
    return needed > limit->rlim_max ? -1 : setrlimit(RLIMIT_NOFILE, limit);
}

static void allow_sockets(uint32_t workers) {
    uint32_t sockets = workers + OF_PROCESS;
    if (sockets > USUAL_SOCKETS)
        zsys_set_max_sockets(sockets < MOST_SOCKETS ? sockets : MOST_SOCKETS);
}

int mr_descriptors_reserve(uint32_t workers, uint32_t threads, mr_error_t *error) {
    rlim_t needed = needed_for(workers, threads);
    struct rlimit limit;
    allow_sockets(workers);
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return mr_error_set(error, MR_STATUS_JOB, "cannot tell the limit of open files: %s", strerror(errno));
    if (raise_to(needed, &limit))
        return mr_error_set(
            error, MR_STATUS_USAGE,
            "%u workers and %u threads need %llu open files, and the limit is %llu (raise it with ulimit "
            "-n, or choose fewer)",
            workers, threads, (unsigned long long) needed, (unsigned long long) limit.rlim_max);
    return 0;
}

uint32_t mr_descriptors_most_workers(uint32_t threads) {
    struct rlimit limit;
    uint32_t workers = MOST_WORKERS;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 1;
    if (limit.rlim_max < needed_for(workers, threads))
        workers = (uint32_t) ((limit.rlim_max - OF_PROCESS - OF_THREAD * (rlim_t) threads) / OF_WORKER);
    raise_to(needed_for(workers, threads), &limit);
    allow_sockets(workers);
    return workers;
}
