#include "groups.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

typedef struct group {
    uint32_t left;     /* tasks not committed */
    uint64_t ticket;   /* of its last commit */
    mr_table_t *table; /* NULL before the first commit, and after printing */
} group_t;

typedef struct staged {
    uint32_t worker;
    uint64_t partial;
    mr_buffer_t run;
    uint64_t rows;
    struct staged *next;
} staged_t;

struct mr_groups {
    const mr_job_t *job;
    const mr_work_t *work;
    mr_output_t *output;
    bool in_order;
    staged_t *staged;
    uint32_t *ready;      /* groups in the order in which they became complete; owned */
    uint32_t ready_count; /* of them */
    uint32_t printed;     /* so many of them; in order: so many groups */
    uint32_t count;
    group_t items[];
};

mr_groups_t *mr_groups_new(const mr_job_t *job, const mr_work_t *work, mr_output_t *output, bool in_order,
                           mr_error_t *error) {
    uint32_t count;
    uint32_t *sizes = mr_work_group_sizes(work, &count);
    mr_groups_t *groups = sizes ? calloc(1, sizeof *groups + count * sizeof *groups->items) : NULL;
    uint32_t *ready = groups ? malloc((count + (size_t) 1) * sizeof *ready) : NULL;
    if (ready) {
        groups->ready = ready;
        groups->job = job;
        groups->work = work;
        groups->output = output;
        groups->in_order = in_order;
        groups->count = count;
        for (uint32_t i = 0; i < count; i++)
            groups->items[i].left = sizes[i];
    } else {
        mr_error_memory(error, "planning");
        free(groups);
        groups = NULL;
    }
    free(sizes);
    return groups;
}

static void unlink_staged(staged_t **link) {
    staged_t *staged = *link;
    *link = staged->next;
    mr_buffer_free(&staged->run);
    free(staged);
}

void mr_groups_destroy(mr_groups_t **groups) {
    mr_groups_t *self = *groups;
    if (!self)
        return;
    while (self->staged)
        unlink_staged(&self->staged);
    for (uint32_t i = 0; i < self->count; i++)
        mr_table_destroy(&self->items[i].table);
    free(self->ready);
    free(self);
    *groups = NULL;
}

static void keep(void *hint) {
    (void) hint; /* the run's bytes stay the caller's */
}

/* What does not look like a run is refused before it can be committed. */
static int check_run(const mr_groups_t *groups, const void *data, size_t size, uint64_t *rows, mr_error_t *error) {
    mr_run_t *run = mr_run_from_memory(data, size, groups->job->ncells, keep, NULL, error);
    int failed = run ? 0 : -1;
    *rows = run ? mr_run_rows(run) : 0;
    mr_run_destroy(&run);
    return failed;
}

int mr_groups_stage(mr_groups_t *groups, uint32_t worker, uint64_t partial, const void *run, size_t size,
                    mr_error_t *error) {
    uint64_t rows;
    if (check_run(groups, run, size, &rows, error))
        return -1;
    staged_t *staged = calloc(1, sizeof *staged);
    if (!staged || mr_buffer_append(&staged->run, run, size)) {
        free(staged);
        return mr_error_memory(error, "taking a partial");
    }
    staged->worker = worker;
    staged->partial = partial;
    staged->rows = rows;
    staged->next = groups->staged;
    groups->staged = staged;
    return 0;
}

size_t mr_groups_staged(const mr_groups_t *groups, uint32_t worker, uint64_t partial, uint64_t *rows) {
    size_t count = 0;
    uint64_t sum = 0;
    for (const staged_t *staged = groups->staged; staged; staged = staged->next)
        if (staged->worker == worker && staged->partial == partial) {
            count++;
            sum += staged->rows;
        }
    if (rows)
        *rows = sum;
    return count;
}

void mr_groups_drop(mr_groups_t *groups, uint32_t worker, uint64_t partial) {
    for (staged_t **link = &groups->staged; *link;)
        if ((*link)->worker == worker && (*link)->partial == partial)
            unlink_staged(link);
        else
            link = &(*link)->next;
}

void mr_groups_drop_worker(mr_groups_t *groups, uint32_t worker) {
    for (staged_t **link = &groups->staged; *link;)
        if ((*link)->worker == worker)
            unlink_staged(link);
        else
            link = &(*link)->next;
}

