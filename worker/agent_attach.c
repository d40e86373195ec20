/* From one coordinator's life to the next: WELCOME, JOB, and silence.
 *
 * A worker that is welcomed to the job it has goes on with what it holds, under its new number; one that is welcomed to another job
 * gives its place to a new process, as nothing of what it holds is of use. */
#include "agent_private.h"
#include "clock.h"
#include "log.h"

#define SILENT_LEASES 3 /* a coordinator silent for so many leases is gone */

void mr_agent_detach(mr_agent_t *agent, int64_t now) {
    agent->attached = false;
    agent->alone_since = now;
    agent->beat_at = now;
    agent->hellos = 0;
}

static bool same_membership(const mr_agent_t *agent, const mr_welcome_message_t *welcome) {
    return agent->welcome.type && mr_agent_epoch(agent) == welcome->epoch && mr_agent_worker(agent) == welcome->worker;
}

static void set_route(mr_agent_t *agent) {
    char text[512];
    const mr_welcome_message_t *welcome = &agent->welcome.welcome;
    const char *endpoint = mr_link_reachable(agent->link.connect, welcome->inputs, text, sizeof text);
    mr_route_set(&agent->sight.route, endpoint, welcome->epoch, welcome->lease_ms);
}

/* What was folded under the old number may turn out to be void; what is folded from now on is kept apart from it. */
static int move_on(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    mr_message_clear(&agent->welcome);
    agent->welcome = *message;
    message->zone = NULL;
    agent->generation = 0;
    if (agent->pool) {
        mr_pool_cut(agent->pool);
        agent->owes_held = true;
    }
    set_route(agent);
    return mr_link_welcome(&agent->link, &agent->welcome.welcome, error);
}

int mr_agent_welcome(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    const mr_welcome_message_t *welcome = &message->welcome;
    if (agent->attached)
        return 0; /* the answer to a HELLO that was sent twice */
    if (agent->job.type && agent->job_id != welcome->job_id) {
        agent->over = agent->again = true;
        return 0;
    }
    if (agent->job.type)
        mr_log(MR_LOG_INFO, "the coordinator is back; going on with what is here");
    agent->attached = true;
    agent->beat_at = mr_clock_ms() + welcome->heartbeat_ms;
    agent->broken = agent->pool ? MR_LINK_ALL : 0;
    if (!same_membership(agent, welcome))
        return move_on(agent, message, error);
    agent->owes_held = agent->pool != NULL;
    return 0;
}

int mr_agent_take_job(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    if (agent->job.type)
        return 0;
    agent->job = *message;
    message->zone = NULL;
    agent->job_id = agent->welcome.welcome.job_id;
    if (mr_configure(&agent->configured, &agent->job.job, error))
        return -1;
    agent->shop.job = agent->configured.job;
    agent->shop.state = agent->configured.state;
    agent->shop.limits = &agent->job.job;
    agent->shop.tmp_dir = agent->config->tmp_dir;
    agent->shop.outbox = &agent->outbox;
    agent->shop.sight = &agent->sight;
    agent->shop.program = "/proc/self/exe";
    agent->pool = mr_pool_new(&agent->shop, agent->config->threads, error);
    return agent->pool ? 0 : -1;
}

static int check_patience(const mr_agent_t *agent, int64_t now, mr_error_t *error) {
    int64_t alone = now - agent->alone_since, silence = mr_agent_lobby_silence(agent, now);
    alone = alone < silence ? alone : silence;
    if (!agent->config->idle_timeout_ms || alone < agent->config->idle_timeout_ms)
        return 0;
    return mr_error_set(error, MR_STATUS_NO_WORKERS, "%s: no coordinator for %lld s; giving up (--idle-timeout)",
                        agent->config->connect, (long long) alone / 1000);
}

int mr_agent_check_silence(mr_agent_t *agent, int64_t now, mr_error_t *error) {
    int64_t patience = SILENT_LEASES * (int64_t) agent->welcome.welcome.lease_ms;
    if (!agent->attached)
        return check_patience(agent, now, error);
    if (now - agent->heard_at < patience)
        return 0;
    mr_log(MR_LOG_WARNING, "%s: the coordinator has been silent for %.1f s; looking for it", agent->config->connect,
           (double) (now - agent->heard_at) / 1000);
    mr_agent_detach(agent, now);
    return 0;
}
