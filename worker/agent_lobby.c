/* A coordinator that stays: the worker says HELLO to it for life, and works where PLACE says.
 *
 * The connection by which a HELLO was first answered by PLACE is kept as the lobby; the link is then to the coordinator of a job. When PLACE names
 * another job than the one that this worker has something of, it hands in what it can, and a new process takes its place, which the lobby knows as
 * the same worker. When the lobby is silent, the worker goes on with its job. */
#include "agent_private.h"
#include "clock.h"
#include "log.h"

#define HELLO_MS 2000
#define HELLOS_TOLD 5     /* so many without an answer are spoken of */
#define CONNECTING_MS 500 /* a connection that is not up after so long is made anew */
#define FAREWELL_MS 500   /* for BYE to get out */

/* ---- what goes out ---- */

static void tell_findings(mr_agent_t *agent) {
    mr_checkup_t *checkup = agent->checkup;
    if (!checkup || !atomic_load(&checkup->done))
        return;
    mr_checked_message_t checked = {agent->checkup_ask, checkup->findings.size ? checkup->findings.data : ""};
    mr_link_send(&agent->link, agent->lobby.socket, &(mr_message_t){.type = MR_CHECKED, .checked = checked});
    mr_checkup_end(&agent->checkup);
}

void mr_agent_beat_lobby(mr_agent_t *agent, int64_t now) {
    mr_lobby_t *lobby = &agent->lobby;
    if (lobby->socket)
        tell_findings(agent);
    if (!lobby->socket || now < lobby->hello_at)
        return;
    if (lobby->hellos && lobby->hellos % HELLOS_TOLD == 0) /* as in agent_send.c */
        mr_link_redial(lobby->socket, agent->config->connect);
    if (lobby->hellos++ && lobby->hellos % HELLOS_TOLD == 1)
        mr_log(MR_LOG_WARNING, "%s: the coordinator has not answered for %lld s; still trying%s",
               agent->config->connect, (long long) (now - lobby->asked_at) / 1000,
               agent->attached ? ", and working meanwhile" : "");
    lobby->asked_at = lobby->asked_at ? lobby->asked_at : now;
    lobby->hello_at = now + HELLO_MS;
    mr_message_t hello = mr_agent_hello(agent, agent->config->connect);
    mr_link_send(&agent->link, lobby->socket, &hello);
}

void mr_agent_bye_lobby(mr_agent_t *agent, const char *reason) {
    if (!agent->lobby.socket)
        return;
    mr_link_send(&agent->link, agent->lobby.socket, &(mr_message_t){.type = MR_BYE, .bye = {0, 0, reason}});
    zsock_set_linger(agent->lobby.socket, FAREWELL_MS);
}

/* ---- PLACE ---- */

/* What it holds is of use to its job only as long as that has a coordinator to hand it in to. */
static int leave_job(mr_agent_t *agent, mr_error_t *error) {
    mr_log(MR_LOG_INFO, "job %llu: no more to do there", (unsigned long long) agent->job_number);
    agent->told_to_leave |= agent->config->once;
    if (agent->attached && agent->link.up & MR_LINK_BIT(MR_LINK_CONTROL))
        return mr_agent_give_back(agent, error);
    agent->over = true;
    agent->again = !agent->told_to_leave;
    return 0;
}

/* What is there of the same job's lane and sink stays until WELCOME says that they are others. */
static int join_job(mr_agent_t *agent, bool other, int64_t now, mr_error_t *error) {
    if (other)
        mr_link_drop(&agent->link);
    mr_agent_detach(agent, now);
    agent->joined_at = now;
    if (!agent->job_number || !*agent->lobby.endpoint)
        return 0;
    mr_log(MR_LOG_INFO, "job %llu: its coordinator is at %s", (unsigned long long) agent->job_number,
           agent->lobby.endpoint);
    return mr_link_open(&agent->link, agent->lobby.endpoint, error);
}

/* Also when its coordinator was started anew: at the same endpoint the link would find it by itself, but perhaps seconds later. */
static bool must_join(const mr_agent_t *agent, int64_t now) {
    const mr_lobby_t *lobby = &agent->lobby;
    if (!*lobby->endpoint)
        return false;
    return strcmp(lobby->endpoint, agent->link.connect) ||
           (!(agent->link.up & MR_LINK_BIT(MR_LINK_CONTROL)) && now - agent->joined_at >= CONNECTING_MS);
}

static int follow(mr_agent_t *agent, mr_error_t *error) {
    int64_t now = mr_clock_ms();
    bool other = agent->lobby.job != agent->job_number;
    if (agent->draining || agent->over)
        return 0;
    if (other && agent->pool)
        return leave_job(agent, error);
    if (!other && !must_join(agent, now))
        return 0;
    agent->job_number = agent->lobby.job;
    return join_job(agent, other, now, error);
}

static int take_place(mr_agent_t *agent, const mr_place_message_t *place, mr_error_t *error) {
    char text[512];
    mr_lobby_t *lobby = &agent->lobby;
    lobby->hellos = 0;
    lobby->asked_at = 0;
    lobby->job = place->job;
    snprintf(lobby->endpoint, sizeof lobby->endpoint, "%s",
             mr_link_reachable(agent->config->connect, place->endpoint, text, sizeof text));
    return follow(agent, error);
}

/* One at a time: a disk that does not answer would take a thread each. */
static void take_check(mr_agent_t *agent, mr_message_t *message) {
    if (agent->checkup)
        return;
    agent->checkup_ask = message->check.ask;
    agent->checkup = mr_checkup_begin(message, agent->config->connect, agent->config->tmp_dir, agent->outbox.fd);
}

int mr_agent_enter_lobby(mr_agent_t *agent, const mr_place_message_t *place, mr_error_t *error) {
    if (agent->lobby.socket)
        return 0;
    if (agent->pool || agent->attached) { /* of a job that is no more */
        agent->over = agent->again = true;
        return 0;
    }
    agent->lobby.socket = mr_link_give_control(&agent->link, error);
    if (!agent->lobby.socket)
        return -1;
    agent->lobby.hello_at = mr_clock_ms() + HELLO_MS;
    return take_place(agent, place, error);
}

/* ---- what comes in ---- */

int mr_agent_read_lobby(mr_agent_t *agent, mr_error_t *error) {
    mr_message_t message;
    int got, failed = 0;
    while (!failed && !agent->over && (got = mr_link_receive_from(agent->lobby.socket, &message)) != 0) {
        if (got < 0)
            continue;
        if (message.type == MR_PLACE)
            failed = take_place(agent, &message.place, error);
        else if (message.type == MR_CHECK)
            take_check(agent, &message);
        else if (message.type == MR_REFUSED)
            failed = mr_agent_refused(&message.refused, error);
        mr_message_clear(&message);
    }
    return failed;
}

int64_t mr_agent_lobby_silence(const mr_agent_t *agent, int64_t now) {
    if (!agent->lobby.socket)
        return INT64_MAX;
    return agent->lobby.asked_at ? now - agent->lobby.asked_at : 0;
}
