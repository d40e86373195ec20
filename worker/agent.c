#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "agent_private.h"
#include "clock.h"
#include "log.h"
#include "timeline.h"

#define DRAIN_LOOK_MS 10 /* while draining, the pool is looked at so often */
#define STOP_MS 1000     /* for threads to give up what they run */
#define DRAINED_MS 100   /* the same, when only abandoned ones still run */

/* A process that was itself stopped has heard nobody: that silence says nothing about the coordinator. */
static void forgive_own_absence(mr_agent_t *agent, int64_t now) {
    if (agent->turned_at && now - agent->turned_at > agent->welcome.welcome.lease_ms)
        agent->heard_at = now;
    agent->turned_at = now;
}

/* Sends HELD if it is owed. Any connection that broke while this worker was a member may have taken messages with it. */
static int watch(mr_agent_t *agent, mr_error_t *error) {
    unsigned broken = mr_link_watch(&agent->link);
    agent->broken |= broken;
    if (broken && agent->pool)
        agent->owes_held = true;
    else if (broken && agent->attached)
        mr_agent_detach(agent, mr_clock_ms()); /* JOB may be lost: HELLO brings it again */
    return mr_agent_held(agent, error);
}

static int poll_all(mr_agent_t *agent, long wait, zmq_pollitem_t items[7], mr_error_t *error) {
    int count = 0;
    items[count++] = (zmq_pollitem_t){zsock_resolve(agent->link.sockets[MR_LINK_CONTROL]), 0, ZMQ_POLLIN, 0};
    items[count++] = (zmq_pollitem_t){NULL, agent->outbox.fd, ZMQ_POLLIN, 0};
    items[count++] = (zmq_pollitem_t){NULL, agent->signals, ZMQ_POLLIN, 0};
    items[count++] = (zmq_pollitem_t){agent->link.monitors[MR_LINK_CONTROL], 0, ZMQ_POLLIN, 0};
    if (agent->pool) { /* there was a WELCOME then */
        items[count++] = (zmq_pollitem_t){agent->link.monitors[MR_LINK_SINK], 0, ZMQ_POLLIN, 0};
        items[count++] = (zmq_pollitem_t){agent->link.monitors[MR_LINK_LANE], 0, ZMQ_POLLIN, 0};
        items[count++] = (zmq_pollitem_t){zsock_resolve(agent->link.sockets[MR_LINK_LANE]), 0, ZMQ_POLLIN, 0};
    }
    if (zmq_poll(items, count, wait) < 0 && errno != EINTR)
        return mr_error_set(error, MR_STATUS_JOB, "cannot poll: %s", zmq_strerror(zmq_errno()));
    return 0;
}

/* One turn: wait, then control before the lane, so that a job is known before its tasks. */
static int turn(mr_agent_t *agent, mr_error_t *error) {
    zmq_pollitem_t items[7] = {{0}};
    int64_t now = mr_clock_ms();
    forgive_own_absence(agent, now);
    mr_agent_beat(agent, now);
    if (agent->link.failed)
        return mr_error_memory(error, "sending a message");
    long wait = (long) (agent->beat_at - now);
    if (poll_all(agent, agent->draining && wait > DRAIN_LOOK_MS ? DRAIN_LOOK_MS : wait, items, error))
        return -1;
    if ((items[2].revents && mr_agent_read_signals(agent, error)) ||
        (items[0].revents && mr_agent_read_control(agent, error)) ||
        (agent->pool && items[6].revents && mr_agent_read_lane(agent, error)) ||
        (items[1].revents && mr_agent_post(agent, error)) || watch(agent, error) ||
        mr_agent_check_tasks(agent, now, error) || mr_agent_end_drain(agent, mr_clock_ms(), error))
        return -1;
    return mr_agent_check_silence(agent, mr_clock_ms(), error);
}

static int open_agent(mr_agent_t *agent, mr_error_t *error) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread starts */
    signal(SIGXFSZ, SIG_IGN);               /* a file that may not grow is an error to report, not a death */
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (agent->signals < 0)
        return mr_error_set(error, MR_STATUS_JOB, "cannot watch signals: %s", strerror(errno));
    agent->running = calloc(agent->config->threads, sizeof *agent->running);
    if (!agent->running)
        return mr_error_memory(error, "starting");
    if (mr_outbox_init(&agent->outbox, error))
        return -1;
    mr_agent_detach(agent, mr_clock_ms());
    return mr_link_open(&agent->link, agent->config->connect, error);
}

static void close_sockets(mr_agent_t *agent) {
    mr_link_close(&agent->link);
    zsys_shutdown(); /* ZeroMQ's threads may still hold runs of the shelf */
}

/* A thread that hangs in a kernel still uses all there is: nothing is freed, and the process ends with it. */
static void leave_behind(mr_agent_t *agent, const mr_error_t *error) {
    close_sockets(agent);
    if (error->status)
        mr_log_error(error);
    _exit((int) error->status);
}

static void close_agent(mr_agent_t *agent, const mr_error_t *error) {
    if (agent->pool && !mr_pool_stop(agent->pool, agent->draining ? DRAINED_MS : STOP_MS))
        leave_behind(agent, error);
    mr_pool_destroy(&agent->pool);
    close_sockets(agent);
    mr_shelf_close(&agent->shelf);
    mr_outbox_close(&agent->outbox);
    mr_book_close(&agent->book);
    free(agent->running);
    mr_unconfigure(&agent->configured);
    mr_message_clear(&agent->job);
    mr_message_clear(&agent->welcome);
    if (agent->signals >= 0)
        close(agent->signals);
}

int mr_agent_run(const mr_agent_config_t *config, mr_error_t *error) {
    mr_timeline("began");
    mr_agent_t agent = {.config = config, .signals = -1, .outbox = {.fd = -1}};
    int failed = open_agent(&agent, error);
    while (!failed && !agent.over)
        failed = turn(&agent, error);
    if (!failed && agent.again) {
        close_sockets(&agent); /* BYE goes out */
        return 1;              /* the new process takes all else with it */
    }
    if (failed && agent.attached)
        mr_agent_bye(&agent, error->text);
    mr_timeline("left");
    close_agent(&agent, error);
    mr_timeline("closed");
    return failed;
}
