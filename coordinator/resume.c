/* Each commit in the journal is applied as when it came: its tasks marked, its runs given to the sink where they stand or folded
 * into their group, its numbers added to the ledger. A task committed twice is a journal that contradicts itself. */
#include "resume.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "binding.h"
#include "log.h"
#include "spill.h"

int mr_resume_open(mr_resume_t *resume, const mr_request_t *request, mr_error_t *error) {
    size_t size;
    if (!request->journal)
        return 0;
    resume->journal = mr_journal_open(request->journal, request->resume, error);
    const char *binding = resume->journal ? mr_journal_binding(resume->journal, &size) : NULL;
    resume->chunk = binding ? mr_binding_chunk(binding, size) : 0;
    return resume->journal ? 0 : -1;
}

int mr_resume_bind(mr_resume_t *resume, const mr_request_t *request, const mr_work_t *work, uint64_t chunk,
                   mr_error_t *error) {
    size_t size;
    if (!resume->journal)
        return 0;
    if (mr_binding_make(request, work, chunk, &resume->binding))
        return mr_error_memory(error, "beginning the journal");
    const char *then = mr_journal_binding(resume->journal, &size);
    return then ? mr_binding_compare(then, size, &resume->binding, work, mr_journal_name(resume->journal), error) : 0;
}

/* ---- giving back ---- */

typedef struct taker {
    mr_resume_t *resume;
    const mr_resume_target_t *target;
    mr_spill_t *file; /* the journal's, as one of runs */
} taker_t;

static int contradiction(const taker_t *taker, const mr_journal_commit_t *commit, const char *reason,
                         mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_STORAGE,
                        "%s:%llu: the journal contradicts itself: %s; remove it to begin the job anew",
                        mr_journal_name(taker->resume->journal), (unsigned long long) commit->offset, reason);
}

static int mark_tasks(const taker_t *taker, const mr_journal_commit_t *commit, mr_error_t *error) {
    bool *restored = taker->resume->restored;
    for (size_t i = 0; i < commit->result_count; i++) {
        uint32_t task = commit->results[i].task;
        if (task >= mr_work_tasks(taker->target->work))
            return contradiction(taker, commit, "it names a task that there is not", error);
        if (restored[task])
            return contradiction(taker, commit, "a task was committed twice", error);
        restored[task] = true;
    }
    taker->resume->tasks += (uint32_t) commit->result_count;
    return 0;
}

static int stage_run(const taker_t *taker, const mr_journal_commit_t *commit, const mr_journal_place_t *place,
                     mr_error_t *error) {
    char *data = malloc(place->size + 1);
    int failed =
        !data ? mr_error_memory(error, "taking up a run")
              : mr_spill_read(taker->file, place->offset, data, place->size, error) ||
                    mr_groups_stage(taker->target->groups, commit->worker, commit->partial, data, place->size, error);
    free(data);
    return failed ? -1 : 0;
}

static int take_group(const taker_t *taker, const mr_journal_commit_t *commit, mr_error_t *error) {
    for (size_t i = 0; i < commit->run_count; i++)
        if (stage_run(taker, commit, &commit->runs[i], error))
            return -1;
    return mr_groups_commit(taker->target->groups, commit->worker, commit->partial, commit->results,
                            commit->result_count, 0, error) ||
                   mr_groups_print(taker->target->groups, 0, &taker->target->ledger->rows, error)
               ? -1
               : 0;
}

static int take_runs(const taker_t *taker, const mr_journal_commit_t *commit, mr_error_t *error) {
    for (size_t i = 0; i < commit->run_count; i++)
        if (mr_sink_restore(taker->target->sink, taker->file, commit->runs[i].offset, commit->runs[i].size, error))
            return -1;
    return 0;
}

static int take_commit(void *context, const mr_journal_commit_t *commit, mr_error_t *error) {
    const taker_t *taker = context;
    if (mark_tasks(taker, commit, error))
        return -1;
    mr_ledger_commit(taker->target->ledger, commit->results, commit->result_count);
    return taker->target->groups ? take_group(taker, commit, error) : take_runs(taker, commit, error);
}

