#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "clock.h"
#include "jobs/registry.h"
#include "log.h"
#include "options.h"
#include "pool.h"
#include "shelf.h"
#include "timeline.h"

#define HELLO_MS 1000
#define FAREWELL_MS 1000    /* for BYE to get out */
#define HELLOS_TOLD 10      /* so many without an answer are spoken of */
#define MOST_ATTEMPTS 65536 /* in one message */
#define SILENT_LEASES 3     /* a coordinator silent for so many leases is gone */

typedef struct agent {
    const mr_agent_config_t *config;
    mr_link_t link;
    mr_shelf_t shelf;
    mr_outbox_t outbox;
    mr_message_t welcome; /* type 0: not yet welcomed */
    mr_message_t job;     /* type 0: no job yet; the workshop borrows from it */
    mr_options_t *options;
    void *state; /* the job's */
    mr_workshop_t shop;
    mr_pool_t *pool; /* NULL before the job */
    int signals;     /* signalfd */
    int64_t beat_at; /* when the next HELLO or HEARTBEAT goes out */
    int64_t heard_at;
    int64_t turned_at; /* the last turn of the loop */
    unsigned hellos;   /* sent, and not answered */
    bool draining;
    bool over;
} agent_t;

static uint64_t epoch_of(const agent_t *agent) {
    return agent->welcome.welcome.epoch;
}

static uint32_t worker_of(const agent_t *agent) {
    return agent->welcome.welcome.worker;
}

/* ---- what goes out ---- */

static void send_hello(agent_t *agent) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    if (agent->hellos++ && agent->hellos % HELLOS_TOLD == 1)
        mr_log(MR_LOG_WARNING, "%s: no coordinator has answered for %u s; still trying", agent->config->connect,
               agent->hellos - 1);
    mr_link_control(&agent->link, &(mr_message_t){.type = MR_HELLO,
                                                  .hello = {MR_PROTOCOL, MILLRACE_VERSION, host, (uint32_t) getpid(),
                                                            agent->config->threads, agent->config->connect}});
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

static void send_heartbeat(agent_t *agent) {
    mr_pool_progress_t progress = agent->pool ? mr_pool_progress(agent->pool) : (mr_pool_progress_t){0};
    mr_running_t running = {.bytes = progress.bytes};
    mr_link_control(&agent->link, &(mr_message_t){.type = MR_HEARTBEAT,
                                                  .heartbeat = {epoch_of(agent), worker_of(agent), resident_bytes(),
                                                                &running, progress.running > 0}});
}

static void beat(agent_t *agent, int64_t now) {
    if (now < agent->beat_at)
        return;
    if (agent->welcome.type)
        send_heartbeat(agent);
    else
        send_hello(agent);
    agent->beat_at = now + (agent->welcome.type ? agent->welcome.welcome.heartbeat_ms : HELLO_MS);
}

static size_t at_most(size_t count) {
    return count < MOST_ATTEMPTS ? count : MOST_ATTEMPTS;
}

static void send_done(agent_t *agent, const mr_attempts_t *done) {
    for (size_t at = 0, count; at < done->count; at += count) {
        count = at_most(done->count - at);
        mr_link_control(
            &agent->link,
            &(mr_message_t){.type = MR_DONE, .done = {epoch_of(agent), worker_of(agent), done->items + at, count}});
    }
}

static void send_returned(agent_t *agent, const mr_attempts_t *returned) {
    for (size_t at = 0, count; at < returned->count; at += count) {
        count = at_most(returned->count - at);
        mr_link_control(&agent->link, &(mr_message_t){.type = MR_RETURNED,
                                                      .returned = {epoch_of(agent), worker_of(agent), agent->draining,
                                                                   returned->items + at, count}});
    }
}

static void send_failures(agent_t *agent, const mr_failure_t *failure) {
    for (; failure; failure = failure->next)
        mr_link_control(&agent->link,
                        &(mr_message_t){.type = MR_FAILED,
                                        .failed = {epoch_of(agent), worker_of(agent), failure->attempt.task,
                                                   failure->attempt.attempt, failure->error.status, failure->retry,
                                                   failure->error.text}});
}

static void say_bye(agent_t *agent, const char *reason) {
    mr_link_control(&agent->link, &(mr_message_t){.type = MR_BYE, .bye = {epoch_of(agent), worker_of(agent), reason}});
    zsock_set_linger(agent->link.control, FAREWELL_MS);
}

/* Passes on what the pool has put into the outbox. */
static int post(agent_t *agent, mr_error_t *error) {
    mr_mail_t mail;
    int broken = mr_outbox_take(&agent->outbox, &mail, error);
    send_done(agent, &mail.done);
    send_returned(agent, &mail.returned);
    send_failures(agent, mail.failures);
    mr_shelf_put(&agent->shelf, mail.first, mail.last);
    mail.first = mail.last = NULL;
    mr_mail_free(&mail);
    return broken ? -1 : mr_shelf_send(&agent->shelf, &agent->link, epoch_of(agent), worker_of(agent), error);
}

/* ---- what comes in ---- */

