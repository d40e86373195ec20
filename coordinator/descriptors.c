#include "descriptors.h"

#include <czmq.h>
#include <sys/resource.h>

#define OF_PROCESS 32u /* standard streams, signals, poller, control, sink, inputs, output, spilled runs */
#define OF_WORKER 6u   /* measured: 5; its lane's socket, listener and connection, its control and sink connections */
#define OF_THREAD 2u   /* in the worker process: an input, a spilled run */
#define USUAL_SOCKETS 1023u

int mr_descriptors_reserve(uint32_t workers, uint32_t threads, mr_error_t *error) {
    rlim_t needed = OF_PROCESS + OF_WORKER * (rlim_t) workers + OF_THREAD * (rlim_t) threads;
    struct rlimit limit;
    if (workers + OF_PROCESS > USUAL_SOCKETS)
        zsys_set_max_sockets(workers + OF_PROCESS);
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return mr_error_set(error, MR_STATUS_JOB, "cannot tell the limit of open files: %s", strerror(errno));
    if (limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = needed;
    if (needed > limit.rlim_max || setrlimit(RLIMIT_NOFILE, &limit))
        return mr_error_set(
            error, MR_STATUS_USAGE,
            "%u workers and %u threads need %llu open files, and the limit is %llu (raise it with ulimit "
            "-n, or choose fewer)",
            workers, threads, (unsigned long long) needed, (unsigned long long) limit.rlim_max);
    return 0;
}
