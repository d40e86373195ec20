/* log.h - lines for people on stderr: "PROGRAM: LEVEL: TEXT", control bytes escaped, one write a line. */
#ifndef MR_LOG_H
#define MR_LOG_H

#include <stdbool.h>

#include "error.h"

typedef enum mr_log_level { MR_LOG_ERROR, MR_LOG_WARNING, MR_LOG_INFO, MR_LOG_DEBUG } mr_log_level_t;

/* The name lines begin with, and the last level that is printed (default: WARNING). Call once, before threads start. */
void mr_log_init(const char *program, mr_log_level_t level);

/* Whether lines of that level are printed. */
bool mr_log_shows(mr_log_level_t level);

/* The level of that name ("error", "warning", "info", "debug"), or -1. */
int mr_log_level_find(const char *name);

void mr_log(mr_log_level_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The line of an error. */
void mr_log_error(const mr_error_t *error);

#endif