static int take_welcome(agent_t *agent, mr_message_t *message, mr_error_t *error) {
    if (agent->welcome.type)
        return 0; /* the answer to a HELLO that was sent twice */
    agent->welcome = *message;
    message->zone = NULL;
    agent->beat_at = mr_clock_ms() + agent->welcome.welcome.heartbeat_ms;
    return mr_link_welcome(&agent->link, &agent->welcome.welcome, error);
}

static int configure_job(agent_t *agent, const mr_job_message_t *message, mr_error_t *error) {
    const mr_job_t *job = mr_job_find(message->name);
    mr_complaint_t complaint = {0};
    if (!job)
        return mr_error_set(error, MR_STATUS_REFUSED, "the coordinator's job '%s' is not known here", message->name);
    agent->options = mr_options_new(job);
    if (!agent->options)
        return mr_error_memory(error, "configuring the job");
    for (size_t i = 0; i < message->options_count; i++) {
        const mr_option_t *known = mr_options_known(agent->options, message->options[i].name);
        const char *value = known && !known->value ? NULL : message->options[i].value;
        if (mr_options_set(agent->options, message->options[i].name, value, error))
            return -1;
    }
    agent->shop.job = mr_job_variant(job, agent->options);
    if (agent->shop.job->configure && agent->shop.job->configure(agent->options, &agent->state, &complaint))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s", message->name, complaint.text);
    return 0;
}

static int take_job(agent_t *agent, mr_message_t *message, mr_error_t *error) {
    if (agent->job.type)
        return 0;
    agent->job = *message;
    message->zone = NULL;
    if (configure_job(agent, &agent->job.job, error))
        return -1;
    agent->shop.state = agent->state;
    agent->shop.limits = &agent->job.job;
    agent->shop.tmp_dir = agent->config->tmp_dir;
    agent->shop.outbox = &agent->outbox;
    agent->pool = mr_pool_new(&agent->shop, agent->config->threads, error);
    return agent->pool ? 0 : -1;
}

static void settle(agent_t *agent, uint64_t partial) {
    size_t bytes = mr_shelf_settle(&agent->shelf, partial);
    if (bytes)
        mr_pool_release(agent->pool, bytes);
}

/* Gives back what is not begun; also what arrives when the drain has begun already. */
static int give_back(agent_t *agent, mr_error_t *error) {
    mr_attempts_t returned = {0};
    agent->draining = true;
    int failed = agent->pool ? mr_pool_drain(agent->pool, &returned) : 0;
    send_returned(agent, &returned);
    mr_attempts_free(&returned);
    return failed ? mr_error_memory(error, "giving tasks back") : 0;
}

static int take_refused(const mr_refused_message_t *refused, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_REFUSED,
                        "the coordinator (version %s, protocol %u) refused this worker (version %s, protocol %u): %s",
                        refused->version, refused->protocol, MILLRACE_VERSION, MR_PROTOCOL,
                        *refused->reason ? refused->reason : "install the same version of Millrace on both");
}

/* Messages that belong to the job this worker was welcomed to. */
static int take_of_epoch(agent_t *agent, mr_message_t *message, mr_error_t *error) {
    if (!agent->welcome.type || message->alive.epoch != epoch_of(agent))
        return 0; /* of another coordinator's life */
    switch (message->type) {
    case MR_JOB:
        return take_job(agent, message, error);
    case MR_FLUSH:
        if (agent->pool)
            mr_pool_flush(agent->pool, message->flush.sent);
        return 0;
    case MR_GRANT:
        mr_shelf_grant(&agent->shelf);
        return mr_shelf_send(&agent->shelf, &agent->link, epoch_of(agent), worker_of(agent), error);
    case MR_COMMITTED:
    case MR_DISCARD:
        settle(agent, message->committed.partial);
        return 0;
    case MR_DRAIN:
        return give_back(agent, error);
    default:
        return 0;
    }
}

static int take_control(agent_t *agent, mr_message_t *message, mr_error_t *error) {
    agent->heard_at = mr_clock_ms();
    switch (message->type) {
    case MR_WELCOME:
        return take_welcome(agent, message, error);
    case MR_REFUSED:
        return take_refused(&message->refused, error);
    case MR_SHUTDOWN:
        mr_timeline("told to end");
        mr_log(MR_LOG_INFO, "shutdown: %s", message->shutdown.reason);
        agent->over = true;
        return 0;
    default:
        return take_of_epoch(agent, message, error);
    }
}

/* Every message counts for a worker: without one, it might wait for ever for what it will not hear again. */
static int unreadable(const agent_t *agent, mr_error_t *error) {
    return agent->welcome.type ? mr_error_set(error, MR_STATUS_JOB, "a message of the coordinator cannot be read") : 0;
}

static int read_control(agent_t *agent, mr_error_t *error) {
    mr_message_t message;
    int got, failed = 0;
    while (!failed && !agent->over && (got = mr_link_receive(agent->link.control, &message)) != 0) {
        if (got < 0) {
            failed = unreadable(agent, error);
            continue;
        }
        failed = take_control(agent, &message, error);
        mr_message_clear(&message);
    }
    return failed;
}