typedef int row_sink_t(void *context, const mr_row_t *row, mr_error_t *error);

static int each_row(const mr_job_t *job, const mr_buffer_t *bytes, row_sink_t *take, void *context, mr_error_t *error) {
    mr_row_t row;
    mr_run_t *run = mr_run_from_memory(bytes->data, bytes->size, job->ncells, keep, NULL, error);
    mr_merge_t *merge = run ? mr_merge_new(&run, 1, job->ops, job->ncells, (mr_range_t){0}, error) : NULL;
    int got = merge ? 1 : -1;
    while (got > 0 && (got = mr_merge_next(merge, &row, error)) > 0)
        if (take(context, &row, error))
            got = -1;
    mr_merge_destroy(&merge);
    mr_run_destroy(&run);
    return got;
}

static int fold_row(void *context, const mr_row_t *row, mr_error_t *error) {
    mr_table_t *table = context;
    if (!mr_table_add(table, row->key, row->key_size, row->cells))
        return 0;
    const mr_error_t *failed = mr_table_error(table);
    return mr_error_set(error, failed->status, "%s", failed->text);
}

static int fold_partial(mr_groups_t *groups, uint32_t worker, uint64_t partial, group_t *group, mr_error_t *error) {
    if (!group->table)
        group->table = mr_table_new(groups->job->ops, groups->job->ncells);
    if (!group->table)
        return mr_error_memory(error, "reducing");
    for (staged_t *staged = groups->staged; staged; staged = staged->next)
        if (staged->worker == worker && staged->partial == partial &&
            each_row(groups->job, &staged->run, fold_row, group->table, error))
            return -1;
    return 0;
}

typedef struct printing {
    mr_output_t *output;
    uint64_t rows;
} printing_t;

static int print_row(void *context, const mr_row_t *row, mr_error_t *error) {
    printing_t *printing = context;
    printing->rows++;
    return mr_output_row(printing->output, row, error);
}

static int print_group(mr_groups_t *groups, group_t *group, uint64_t *rows, mr_error_t *error) {
    mr_buffer_t run = {0};
    printing_t printing = {groups->output, 0};
    int failed = 0;
    if (group->table && mr_table_rows(group->table)) {
        const mr_error_t *overflow = mr_table_error(group->table);
        if (overflow)
            failed = mr_error_set(error, overflow->status, "%s", overflow->text);
        else if (mr_table_drain(group->table, &run))
            failed = mr_error_memory(error, "printing a result");
        else
            failed = each_row(groups->job, &run, print_row, &printing, error);
    }
    mr_buffer_free(&run);
    mr_table_destroy(&group->table);
    *rows += printing.rows;
    return failed;
}

/* The next group to print, if it is complete and what made it so is durable. */
static group_t *next_to_print(mr_groups_t *groups, uint64_t durable) {
    if (groups->printed == (groups->in_order ? groups->count : groups->ready_count))
        return NULL;
    group_t *group = &groups->items[groups->in_order ? groups->printed : groups->ready[groups->printed]];
    return !group->left && group->ticket <= durable ? group : NULL;
}

bool mr_groups_printable(mr_groups_t *groups, uint64_t durable) {
    return next_to_print(groups, durable) != NULL;
}

int mr_groups_print(mr_groups_t *groups, uint64_t durable, uint64_t *rows, mr_error_t *error) {
    group_t *group;
    while ((group = next_to_print(groups, durable))) {
        groups->printed++;
        if (print_group(groups, group, rows, error))
            return -1;
    }
    return 0;
}

int mr_groups_commit(mr_groups_t *groups, uint32_t worker, uint64_t partial, const mr_result_t *results, size_t count,
                     uint64_t ticket, mr_error_t *error) {
    if (!count)
        return 0;
    uint32_t number = mr_work_group(groups->work, results[0].task);
    for (size_t i = 1; i < count; i++)
        if (mr_work_group(groups->work, results[i].task) != number)
            return mr_error_set(error, MR_STATUS_JOB, "a partial names tasks of two groups");
    group_t *group = &groups->items[number];
    if (fold_partial(groups, worker, partial, group, error))
        return -1;
    mr_groups_drop(groups, worker, partial);
    group->ticket = ticket;
    group->left -= (uint32_t) count;
    if (!group->left)
        groups->ready[groups->ready_count++] = number;
    return 0;
}
