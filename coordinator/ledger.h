/* ledger.h - what was read and reduced, counted once for each task when its partial is committed. */
#ifndef MR_LEDGER_H
#define MR_LEDGER_H

#include "scheduler.h"
#include "wire.h"

typedef struct mr_ledger {
    uint64_t files;
    uint64_t input_bytes; /* as planned */
    uint64_t bytes;       /* as read by committed attempts */
    uint64_t records;     /* reduced + rejected */
    uint64_t rejected;
    uint64_t crlf;
    uint64_t rows;    /* of output */
    uint64_t stale;   /* messages dropped: of another epoch, malformed, or of a worker that is gone */
    uint64_t spilled; /* bytes */
    mr_scheduler_stats_t tasks;
} mr_ledger_t;

/* Adds what a committed partial says. */
void mr_ledger_commit(mr_ledger_t *ledger, const mr_result_t *results, size_t count);

/* I4: every byte of input was read and every task committed. Status LEDGER if not: a defect, never the user's. */
int mr_ledger_reconcile(const mr_ledger_t *ledger, mr_error_t *error);

/* The closing summary: one line (two when there is something to explain), without newline at the end of `text`. */
void mr_ledger_summary(const mr_ledger_t *ledger, double seconds, char *text, size_t size);

#endif
