/* serve_describe.h - jobs, workers and the coordinator as JSON (docs/status.md). Each object is the caller's; NULL when memory is out. */
#ifndef MR_SERVE_DESCRIBE_H
#define MR_SERVE_DESCRIBE_H

#include <jansson.h>

#include "serve_private.h"

json_t *mr_serve_describe_job(mr_serve_t *serve, const mr_queued_t *queued);

/* The whole: coordinator, workers, and the jobs; or (id not 0) the one job of that id. NULL and `error`: USAGE, there is none. */
json_t *mr_serve_describe(mr_serve_t *serve, uint64_t id, mr_error_t *error);

/* Whether the rows of a job are printed as they come. */
bool mr_serve_grows(const mr_queued_t *queued);

#endif
