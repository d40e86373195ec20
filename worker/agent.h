/* agent.h - the worker's side of the protocol: one thread that owns the sockets, and a life told in docs/protocol.md.
 *
 * It says HELLO until it is welcomed, sets the pool to work on the JOB, passes tasks in and results out, and never computes: a heartbeat
 * is never late because of a kernel. It ends on SHUTDOWN, after a drain (SIGTERM or DRAIN), when it is refused, or when the
 * coordinator has been silent for three leases. When it cannot go on itself (no memory, a message lost), it leaves rather than keep
 * tasks that it will never speak of again. */
#ifndef MR_AGENT_H
#define MR_AGENT_H

#include "error.h"

typedef struct mr_agent_config {
    const char *connect; /* the coordinator's control endpoint */
    uint32_t threads;
    const char *tmp_dir; /* for runs that outgrow memory */
} mr_agent_config_t;

/* Works until the end. Returns 0 after SHUTDOWN or a drain; else -1 and `error` (status REFUSED: version; NO_WORKERS:
 * the coordinator is silent; JOB, STORAGE: the worker itself cannot go on). */
int mr_agent_run(const mr_agent_config_t *config, mr_error_t *error);

#endif
