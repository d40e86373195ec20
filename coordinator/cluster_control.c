/* Messages on the control socket: one function each. */
#include "clock.h"
#include "cluster_private.h"
#include "log.h"
#include "timeline.h"

#define MOST_AT_ONCE 1024 /* messages taken before other sockets have their turn */

typedef struct sender {
    uint8_t identity[MR_IDENTITY_MAX];
    size_t size;
    mr_member_t *member; /* NULL: not welcomed, or has left */
} sender_t;

static void send_to(mr_cluster_t *cluster, const void *identity, size_t size, const mr_message_t *message) {
    void *socket = zsock_resolve(cluster->control);
    cluster->out.size = 0;
    if (mr_message_encode(message, &cluster->out)) { /* a worker might wait for it for ever */
        mr_error_memory(cluster->error, "sending a message");
        mr_cluster_fail(cluster);
        return;
    }
    if (zmq_send(socket, identity, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(socket, cluster->out.data, cluster->out.size, ZMQ_DONTWAIT);
}

void mr_cluster_send(mr_cluster_t *cluster, const mr_member_t *member, const mr_message_t *message) {
    send_to(cluster, member->identity, member->identity_size, message);
}

/* ---- joining ---- */

static void send_welcome(mr_cluster_t *cluster, const mr_member_t *member) {
    char lane[256];
    snprintf(lane, sizeof lane, "%s", zsock_endpoint(member->lane));
    mr_cluster_send(
        cluster, member,
        &(mr_message_t){.type = MR_WELCOME,
                        .welcome = {MR_PROTOCOL, MILLRACE_VERSION, cluster->epoch, cluster->epoch, member->number, lane,
                                    cluster->sink_endpoint, cluster->config.lease_ms / 50, cluster->config.lease_ms}});
}

/* A quarter of a thread's share each for the table, for sorting it, and for two runs that wait to be committed. */
static uint64_t table_memory(const mr_cluster_t *cluster) {
    return cluster->config.worker_memory / (4 * (uint64_t) cluster->config.threads);
}

static int send_job(mr_cluster_t *cluster, const mr_member_t *member) {
    const mr_cluster_config_t *config = &cluster->config;
    size_t count = mr_options_count(config->options);
    mr_wire_option_t *options = calloc(count + 1, sizeof *options);
    if (!options)
        return mr_error_memory(cluster->error, "sending the job");
    for (size_t i = 0; i < count; i++)
        options[i] = (mr_wire_option_t){mr_options_name(config->options, i), mr_options_value(config->options, i)};
    mr_job_message_t job = {.epoch = cluster->epoch,
                            .name = config->job->name,
                            .options = options,
                            .options_count = count,
                            .only = {config->only, config->only ? strlen(config->only) : 0},
                            .only_set = config->only != NULL,
                            .block_size = config->block_size,
                            .table_memory = table_memory(cluster),
                            .max_record = config->max_record,
                            .flush_ms = config->flush_ms,
                            .skip_bad = config->skip_bad,
                            .eager = config->groups != NULL};
    mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_JOB, .job = job});
    free(options);
    return 0;
}

/* The lane has a peer: the worker can be sent tasks. */
static int on_lane_ready(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_cluster_t *cluster = argument;
    zmq_pollitem_t ready = *item;
    zloop_poller_end(loop, &ready);
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        mr_member_t *member = cluster->members.items[i];
        if (!member || member->joined || zsock_resolve(member->lane) != ready.socket)
            continue;
        member->joined = true;
        mr_timeline("a worker joined");
        if (mr_scheduler_join(cluster->scheduler, mr_clock_ms(), member->number, member->threads, 0)) {
            mr_error_memory(cluster->error, "taking a worker");
            return mr_cluster_fail(cluster);
        }
    }
    return mr_cluster_pump(cluster);
}

static int bind_lane(mr_cluster_t *cluster, mr_member_t *member) {
    member->lane = zsock_new(ZMQ_PUSH);
    if (!member->lane)
        return mr_error_set(cluster->error, MR_STATUS_JOB, "cannot make a lane: %s", zmq_strerror(zmq_errno()));
    zsock_set_sndhwm(member->lane, 0); /* credit is the bound */
    zsock_set_linger(member->lane, 0);
    if (zsock_bind(member->lane, "ipc://%s/lane-%u", cluster->config.dir, member->number) < 0)
        return mr_error_set(cluster->error, MR_STATUS_JOB, "%s/lane-%u: cannot bind a lane: %s", cluster->config.dir,
                            member->number, zmq_strerror(zmq_errno()));
    zmq_pollitem_t item = {zsock_resolve(member->lane), 0, ZMQ_POLLOUT, 0};
    return zloop_poller(cluster->loop, &item, on_lane_ready, cluster);
}

