/* The jobs' directory for sockets and what outgrows memory. A server that is killed takes its jobs with it, and none of them removes what it has there:
 * STATE/tmp names the directory, and the next server removes it. */
#include <errno.h>
#include <unistd.h>

#include "serve_private.h"
#include "tree.h"

#define LINK "tmp"

static void link_path(const mr_serve_t *serve, char path[4300]) {
    snprintf(path, 4300, "%s/" LINK, mr_job_queue_dir(serve->queue));
}

/* Nothing is removed that was not made by mr_scratch_make. */
static void remove_last(const mr_serve_t *serve) {
    char path[4300], last[4096];
    link_path(serve, path);
    ssize_t length = readlink(path, last, sizeof last - 1);
    last[length > 0 ? length : 0] = 0;
    const char *name = strrchr(last, '/');
    if (name && !strncmp(name, "/millrace-", 10))
        mr_tree_remove(last);
    unlink(path);
}

int mr_serve_open_scratch(mr_serve_t *serve, mr_error_t *error) {
    char path[4300];
    remove_last(serve);
    link_path(serve, path);
    if (mr_scratch_make(&serve->scratch, serve->config->tmp_dir, error))
        return -1;
    if (symlink(serve->scratch.dir, path))
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make it: %s", path, strerror(errno));
    return 0;
}

void mr_serve_close_scratch(mr_serve_t *serve) {
    if (serve->scratch.dir[0])
        remove_last(serve);
    mr_scratch_remove(&serve->scratch);
}
