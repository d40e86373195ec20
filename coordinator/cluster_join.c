/* How a worker joins: HELLO, WELCOME and JOB, its lane, and HELD when it comes back or its connection broke. */
#include "clock.h"
#include "cluster_private.h"
#include "greeting.h"
#include "log.h"
#include "timeline.h"

#define BEATS_A_MS 2u  /* from so many workers in a millisecond */
#define LEAST_BEATS 8u /* heartbeats in a lease, however many workers there are */

/* ---- WELCOME and JOB ---- */

/* The more there are, the less often each is to speak: heartbeats of thousands would be most of what a coordinator hears. */
static uint32_t heartbeat_ms(mr_cluster_t *cluster) {
    uint32_t lease = cluster->config.lease_ms, beat = lease / MR_CLUSTER_BEATS;
    uint32_t crowded = cluster->members.present / BEATS_A_MS;
    if (crowded > beat)
        beat = crowded < lease / LEAST_BEATS ? crowded : lease / LEAST_BEATS;
    mr_scheduler_silence(cluster->scheduler, MR_CLUSTER_SILENT_BEATS * (int64_t) beat);
    return beat;
}

static void send_welcome(mr_cluster_t *cluster, mr_member_t *member) {
    const mr_cluster_config_t *config = &cluster->config;
    mr_cluster_send(cluster, member,
                    &(mr_message_t){.type = MR_WELCOME,
                                    .welcome = {MR_PROTOCOL, MILLRACE_VERSION, cluster->epoch, cluster->job_id,
                                                member->number, member->lane_endpoint,
                                                member->local ? cluster->sink_endpoint : cluster->listen.sink,
                                                heartbeat_ms(cluster), config->lease_ms,
                                                member->local ? "" : cluster->listen.inputs}});
}

/* A quarter of a thread's share each for the table, for sorting it, and for two runs that wait to be committed. */
static uint64_t table_memory(const mr_cluster_t *cluster) {
    return cluster->config.worker_memory / (4 * (uint64_t) cluster->config.threads);
}

static int send_job(mr_cluster_t *cluster, mr_member_t *member) {
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
                            .task_timeout_ms = config->task_timeout_ms,
                            .eager = config->groups != NULL};
    mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_JOB, .job = job});
    free(options);
    return 0;
}

/* ---- HELD ---- */

/* Grants that were given are void, as the run may be lost; one that arrives all the same is passed over. */
void mr_cluster_void_grants(mr_cluster_t *cluster, mr_member_t *member) {
    if (cluster->config.sink && member->reserved)
        mr_sink_unreserve(cluster->config.sink, member->reserved);
    member->forgiven = member->reserved;
    member->reserved = member->offered = 0;
}

static void reconcile(mr_cluster_t *cluster, mr_member_t *member, const mr_held_message_t *held) {
    mr_log(MR_LOG_INFO, "worker %s:%u says what it holds: %zu tasks to do, %zu done", member->host, member->pid,
           held->undone_count, held->done_count);
    member->generation = held->generation;
    member->sent = 0;
    mr_scheduler_reconcile(cluster->scheduler, mr_clock_ms(), member->number, held->undone, held->undone_count,
                           held->done, held->done_count);
    mr_cluster_grant(cluster);
}

void mr_cluster_take_held(mr_cluster_t *cluster, mr_member_t *member, mr_message_t *message) {
    if (message->held.resend)
        mr_cluster_void_grants(cluster, member);
    if (member->joined) {
        reconcile(cluster, member, &message->held);
        return;
    }
    mr_message_clear(&member->held); /* until its lane is there */
    member->held = *message;
    message->zone = NULL;
}

/* ---- joining ---- */

static int join(mr_cluster_t *cluster, mr_member_t *member) {
    member->joined = true;
    cluster->joined_at = mr_clock_ms();
    mr_timeline("a worker joined");
    if (mr_scheduler_join(cluster->scheduler, mr_clock_ms(), member->number, member->threads, member->host_number))
        return mr_error_memory(cluster->error, "taking a worker");
    mr_log(MR_LOG_INFO, "worker %s:%u has joined with %u threads", member->host, member->pid, member->threads);
    if (member->local)
        mr_local_joined(cluster->local);
    if (member->held.zone)
        reconcile(cluster, member, &member->held.held);
    mr_message_clear(&member->held);
    if (member->missed)
        mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_ACCOUNT, .account = {cluster->epoch, 1}});
    return 0;
}

