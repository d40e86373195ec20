#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_DIR 80 /* a socket's path has 107 bytes: "/lane-4294967295" must fit behind */

int mr_scratch_make(mr_scratch_t *scratch, const char *tmp, mr_error_t *error) {
    const char *base = strlen(tmp) + sizeof "/millrace-XXXXXX" <= LONGEST_DIR ? tmp : "/tmp";
    snprintf(scratch->dir, sizeof scratch->dir, "%s/millrace-XXXXXX", base);
    if (mkdtemp(scratch->dir))
        return 0;
    scratch->dir[0] = 0;
    return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make a directory: %s (name another with --tmp)", base,
                        strerror(errno));
}

void mr_scratch_remove(mr_scratch_t *scratch) {
    DIR *dir = scratch->dir[0] ? opendir(scratch->dir) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    if (scratch->dir[0])
        rmdir(scratch->dir);
    scratch->dir[0] = 0;
}
