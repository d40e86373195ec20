/* What goes out. While HELD is owed, what the pool reports goes into the book only: HELD will tell it. */
#include "agent_private.h"
#include "clock.h"
#include "log.h"

#define HELLO_MS 1000
#define HELLOS_TOLD 10      /* so many without an answer are spoken of */
#define MOST_ATTEMPTS 65536 /* in one message */
#define FAREWELL_MS 1000    /* for BYE to get out */

/* ---- signs of life ---- */

mr_message_t mr_agent_hello(mr_agent_t *agent, const char *endpoint) {
    gethostname(agent->host, sizeof agent->host - 1);
    return (mr_message_t){.type = MR_HELLO,
                          .hello = {MR_PROTOCOL, MILLRACE_VERSION, agent->host, (uint32_t) getpid(),
                                    agent->config->threads, endpoint, agent->job_number}};
}

/* A HELLO that is not sent waits with all others, and the coordinator that comes at last would answer each: so some are dropped now and then. */
static void send_hello(mr_agent_t *agent) {
    if (agent->hellos && agent->hellos % HELLOS_TOLD == 0 && agent->link.sockets[MR_LINK_CONTROL] &&
        !(agent->link.up & MR_LINK_BIT(MR_LINK_CONTROL)))
        mr_link_redial(agent->link.sockets[MR_LINK_CONTROL], agent->link.connect);
    mr_message_t hello = mr_agent_hello(agent, agent->link.connect);
    if (agent->hellos++ && agent->hellos % HELLOS_TOLD == 1 && !agent->lobby.socket)
        mr_log(MR_LOG_WARNING, "%s: no coordinator has answered for %u s; still trying%s", agent->config->connect,
               agent->hellos - 1, mr_handshake_hint(&agent->link.handshakes[MR_LINK_CONTROL]));
    mr_link_control(&agent->link, &hello);
}

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*s %lu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

static void send_heartbeat(mr_agent_t *agent) {
    size_t count = agent->pool ? mr_pool_running(agent->pool, agent->running) : 0;
    mr_link_control(&agent->link, &(mr_message_t){.type = MR_HEARTBEAT,
                                                  .heartbeat = {mr_agent_epoch(agent), mr_agent_worker(agent),
                                                                resident_bytes(), agent->running, count}});
}

void mr_agent_beat(mr_agent_t *agent, int64_t now) {
    if (now < agent->beat_at)
        return;
    if (agent->attached)
        send_heartbeat(agent);
    else
        send_hello(agent);
    agent->beat_at = now + (agent->attached ? agent->welcome.welcome.heartbeat_ms : HELLO_MS);
}

/* ---- attempts ---- */

static bool may_speak(const mr_agent_t *agent) {
    return agent->attached && !agent->owes_held;
}

static size_t at_most(size_t count) {
    return count < MOST_ATTEMPTS ? count : MOST_ATTEMPTS;
}

static void send_done(mr_agent_t *agent, const mr_attempts_t *done) {
    for (size_t i = 0; i < done->count; i++)
        mr_book_done(&agent->book, done->items[i]);
    for (size_t at = 0, count; may_speak(agent) && at < done->count; at += count) {
        count = at_most(done->count - at);
        mr_link_control(&agent->link, &(mr_message_t){.type = MR_DONE,
                                                      .done = {mr_agent_epoch(agent), mr_agent_worker(agent),
                                                               done->items + at, count}});
    }
}

void mr_agent_returned(mr_agent_t *agent, const mr_attempts_t *returned) {
    for (size_t i = 0; i < returned->count; i++)
        mr_book_remove(&agent->book, returned->items[i]);
    for (size_t at = 0, count; may_speak(agent) && at < returned->count; at += count) {
        count = at_most(returned->count - at);
        mr_link_control(&agent->link, &(mr_message_t){.type = MR_RETURNED,
                                                      .returned = {mr_agent_epoch(agent), mr_agent_worker(agent),
                                                                   agent->draining, returned->items + at, count}});
    }
}

static void send_failures(mr_agent_t *agent, const mr_failure_t *failure) {
    for (; failure; failure = failure->next) {
        mr_book_remove(&agent->book, failure->attempt);
        if (may_speak(agent))
            mr_link_control(&agent->link,
                            &(mr_message_t){.type = MR_FAILED,
                                            .failed = {mr_agent_epoch(agent), mr_agent_worker(agent),
                                                       failure->attempt.task, failure->attempt.attempt,
                                                       failure->error.status, failure->retry, failure->error.text}});
    }
}

void mr_agent_bye(mr_agent_t *agent, const char *reason) {
    mr_link_control(&agent->link,
                    &(mr_message_t){.type = MR_BYE, .bye = {mr_agent_epoch(agent), mr_agent_worker(agent), reason}});
    if (agent->link.sockets[MR_LINK_CONTROL])
        zsock_set_linger(agent->link.sockets[MR_LINK_CONTROL], FAREWELL_MS);
}

static int send_partials(mr_agent_t *agent, mr_error_t *error) {
    if (!may_speak(agent))
        return 0;
    return mr_shelf_send(&agent->shelf, &agent->link, mr_agent_epoch(agent), mr_agent_worker(agent), error);
}

int mr_agent_post(mr_agent_t *agent, mr_error_t *error) {
    mr_mail_t mail;
    int broken = mr_outbox_take(&agent->outbox, &mail, error);
    send_done(agent, &mail.done);
    mr_agent_returned(agent, &mail.returned);
    send_failures(agent, mail.failures);
    mr_shelf_put(&agent->shelf, mail.first, mail.last);
    mail.first = mail.last = NULL;
    mr_mail_free(&mail);
    return broken ? -1 : send_partials(agent, error);
}

/* ---- when messages may have been lost ---- */

static int send_held(mr_agent_t *agent, bool resend, mr_error_t *error) {
    mr_attempts_t undone = {0}, done = {0};
    int failed = mr_book_list(&agent->book, &undone, &done);
    if (failed)
        mr_error_memory(error, "telling what is held");
    else
        mr_link_control(&agent->link,
                        &(mr_message_t){.type = MR_HELD,
                                        .held = {mr_agent_epoch(agent), mr_agent_worker(agent), ++agent->generation,
                                                 resend, undone.items, undone.count, done.items, done.count}});
    mr_attempts_free(&undone);
    mr_attempts_free(&done);
    return failed;
}

int mr_agent_held(mr_agent_t *agent, mr_error_t *error) {
    if (!agent->attached || !agent->owes_held || !agent->pool || agent->link.up != MR_LINK_ALL)
        return 0;
    bool resend = agent->broken & ~MR_LINK_BIT(MR_LINK_LANE);
    if (mr_agent_post(agent, error) || send_held(agent, resend, error))
        return -1;
    agent->owes_held = false;
    agent->broken = 0;
    mr_pool_expect_anew(agent->pool);
    if (resend)
        mr_shelf_resend(&agent->shelf);
    return send_partials(agent, error);
}
