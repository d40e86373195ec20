#include "tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define MOST_OPEN 16

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void) status;
    (void) kind;
    (void) place;
    return remove(path) && errno != ENOENT ? errno : 0;
}

int mr_tree_remove(const char *path) {
    int failed = nftw(path, remove_one, MOST_OPEN, FTW_DEPTH | FTW_PHYS);
    if (failed < 0)
        failed = errno == ENOENT ? 0 : errno;
    if (failed)
        mr_log(MR_LOG_WARNING, "%s: cannot remove it: %s", path, strerror(failed));
    return failed ? -1 : 0;
}
