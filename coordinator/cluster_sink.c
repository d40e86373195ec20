/* Messages on the sink socket: runs are staged, partials committed or discarded. */
#include "clock.h"
#include "cluster_private.h"
#include "log.h"
#include "timeline.h"

#define MOST_AT_ONCE 64 /* messages taken before other sockets have their turn */

static void release_frame(void *hint) {
    zmq_msg_t *frame = hint;
    zmq_msg_close(frame);
    free(frame);
}

/* A small frame may lie in a buffer that ZeroMQ shares among many: a copy holds no more memory than its size. */
static int stage_copy(mr_cluster_t *cluster, const mr_run_message_t *run, const zmq_msg_t *frame, mr_error_t *error) {
    size_t size = zmq_msg_size(frame);
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return mr_error_memory(error, "taking a partial");
    memcpy(copy, zmq_msg_data((zmq_msg_t *) frame), size);
    return mr_sink_stage(cluster->config.sink, run->worker, run->partial, copy, size, free, copy, error);
}

static int stage_frame(mr_cluster_t *cluster, const mr_run_message_t *run, zmq_msg_t *frame, mr_error_t *error) {
    zmq_msg_t *kept = malloc(sizeof *kept);
    if (!kept)
        return mr_error_memory(error, "taking a partial");
    zmq_msg_init(kept);
    zmq_msg_move(kept, frame);
    return mr_sink_stage(cluster->config.sink, run->worker, run->partial, zmq_msg_data(kept), zmq_msg_size(kept),
                         release_frame, kept, error);
}

static size_t staged_runs(const mr_cluster_t *cluster, uint32_t worker, uint64_t partial, uint64_t *rows) {
    return cluster->config.groups ? mr_groups_staged(cluster->config.groups, worker, partial, rows)
                                  : mr_sink_staged(cluster->config.sink, worker, partial, rows);
}

static void drop_partial(mr_cluster_t *cluster, uint32_t worker, uint64_t partial) {
    if (cluster->config.groups)
        mr_groups_drop(cluster->config.groups, worker, partial);
    else
        mr_sink_drop(cluster->config.sink, worker, partial);
    mr_cluster_journal_drop(cluster, worker, &partial);
}

/* A run without a grant is an error, unless the grant was given back when its connection broke. Returns 1: take it; 0: drop it. */
static int check_grant(mr_member_t *member, size_t size, mr_error_t *error) {
    if (size <= MR_WIRE_INLINE_RUN)
        return 1;
    if (size == member->reserved) {
        member->reserved = 0; /* used up by this */
        return 1;
    }
    if (size > member->forgiven)
        return mr_error_set(error, MR_STATUS_JOB, "it sent a run of %zu bytes that it was not granted", size);
    member->forgiven = 0;
    return 0;
}

/* Run 0 begins a partial anew; another is of use only behind those before it. What is sent again may overtake the HELD that speaks of it, so
 * this is asked of every run. */
static bool is_next(mr_cluster_t *cluster, const mr_run_message_t *run) {
    size_t staged = staged_runs(cluster, run->worker, run->partial, NULL);
    if (run->index == 0 && staged) {
        drop_partial(cluster, run->worker, run->partial);
        staged = 0;
    }
    return run->index == staged;
}

static int stage(mr_cluster_t *cluster, mr_member_t *member, const mr_run_message_t *run, zmq_msg_t *frame,
                 mr_error_t *error) {
    size_t size = zmq_msg_size(frame);
    if (!size) /* no sound worker sends a run without a row: its rows would be lost without a word */
        return mr_error_set(error, MR_STATUS_JOB, "it sent an empty run");
    int granted = check_grant(member, size, error);
    if (granted <= 0)
        return granted;
    if (!is_next(cluster, run)) {
        if (cluster->config.sink && size > MR_WIRE_INLINE_RUN)
            mr_sink_unreserve(cluster->config.sink, size);
        return 0;
    }
    if (mr_cluster_journal_run(cluster, run, frame, error))
        return -1;
    if (cluster->config.groups)
        return mr_groups_stage(cluster->config.groups, run->worker, run->partial, zmq_msg_data(frame), size, error);
    return size > MR_WIRE_INLINE_RUN ? stage_frame(cluster, run, frame, error) : stage_copy(cluster, run, frame, error);
}

