#include "work.h"

#include <stdlib.h>
#include <string.h>

void mr_work_free(mr_work_t *work) {
    mr_inputs_free(&work->inputs);
    mr_splits_free(&work->splits);
    mr_plan_free(&work->plan);
    *work = (mr_work_t){0};
}

uint32_t mr_work_tasks(const mr_work_t *work) {
    return (uint32_t) (work->planned ? work->plan.count : work->splits.count);
}

uint64_t mr_work_bytes(const mr_work_t *work) {
    return work->planned ? work->plan.text.size : work->inputs.bytes;
}

uint64_t mr_work_task_bytes(const mr_work_t *work, uint32_t task) {
    if (work->planned)
        return work->plan.items[task].size;
    const mr_split_t *split = &work->splits.items[task];
    if (split->count == 1)
        return split->end - split->start;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < split->count; i++)
        bytes += work->inputs.items[split->input + i].size;
    return bytes;
}

uint32_t mr_work_group(const mr_work_t *work, uint32_t task) {
    return work->planned ? work->plan.items[task].group : 0;
}

uint32_t *mr_work_group_sizes(const mr_work_t *work, uint32_t *groups) {
    *groups = 1;
    for (uint32_t i = 0; i < mr_work_tasks(work); i++)
        if (mr_work_group(work, i) >= *groups)
            *groups = mr_work_group(work, i) + 1;
    uint32_t *counts = calloc(*groups, sizeof *counts);
    for (uint32_t i = 0; counts && i < mr_work_tasks(work); i++)
        counts[mr_work_group(work, i)]++;
    return counts;
}

void mr_work_describe(const mr_work_t *work, uint32_t task, char *text, size_t size) {
    if (work->planned) {
        snprintf(text, size, "task %u", task);
        return;
    }
    const mr_split_t *split = &work->splits.items[task];
    snprintf(text, size, "%s:%llu", work->inputs.items[split->input].name, (unsigned long long) split->start);
}

const char *mr_work_name(const mr_work_t *work, uint32_t task, const char **text) {
    if (work->planned || task >= work->splits.count)
        return "";
    const mr_split_t *split = &work->splits.items[task];
    for (uint32_t i = 0; i < split->count; i++) {
        const mr_input_t *input = &work->inputs.items[split->input + i];
        size_t size = strlen(input->path);
        if (!strncmp(*text, input->path, size) && (*text)[size] == ':') {
            *text += size;
            return input->name;
        }
    }
    return "";
}

static int add_segment(const mr_work_t *work, const mr_split_t *split, uint32_t index, mr_buffer_t *segments) {
    const mr_input_t *input = &work->inputs.items[split->input + index];
    bool whole = split->count > 1;
    mr_segment_t segment = {.path = input->path,
                            .file_size = input->size,
                            .mtime_ns = input->mtime_ns,
                            .start = whole ? 0 : split->start,
                            .end = whole ? input->size : split->end,
                            .format = input->format,
                            .input = split->input + index,
                            .fingerprint = input->fingerprint,
                            .url = input->url};
    return mr_buffer_append(segments, &segment, sizeof segment);
}

int mr_work_spec(const mr_work_t *work, uint32_t task, uint32_t attempt, mr_spec_t *spec, mr_buffer_t *segments) {
    *spec = (mr_spec_t){.task = task, .attempt = attempt, .group = mr_work_group(work, task)};
    if (work->planned) {
        const mr_planned_t *planned = &work->plan.items[task];
        spec->payload = (mr_bytes_t){work->plan.text.data + planned->offset, planned->size};
        return 0;
    }
    const mr_split_t *split = &work->splits.items[task];
    spec->segment_count = split->count;
    for (uint32_t i = 0; i < split->count; i++)
        if (add_segment(work, split, i, segments))
            return -1;
    return 0;
}
