/* The thread that writes the journal: it takes all that is queued, computes the checks, writes, and if somebody waits for any of it
 * makes the file durable, once. What is queued meanwhile is the next batch.
 *
 * The first failure ends it: the file is cut back to what was durable, so that no record that was never answered is found by
 * a later coordinator, and whatever is queued from then on is only released. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal_private.h"

#define ENTRY_PARTS 4
#define MOST_PARTS (64 * ENTRY_PARTS) /* of one write; below IOV_MAX */

int mr_journal_failed(const mr_journal_t *journal, uint64_t offset, const char *what, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_STORAGE, "%s:%llu: cannot %s: %s%s", journal->name,
                        (unsigned long long) offset, what, strerror(errno),
                        errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? "; free space there" : "");
}

/* ---- bytes ---- */

static size_t skip_written(struct iovec *parts, size_t count, size_t written) {
    size_t skipped = 0;
    while (skipped < count && written >= parts[skipped].iov_len)
        written -= parts[skipped++].iov_len;
    if (skipped < count) {
        parts[skipped].iov_base = (char *) parts[skipped].iov_base + written;
        parts[skipped].iov_len -= written;
    }
    return skipped;
}

static int write_parts(const mr_journal_t *journal, struct iovec *parts, size_t count, uint64_t offset,
                       mr_error_t *error) {
    while (count) {
        ssize_t written = pwritev(journal->fd, parts, (int) count, (off_t) offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written ? errno : ENOSPC;
            return mr_journal_failed(journal, offset, "write the journal", error);
        }
        offset += (uint64_t) written;
        size_t skipped = skip_written(parts, count, (size_t) written);
        parts += skipped;
        count -= skipped;
    }
    return 0;
}

/* The check is computed here and not by the caller, whose time is dear. */
static void lay_out(mr_entry_t *entry, struct iovec parts[ENTRY_PARTS]) {
    size_t padding = mr_record_padding(entry->payload.size + entry->size);
    uint64_t check = mr_record_check(0, entry->payload.data, entry->payload.size);
    check = mr_record_check(check, entry->data, entry->size);
    memset(entry->tail, 0, sizeof entry->tail);
    mr_record_trailer(mr_record_check(check, entry->tail, padding), entry->tail + padding);
    parts[0] = (struct iovec){entry->header, sizeof entry->header};
    parts[1] = (struct iovec){entry->payload.data, entry->payload.size};
    parts[2] = (struct iovec){(void *) (uintptr_t) entry->data, entry->size};
    parts[3] = (struct iovec){entry->tail, padding + MR_RECORD_TRAILER};
}

int mr_entries_write(const mr_journal_t *journal, mr_entry_t *first, mr_error_t *error) {
    struct iovec parts[MOST_PARTS];
    for (mr_entry_t *entry = first; entry;) {
        uint64_t offset = entry->offset;
        size_t count = 0;
        for (; entry && count < MOST_PARTS; entry = entry->next, count += ENTRY_PARTS)
            lay_out(entry, parts + count);
        if (write_parts(journal, parts, count, offset, error))
            return -1;
    }
    return 0;
}

/* ---- the thread ---- */

static mr_entry_t *take_batch(mr_journal_t *journal) {
    pthread_mutex_lock(&journal->lock);
    while (!journal->first && !journal->stop)
        pthread_cond_wait(&journal->wake, &journal->lock);
    mr_entry_t *batch = journal->first;
    journal->first = journal->last = NULL;
    pthread_mutex_unlock(&journal->lock);
    return batch;
}

/* What a batch comes to. */
typedef struct batch {
    uint64_t ticket; /* the last; 0: nobody waits */
    uint64_t end;    /* of the file, with it */
    size_t bytes;    /* of runs */
} batch_t;

static batch_t measure(const mr_entry_t *first) {
    batch_t batch = {0};
    for (const mr_entry_t *entry = first; entry; entry = entry->next) {
        batch.ticket = entry->ticket ? entry->ticket : batch.ticket;
        batch.end = entry->offset + mr_record_bytes(entry->payload.size + entry->size);
        batch.bytes += entry->size;
    }
    return batch;
}

static int write_batch(const mr_journal_t *journal, mr_entry_t *first, const batch_t *batch, mr_error_t *error) {
    if (mr_entries_write(journal, first, error))
        return -1;
    if (batch->ticket && fdatasync(journal->fd))
        return mr_journal_failed(journal, journal->synced, "make the journal durable", error);
    return 0;
}

/* Only this thread changes what is read here without the lock. */
static void cut_back(mr_journal_t *journal) {
    int result = ftruncate(journal->fd, (off_t) journal->synced);
    (void) result; /* the error that led here is the one to tell; what is left is a torn tail */
}

static void settle(mr_journal_t *journal, const batch_t *batch, const mr_error_t *error) {
    pthread_mutex_lock(&journal->lock);
    journal->backlog -= batch->bytes;
    if (error->status && !journal->error.status)
        journal->error = *error;
    if (!journal->error.status && batch->ticket) {
        journal->durable = batch->ticket;
        journal->synced = batch->end;
    }
    pthread_cond_broadcast(&journal->settled);
    pthread_mutex_unlock(&journal->lock);
    eventfd_write(journal->event_fd, 1);
}

static void free_entries(mr_entry_t *first) {
    while (first) {
        mr_entry_t *entry = first;
        first = entry->next;
        mr_entry_free(&entry);
    }
}

static void *journal_main(void *argument) {
    mr_journal_t *journal = argument;
    mr_error_t error = {0};
    for (mr_entry_t *first; (first = take_batch(journal));) {
        batch_t batch = measure(first);
        if (!error.status && !atomic_load(&journal->forsaken) && write_batch(journal, first, &batch, &error))
            cut_back(journal);
        free_entries(first);
        settle(journal, &batch, &error);
    }
    return NULL;
}

int mr_journal_start(mr_journal_t *journal, mr_error_t *error) {
    if (pthread_create(&journal->thread, NULL, journal_main, journal))
        return mr_error_memory(error, "starting the journal's thread");
    journal->joinable = true;
    return 0;
}

void mr_journal_stop(mr_journal_t *journal) {
    if (!journal->joinable)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->stop = true;
    pthread_cond_signal(&journal->wake);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    journal->joinable = false;
}
