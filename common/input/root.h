/* input/root.h - files beneath one directory only: whatever `..` and symbolic links a path goes through, and however they change meanwhile,
 * the kernel opens nothing else (openat2, RESOLVE_BENEATH). */
#ifndef MR_ROOT_H
#define MR_ROOT_H

#include "error.h"

typedef struct mr_root {
    char *path; /* owned; absolute, without links; NULL: any file may be opened */
    int fd;     /* of the directory */
} mr_root_t;

/* Opens the directory. `option` names it in errors, which are USAGE: it is no directory, or this kernel cannot promise it. */
int mr_root_open(mr_root_t *root, const char *option, const char *directory, mr_error_t *error);

/* As open(2): `path` is absolute, and the root's path or one beneath it. -1 and errno: EXDEV, if it leads out of the root. */
int mr_root_open_file(const mr_root_t *root, const char *path, int flags);

/* Safe on a zeroed one. */
void mr_root_close(mr_root_t *root);

#endif
