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
    return mr_link_check(&agent->link, mr_clock_ms(), error) || mr_agent_held(agent, error) ? -1 : 0;
}

/* What is polled, each in its place; what is not there (yet) is a descriptor that poll passes over. */
enum { CONTROL, OUTBOX, SIGNALS, LOBBY, CONTROL_MONITOR, SINK_MONITOR, LANE_MONITOR, LANE, ITEMS };

static zmq_pollitem_t item_of(void *socket) {
    return (zmq_pollitem_t){socket, -1, socket ? ZMQ_POLLIN : 0, 0};
}

static void *handle_of(zsock_t *socket) {
    return socket ? zsock_resolve(socket) : NULL;
}

static int poll_all(mr_agent_t *agent, long wait, zmq_pollitem_t items[ITEMS], mr_error_t *error) {
    const mr_link_t *link = &agent->link;
    bool works = agent->pool; /* there was a WELCOME then */
    items[CONTROL] = item_of(handle_of(link->sockets[MR_LINK_CONTROL]));
    items[OUTBOX] = (zmq_pollitem_t){NULL, agent->outbox.fd, ZMQ_POLLIN, 0};
    items[SIGNALS] = (zmq_pollitem_t){NULL, agent->signals, ZMQ_POLLIN, 0};
    items[LOBBY] = item_of(handle_of(agent->lobby.socket));
    items[CONTROL_MONITOR] = item_of(link->monitors[MR_LINK_CONTROL]);
    items[SINK_MONITOR] = item_of(works ? link->monitors[MR_LINK_SINK] : NULL);
    items[LANE_MONITOR] = item_of(works ? link->monitors[MR_LINK_LANE] : NULL);
    items[LANE] = item_of(works ? handle_of(link->sockets[MR_LINK_LANE]) : NULL);
    if (zmq_poll(items, ITEMS, wait) < 0 && errno != EINTR)
        return mr_error_set(error, MR_STATUS_JOB, "cannot poll: %s", zmq_strerror(zmq_errno()));
    return 0;
}

/* Control before the lane, so that a job is known before its tasks; and before the lobby, so that an end is heard before what comes next. What one of them
 * brings may close the others. */
static int read_all(mr_agent_t *agent, const zmq_pollitem_t items[ITEMS], mr_error_t *error) {
    const zsock_t *lane = agent->link.sockets[MR_LINK_LANE];
    if ((items[SIGNALS].revents && mr_agent_read_signals(agent, error)) ||
        (items[CONTROL].revents && mr_agent_read_control(agent, error)) ||
        (items[LANE].revents && lane && lane == agent->link.sockets[MR_LINK_LANE] &&
         mr_agent_read_lane(agent, error)) ||
        (items[LOBBY].revents && mr_agent_read_lobby(agent, error)))
        return -1;
    return items[OUTBOX].revents ? mr_agent_post(agent, error) : 0;
}

static long until_next_beat(const mr_agent_t *agent, int64_t now) {
    int64_t at = agent->beat_at, retry_at = agent->link.handshakes[MR_LINK_CONTROL].retry_at;
    at = retry_at && retry_at < at ? retry_at : at;
    if (agent->lobby.socket && agent->lobby.hello_at < at)
        at = agent->lobby.hello_at;
    long wait = at > now ? (long) (at - now) : 0;
    return agent->draining && wait > DRAIN_LOOK_MS ? DRAIN_LOOK_MS : wait;
}

/* One turn: wait, and take what came. */
static int turn(mr_agent_t *agent, mr_error_t *error) {
    zmq_pollitem_t items[ITEMS] = {{0}};
    int64_t now = mr_clock_ms();
    forgive_own_absence(agent, now);
    mr_agent_beat(agent, now);
    mr_agent_beat_lobby(agent, now);
    if (agent->link.failed)
        return mr_error_memory(error, "sending a message");
    if (poll_all(agent, until_next_beat(agent, now), items, error) || read_all(agent, items, error) ||
        watch(agent, error) || mr_agent_check_tasks(agent, now, error) ||
        mr_agent_end_drain(agent, mr_clock_ms(), error))
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
    mr_sight_init(&agent->sight, agent->config->root);
    agent->sight.route.keys = agent->config->keys;
    if (mr_outbox_init(&agent->outbox, error))
        return -1;
    mr_agent_detach(agent, mr_clock_ms());
    agent->link.keys = agent->config->keys;
    memcpy(agent->link.identity, agent->config->identity, sizeof agent->link.identity);
    return mr_link_open(&agent->link, agent->config->connect, error);
}

static void close_sockets(mr_agent_t *agent) {
    mr_link_close(&agent->link);
    zsock_destroy(&agent->lobby.socket);
    mr_checkup_end(&agent->checkup);
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
    mr_sight_close(&agent->sight);
    mr_book_close(&agent->book);
    free(agent->running);
    mr_unconfigure(&agent->configured);
    mr_message_clear(&agent->job);
    mr_message_clear(&agent->welcome);
    if (agent->signals >= 0)
        close(agent->signals);
}

int mr_agent_run(const mr_agent_config_t *config, mr_error_t *error) {
    /* Not on the stack: threads that still map when the process executes itself anew use it until that has ended them. */
    static mr_agent_t agent;
    mr_timeline("began");
    agent = (mr_agent_t){.config = config, .signals = -1, .outbox = {.fd = -1}};
    int failed = open_agent(&agent, error);
    while (!failed && !agent.over)
        failed = turn(&agent, error);
    if (!failed && agent.again) {
        bool same = agent.lobby.socket != NULL;
        close_sockets(&agent);                       /* BYE goes out */
        return same ? MR_AGENT_SAME : MR_AGENT_ANEW; /* the new process takes all else with it */
    }
    if (failed && agent.attached)
        mr_agent_bye(&agent, error->text);
    mr_agent_bye_lobby(&agent, failed ? error->text : "drained");
    mr_timeline("left");
    close_agent(&agent, error);
    mr_timeline("closed");
    return failed;
}
