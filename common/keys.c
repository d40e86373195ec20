#include "keys.h"

#include <czmq.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define KEYGEN "millrace keygen makes keys"

const char *mr_role_name(mr_role_t role) {
    static const char *const names[] = {"coordinator", "worker", "client"};
    return names[role];
}

const char *mr_role_folder(mr_role_t role) {
    static const char *const folders[] = {NULL, "workers", "clients"};
    return folders[role];
}

/* ---- reading ---- */

static int check_secret(const char *path, const char *dir, mr_error_t *error) {
    struct stat status;
    if (stat(path, &status))
        return mr_error_set(error, MR_STATUS_USAGE, "--keys %s: no secret is there: %s: %s; " KEYGEN, dir, path,
                            strerror(errno));
    if (!S_ISREG(status.st_mode))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: not a file", path);
    if (status.st_uid != geteuid() && status.st_uid)
        return mr_error_set(error, MR_STATUS_REFUSED, "%s: belongs to user %u, not to this one; chown it", path,
                            status.st_uid);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return mr_error_set(error, MR_STATUS_REFUSED,
                            "%s: others can read it (mode %04o): chmod 600 it, or if they may have, make new keys",
                            path, (unsigned) status.st_mode & 07777);
    return 0;
}

/* zcert_load believes what it finds in place of digits. */
static bool is_key(const char *text) {
    uint8_t key[32];
    return text && strlen(text) == MR_KEY_TEXT - 1 && zmq_z85_decode(key, text);
}

static int take_secret(mr_keys_t *keys, mr_role_t role, const char *path, zcert_t *cert, mr_error_t *error) {
    const char *own = zcert_meta(cert, "role");
    if (!own || strcmp(own, mr_role_name(role)))
        return mr_error_set(error, MR_STATUS_REFUSED, "--keys %s: these are the keys of a %.40s, not of a %s",
                            keys->dir, own ? own : "(nobody)", mr_role_name(role));
    snprintf(keys->public_key, sizeof keys->public_key, "%s", zcert_public_txt(cert));
    snprintf(keys->secret_key, sizeof keys->secret_key, "%s", zcert_secret_txt(cert));
    /* A certificate without a secret is given one of zeros. */
    uint8_t zeros[32] = {0};
    if (!is_key(keys->public_key) || !is_key(keys->secret_key) || !memcmp(zcert_secret_key(cert), zeros, sizeof zeros))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: there is no key in it; " KEYGEN, path);
    return 0;
}

static int load_secret(mr_keys_t *keys, mr_role_t role, mr_error_t *error) {
    char path[sizeof keys->dir + 16];
    snprintf(path, sizeof path, "%s/secret", keys->dir);
    if (check_secret(path, keys->dir, error))
        return -1;
    zcert_t *cert = zcert_load(path);
    if (!cert)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: cannot be read, or is no certificate; " KEYGEN, path);
    int failed = take_secret(keys, role, path, cert, error);
    zcert_destroy(&cert);
    return failed;
}

bool mr_keys_read_public(const char *path, char key[MR_KEY_TEXT]) {
    zconfig_t *root = zconfig_load(path);
    const char *text = root ? zconfig_get(root, "/curve/public-key", NULL) : NULL;
    bool valid = is_key(text);
    if (valid)
        memcpy(key, text, MR_KEY_TEXT);
    zconfig_destroy(&root);
    return valid;
}

int mr_keys_load(mr_keys_t *keys, mr_role_t role, const char *dir, mr_error_t *error) {
    char path[sizeof keys->dir + 32];
    *keys = (mr_keys_t){0};
    if (!dir || !*dir)
        return 0;
    if (!zmq_has("curve"))
        return mr_error_set(error, MR_STATUS_USAGE, "--keys: this machine's ZeroMQ was built without CURVE");
    if (!realpath(dir, keys->dir)) /* processes that are told of it may work elsewhere */
        return mr_error_set(error, MR_STATUS_USAGE, "--keys %s: %s; " KEYGEN, dir, strerror(errno));
    int failed = load_secret(keys, role, error);
    snprintf(path, sizeof path, "%s/coordinator.pub", keys->dir);
    if (!failed && !mr_keys_read_public(path, keys->coordinator_key))
        failed =
            mr_error_set(error, MR_STATUS_USAGE, "%s: there is no public key of a coordinator in it; " KEYGEN, path);
    if (failed)
        mr_keys_clear(keys);
    return failed;
}

void mr_keys_clear(mr_keys_t *keys) {
    explicit_bzero(keys, sizeof *keys);
}

bool mr_keys_given(const mr_keys_t *keys) {
    return keys && *keys->public_key;
}

void mr_keys_connect(const mr_keys_t *keys, void *handle) {
    if (!mr_keys_given(keys))
        return;
    zmq_setsockopt(handle, ZMQ_CURVE_SERVERKEY, keys->coordinator_key, MR_KEY_TEXT);
    zmq_setsockopt(handle, ZMQ_CURVE_PUBLICKEY, keys->public_key, MR_KEY_TEXT);
    zmq_setsockopt(handle, ZMQ_CURVE_SECRETKEY, keys->secret_key, MR_KEY_TEXT);
}

/* ---- who a message is from ---- */

void mr_peer_of(zmq_msg_t *frame, mr_peer_t *peer) {
    const char *id = zmq_msg_gets(frame, "User-Id");
    snprintf(peer->id, sizeof peer->id, "%s", id ? id : "");
}

bool mr_peer_same(const mr_peer_t *a, const mr_peer_t *b) {
    return !strcmp(a->id, b->id);
}

bool mr_peer_may(const mr_peer_t *peer, mr_role_t role, const mr_keys_t *keys) {
    const char *name = mr_role_name(role);
    size_t length = strlen(name);
    return !mr_keys_given(keys) || (!strncmp(peer->id, name, length) && peer->id[length] == ':');
}
