/* configure.h - a job made ready from the JOB message: its table, its options, its state. */
#ifndef MR_CONFIGURE_H
#define MR_CONFIGURE_H

#include "options.h"
#include "wire.h"

typedef struct mr_configured {
    const mr_job_t *job;   /* NULL: none */
    mr_options_t *options; /* owned */
    void *state;           /* owned; the job's */
} mr_configured_t;

/* `configured` is zeroed; also after a failure it ends with mr_unconfigure. Status REFUSED: the job is not known here; USAGE: an option does not fit. */
int mr_configure(mr_configured_t *configured, const mr_job_message_t *message, mr_error_t *error);
void mr_unconfigure(mr_configured_t *configured);

#endif
