/* plan.h - the tasks of a job with arguments, as its plan function made them with job.h's mr_plan_add. */
#ifndef MR_PLAN_H
#define MR_PLAN_H

#include "buffer.h"
#include "millrace/job.h"

typedef struct mr_planned {
    uint32_t group;
    uint32_t size;   /* bytes of payload */
    uint64_t offset; /* in mr_plan_t.text */
} mr_planned_t;

struct mr_plan {
    mr_planned_t *items; /* owned */
    size_t count;
    size_t capacity;
    mr_buffer_t text;
};

/* Frees and zeroes. */
void mr_plan_free(mr_plan_t *plan);

#endif
