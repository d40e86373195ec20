/* no_plan.c - mr_plan_add where nothing is ever planned: a worker holds all jobs but only the coordinator has plans, and its
 * strong definition takes the place of this one. */
#include "millrace/job.h"

__attribute__((weak)) int mr_plan_add(mr_plan_t *plan, uint32_t group, const char *payload, size_t size) {
    (void) plan;
    (void) group;
    (void) payload;
    (void) size;
    return -1;
}
