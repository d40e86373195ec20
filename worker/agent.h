/* agent.h - the worker's side of the protocol: one thread that owns the sockets, and a life told in docs/protocol.md.
 *
 * It says HELLO until it is welcomed, sets the pool to work on the JOB, passes tasks in and results out, and never computes: a heartbeat
 * is never late because of a kernel. When connections break or the coordinator goes, it keeps what it holds, computes on, and tells by HELD
 * what it has when there is a coordinator again. It ends on SHUTDOWN, after a drain (SIGTERM or DRAIN), when it is refused, or when there
 * was no coordinator for the idle timeout. When it cannot go on itself (no memory), it leaves rather than keep tasks that it
 * will never speak of again. */
#ifndef MR_AGENT_H
#define MR_AGENT_H

#include <stdbool.h>

#include "input/root.h"
#include "link.h"

typedef struct mr_agent_config {
    const char *connect;   /* the coordinator's control endpoint */
    const mr_keys_t *keys; /* the worker's; NULL, or none given: it has none */
    uint32_t threads;
    const char *tmp_dir;                /* for runs that outgrow memory */
    const mr_root_t *root;              /* inputs are opened beneath it only; without a path: anywhere */
    int64_t idle_timeout_ms;            /* without a coordinator for so long, it ends; 0: it waits for ever */
    bool once;                          /* it ends with its first job */
    bool owned;                         /* its parent starts another when it ends */
    uint8_t identity[MR_LINK_IDENTITY]; /* by which coordinators know it */
} mr_agent_config_t;

/* What mr_agent_run returns. */
#define MR_AGENT_ANEW 1 /* the process is to be executed anew, to wait for another job; threads of this one still run */
#define MR_AGENT_SAME 2 /* the same, and under the same identity: a coordinator that stays knows it by that */

/* Works until the end. Returns 0 after SHUTDOWN or a drain; one of the above; else -1 and `error` (status REFUSED: version, keys; NO_WORKERS:
 * no coordinator; JOB, STORAGE: the worker itself cannot go on). */
int mr_agent_run(const mr_agent_config_t *config, mr_error_t *error);

#endif
