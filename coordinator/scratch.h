/* scratch.h - the private directory of one run: its sockets, and stdin when that is an input. */
#ifndef MR_SCRATCH_H
#define MR_SCRATCH_H

#include "error.h"

typedef struct mr_scratch {
    char dir[4096]; /* mode 0700; "": not made */
    int lock;       /* the directory, open and locked while it is in use */
} mr_scratch_t;

/* Makes a directory below `tmp`; below /tmp if the path would be too long for a socket. Removes those beside it whose runs were killed. */
int mr_scratch_make(mr_scratch_t *scratch, const char *tmp, mr_error_t *error);

/* Removes the directory and the files in it. Safe twice, and from a signal's aftermath. */
void mr_scratch_remove(mr_scratch_t *scratch);

#endif