/* A run that cannot be taken: when the sink itself has failed, or memory is out, the job has; else its sender is not sound. */
static int take_run(mr_cluster_t *cluster, mr_member_t *member, const mr_run_message_t *run, zmq_msg_t *frame) {
    mr_error_t error = {0};
    if (!stage(cluster, member, run, frame, &error)) {
        if (member->offered)
            mr_cluster_grant(cluster); /* it waited for this run to arrive */
        return 0;
    }
    if (cluster->config.sink && mr_sink_check(cluster->config.sink, cluster->error))
        return -1;
    if (error.memory) {
        *cluster->error = error;
        return -1;
    }
    mr_cluster_distrust(cluster, member, error.text);
    return 0;
}

/* What was done is to be done again. */
static void tell_discard(mr_cluster_t *cluster, mr_member_t *member, const mr_partial_message_t *partial) {
    for (size_t i = 0; i < partial->results_count; i++)
        if (partial->results[i].task < mr_work_tasks(cluster->config.work))
            member->done_bytes -= (int64_t) mr_work_task_bytes(cluster->config.work, partial->results[i].task);
    mr_log(MR_LOG_INFO, "a partial of %zu tasks from worker %s:%u was discarded", partial->results_count, member->host,
           member->pid);
}

typedef enum verdict { VERDICT_DISCARD, VERDICT_COMMIT, VERDICT_COMMITTED_BEFORE, VERDICT_UNSOUND } verdict_t;

/* The scheduler's. A partial that was committed may come again, when its worker did not hear so. Its runs may be fewer than it says, when a
 * connection broke; with all of them, its rows may not. */
static verdict_t judge(mr_cluster_t *cluster, const mr_partial_message_t *partial, const mr_attempt_t *attempts) {
    int64_t now = mr_clock_ms();
    size_t count = partial->results_count;
    if (count && mr_scheduler_committed(cluster->scheduler, attempts, count))
        return VERDICT_COMMITTED_BEFORE;
    uint64_t rows;
    if (staged_runs(cluster, partial->worker, partial->partial, &rows) != partial->runs) {
        mr_scheduler_discard(cluster->scheduler, now, partial->worker, attempts, count);
        return VERDICT_DISCARD;
    }
    if (rows != partial->rows)
        return VERDICT_UNSOUND;
    return mr_scheduler_partial(cluster->scheduler, now, partial->worker, attempts, count) ? VERDICT_COMMIT
                                                                                           : VERDICT_DISCARD;
}

static int commit(mr_cluster_t *cluster, mr_member_t *member, const mr_partial_message_t *partial) {
    const mr_cluster_config_t *config = &cluster->config;
    for (size_t i = 0; i < partial->results_count; i++) {
        uint64_t bytes = mr_work_task_bytes(config->work, partial->results[i].task);
        member->done_bytes -= (int64_t) bytes;
        cluster->committed_bytes += bytes;
    }
    mr_ledger_commit(config->ledger, partial->results, partial->results_count);
    if (config->ledger->rejected > config->skip_bad)
        return mr_error_set(cluster->error, MR_STATUS_INPUT,
                            "%llu bad records, and --skip-bad allows %llu; the first are named above",
                            (unsigned long long) config->ledger->rejected, (unsigned long long) config->skip_bad);
    if (mr_cluster_journal_commit(cluster, partial))
        return -1;
    if (config->sink)
        return mr_sink_commit(config->sink, partial->worker, partial->partial, cluster->error);
    return mr_groups_commit(config->groups, partial->worker, partial->partial, partial->results, partial->results_count,
                            cluster->ticket, cluster->error) ||
                   mr_cluster_print(cluster)
               ? -1
               : 0;
}

