#include "plan.h"

#include <stdlib.h>

int mr_plan_add(mr_plan_t *plan, uint32_t group, const char *payload, size_t size) {
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 256;
        mr_planned_t *items = realloc(plan->items, capacity * sizeof *items);
        if (!items)
            return -1;
        plan->items = items;
        plan->capacity = capacity;
    }
    if (size > UINT32_MAX || plan->count == UINT32_MAX)
        return -1;
    plan->items[plan->count++] = (mr_planned_t){group, (uint32_t) size, plan->text.size};
    return mr_buffer_append(&plan->text, payload, size);
}

void mr_plan_free(mr_plan_t *plan) {
    free(plan->items);
    mr_buffer_free(&plan->text);
    *plan = (mr_plan_t){0};
}
