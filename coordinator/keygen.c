#include "keygen.h"

#include <errno.h>
#include <sys/stat.h>

#define MOST_PATH 4096
#define MOST_NAME 64

typedef char path_t[MOST_PATH];

static int join(path_t path, mr_error_t *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int join(path_t path, mr_error_t *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, MOST_PATH, format, arguments);
    va_end(arguments);
    return length < MOST_PATH - 8 ? 0 : mr_error_set(error, MR_STATUS_USAGE, "%.80s...: the name is too long", path);
}

/* ---- folders and files ---- */

static int make_folder(const char *path, mr_error_t *error) {
    if (!mkdir(path, S_IRWXU))
        return 0;
    if (errno == EEXIST)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: exists already; keys are never overwritten: take another name, or remove it first",
                            path);
    return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the folder: %s", path, strerror(errno));
}

/* Whole or not at all, and never in the place of another: what is written under another name is linked. */
static int save(zcert_t *cert, int (*write_file)(zcert_t *cert, const char *path), mode_t mode, const char *path,
                mr_error_t *error) {
    char draft[MOST_PATH + 8];
    snprintf(draft, sizeof draft, "%s.new", path);
    mode_t mask = umask(S_IRWXG | S_IRWXO);
    errno = 0;
    int failed = write_file(cert, draft) || chmod(draft, mode) || link(draft, path);
    if (failed)
        mr_error_set(error, errno == EEXIST ? MR_STATUS_USAGE : MR_STATUS_STORAGE, "%s: cannot make it: %s", path,
                     strerror(errno));
    unlink(draft);
    umask(mask);
    return failed ? -1 : 0;
}

static int save_secret(zcert_t *cert, const char *path, mr_error_t *error) {
    return save(cert, zcert_save_secret, S_IRUSR | S_IWUSR, path, error);
}

static int save_public(zcert_t *cert, const char *path, mr_error_t *error) {
    return save(cert, zcert_save_public, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, path, error);
}

static zcert_t *make_keys(mr_role_t role, const char *name, mr_error_t *error) {
    if (!zmq_has("curve")) {
        mr_error_set(error, MR_STATUS_USAGE, "this machine's ZeroMQ was built without CURVE: no keys can be made");
        return NULL;
    }
    zcert_t *cert = zcert_new();
    if (!cert) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make keys: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zcert_set_meta(cert, "role", "%s", mr_role_name(role));
    zcert_set_meta(cert, "name", "%s", name);
    return cert;
}

/* ---- who ---- */

static int make_coordinator_folders(const char *dir, mr_error_t *error) {
    path_t own, workers, clients;
    if (join(own, error, "%s/coordinator", dir) || join(workers, error, "%s/workers", own) ||
        join(clients, error, "%s/clients", own))
        return -1;
    if (mkdir(dir, S_IRWXU) && errno != EEXIST)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the folder: %s", dir, strerror(errno));
    return make_folder(own, error) || make_folder(workers, error) || make_folder(clients, error) ? -1 : 0;
}

/* Secret in `folder`, which is made, and public key in the coordinator's. */
static int make_peer(const char *folder, const char *coordinator, mr_role_t role, const char *name, mr_error_t *error) {
    path_t secret, server, known, public;
    if (join(secret, error, "%s/secret", folder) || join(server, error, "%s/coordinator.pub", folder) ||
        join(known, error, "%s/coordinator.pub", coordinator) ||
        join(public, error, "%s/%s/%s.pub", coordinator, mr_role_folder(role), name))
        return -1;
    zcert_t *of_coordinator = zcert_load(known);
    if (!of_coordinator)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: cannot read the coordinator's public key; begin with millrace keygen DIR alone",
                            known);
    zcert_t *cert = make_keys(role, name, error);
    int failed = !cert ||
                 (!access(public, F_OK) && mr_error_set(error, MR_STATUS_USAGE, "%s: exists already", public)) ||
                 make_folder(folder, error) || save_secret(cert, secret, error) ||
                 save_public(of_coordinator, server, error) || save_public(cert, public, error);
    zcert_destroy(&cert);
    zcert_destroy(&of_coordinator);
    return failed ? -1 : 0;
}

int mr_keygen_coordinator(const char *dir, mr_error_t *error) {
    path_t own, secret, public, local;
    if (join(own, error, "%s/coordinator", dir) || join(secret, error, "%s/secret", own) ||
        join(public, error, "%s/coordinator.pub", own) || join(local, error, "%s/" MR_KEYS_LOCAL, own))
        return -1;
    zcert_t *cert = make_keys(MR_ROLE_COORDINATOR, "coordinator", error);
    int failed = !cert || make_coordinator_folders(dir, error) || save_secret(cert, secret, error) ||
                 save_public(cert, public, error) || make_peer(local, own, MR_ROLE_WORKER, MR_KEYS_LOCAL, error);
    zcert_destroy(&cert);
    return failed ? -1 : 0;
}

/* It is the name of a folder and of a file. */
static int check_name(const char *name, mr_error_t *error) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (!*name || *name == '.' || *name == '-' || strlen(name) > MOST_NAME || name[strspn(name, letters)])
        return mr_error_set(error, MR_STATUS_USAGE,
                            "'%s' cannot be the name of keys: letters, digits, '.', '_' and '-', no more than %d", name,
                            MOST_NAME);
    return 0;
}

int mr_keygen_peer(const char *dir, mr_role_t role, const char *name, mr_error_t *error) {
    path_t folder, coordinator;
    return check_name(name, error) || join(folder, error, "%s/%s", dir, name) ||
                   join(coordinator, error, "%s/coordinator", dir) || make_peer(folder, coordinator, role, name, error)
               ? -1
               : 0;
}
