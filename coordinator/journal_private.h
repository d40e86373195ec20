/* journal_private.h - what the files of the journal share: journal.c (the file: opened, begun, replayed, removed), journal_queue.c (what
 * callers put in), journal_write.c (the thread that writes it). */
#ifndef MR_JOURNAL_PRIVATE_H
#define MR_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal.h"
#include "journal_format.h"

/* One record on its way to the file. */
typedef struct mr_entry {
    struct mr_entry *next;
    char header[MR_RECORD_HEADER];
    mr_buffer_t payload;              /* owned: all of it, or what stands before a run */
    const void *data;                 /* the run, or NULL */
    size_t size;                      /* bytes of it */
    void (*release)(void *hint);      /* of the run; may be NULL */
    void *hint;                       /* for release */
    char tail[8 + MR_RECORD_TRAILER]; /* padding and trailer */
    uint64_t offset;                  /* where it goes */
    uint64_t ticket;                  /* durable with it; 0: nobody waits for it */
} mr_entry_t;

/* A run that was queued and that no commit has named. */
typedef struct mr_staged_run {
    uint32_t worker;
    uint64_t partial;
    uint64_t record; /* offset */
} mr_staged_run_t;

struct mr_journal {
    char *dir;  /* owned */
    char *name; /* owned: DIR/journal */
    int fd;     /* the file, locked */
    int event_fd;
    mr_buffer_t binding; /* as found, or as begun with */
    bool begun;          /* the file holds a job */
    uint64_t job;        /* random */
    uint64_t life;
    uint64_t end;            /* where the next record goes */
    uint64_t tickets;        /* handed out */
    mr_staged_run_t *staged; /* owned, in the order of the file */
    size_t staged_count;
    size_t staged_capacity;
    pthread_t thread;
    atomic_bool forsaken;   /* the file is to be removed: nothing more need be written */
    bool joinable;          /* the thread was started */
    pthread_mutex_t lock;   /* guards all that follows */
    pthread_cond_t wake;    /* something was queued, or stop */
    pthread_cond_t settled; /* something became durable, or writing failed */
    mr_entry_t *first;      /* the queue */
    mr_entry_t *last;
    size_t backlog;   /* bytes of runs in the queue or being written */
    bool stop;        /* no more will come */
    uint64_t synced;  /* bytes of the file that are durable */
    uint64_t durable; /* the last durable ticket */
    mr_error_t error; /* of writing */
};

/* A new entry with room for its payload. NULL: memory is out. */
mr_entry_t *mr_entry_new(size_t payload);
void mr_entry_free(mr_entry_t **entry);

/* Gives the entry its place in the file and its header: from now on it must be written. `payload` is filled. */
void mr_entry_place(mr_journal_t *journal, mr_entry_t *entry, mr_record_type_t type);

/* Writes entries (a list) where they belong. Returns 0, or -1 and STORAGE. */
int mr_entries_write(const mr_journal_t *journal, mr_entry_t *first, mr_error_t *error);

/* "DIR/journal:OFFSET: cannot WHAT: errno's text". Returns -1. */
int mr_journal_failed(const mr_journal_t *journal, uint64_t offset, const char *what, mr_error_t *error);

/* Starts the thread that writes. */
int mr_journal_start(mr_journal_t *journal, mr_error_t *error);

/* Lets it write what is queued and end. Safe twice. */
void mr_journal_stop(mr_journal_t *journal);

#endif
