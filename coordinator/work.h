/* work.h - the tasks of one job, by number: what to send for each, how much input it covers, and which group it is of. */
#ifndef MR_WORK_H
#define MR_WORK_H

#include "inputs.h"
#include "plan.h"
#include "wire.h"

typedef struct mr_work {
    mr_inputs_t inputs; /* of a job over files */
    mr_splits_t splits;
    mr_plan_t plan; /* of a job with arguments */
    bool planned;   /* which of the two */
} mr_work_t;

void mr_work_free(mr_work_t *work);

uint32_t mr_work_tasks(const mr_work_t *work);

/* Bytes of input in all: of files, or of payloads. */
uint64_t mr_work_bytes(const mr_work_t *work);

/* Bytes of input one task covers. */
uint64_t mr_work_task_bytes(const mr_work_t *work, uint32_t task);

uint32_t mr_work_group(const mr_work_t *work, uint32_t task);

/* Groups there are; how many tasks each has goes to counts[groups], which the caller frees. NULL when memory is out. */
uint32_t *mr_work_group_sizes(const mr_work_t *work, uint32_t *groups);

/* "FILE:OFFSET" of the task's begin, for messages. */
void mr_work_describe(const mr_work_t *work, uint32_t task, char *text, size_t size);

/* Workers know inputs by path, people by the name they gave. If *text, a message about the task, begins with the path of one of its
 * inputs, returns the name of that input and moves *text behind the path; otherwise returns "". */
const char *mr_work_name(const mr_work_t *work, uint32_t task, const char **text);

/* Fills the spec of one attempt. Its segments are appended to `segments` (an array of mr_segment_t kept in a buffer), so the caller
 * sets spec->segments when all are in; paths and payloads are borrowed from `work`. Returns 0, or -1 when memory is out. */
int mr_work_spec(const mr_work_t *work, uint32_t task, uint32_t attempt, mr_spec_t *spec, mr_buffer_t *segments);

#endif
