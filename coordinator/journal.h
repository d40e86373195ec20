/* journal.h - what is committed, kept in DIR/journal (docs/journal.md), so that another coordinator can go on after this one is killed.
 *
 * In order: mr_journal_open; then mr_journal_begin if there is no binding, else mr_journal_replay; then runs and commits;
 * mr_journal_finish at success; mr_journal_destroy in every case. One thread calls these; none waits for the disk but
 * open, begin, replay, finish and destroy. A thread of the journal's own writes. Whoever calls mr_journal_commit answers the worker
 * only when mr_journal_check says that the ticket is durable.
 *
 * When writing fails (disk full, I/O error), what was not durable is cut off, the error is kept (STORAGE, file and offset), and
 * no ticket becomes durable any more. */
#ifndef MR_JOURNAL_H
#define MR_JOURNAL_H

#include <stdbool.h>

#include "journal_read.h"

typedef struct mr_journal mr_journal_t;

/* Opens DIR/journal and locks it; DIR (0700) and the file (0600) are made if missing. NULL and USAGE when another coordinator has it,
 * or when it holds an unfinished job and `resume` is false; STORAGE when it is damaged at its beginning or cannot be opened. */
mr_journal_t *mr_journal_open(const char *dir, bool resume, mr_error_t *error);

/* The binding of the job in it; NULL: it holds no job. Valid as long as the journal. */
const char *mr_journal_binding(const mr_journal_t *journal, size_t *size);

/* Makes it the journal of a new job: the binding is durable when this returns 0. */
int mr_journal_begin(mr_journal_t *journal, const char *binding, size_t size, mr_error_t *error);

/* Shows `visitor` what was committed, cuts a torn tail off with a warning, and makes the journal ready for more. */
int mr_journal_replay(mr_journal_t *journal, const mr_journal_visitor_t *visitor, mr_error_t *error);

/* The job's random number, the same in all its lives. After begin or replay. */
uint64_t mr_journal_job(const mr_journal_t *journal);

/* Which coordinator of this job this is: 1, or more than the one before. After begin or replay. */
uint64_t mr_journal_life(const mr_journal_t *journal);

/* The file, for runs that are read where they stand (borrowed), and its name for messages. */
int mr_journal_fd(const mr_journal_t *journal);
const char *mr_journal_name(const mr_journal_t *journal);

/* ---- while the job runs ---- */

/* Queues a run of a partial that is not complete yet. `release(hint)` is called in every case, also when this fails, from any thread:
 * the bytes are no longer needed here. -1: memory is out. */
int mr_journal_run(mr_journal_t *journal, uint32_t worker, uint64_t partial, const void *data, size_t size,
                   void (*release)(void *hint), void *hint, mr_error_t *error);

/* Queues the commit of a partial with all its runs. Returns its ticket: one more than the last, from 1; 0 and `error`: memory
 * is out. */
uint64_t mr_journal_commit(mr_journal_t *journal, uint32_t worker, uint64_t partial, const mr_result_t *results,
                           size_t count, mr_error_t *error);

/* Queues a note that the output is complete and about to get its name. Returns a ticket, or 0 and `error`. */
uint64_t mr_journal_end(mr_journal_t *journal, const char *text, size_t size, mr_error_t *error);

/* The runs of a partial that is discarded, or of all partials of a worker, are not to be named any more. */
void mr_journal_drop(mr_journal_t *journal, uint32_t worker, uint64_t partial);
void mr_journal_drop_worker(mr_journal_t *journal, uint32_t worker);

/* Bytes of runs that wait to be written, and so are in memory. */
size_t mr_journal_backlog(const mr_journal_t *journal);

/* Becomes readable when something was written or writing failed. */
int mr_journal_event_fd(const mr_journal_t *journal);

/* Clears the event. `durable` gets the last ticket that is on the disk, with all before it. Returns 0, or -1 and the error of writing. */
int mr_journal_check(mr_journal_t *journal, uint64_t *durable, mr_error_t *error);

/* Waits until that ticket is durable. Returns 0, or -1 and the error of writing. */
int mr_journal_wait(mr_journal_t *journal, uint64_t ticket, mr_error_t *error);

/* ---- the end ---- */

/* The job is complete and its output in place: removes the file. -1 if that failed; the journal is then as after a crash. */
int mr_journal_finish(mr_journal_t *journal, mr_error_t *error);

/* Writes what is queued and closes. A file that no job was begun in is removed. */
void mr_journal_destroy(mr_journal_t **journal);

#endif