/* A lane has a peer: its worker can be sent tasks. One that shows something else may yet get one. */
static int welcome_in(mr_cluster_t *cluster, uint32_t number) {
    mr_member_t *member = mr_members_get(&cluster->members, number);
    if (!member || member->joined || !mr_member_reachable(member))
        return 0;
    mr_guests_remove(&cluster->guests, member->lane);
    return join(cluster, member);
}

int mr_cluster_on_guests(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_cluster_t *cluster = argument;
    uint32_t numbers[MR_GUESTS_AT_ONCE];
    (void) loop;
    (void) item;
    size_t count = mr_guests_ready(&cluster->guests, numbers);
    for (size_t i = 0; i < count; i++)
        if (welcome_in(cluster, numbers[i]))
            return mr_cluster_fail(cluster);
    return mr_cluster_pump(cluster);
}

static int bind_lane(mr_cluster_t *cluster, mr_member_t *member) {
    char *text = member->lane_endpoint;
    member->lane = zsock_new(ZMQ_PUSH);
    if (!member->lane)
        return mr_error_set(cluster->error, MR_STATUS_JOB, "cannot make a lane: %s", zmq_strerror(zmq_errno()));
    mr_endpoint_set_socket(member->lane, 0); /* credit is the bound */
    mr_guarded_t guarded = {NULL, member->peer.id, MR_CLUSTER_LANE_BYTES};
    if (!member->local && mr_guard_protect(cluster->guard, member->lane, &guarded, cluster->error))
        return -1;
    if (!member->local && mr_endpoint_bind_lane(&cluster->listen, member->lane, member->number, text, cluster->error))
        return -1;
    snprintf(text, member->local ? sizeof member->lane_endpoint : 0, "ipc://%s/lane-%u", cluster->config.dir,
             member->number);
    if (member->local && zsock_bind(member->lane, "%s", text) < 0)
        return mr_error_set(cluster->error, MR_STATUS_JOB, "%s: cannot bind a lane: %s", text,
                            zmq_strerror(zmq_errno()));
    if (mr_guests_add(&cluster->guests, member->lane, member->number))
        return mr_error_set(cluster->error, MR_STATUS_JOB, "cannot watch a lane: %s", strerror(errno));
    return 0;
}

static void refuse(mr_cluster_t *cluster, const mr_sender_t *sender, const char *reason) {
    mr_message_t refusal = mr_greeting_refusal(reason);
    mr_cluster_send_to(cluster, sender, &refusal);
}

static mr_member_t *add_member(mr_cluster_t *cluster, const mr_sender_t *sender, const mr_hello_message_t *hello) {
    mr_member_t *member = mr_members_add(&cluster->members, sender->identity, sender->size, hello->host);
    if (!member) {
        mr_error_memory(cluster->error, "taking a worker");
        return NULL;
    }
    member->pid = hello->pid;
    member->threads = hello->threads ? hello->threads : 1;
    member->peer = sender->peer;
    member->control = sender->socket;
    member->local = sender->socket == cluster->control;
    return bind_lane(cluster, member) ? NULL : member;
}

int mr_cluster_take_hello(mr_cluster_t *cluster, const mr_sender_t *sender, const mr_hello_message_t *hello) {
    mr_member_t *member = mr_members_by_identity(&cluster->members, sender->identity, sender->size);
    if (member && !mr_cluster_is_from(member, sender)) {
        mr_log(MR_LOG_WARNING, "%s says to be worker %s:%u, whose key is another; passed over", sender->peer.id,
               member->host, member->pid);
        return 0;
    }
    const char *mismatch = mr_greeting_mismatch(hello);
    if (mismatch) {
        refuse(cluster, sender, mismatch);
        return 0;
    }
    if (!member && cluster->ending_at)
        return 0; /* it asks again, and finds the next coordinator */
    if (!member && cluster->members.present >= cluster->config.most_workers) {
        refuse(cluster, sender, "this coordinator has no room for more workers (raise ulimit -n there)");
        return 0;
    }
    if (!member && !(member = add_member(cluster, sender, hello)))
        return -1;
    member->heard_at = mr_clock_ms();
    member->welcomed_at = member->welcomed_at ? member->welcomed_at : member->heard_at;
    send_welcome(cluster, member);
    return send_job(cluster, member);
}