static int take_partial(mr_cluster_t *cluster, mr_member_t *member, const mr_partial_message_t *partial) {
    mr_attempt_t *attempts = calloc(partial->results_count + 1, sizeof *attempts);
    if (!attempts)
        return mr_error_memory(cluster->error, "taking a partial");
    for (size_t i = 0; i < partial->results_count; i++)
        attempts[i] = (mr_attempt_t){partial->results[i].task, partial->results[i].attempt};
    member->flushed_at = 0;
    verdict_t verdict = judge(cluster, partial, attempts);
    free(attempts);
    if (verdict == VERDICT_UNSOUND) {
        mr_cluster_distrust(cluster, member, "it sent a partial with more or fewer rows than it says");
        return 0;
    }
    if (verdict == VERDICT_COMMIT && commit(cluster, member, partial))
        return -1;
    if (verdict != VERDICT_COMMIT)
        drop_partial(cluster, partial->worker, partial->partial);
    if (verdict == VERDICT_DISCARD)
        tell_discard(cluster, member, partial);
    mr_timeline(verdict == VERDICT_COMMIT ? "a partial was committed" : "a partial was discarded");
    if (verdict != VERDICT_DISCARD)
        return mr_cluster_answer(cluster, member, partial->partial);
    mr_cluster_send(cluster, member,
                    &(mr_message_t){.type = MR_DISCARD, .discard = {cluster->epoch, partial->partial}});
    return 0;
}

/* The member that a message names, if it comes from that one: by its socket, and under the key by which that said HELLO. */
static mr_member_t *member_of(const mr_cluster_t *cluster, const zsock_t *socket, const mr_peer_t *peer,
                              const mr_message_t *message) {
    mr_member_t *member = mr_members_get(&cluster->members, message->run.worker);
    bool same = member && message->run.epoch == cluster->epoch && member->local == (socket == cluster->sink) &&
                mr_peer_same(&member->peer, peer);
    return same ? member : NULL;
}

static int take_message(mr_cluster_t *cluster, mr_member_t *member, const mr_message_t *message, zmq_msg_t *frame) {
    if (!member) {
        cluster->config.ledger->stale++;
        return 0;
    }
    if (!member->joined) {
        member->missed = true; /* the sink was connected before the lane: it will be asked to send it again */
        return 0;
    }
    mr_scheduler_alive(cluster->scheduler, mr_clock_ms(), member->number);
    if (message->type == MR_RUN)
        return take_run(cluster, member, &message->run, frame);
    return take_partial(cluster, member, &message->partial);
}

/* Takes the message that begins with `header`; its second frame, if there is one, is a run. */
static int read_message(mr_cluster_t *cluster, zsock_t *sink, zmq_msg_t *header) {
    void *socket = zsock_resolve(sink);
    mr_message_t message;
    mr_peer_t peer;
    mr_error_t unreadable = {0};
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool whole = zmq_msg_more(header) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0;
    int failed = 0;
    mr_peer_of(header, &peer);
    if (mr_message_decode(&message, zmq_msg_data(header), zmq_msg_size(header), &unreadable)) {
        failed = mr_cluster_unreadable(cluster, &unreadable);
    } else {
        if ((message.type == MR_RUN && whole) || message.type == MR_PARTIAL)
            failed = take_message(cluster, member_of(cluster, sink, &peer, &message), &message, &frame);
        mr_message_clear(&message);
    }
    while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(&frame);
    return failed;
}

int mr_cluster_on_sink(zloop_t *loop, zsock_t *zsock, void *argument) {
    mr_cluster_t *cluster = argument;
    void *socket = zsock_resolve(zsock);
    zmq_msg_t header;
    int failed = 0;
    (void) loop;
    zmq_msg_init(&header);
    for (int i = 0; !failed && i < MOST_AT_ONCE && zmq_msg_recv(&header, socket, ZMQ_DONTWAIT) >= 0; i++)
        failed = read_message(cluster, zsock, &header);
    zmq_msg_close(&header);
    if (failed)
        return mr_cluster_fail(cluster);
    return mr_cluster_pump(cluster);
}
