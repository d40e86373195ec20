/* greeting.h - which HELLOs are refused at once, by the coordinator of one job and by one that stays. */
#ifndef MR_GREETING_H
#define MR_GREETING_H

#include "wire.h"

/* NULL: worker and coordinator have the same version. Else the reason for REFUSED; it has been logged, with both versions. */
const char *mr_greeting_mismatch(const mr_hello_message_t *hello);

/* A REFUSED with that reason (borrowed). */
mr_message_t mr_greeting_refusal(const char *reason);

#endif