static int refuse(mr_cluster_t *cluster, const sender_t *sender, const mr_hello_message_t *hello) {
    char reason[256];
    snprintf(reason, sizeof reason, "install the same version of Millrace on both");
    mr_log(MR_LOG_ERROR, "worker %s:%u has version %s (protocol %u), this coordinator %s (protocol %u): refused; %s",
           hello->host, hello->pid, hello->version, hello->protocol, MILLRACE_VERSION, MR_PROTOCOL, reason);
    send_to(cluster, sender->identity, sender->size,
            &(mr_message_t){.type = MR_REFUSED, .refused = {MR_PROTOCOL, MILLRACE_VERSION, reason}});
    return 0;
}

static int take_hello(mr_cluster_t *cluster, sender_t *sender, const mr_hello_message_t *hello) {
    if (hello->protocol != MR_PROTOCOL || strcmp(hello->version, MILLRACE_VERSION))
        return refuse(cluster, sender, hello);
    mr_member_t *member = sender->member;
    if (!member) {
        member = mr_members_add(&cluster->members, sender->identity, sender->size);
        if (!member)
            return mr_error_memory(cluster->error, "taking a worker");
        snprintf(member->host, sizeof member->host, "%s", hello->host);
        member->pid = hello->pid;
        member->threads = hello->threads ? hello->threads : 1;
        if (bind_lane(cluster, member))
            return -1;
    }
    member->heard_at = mr_clock_ms();
    send_welcome(cluster, member);
    return send_job(cluster, member);
}

/* ---- working ---- */

static void take_heartbeat(mr_cluster_t *cluster, mr_member_t *member, const mr_heartbeat_message_t *heartbeat) {
    member->inflight = 0;
    for (size_t i = 0; i < heartbeat->running_count; i++)
        member->inflight += heartbeat->running[i].bytes;
    member->heard_at = mr_clock_ms();
    mr_scheduler_alive(cluster->scheduler, member->heard_at, member->number);
    mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_ALIVE, .alive = {cluster->epoch}});
}

static void take_done(mr_cluster_t *cluster, mr_member_t *member, const mr_done_message_t *done) {
    for (size_t i = 0; i < done->attempts_count; i++)
        if (done->attempts[i].task < mr_work_tasks(cluster->config.work))
            member->done_bytes += (int64_t) mr_work_task_bytes(cluster->config.work, done->attempts[i].task);
    mr_scheduler_done(cluster->scheduler, mr_clock_ms(), member->number, done->attempts, done->attempts_count);
}

static void take_returned(mr_cluster_t *cluster, mr_member_t *member, const mr_returned_message_t *returned) {
    if (returned->draining)
        mr_scheduler_drain(cluster->scheduler, member->number);
    mr_scheduler_returned(cluster->scheduler, mr_clock_ms(), member->number, returned->attempts,
                          returned->attempts_count);
}

static int take_failed(mr_cluster_t *cluster, mr_member_t *member, const mr_failed_message_t *failed) {
    mr_status_t status = failed->status == MR_STATUS_INPUT || failed->status == MR_STATUS_STORAGE
                             ? (mr_status_t) failed->status
                             : MR_STATUS_JOB;
    const char *text = failed->text, *name = mr_work_name(cluster->config.work, failed->task, &text);
    if (!failed->retry)
        return mr_error_set(cluster->error, status, "%s%s", name, text);
    snprintf(cluster->last_failure, sizeof cluster->last_failure, "%s%s (on %s)", name, text, member->host);
    cluster->last_status = status;
    mr_scheduler_failed(cluster->scheduler, mr_clock_ms(), member->number,
                        (mr_attempt_t){failed->task, failed->attempt});
    return 0;
}

static void take_offer(mr_cluster_t *cluster, mr_member_t *member, const mr_offer_message_t *offer) {
    if (!offer->size || offer->size > MR_WIRE_MAX_RUN) {
        mr_cluster_distrust(cluster, member, "it made an offer that no run can be");
        return;
    }
    member->offered = offer->size;
    member->offer_order = cluster->offers++;
    mr_scheduler_alive(cluster->scheduler, mr_clock_ms(), member->number);
    mr_cluster_grant(cluster);
}

