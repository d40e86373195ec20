/* tmpfile.h - files without a name, for spilling. */
#ifndef MR_TMPFILE_H
#define MR_TMPFILE_H

#include "error.h"

/* A new file in `dir`, open for reading and writing, mode 0600, close-on-exec, with no name: it goes away with its
 * descriptor. Returns the descriptor, or -1 and status STORAGE naming the directory. */
int mr_tmpfile(const char *dir, mr_error_t *error);

#endif
