/* What callers put into the journal. A record gets its place in the file when it is queued, so that a commit can name runs that are
 * still on their way; after that it must be written, so whatever may fail is done before. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_private.h"
#include "key.h"

mr_entry_t *mr_entry_new(size_t payload) {
    mr_entry_t *entry = calloc(1, sizeof *entry);
    if (entry && mr_buffer_reserve(&entry->payload, payload))
        mr_entry_free(&entry);
    return entry;
}

void mr_entry_free(mr_entry_t **entry) {
    if (!*entry)
        return;
    if ((*entry)->release)
        (*entry)->release((*entry)->hint);
    mr_buffer_free(&(*entry)->payload);
    free(*entry);
    *entry = NULL;
}

void mr_entry_place(mr_journal_t *journal, mr_entry_t *entry, mr_record_type_t type) {
    mr_record_t record = {type, journal->job, journal->end, entry->payload.size + entry->size};
    mr_record_header(&record, entry->header);
    entry->offset = journal->end;
    journal->end += mr_record_bytes(record.size);
}

static void push(mr_journal_t *journal, mr_entry_t *entry) {
    pthread_mutex_lock(&journal->lock);
    if (journal->last)
        journal->last->next = entry;
    else
        journal->first = entry;
    journal->last = entry;
    journal->backlog += entry->size;
    pthread_cond_signal(&journal->wake);
    pthread_mutex_unlock(&journal->lock);
}

/* ---- runs that no commit has named ---- */

static int reserve_staged(mr_journal_t *journal) {
    if (journal->staged_count < journal->staged_capacity)
        return 0;
    size_t capacity = journal->staged_capacity ? 2 * journal->staged_capacity : 64;
    mr_staged_run_t *staged = realloc(journal->staged, capacity * sizeof *staged);
    if (!staged)
        return -1;
    journal->staged = staged;
    journal->staged_capacity = capacity;
    return 0;
}

static bool is_of(const mr_staged_run_t *staged, uint32_t worker, const uint64_t *partial) {
    return staged->worker == worker && (!partial || staged->partial == *partial);
}

static void unstage(mr_journal_t *journal, uint32_t worker, const uint64_t *partial) {
    size_t kept = 0;
    for (size_t i = 0; i < journal->staged_count; i++)
        if (!is_of(&journal->staged[i], worker, partial))
            journal->staged[kept++] = journal->staged[i];
    journal->staged_count = kept;
}

/* The places of a partial's runs; the caller frees them. NULL: memory is out. */
static uint64_t *staged_places(const mr_journal_t *journal, uint32_t worker, uint64_t partial, uint32_t *count) {
    uint64_t *places = malloc((journal->staged_count + 1) * sizeof *places);
    *count = 0;
    for (size_t i = 0; places && i < journal->staged_count; i++)
        if (is_of(&journal->staged[i], worker, &partial))
            places[(*count)++] = journal->staged[i].record;
    return places;
}

/* ---- calls ---- */

int mr_journal_run(mr_journal_t *journal, uint32_t worker, uint64_t partial, const void *data, size_t size,
                   void (*release)(void *hint), void *hint, mr_error_t *error) {
    mr_entry_t *entry = reserve_staged(journal) ? NULL : mr_entry_new(MR_RECORD_RUN_HEAD);
    if (!entry) {
        if (release)
            release(hint);
        return mr_error_memory(error, "writing the journal");
    }
    entry->data = data;
    entry->size = size;
    entry->release = release;
    entry->hint = hint;
    mr_store64(entry->payload.data, worker); /* and the zeros after it */
    mr_store64(entry->payload.data + 8, partial);
    entry->payload.size = MR_RECORD_RUN_HEAD;
    mr_entry_place(journal, entry, MR_RECORD_RUN);
    journal->staged[journal->staged_count++] = (mr_staged_run_t){worker, partial, entry->offset};
    push(journal, entry);
    return 0;
}

/* Queues an entry that somebody waits for. Returns the ticket. */
static uint64_t push_awaited(mr_journal_t *journal, mr_entry_t *entry, mr_record_type_t type) {
    uint64_t ticket = ++journal->tickets;
    entry->ticket = ticket;
    mr_entry_place(journal, entry, type);
    push(journal, entry);
    return ticket;
}

uint64_t mr_journal_commit(mr_journal_t *journal, uint32_t worker, uint64_t partial, const mr_result_t *results,
                           size_t count, mr_error_t *error) {
    uint32_t runs;
    uint64_t *places = staged_places(journal, worker, partial, &runs);
    mr_entry_t *entry = places ? mr_entry_new(0) : NULL;
    if (!entry || mr_record_commit_encode(worker, partial, places, runs, results, count, &entry->payload)) {
        mr_error_memory(error, "writing the journal");
        free(places);
        if (entry)
            mr_entry_free(&entry);
        return 0;
    }
    free(places);
    unstage(journal, worker, &partial);
    return push_awaited(journal, entry, MR_RECORD_COMMIT);
}

uint64_t mr_journal_end(mr_journal_t *journal, const char *text, size_t size, mr_error_t *error) {
    mr_entry_t *entry = mr_entry_new(0);
    if (!entry || mr_buffer_append(&entry->payload, text, size)) {
        mr_error_memory(error, "writing the journal");
        if (entry)
            mr_entry_free(&entry);
        return 0;
    }
    return push_awaited(journal, entry, MR_RECORD_END);
}

void mr_journal_drop(mr_journal_t *journal, uint32_t worker, uint64_t partial) {
    unstage(journal, worker, &partial);
}

void mr_journal_drop_worker(mr_journal_t *journal, uint32_t worker) {
    unstage(journal, worker, NULL);
}

size_t mr_journal_backlog(const mr_journal_t *self) {
    mr_journal_t *journal = (mr_journal_t *) self; /* only the lock changes */
    pthread_mutex_lock(&journal->lock);
    size_t backlog = journal->backlog;
    pthread_mutex_unlock(&journal->lock);
    return backlog;
}

int mr_journal_event_fd(const mr_journal_t *journal) {
    return journal->event_fd;
}

/* Call with the lock. */
static int failure(const mr_journal_t *journal, mr_error_t *error) {
    return journal->error.status ? mr_error_set(error, journal->error.status, "%s", journal->error.text) : 0;
}

int mr_journal_check(mr_journal_t *journal, uint64_t *durable, mr_error_t *error) {
    uint64_t events;
    ssize_t got = read(journal->event_fd, &events, sizeof events);
    (void) got; /* EAGAIN: nothing happened since the last call */
    pthread_mutex_lock(&journal->lock);
    *durable = journal->durable;
    int result = failure(journal, error);
    pthread_mutex_unlock(&journal->lock);
    return result;
}

int mr_journal_wait(mr_journal_t *journal, uint64_t ticket, mr_error_t *error) {
    pthread_mutex_lock(&journal->lock);
    while (journal->durable < ticket && !journal->error.status)
        pthread_cond_wait(&journal->settled, &journal->lock);
    int result = journal->durable < ticket ? failure(journal, error) : 0;
    pthread_mutex_unlock(&journal->lock);
    return result;
}
