/* careful.h - maps text that may end the process: what it holds is tried in another process first (probe.h), and what does not come through there
 * is left out as a bad record.
 *
 * A block is tried whole; only if that fails, record by record, and those that came through are then mapped one by one, as
 * they were tried. So a sound block costs twice, and one bad record a new process. */
#ifndef MR_CAREFUL_H
#define MR_CAREFUL_H

#include "mapper.h"
#include "probe.h"

typedef struct mr_careful {
    mr_mapper_t *mapper;        /* borrowed */
    mr_probe_t *probe;          /* NULL: not needed yet */
    const atomic_int *fate;     /* of the slot; not 0: give up */
    atomic_int_fast64_t *timed; /* of the slot: a trial is not its time, each call of map here is timed anew */
    bool blamed;                /* a record was found, and may not be left out: another attempt may do no better */
} mr_careful_t;

void mr_careful_init(mr_careful_t *careful, mr_mapper_t *mapper, const atomic_int *fate, atomic_int_fast64_t *timed);
void mr_careful_close(mr_careful_t *careful);

/* As mr_mapper_map. Without --skip-bad, the first record that does not come through is the error, and the task is `blamed`. */
int mr_careful_map(mr_careful_t *careful, const mr_place_t *place, size_t size, mr_result_t *result, mr_error_t *error);

/* Ends the other process until there is something to try again. */
void mr_careful_rest(mr_careful_t *careful);

#endif
