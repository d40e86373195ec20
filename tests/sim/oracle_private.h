/* oracle_private.h - the oracle's own questions, shared by oracle.c (events) and oracle_check.c (actions and checks). */
#ifndef MR_SIM_ORACLE_PRIVATE_H
#define MR_SIM_ORACLE_PRIVATE_H

#include "oracle.h"

/* The worker of that number, if it is there. */
oracle_worker_t *oracle_present(const oracle_t *oracle, uint32_t number);

uint32_t oracle_failures(const oracle_t *oracle, uint32_t task);
bool oracle_suspect(const oracle_t *oracle, uint32_t task);
bool oracle_failed_on(const oracle_t *oracle, uint32_t task, uint32_t host);
bool oracle_takes(const oracle_host_t *host);

/* The worker holds an attempt from now on. */
void oracle_hold(oracle_t *oracle, uint32_t number, oracle_try_t *try, uint32_t attempt, bool done);

#endif
