/* check.h - what `millrace doctor` looks at on each machine: findings, a line each, and what to do about them.
 *
 * Findings are text in a buffer, so that they can cross the wire: "LEVEL TAB SUBJECT TAB FINDING TAB FIX", ended by \n; LEVEL is ok, warn or fail, FIX is
 * empty when all is well. */
#ifndef MR_CHECK_H
#define MR_CHECK_H

#include "buffer.h"
#include "input/segment.h"

typedef enum mr_level { MR_LEVEL_OK, MR_LEVEL_WARN, MR_LEVEL_FAIL } mr_level_t;

/* Adds a finding; tabs and ends of lines in it become spaces. Without memory it is lost. `fix` NULL: none is needed. */
void mr_check_note(mr_buffer_t *findings, mr_level_t level, const char *subject, const char *fix, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));

/* Whether this process may open so many files. */
void mr_check_descriptors(mr_buffer_t *findings, uint64_t needed);

/* Whether files can be made in a directory, and how much room there is. `what` it is for. */
void mr_check_directory(mr_buffer_t *findings, const char *what, const char *path);

/* Whether connections can be made to an endpoint (tcp, ipc): its name resolved, and each of its addresses asked, for `patience_ms` in all. `what` is there. */
void mr_check_reach(mr_buffer_t *findings, const char *what, const char *endpoint, int64_t patience_ms);

/* Whether this process sees that input as it was planned. */
void mr_check_input(mr_buffer_t *findings, const mr_segment_t *segment);

#endif
