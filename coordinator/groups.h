/* groups.h - results of a job with arguments: one small table a group, printed the moment the group's last task is
 * committed, durably if there is a journal (or, on request, in the order of the arguments). */
#ifndef MR_GROUPS_H
#define MR_GROUPS_H

#include <stdbool.h>

#include "output.h"
#include "work.h"

typedef struct mr_groups mr_groups_t;

/* `in_order`: hold results back until those of all arguments before are printed. Borrows all. */
mr_groups_t *mr_groups_new(const mr_job_t *job, const mr_work_t *work, mr_output_t *output, bool in_order,
                           mr_error_t *error);
void mr_groups_destroy(mr_groups_t **groups);

/* Keeps a copy of one run of a partial that is not complete yet. -1: it is malformed, or memory is out. */
int mr_groups_stage(mr_groups_t *groups, uint32_t worker, uint64_t partial, const void *run, size_t size,
                    mr_error_t *error);

/* How many runs are staged for a partial. `rows` (may be NULL) gets how many rows they have. */
size_t mr_groups_staged(const mr_groups_t *groups, uint32_t worker, uint64_t partial, uint64_t *rows);

/* Folds what is staged for the partial into the group of its `count` tasks, which is one and the same. `ticket` is the journal's of that commit;
 * 0: there is no journal. */
int mr_groups_commit(mr_groups_t *groups, uint32_t worker, uint64_t partial, const mr_result_t *results, size_t count,
                     uint64_t ticket, mr_error_t *error);

/* Prints what is complete, and made so by commits of tickets up to `durable`. So what was printed is printed again, and in the same order, by another
 * coordinator that goes on. `rows` is raised by the rows printed. */
int mr_groups_print(mr_groups_t *groups, uint64_t durable, uint64_t *rows, mr_error_t *error);

/* Whether that would print something. */
bool mr_groups_printable(mr_groups_t *groups, uint64_t durable);

/* Frees what is staged for a partial, or for all of a worker. */
void mr_groups_drop(mr_groups_t *groups, uint32_t worker, uint64_t partial);
void mr_groups_drop_worker(mr_groups_t *groups, uint32_t worker);

#endif