static int give_back(mr_resume_t *resume, const mr_resume_target_t *target, mr_error_t *error) {
    taker_t taker = {resume, target,
                     mr_spill_of(mr_journal_fd(resume->journal), mr_journal_name(resume->journal), error)};
    mr_journal_visitor_t visitor = {.context = &taker, .commit = take_commit};
    resume->restored = calloc(mr_work_tasks(target->work) + (size_t) 1, sizeof *resume->restored);
    int failed = !taker.file        ? -1
                 : resume->restored ? mr_journal_replay(resume->journal, &visitor, error)
                                    : mr_error_memory(error, "taking up the job");
    mr_spill_drop(&taker.file);
    return failed;
}

int mr_resume_replay(mr_resume_t *resume, const mr_resume_target_t *target, mr_error_t *error) {
    if (!resume->journal)
        return 0;
    size_t size;
    const mr_buffer_t *binding = &resume->binding;
    if (mr_journal_binding(resume->journal, &size)
            ? give_back(resume, target, error)
            : mr_journal_begin(resume->journal, binding->data, binding->size, error))
        return -1;
    resume->ready = true;
    if (resume->tasks)
        mr_log(MR_LOG_INFO, "%s: %u of %u tasks were committed before", mr_journal_name(resume->journal), resume->tasks,
               mr_work_tasks(target->work));
    return 0;
}

/* ---- the end ---- */

/* What is looked for among the notes of the end. */
typedef struct end_search {
    char mark[MR_OUTPUT_MARK];
    bool found;
} end_search_t;

static int compare_end(void *context, const char *text, size_t size, mr_error_t *error) {
    end_search_t *search = context;
    (void) error;
    search->found = size == strlen(search->mark) && !memcmp(text, search->mark, size);
    return 0;
}

int mr_resume_is_complete(const mr_resume_t *resume, const char *path, mr_error_t *error) {
    end_search_t search = {.found = false};
    struct stat status;
    size_t size;
    if (!resume->journal || !mr_journal_binding(resume->journal, &size) || !path ||
        !mr_output_mark_at(path, search.mark) || fstat(mr_journal_fd(resume->journal), &status))
        return 0;
    mr_journal_file_t file = {mr_journal_fd(resume->journal), (uint64_t) status.st_size,
                              mr_journal_name(resume->journal)};
    mr_journal_visitor_t visitor = {.context = &search, .end = compare_end};
    return mr_journal_read(&file, &visitor, &(mr_journal_found_t){0}, error) ? -1 : search.found;
}

int mr_resume_end(const mr_resume_t *resume, const mr_output_t *output, mr_error_t *error) {
    char mark[MR_OUTPUT_MARK];
    if (!resume->journal || !mr_output_mark(output, mark))
        return 0;
    uint64_t ticket = mr_journal_end(resume->journal, mark, strlen(mark), error);
    return ticket ? mr_journal_wait(resume->journal, ticket, error) : -1;
}

void mr_resume_advise(const mr_resume_t *resume, mr_error_t *error) {
    if (!resume->ready || error->status == MR_STATUS_OK || error->status == MR_STATUS_LEDGER)
        return;
    mr_error_t advised = {0};
    mr_error_set(&advised, error->status, "%s; to go on from here, run the same command with --resume", error->text);
    *error = advised;
}

void mr_resume_finish(mr_resume_t *resume) {
    mr_error_t error = {0};
    if (resume->journal && mr_journal_finish(resume->journal, &error))
        mr_log(MR_LOG_WARNING, "%s", error.text);
}

void mr_resume_close(mr_resume_t *resume) {
    mr_journal_destroy(&resume->journal);
    mr_buffer_free(&resume->binding);
    free(resume->restored);
    *resume = (mr_resume_t){0};
}
