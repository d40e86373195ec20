#include "shelf.h"

void mr_shelf_put(mr_shelf_t *shelf, mr_partial_t *first, mr_partial_t *last) {
    if (!first)
        return;
    if (shelf->to_send)
        shelf->last->next = first;
    else
        shelf->to_send = first;
    shelf->last = last;
}

/* True: the run may go now. False: an OFFER is out and must be answered first. */
static bool may_send(mr_shelf_t *shelf, mr_link_t *link, uint64_t epoch, uint32_t worker, size_t size) {
    if (size <= MR_WIRE_INLINE_RUN || shelf->granted) {
        shelf->offered = shelf->granted = false;
        return true;
    }
    if (!shelf->offered)
        mr_link_control(link, &(mr_message_t){.type = MR_OFFER, .offer = {epoch, worker, size}});
    shelf->offered = true;
    return false;
}

/* Returns 1 when all runs of the partial are sent, 0 when one waits for a grant, -1 on failure. */
static int send_runs(mr_shelf_t *shelf, mr_link_t *link, uint64_t epoch, uint32_t worker, mr_error_t *error) {
    mr_partial_t *partial = shelf->to_send;
    mr_message_t header = {.type = MR_RUN, .run = {epoch, worker, partial->id}};
    for (; partial->next_run < partial->run_count; partial->next_run++) {
        header.run.index = (uint32_t) partial->next_run;
        size_t size = partial->runs[partial->next_run].size;
        if (!may_send(shelf, link, epoch, worker, size))
            return 0;
        mr_run_bytes_t *bytes = mr_partial_run_bytes(partial, partial->next_run, error);
        if (!bytes)
            return -1;
        mr_link_run(link, &header, bytes, size);
    }
    return 1;
}

int mr_shelf_send(mr_shelf_t *shelf, mr_link_t *link, uint64_t epoch, uint32_t worker, mr_error_t *error) {
    int sent = 1;
    while (shelf->to_send && (sent = send_runs(shelf, link, epoch, worker, error)) > 0) {
        mr_partial_t *partial = shelf->to_send;
        mr_link_partial(link, &(mr_message_t){.type = MR_PARTIAL,
                                              .partial = {epoch, worker, partial->id, (uint32_t) partial->run_count,
                                                          partial->rows, partial->results, partial->result_count}});
        shelf->to_send = partial->next;
        partial->next = shelf->sent;
        shelf->sent = partial;
    }
    return sent < 0 ? -1 : 0;
}

void mr_shelf_grant(mr_shelf_t *shelf) {
    shelf->granted = shelf->offered;
}

/* Unlinks the partial from a list. `last`: the list's last, or NULL where nobody asks for it. */
static mr_partial_t *take(mr_partial_t **list, mr_partial_t **last, uint64_t id) {
    mr_partial_t *before = NULL, **link = list;
    while (*link && (*link)->id != id) {
        before = *link;
        link = &before->next;
    }
    mr_partial_t *partial = *link;
    if (!partial)
        return NULL;
    *link = partial->next;
    if (last && *last == partial)
        *last = before;
    partial->next = NULL;
    return partial;
}

mr_partial_t *mr_shelf_settle(mr_shelf_t *shelf, uint64_t id) {
    mr_partial_t *partial = take(&shelf->sent, NULL, id), *first = shelf->to_send;
    bool under_way = first && first->id == id && (shelf->offered || first->next_run);
    return partial || under_way ? partial : take(&shelf->to_send, &shelf->last, id);
}

void mr_shelf_resend(mr_shelf_t *shelf) {
    shelf->offered = shelf->granted = false;
    if (shelf->to_send)
        shelf->to_send->next_run = 0;
    while (shelf->sent) { /* the latest first */
        mr_partial_t *partial = shelf->sent;
        shelf->sent = partial->next;
        partial->next = shelf->to_send;
        partial->next_run = 0;
        shelf->last = shelf->to_send ? shelf->last : partial;
        shelf->to_send = partial;
    }
}

bool mr_shelf_empty(const mr_shelf_t *shelf) {
    return !shelf->to_send && !shelf->sent;
}

static void free_list(mr_partial_t *list) {
    for (mr_partial_t *next; list; list = next) {
        next = list->next;
        mr_partial_destroy(&list);
    }
}

void mr_shelf_close(mr_shelf_t *shelf) {
    free_list(shelf->to_send);
    free_list(shelf->sent);
    *shelf = (mr_shelf_t){0};
}
