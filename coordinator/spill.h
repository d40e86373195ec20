/* spill.h - a file that holds one or more runs: an unlinked temporary one, or one of another's making.
 *
 * Counted references: the maker holds one, and each run in the file one more; the space is given back with the last.
 * A spill is written by one thread at a time; what is written may be read from any thread. */
#ifndef MR_SPILL_H
#define MR_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct mr_spill mr_spill_t;

/* A new, empty file in `dir`, with one reference. NULL and `error` (STORAGE, names the directory) on failure. */
mr_spill_t *mr_spill_new(const char *dir, mr_error_t *error);

/* A file that is open already and only read; `fd` and `name` (for messages) are copied. */
mr_spill_t *mr_spill_of(int fd, const char *name, mr_error_t *error);

/* One reference more; returns `spill`. */
mr_spill_t *mr_spill_keep(mr_spill_t *spill);

/* One reference less; the last one closes the file. Nulls `*spill`; safe on NULL. */
void mr_spill_drop(mr_spill_t **spill);

/* Appends bytes. -1 and STORAGE, naming the directory, when they do not fit or cannot be written. */
int mr_spill_append(mr_spill_t *spill, const void *data, size_t size, mr_error_t *error);

/* Reads exactly so many bytes. -1 and STORAGE, naming file and offset. */
int mr_spill_read(const mr_spill_t *spill, uint64_t offset, void *out, size_t size, mr_error_t *error);

int mr_spill_fd(const mr_spill_t *spill);
uint64_t mr_spill_size(const mr_spill_t *spill);    /* bytes appended so far */
const char *mr_spill_name(const mr_spill_t *spill); /* for messages; valid as long as the spill */

#endif
