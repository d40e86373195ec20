/* binding.h - what the tasks of a job and their results depend on, as lines of text: what a journal is bound to (docs/journal.md). */
#ifndef MR_BINDING_H
#define MR_BINDING_H

#include "request.h"

/* Appends the lines of this request, planned as `work` with that chunk. Returns 0, or -1 when memory is out. */
int mr_binding_make(const mr_request_t *request, const mr_work_t *work, uint64_t chunk, mr_buffer_t *text);

/* The chunk in a binding, so that a plan can be made again; 0: there is none. */
uint64_t mr_binding_chunk(const char *text, size_t size);

/* Compares what a journal is bound to with the job as it is now. 0, or -1: INPUT, naming the input that has changed; USAGE, naming
 * the option or input that is another. `journal`: its name, for messages. */
int mr_binding_compare(const char *then, size_t then_size, const mr_buffer_t *now, const mr_work_t *work,
                       const char *journal, mr_error_t *error);

#endif
