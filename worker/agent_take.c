/* What comes in: one function a message. What names another epoch, or an older generation, is void. */
#include "agent_private.h"
#include "clock.h"
#include "log.h"
#include "timeline.h"

/* Gives the tasks of a discarded partial back: a HELD that was on its way meanwhile may have made them this worker's again. */
static int return_tasks(mr_agent_t *agent, const mr_partial_t *partial) {
    mr_attempts_t returned = {0};
    int failed = 0;
    for (size_t i = 0; i < partial->result_count; i++)
        failed |= mr_attempts_add(&returned, (mr_attempt_t){partial->results[i].task, partial->results[i].attempt});
    mr_agent_returned(agent, &returned);
    mr_attempts_free(&returned);
    return failed;
}

static int settle(mr_agent_t *agent, uint64_t id, bool discarded, mr_error_t *error) {
    mr_partial_t *partial = mr_shelf_settle(&agent->shelf, id);
    if (!partial)
        return 0;
    int failed = discarded && agent->generation ? return_tasks(agent, partial) : 0;
    for (size_t i = 0; i < partial->result_count; i++)
        mr_book_remove(&agent->book, (mr_attempt_t){partial->results[i].task, partial->results[i].attempt});
    mr_pool_release(agent->pool, partial->memory);
    mr_partial_destroy(&partial);
    return failed ? mr_error_memory(error, "giving tasks back") : 0;
}

int mr_agent_give_back(mr_agent_t *agent, mr_error_t *error) {
    mr_attempts_t returned = {0};
    if (!agent->draining)
        agent->drained_at = mr_clock_ms();
    agent->draining = true;
    int failed = agent->pool ? mr_pool_drain(agent->pool, &returned) : 0;
    mr_agent_returned(agent, &returned);
    mr_attempts_free(&returned);
    return failed ? mr_error_memory(error, "giving tasks back") : 0;
}

int mr_agent_refused(const mr_refused_message_t *refused, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_REFUSED,
                        "the coordinator (version %s, protocol %u) refused this worker (version %s, protocol %u): %s",
                        refused->version, refused->protocol, MILLRACE_VERSION, MR_PROTOCOL,
                        *refused->reason ? refused->reason : "install the same version of Millrace on both");
}

static int take_grant(mr_agent_t *agent, mr_error_t *error) {
    mr_shelf_grant(&agent->shelf);
    return mr_agent_post(agent, error);
}

static void take_flush(mr_agent_t *agent, const mr_flush_message_t *flush) {
    if (agent->pool && flush->generation == agent->generation)
        mr_pool_flush(agent->pool, flush->sent);
}

/* Messages that belong to the membership this worker has. */
static int take_of_epoch(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    if (!agent->attached || message->alive.epoch != mr_agent_epoch(agent))
        return 0; /* of another coordinator's life */
    switch (message->type) {
    case MR_JOB:
        return mr_agent_take_job(agent, message, error);
    case MR_FLUSH:
        take_flush(agent, &message->flush);
        return 0;
    case MR_GRANT:
        return take_grant(agent, error);
    case MR_COMMITTED:
    case MR_DISCARD:
        return settle(agent, message->committed.partial, message->type == MR_DISCARD, error);
    case MR_ACCOUNT:
        agent->owes_held = agent->pool != NULL;
        agent->broken |= message->account.resend ? MR_LINK_ALL : 0;
        return 0;
    case MR_DRAIN:
        agent->told_to_leave |= agent->config->once; /* else the coordinator goes, not this worker */
        return mr_agent_give_back(agent, error);
    default:
        return 0;
    }
}

static int take_shutdown(mr_agent_t *agent, const mr_shutdown_message_t *shutdown, mr_error_t *error) {
    mr_timeline("told to end");
    if (shutdown->again == MR_SHUTDOWN_UNSOUND)
        return mr_error_set(error, MR_STATUS_JOB, "the coordinator has sent this worker away: %s", shutdown->reason);
    mr_log(MR_LOG_INFO, "shutdown: %s", shutdown->reason);
    agent->over = true;
    agent->again = shutdown->again == MR_SHUTDOWN_AGAIN && !agent->config->once && !agent->told_to_leave;
    return 0;
}

static void take_unknown(mr_agent_t *agent, const mr_unknown_message_t *unknown) {
    if (agent->attached && unknown->epoch == mr_agent_epoch(agent) && unknown->worker == mr_agent_worker(agent))
        mr_agent_detach(agent, agent->heard_at);
}

static int take_control(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    agent->heard_at = mr_clock_ms();
    switch (message->type) {
    case MR_WELCOME:
        return mr_agent_welcome(agent, message, error);
    case MR_REFUSED:
        return mr_agent_refused(&message->refused, error);
    case MR_SHUTDOWN:
        return take_shutdown(agent, &message->shutdown, error);
    case MR_PLACE:
        return mr_agent_enter_lobby(agent, &message->place, error);
    case MR_UNKNOWN:
        take_unknown(agent, &message->unknown);
        return 0;
    default:
        return take_of_epoch(agent, message, error);
    }
}

/* Every message counts for a worker: without one, it might wait for ever for what it will not hear again. */
static int unreadable(const mr_agent_t *agent, mr_error_t *error) {
    return agent->attached ? mr_error_set(error, MR_STATUS_JOB, "a message of the coordinator cannot be read") : 0;
}

int mr_agent_read_control(mr_agent_t *agent, mr_error_t *error) {
    mr_message_t message;
    int got, failed = 0;
    while (!failed && !agent->over && agent->link.sockets[MR_LINK_CONTROL] &&
           (got = mr_link_receive(&agent->link, MR_LINK_CONTROL, &message)) != 0) {
        if (got < 0) {
            failed = unreadable(agent, error);
            continue;
        }
        failed = take_control(agent, &message, error);
        mr_message_clear(&message);
    }
    return failed;
}

static int take_tasks(mr_agent_t *agent, mr_message_t *message, mr_error_t *error) {
    const mr_tasks_message_t *tasks = &message->tasks;
    if (message->type != MR_TASKS || tasks->epoch != mr_agent_epoch(agent) || tasks->generation != agent->generation ||
        agent->owes_held)
        return 0;
    for (size_t i = 0; i < tasks->specs_count; i++)
        if (mr_book_add(&agent->book, (mr_attempt_t){tasks->specs[i].task, tasks->specs[i].attempt}))
            return mr_error_memory(error, "taking tasks");
    return mr_pool_give(agent->pool, message) ? mr_error_memory(error, "taking tasks") : 0;
}

int mr_agent_read_lane(mr_agent_t *agent, mr_error_t *error) {
    mr_message_t message;
    int got, failed = 0;
    while (!failed && (got = mr_link_receive(&agent->link, MR_LINK_LANE, &message)) != 0) {
        if (got < 0) {
            failed = unreadable(agent, error);
            continue;
        }
        failed = take_tasks(agent, &message, error);
        mr_message_clear(&message);
    }
    return failed || !agent->draining ? failed : mr_agent_give_back(agent, error);
}
