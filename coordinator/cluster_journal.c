/* What is committed goes to the journal, and COMMITTED goes out when it is durable there.
 *
 * The sink reduces a partial at once, in memory: should the process die before the journal has it, that memory dies too, and the
 * worker, which was not answered, still has the partial. So only answers wait, in the order of their tickets. */
#include "cluster_private.h"

/* A COMMITTED that waits. */
typedef struct answer {
    uint64_t ticket;
    uint64_t partial;
    uint32_t worker;
} answer_t;

static void release_frame(void *hint) {
    zmq_msg_t *frame = hint;
    zmq_msg_close(frame);
    free(frame);
}

int mr_cluster_journal_run(mr_cluster_t *cluster, const mr_run_message_t *run, zmq_msg_t *frame, mr_error_t *error) {
    if (!cluster->config.journal)
        return 0;
    zmq_msg_t *shared = malloc(sizeof *shared);
    if (!shared)
        return mr_error_memory(error, "taking a partial");
    zmq_msg_init(shared);
    zmq_msg_copy(shared, frame); /* counts a reference; the bytes of a small one are copied */
    return mr_journal_run(cluster->config.journal, run->worker, run->partial, zmq_msg_data(shared),
                          zmq_msg_size(shared), release_frame, shared, error);
}

void mr_cluster_journal_drop(mr_cluster_t *cluster, uint32_t worker, const uint64_t *partial) {
    if (cluster->config.journal && partial)
        mr_journal_drop(cluster->config.journal, worker, *partial);
    else if (cluster->config.journal)
        mr_journal_drop_worker(cluster->config.journal, worker);
}

int mr_cluster_journal_commit(mr_cluster_t *cluster, const mr_partial_message_t *partial) {
    if (!cluster->config.journal)
        return 0;
    cluster->ticket = mr_journal_commit(cluster->config.journal, partial->worker, partial->partial, partial->results,
                                        partial->results_count, cluster->error);
    return cluster->ticket ? 0 : -1;
}

static void send_committed(mr_cluster_t *cluster, mr_member_t *member, uint64_t partial) {
    mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_COMMITTED, .committed = {cluster->epoch, partial}});
}

int mr_cluster_answer(mr_cluster_t *cluster, mr_member_t *member, uint64_t partial) {
    answer_t answer = {cluster->ticket, partial, member->number};
    if (cluster->durable >= cluster->ticket)
        send_committed(cluster, member, partial);
    else if (mr_buffer_append(&cluster->answers, &answer, sizeof answer))
        return mr_error_memory(cluster->error, "taking a partial");
    return 0;
}

static void send_answers(mr_cluster_t *cluster) {
    const answer_t *answers = (const answer_t *) (const void *) cluster->answers.data;
    size_t count = cluster->answers.size / sizeof *answers, sent = 0;
    for (; sent < count && answers[sent].ticket <= cluster->durable; sent++) {
        mr_member_t *member = mr_members_get(&cluster->members, answers[sent].worker);
        if (member)
            send_committed(cluster, member, answers[sent].partial);
    }
    cluster->answers.size -= sent * sizeof *answers;
    if (sent && cluster->answers.size)
        memmove(cluster->answers.data, cluster->answers.data + sent * sizeof *answers, cluster->answers.size);
}

int mr_cluster_print(mr_cluster_t *cluster) {
    const mr_cluster_config_t *config = &cluster->config;
    if (!config->groups || !mr_groups_printable(config->groups, cluster->durable))
        return 0;
    mr_progress_clear(config->progress); /* on a terminal, the row would be put behind the bar */
    return mr_groups_print(config->groups, cluster->durable, &config->ledger->rows, cluster->error);
}

int mr_cluster_print_last(mr_cluster_t *cluster) {
    if (cluster->config.journal && cluster->config.groups && cluster->durable < cluster->ticket) {
        if (mr_journal_wait(cluster->config.journal, cluster->ticket, cluster->error))
            return -1;
        cluster->durable = cluster->ticket;
    }
    return mr_cluster_print(cluster);
}

bool mr_cluster_journal_behind(const mr_cluster_t *cluster) {
    return cluster->config.journal && mr_journal_backlog(cluster->config.journal) > cluster->config.journal_memory;
}

int mr_cluster_on_journal(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_cluster_t *cluster = argument;
    (void) loop;
    (void) item;
    int failed = mr_journal_check(cluster->config.journal, &cluster->durable, cluster->error);
    send_answers(cluster);
    if (failed || mr_cluster_print(cluster))
        return mr_cluster_fail(cluster);
    mr_cluster_grant(cluster);
    return mr_cluster_pump(cluster);
}
