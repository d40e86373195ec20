#include "admitted.h"

#include <dirent.h>
#include <sys/stat.h>

#include "clock.h"
#include "log.h"

#define SETTLED_MS 2000 /* a folder that has changed so lately may change again in the same tick of its clock */

static const mr_role_t roles[] = {MR_ROLE_WORKER, MR_ROLE_CLIENT};

#define ROLES (sizeof roles / sizeof *roles)

static void folder_of(const mr_admitted_t *admitted, mr_role_t role, char path[4200]) {
    snprintf(path, 4200, "%s/%s", admitted->dir, mr_role_folder(role));
}

static void free_text(void **item) {
    free(*item);
    *item = NULL;
}

void mr_admitted_init(mr_admitted_t *admitted, const char *dir) {
    *admitted = (mr_admitted_t){.dir = dir, .ids = zhashx_new()};
    if (admitted->ids)
        zhashx_set_destructor(admitted->ids, free_text);
}

static void take_file(mr_admitted_t *admitted, mr_role_t role, const char *folder, const char *name) {
    char path[4500], key[MR_KEY_TEXT], id[sizeof(mr_peer_t)];
    const char *end = strrchr(name, '.');
    if (*name == '.' || !end || strcmp(end, ".pub"))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!mr_keys_read_public(path, key)) {
        mr_log(MR_LOG_WARNING, "%s: there is no public key in it; passed over", path);
        return;
    }
    snprintf(id, sizeof id, "%s:%s", mr_role_name(role), key);
    char *copy = strdup(id);
    if (copy)
        zhashx_update(admitted->ids, key, copy);
}

static void read_folder(mr_admitted_t *admitted, mr_role_t role) {
    char folder[4200];
    folder_of(admitted, role, folder);
    DIR *dir = opendir(folder);
    if (!dir) {
        mr_log(MR_LOG_WARNING, "%s: cannot read it, so nobody in it is admitted: %s", folder, strerror(errno));
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));)
        take_file(admitted, role, folder, entry->d_name);
    closedir(dir);
}

/* Their times of change (in the order of roles); and whether one may still change unseen. */
static bool look(const mr_admitted_t *admitted, struct timespec changed[ROLES]) {
    const struct timespec none = {0};
    struct timespec now;
    bool settled = true;
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < ROLES; i++) {
        char folder[4200];
        struct stat status;
        folder_of(admitted, roles[i], folder);
        changed[i] = none;
        if (!stat(folder, &status))
            changed[i] = status.st_mtim;
        settled = settled && (now.tv_sec - changed[i].tv_sec) * 1000 > SETTLED_MS;
    }
    return settled;
}

static void refresh(mr_admitted_t *admitted) {
    struct timespec changed[ROLES];
    bool settled = look(admitted, changed);
    if (admitted->read_ms && settled && !memcmp(changed, admitted->changed, sizeof changed))
        return;
    zhashx_purge(admitted->ids);
    for (size_t i = 0; i < ROLES; i++)
        read_folder(admitted, roles[i]);
    memcpy(admitted->changed, changed, sizeof changed);
    admitted->read_ms = settled ? mr_clock_ms() : 0;
}

bool mr_admitted_find(mr_admitted_t *admitted, const char key[MR_KEY_TEXT], mr_peer_t *peer) {
    refresh(admitted);
    const char *id = zhashx_lookup(admitted->ids, key);
    snprintf(peer->id, sizeof peer->id, "%s", id ? id : "");
    return id != NULL;
}

void mr_admitted_free(mr_admitted_t *admitted) {
    zhashx_destroy(&admitted->ids);
}
