#include "queue.h"

#include <stdlib.h>

int mr_queue_put(mr_queue_t *queue, mr_message_t *tasks) {
    size_t count = tasks->tasks.specs_count;
    if (!count)
        return 0;
    mr_batch_t *batch = malloc(sizeof *batch);
    if (!batch)
        return -1;
    *batch = (mr_batch_t){.message = *tasks};
    atomic_init(&batch->held, count);
    tasks->zone = NULL;
    if (queue->last)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
    queue->size += count;
    queue->received += count;
    return 0;
}

bool mr_queue_take(mr_queue_t *queue, mr_ticket_t *ticket) {
    mr_batch_t *batch = queue->first;
    if (!batch)
        return false;
    *ticket = (mr_ticket_t){&batch->message.tasks.specs[batch->begun++], batch};
    queue->size--;
    if (batch->begun == batch->message.tasks.specs_count) {
        queue->first = batch->next;
        if (!queue->first)
            queue->last = NULL;
    }
    return true;
}

void mr_ticket_release(mr_ticket_t *ticket) {
    mr_batch_t *batch = ticket->batch;
    *ticket = (mr_ticket_t){0};
    if (batch && atomic_fetch_sub(&batch->held, 1) == 1) {
        mr_message_clear(&batch->message);
        free(batch);
    }
}