static int read_lane(agent_t *agent, mr_error_t *error) {
    mr_message_t message;
    int got, failed = 0;
    while (!failed && (got = mr_link_receive(agent->link.lane, &message)) != 0) {
        if (got < 0) {
            failed = unreadable(agent, error);
            continue;
        }
        if (message.type == MR_TASKS && message.tasks.epoch == epoch_of(agent) && mr_pool_give(agent->pool, &message))
            failed = mr_error_memory(error, "taking tasks");
        mr_message_clear(&message);
    }
    return failed || !agent->draining ? failed : give_back(agent, error);
}

/* ---- the loop ---- */

static int read_signals(agent_t *agent, mr_error_t *error) {
    struct signalfd_siginfo info;
    int failed = 0;
    while (read(agent->signals, &info, sizeof info) == sizeof info)
        failed = give_back(agent, error);
    return failed;
}

/* After a drain: all that was running is flushed, sent and answered. What an idle pool has put into the outbox since it was last
 * emptied is still to be sent. */
static int end_drain(agent_t *agent, mr_error_t *error) {
    if (!agent->draining || (agent->pool && !mr_pool_idle(agent->pool)))
        return 0;
    if (post(agent, error))
        return -1;
    if (!mr_shelf_empty(&agent->shelf))
        return 0;
    say_bye(agent, "drained");
    agent->over = true;
    return 0;
}

/* A process that was itself stopped has heard nobody: that silence says nothing about the coordinator. */
static void forgive_own_absence(agent_t *agent, int64_t now) {
    if (agent->turned_at && now - agent->turned_at > agent->welcome.welcome.lease_ms)
        agent->heard_at = now;
    agent->turned_at = now;
}

static int check_silence(const agent_t *agent, int64_t now, mr_error_t *error) {
    int64_t patience = SILENT_LEASES * (int64_t) agent->welcome.welcome.lease_ms;
    if (!agent->welcome.type || now - agent->heard_at < patience)
        return 0;
    return mr_error_set(error, MR_STATUS_NO_WORKERS, "%s: the coordinator has been silent for %lld s; giving up",
                        agent->config->connect, (long long) (now - agent->heard_at) / 1000);
}

/* One turn: wait, then control before lanes, so that a job is known before its tasks. */
static int turn(agent_t *agent, mr_error_t *error) {
    zmq_pollitem_t items[] = {{zsock_resolve(agent->link.control), 0, ZMQ_POLLIN, 0},
                              {NULL, agent->outbox.fd, ZMQ_POLLIN, 0},
                              {NULL, agent->signals, ZMQ_POLLIN, 0},
                              {agent->pool ? zsock_resolve(agent->link.lane) : NULL, 0, ZMQ_POLLIN, 0}};
    int64_t now = mr_clock_ms();
    forgive_own_absence(agent, now);
    beat(agent, now);
    if (agent->link.failed)
        return mr_error_memory(error, "sending a message");
    long wait = (long) (agent->beat_at - now);
    if (zmq_poll(items, agent->pool ? 4 : 3, agent->draining ? (wait < 10 ? wait : 10) : wait) < 0 && errno != EINTR)
        return mr_error_set(error, MR_STATUS_JOB, "cannot poll: %s", zmq_strerror(zmq_errno()));
    if ((items[2].revents && read_signals(agent, error)) || (items[0].revents && read_control(agent, error)) ||
        (agent->pool && items[3].revents && read_lane(agent, error)) || (items[1].revents && post(agent, error)) ||
        end_drain(agent, error))
        return -1;
    return check_silence(agent, mr_clock_ms(), error);
}

static int open_agent(agent_t *agent, mr_error_t *error) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread starts */
    signal(SIGXFSZ, SIG_IGN);               /* a file that may not grow is an error to report, not a death */
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    agent->outbox.fd = -1;
    if (agent->signals < 0)
        return mr_error_set(error, MR_STATUS_JOB, "cannot watch signals: %s", strerror(errno));
    if (mr_outbox_init(&agent->outbox, error))
        return -1;
    return mr_link_open(&agent->link, agent->config->connect, error);
}

static void close_agent(agent_t *agent) {
    mr_pool_destroy(&agent->pool);
    mr_link_close(&agent->link);
    zsys_shutdown(); /* ZeroMQ's threads may still hold runs of the shelf */
    mr_shelf_close(&agent->shelf);
    mr_outbox_close(&agent->outbox);
    if (agent->shop.job && agent->shop.job->destroy)
        agent->shop.job->destroy(agent->state);
    mr_options_destroy(&agent->options);
    mr_message_clear(&agent->job);
    mr_message_clear(&agent->welcome);
    if (agent->signals >= 0)
        close(agent->signals);
}

int mr_agent_run(const mr_agent_config_t *config, mr_error_t *error) {
    mr_timeline("began");
    agent_t agent = {.config = config, .signals = -1, .outbox = {.fd = -1}};
    int failed = open_agent(&agent, error);
    while (!failed && !agent.over)
        failed = turn(&agent, error);
    if (failed && agent.welcome.type)
        say_bye(&agent, error->text);
    mr_timeline("left");
    close_agent(&agent);
    mr_timeline("closed");
    return failed;
}