void mr_cluster_grant(mr_cluster_t *cluster) {
    mr_member_t *member;
    while ((member = mr_members_next_offer(&cluster->members))) {
        if (cluster->config.sink && !mr_sink_reserve(cluster->config.sink, member->offered))
            return;
        member->reserved = member->offered;
        member->offered = 0;
        mr_cluster_send(cluster, member,
                        &(mr_message_t){.type = MR_GRANT, .grant = {cluster->epoch, member->reserved}});
    }
}

static void take_bye(mr_cluster_t *cluster, mr_member_t *member, const mr_bye_message_t *bye) {
    bool drained = !strcmp(bye->reason, "drained");
    if (!drained) {
        snprintf(cluster->last_failure, sizeof cluster->last_failure, "%s (on %s)", bye->reason, member->host);
        cluster->last_status = MR_STATUS_JOB;
    }
    mr_log(drained ? MR_LOG_INFO : MR_LOG_WARNING, "worker %s:%u left: %s", member->host, member->pid, bye->reason);
    mr_cluster_lose(cluster, member, !drained);
}

/* Messages of a member. What names another epoch or another worker than the one that sends it is stale. */
static int take_from_member(mr_cluster_t *cluster, mr_member_t *member, const mr_message_t *message) {
    if (message->heartbeat.epoch != cluster->epoch || message->heartbeat.worker != member->number) {
        cluster->config.ledger->stale++;
        return 0;
    }
    switch (message->type) {
    case MR_HEARTBEAT:
        take_heartbeat(cluster, member, &message->heartbeat);
        return 0;
    case MR_DONE:
        take_done(cluster, member, &message->done);
        return 0;
    case MR_FAILED:
        return take_failed(cluster, member, &message->failed);
    case MR_OFFER:
        take_offer(cluster, member, &message->offer);
        return 0;
    case MR_RETURNED:
        take_returned(cluster, member, &message->returned);
        return 0;
    case MR_BYE:
        take_bye(cluster, member, &message->bye);
        return 0;
    default:
        cluster->config.ledger->stale++;
        return 0;
    }
}

/* One that has left (its lease ran out) and comes back: it is told to end, and a new process is welcome. */
static int take_from_stranger(mr_cluster_t *cluster, const sender_t *sender, const mr_message_t *message) {
    cluster->config.ledger->stale++;
    if (message->type == MR_HEARTBEAT)
        send_to(cluster, sender->identity, sender->size,
                &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {0, "the lease ran out; its tasks went to others"}});
    return 0;
}

static int take_message(mr_cluster_t *cluster, sender_t *sender, const mr_message_t *message) {
    if (message->type == MR_HELLO)
        return take_hello(cluster, sender, &message->hello);
    return sender->member ? take_from_member(cluster, sender->member, message)
                          : take_from_stranger(cluster, sender, message);
}

/* Receives one message: [identity, header]; further frames are dropped. Returns 1, 0: none is there, -1: not readable. */
static int receive(mr_cluster_t *cluster, sender_t *sender, mr_message_t *message) {
    void *socket = zsock_resolve(cluster->control);
    zmq_msg_t identity, frame;
    mr_error_t ignored = {0};
    zmq_msg_init(&identity);
    zmq_msg_init(&frame);
    int got = 0;
    if (zmq_msg_recv(&identity, socket, ZMQ_DONTWAIT) >= 0) {
        sender->size = zmq_msg_size(&identity) <= MR_IDENTITY_MAX ? zmq_msg_size(&identity) : 0;
        memcpy(sender->identity, zmq_msg_data(&identity), sender->size);
        got = zmq_msg_more(&identity) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0 &&
                      !mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), &ignored)
                  ? 1
                  : -1;
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0)
            ;
    }
    zmq_msg_close(&identity);
    zmq_msg_close(&frame);
    return got;
}

int mr_cluster_on_control(zloop_t *loop, zsock_t *socket, void *argument) {
    mr_cluster_t *cluster = argument;
    mr_message_t message;
    sender_t sender;
    (void) loop;
    (void) socket;
    for (int got, i = 0; i < MOST_AT_ONCE && (got = receive(cluster, &sender, &message)) != 0; i++) {
        if (got < 0) {
            cluster->config.ledger->stale++;
            continue;
        }
        sender.member = mr_members_by_identity(&cluster->members, sender.identity, sender.size);
        int failed = take_message(cluster, &sender, &message);
        mr_message_clear(&message);
        if (failed)
            return mr_cluster_fail(cluster);
    }
    return mr_cluster_pump(cluster);
}
