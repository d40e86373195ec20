/* signals.h - the signals of a coordinator, to be read from a descriptor. */
#ifndef MR_SIGNALS_H
#define MR_SIGNALS_H

#include "error.h"

/* Blocks SIGINT, SIGTERM and SIGHUP (those that this process was not told to ignore) and SIGCHLD, and returns a signalfd of them, without waiting
 * and to be closed; SIGPIPE and SIGXFSZ are ignored. Before the first thread is made. -1 and `error`. */
int mr_signals_watch(mr_error_t *error);

#endif
