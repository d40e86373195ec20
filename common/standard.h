/* standard.h - the three standard streams of a process. */
#ifndef MR_STANDARD_H
#define MR_STANDARD_H

/* Call first in main. If the caller has closed stdin, stdout or stderr, the next file or socket opened would take the
 * number, and rows or messages would be written into it. So the number is taken by a file that can be neither read nor written:
 * what writes to the stream gets EBADF, as it would of a closed one. */
void mr_standard_streams(void);

#endif
