/* How a worker leaves: a drain, and a task that takes longer than it may.
 *
 * A drain takes less than 5 s, whatever runs. What is running has most of that to end by itself; then it is given up, at the end of a
 * block, and handed back uncounted; a thread that does not get there is abandoned, and BYE makes the coordinator queue again what it had. A
 * task past --task-timeout cannot be ended without its process: it is reported as failed, its thread is abandoned at once, and the rest is
 * a drain, after which the process is replaced: by its parent, or else by itself. */
#include <sys/signalfd.h>

#include "agent_private.h"
#include "clock.h"

/* Since the drain began (ms). */
#define GIVE_UP_MS 3500
#define ABANDON_MS 3700
#define LEAVE_MS 3900 /* and as much again for BYE as agent_send.c allows: 5 s are not reached */

int mr_agent_read_signals(mr_agent_t *agent, mr_error_t *error) {
    struct signalfd_siginfo info;
    int failed = 0;
    while (read(agent->signals, &info, sizeof info) == sizeof info) {
        agent->told_to_leave = true;
        failed = mr_agent_give_back(agent, error);
    }
    return failed;
}

int mr_agent_check_tasks(mr_agent_t *agent, int64_t now, mr_error_t *error) {
    mr_attempt_t attempt;
    mr_error_t overdue = {0};
    while (agent->pool && mr_pool_overdue(agent->pool, now, &attempt, &overdue)) {
        mr_outbox_failed(&agent->outbox, attempt, true, &overdue);
        if (mr_agent_post(agent, error) || mr_agent_give_back(agent, error))
            return -1;
        overdue = (mr_error_t){0};
    }
    return 0;
}

static void press(mr_agent_t *agent, int64_t since) {
    if (since >= GIVE_UP_MS && !agent->given_up) {
        agent->given_up = true;
        mr_pool_give_up(agent->pool);
    }
    if (since >= ABANDON_MS)
        mr_pool_abandon(agent->pool);
}

/* All that was running is flushed, sent and answered. What an idle pool has put into the outbox since it was last emptied is
 * still to be sent. Without a coordinator there is nobody to send it to. */
static int is_drained(mr_agent_t *agent, bool *drained, mr_error_t *error) {
    *drained = false;
    if (agent->attached && agent->pool && !mr_pool_idle(agent->pool))
        return 0;
    if (mr_agent_post(agent, error))
        return -1;
    *drained = !agent->attached || mr_shelf_empty(&agent->shelf);
    return 0;
}

int mr_agent_end_drain(mr_agent_t *agent, int64_t now, mr_error_t *error) {
    bool drained;
    if (!agent->draining || agent->over)
        return 0;
    if (agent->pool)
        press(agent, now - agent->drained_at);
    if (is_drained(agent, &drained, error))
        return -1;
    if (!drained && now - agent->drained_at < LEAVE_MS)
        return 0;
    mr_agent_bye(agent, "drained");
    agent->over = true;
    agent->again = !agent->told_to_leave && (!agent->config->owned || agent->lobby.socket);
    return 0;
}
