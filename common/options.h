/* options.h - a job's options as they were given, and the place for what a job has to say against them.
 *
 * A set of options knows the job's table of options: mr_options_set refuses names that are not in it and names the nearest
 * one. What was set can be listed again in the order given, to be sent to workers. */
#ifndef MR_OPTIONS_H
#define MR_OPTIONS_H

#include "error.h"
#include "millrace/job.h"

/* What configure or plan complained of; text[0] is 0 while there is nothing. The first complaint is kept. */
struct mr_complaint {
    char text[512];
};

/* An empty set for a job's options (borrowed). NULL when memory is out. The caller owns it. */
mr_options_t *mr_options_new(const mr_job_t *job);
void mr_options_destroy(mr_options_t **options);

/* The job's definition of an option, or NULL. `name` is without dashes. */
const mr_option_t *mr_options_known(const mr_options_t *options, const char *name);

/* Sets an option (copied); the last setting of a name wins. `value` is NULL for a switch. Returns 0, or -1 and status USAGE:
 * unknown name, value missing or not wanted, memory. */
int mr_options_set(mr_options_t *options, const char *name, const char *value, mr_error_t *error);

/* What was set, one entry a name; valid until the next set. A switch's value is "1". */
size_t mr_options_count(const mr_options_t *options);
const char *mr_options_name(const mr_options_t *options, size_t index);
const char *mr_options_value(const mr_options_t *options, size_t index);

/* Reads a whole number from low to high. Returns 0, or -1 after mr_complain. An option with neither value nor default
 * leaves *number as it is. */
int mr_option_number(const mr_options_t *options, const char *name, uint64_t low, uint64_t high, uint64_t *number,
                     mr_complaint_t *complaint);

/* The candidate nearest to what was typed, for "did you mean". Zero it, set `typed`, offer candidates; `best` stays
 * NULL when none is near (edits > a third of the letters, rounded up). */
typedef struct mr_nearest {
    const char *typed; /* borrowed */
    const char *best;  /* the nearest so far, borrowed, or NULL */
    size_t edits;      /* between typed and best */
} mr_nearest_t;
void mr_nearest_offer(mr_nearest_t *nearest, const char *candidate);

#endif
