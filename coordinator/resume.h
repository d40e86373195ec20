/* resume.h - a run that can be gone on with (--journal, --resume): its journal begun or replayed, and what was committed given back.
 *
 * A zeroed mr_resume_t is a run without a journal, for which all of this does nothing. */
#ifndef MR_RESUME_H
#define MR_RESUME_H

#include "journal.h"
#include "ledger.h"
#include "request.h"

typedef struct mr_resume {
    mr_journal_t *journal; /* owned; NULL: none was asked for */
    uint64_t chunk;        /* of the plan that was made when the job was begun; 0: it is begun now */
    mr_buffer_t binding;   /* of the job as it is now */
    bool *restored;        /* for each task, whether it was committed before; owned, NULL: none was */
    uint32_t tasks;        /* how many were */
    bool ready;            /* what is committed from here on can be gone on with */
} mr_resume_t;

/* Opens the journal that the request names, if it names one. */
int mr_resume_open(mr_resume_t *resume, const mr_request_t *request, mr_error_t *error);

/* The plan is made with that chunk: refused if the journal's job is another, or an input has changed. */
int mr_resume_bind(mr_resume_t *resume, const mr_request_t *request, const mr_work_t *work, uint64_t chunk,
                   mr_error_t *error);

/* Where what was committed goes: as if it came just now. Borrowed. */
typedef struct mr_resume_target {
    const mr_work_t *work;
    mr_sink_t *sink;     /* of a job over files; else NULL */
    mr_groups_t *groups; /* of a job with arguments; else NULL */
    mr_ledger_t *ledger;
} mr_resume_target_t;

/* Begins the journal, or gives back what was committed. -1: STORAGE when it is damaged or contradicts itself. */
int mr_resume_replay(mr_resume_t *resume, const mr_resume_target_t *target, mr_error_t *error);

/* 1: the output at that path (NULL: stdout) is the one of this job, complete: its coordinator died between naming it and removing the
 * journal. 0: it is not, or there is none; -1: the journal is damaged. */
int mr_resume_is_complete(const mr_resume_t *resume, const char *path, mr_error_t *error);

/* The output is complete and is about to get its name: that is durable when this returns 0. */
int mr_resume_end(const mr_resume_t *resume, const mr_output_t *output, mr_error_t *error);

/* To an error that ends the run, adds what to do about it, if that is to go on. */
void mr_resume_advise(const mr_resume_t *resume, mr_error_t *error);

/* The output is in place: removes the journal. What fails then is only warned of. */
void mr_resume_finish(mr_resume_t *resume);

void mr_resume_close(mr_resume_t *resume);

#endif
