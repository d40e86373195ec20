/* attempt.h - one try at one task. */
#ifndef MR_ATTEMPT_H
#define MR_ATTEMPT_H

#include <stdint.h>

typedef struct mr_attempt {
    uint32_t task;    /* 0..tasks-1 */
    uint32_t attempt; /* from 1 */
} mr_attempt_t;

#endif
