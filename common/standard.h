/* standard.h - what a process has from its parent: the three standard streams, and a reason to live. */
#ifndef MR_STANDARD_H
#define MR_STANDARD_H

#include <sys/types.h>

/* Call first in main. If the caller has closed stdin, stdout or stderr, the next file or socket opened would take the
 * number, and rows or messages would be written into it. So the number is taken by a file that can be neither read nor written:
 * what writes to the stream gets EBADF, as it would of a closed one. */
void mr_standard_streams(void);

/* This process ends (SIGKILL) when its parent, which has that number, does. If it has already, it ends at once (status 7). */
void mr_follow_parent(pid_t parent);

#endif
