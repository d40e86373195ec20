/* supply_files.h - the inputs that the supply has open: a few, the one used longest ago gives way. */
#ifndef MR_SUPPLY_FILES_H
#define MR_SUPPLY_FILES_H

#include "inputs.h"

#define MR_SUPPLY_OPEN 16u

typedef struct mr_supply_files {
    const mr_inputs_t *inputs; /* borrowed */
    struct {
        int fd; /* owned; -1: the place is free */
        uint32_t input;
        uint64_t used; /* when, counted in uses */
    } open[MR_SUPPLY_OPEN];
    uint64_t uses;
} mr_supply_files_t;

void mr_supply_files_init(mr_supply_files_t *files, const mr_inputs_t *inputs);
void mr_supply_files_close(mr_supply_files_t *files);

/* Reads so many bytes, which lie in the input. -1 and INPUT, without the input's name: it cannot be read, or "changed during the job". */
int mr_supply_files_read(mr_supply_files_t *files, uint32_t input, void *into, size_t size, uint64_t offset,
                         mr_error_t *error);

/* That range will be read soon. */
void mr_supply_files_announce(mr_supply_files_t *files, uint32_t input, uint64_t offset, size_t size);

#endif
