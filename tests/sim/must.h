/* must.h - the simulation has no use for a run without memory. */
#ifndef MR_SIM_MUST_H
#define MR_SIM_MUST_H

#include <stdlib.h>

static inline void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

#endif
