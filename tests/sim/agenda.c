#include "agenda.h"
#include "must.h"

#include <string.h>

sim_event_t *agenda_event(sim_kind_t kind, const mr_attempt_t *attempts, size_t count) {
    sim_event_t *event = must(calloc(1, sizeof *event + count * sizeof *attempts));
    event->kind = kind;
    event->count = count;
    if (attempts && count)
        memcpy(event->attempts, attempts, count * sizeof *attempts);
    return event;
}

static bool before(const sim_event_t *a, const sim_event_t *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void agenda_add(agenda_t *agenda, sim_event_t *event) {
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity ? agenda->capacity * 2 : 256;
        agenda->heap = must(realloc(agenda->heap, agenda->capacity * sizeof *agenda->heap));
    }
    event->order = agenda->order++;
    size_t i = agenda->count++;
    for (; i && before(event, agenda->heap[(i - 1) / 2]); i = (i - 1) / 2)
        agenda->heap[i] = agenda->heap[(i - 1) / 2];
    agenda->heap[i] = event;
}

sim_event_t *agenda_take(agenda_t *agenda) {
    if (agenda->count == 0)
        return NULL;
    sim_event_t *first = agenda->heap[0];
    sim_event_t *last = agenda->heap[--agenda->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < agenda->count; i = child) {
        child += child + 1 < agenda->count && before(agenda->heap[child + 1], agenda->heap[child]);
        if (!before(agenda->heap[child], last))
            break;
        agenda->heap[i] = agenda->heap[child];
    }
    agenda->heap[i] = last;
    return first;
}

void agenda_free(agenda_t *agenda) {
    for (size_t i = 0; i < agenda->count; i++)
        free(agenda->heap[i]);
    free(agenda->heap);
    *agenda = (agenda_t){0};
}
