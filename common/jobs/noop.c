/* noop.c - the job `noop --tasks N`: N tasks that only count themselves, to measure the path that a task takes. */
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "options.h"

#define MOST_TASKS 100000000u

static const mr_option_t options_of_noop[] = {
    {"tasks", "N", "1000", "how many tasks to make"},
    {NULL, NULL, NULL, NULL},
};

static int configure_noop(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    uint64_t *tasks = malloc(sizeof *tasks);
    if (!tasks)
        return mr_complain(complaint, "out of memory while reading options");
    *tasks = 0;
    if (mr_option_number(options, "tasks", 0, MOST_TASKS, tasks, complaint)) {
        free(tasks);
        return -1;
    }
    *state = tasks;
    return 0;
}

static int plan_noop(const void *state, int count, char *const *arguments, mr_plan_t *plan, mr_complaint_t *complaint) {
    if (count > 0)
        return mr_complain(complaint, "noop %s: takes no arguments, only --tasks N", arguments[0]);
    for (uint64_t left = *(const uint64_t *) state; left > 0; left--)
        if (mr_plan_add(plan, 0, "\n", 1))
            return mr_complain(complaint, "out of memory while planning noop");
    return 0;
}

static mr_tally_t map_noop(const void *state, const char *data, size_t size, mr_out_t *out) {
    (void) state;
    (void) data;
    uint64_t one = 1;
    mr_emit(out, "tasks", strlen("tasks"), &one);
    return (mr_tally_t){.records = size};
}

const mr_job_t mr_job_noop = {
    .abi = MR_JOB_ABI,
    .name = "noop",
    .summary = "tasks that do nothing, to measure the engine",
    .arguments = "",
    .options = options_of_noop,
    .flags = MR_JOB_ARGUMENTS | MR_JOB_HIDDEN,
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_noop,
    .destroy = free,
    .plan = plan_noop,
    .map = map_noop,
    .columns = "count",
};
