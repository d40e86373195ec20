/* Preloaded into the coordinator: STORAGE="FAULT CALL N" lets the Nth of its calls that change what is on the disk end in the FAULT: kill
 * (before it), torn (half of what it writes is written, then killed), or an errno. CALL is the call's name, or any. SLOW=MS makes each pwrite
 * of a process named millrace take so long, as on a slow disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls;

static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    pause();
}

/* The fault that this call is to end in, if it is its turn. */
static int its_turn(const char *name, char fault[16]) {
    const char *wanted = getenv("STORAGE");
    char call[32];
    int number;
    if (!wanted || sscanf(wanted, "%15s %31s %d", fault, call, &number) != 3)
        return 0;
    if (strcmp(call, "any") && strcmp(call, name))
        return 0;
    return atomic_fetch_add(&calls, 1) + 1 == number;
}

/* 0: the call goes on; -1: it has failed. */
static int fate(const char *name) {
    char fault[16];
    if (!its_turn(name, fault))
        return 0;
    if (!strcmp(fault, "EIO"))
        errno = EIO;
    else if (!strcmp(fault, "ENOSPC"))
        errno = ENOSPC;
    else
        die();
    return -1;
}

static ssize_t write_vector(const char *symbol, int fd, const struct iovec *parts, int count, off_t offset) {
    ssize_t (*next)(int, const struct iovec *, int, off_t) = real(symbol);
    char fault[16];
    if (!its_turn("pwritev", fault))
        return next(fd, parts, count, offset);
    if (!strcmp(fault, "torn")) {
        next(fd, parts, count > 1 ? count / 2 : 1, offset);
        die();
    }
    errno = !strcmp(fault, "EIO") ? EIO : ENOSPC;
    if (!strcmp(fault, "kill"))
        die();
    return -1;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return write_vector("pwritev", fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
    return write_vector("pwritev64", fd, parts, count, offset);
}

static ssize_t write_slowly(const char *symbol, int fd, const void *data, size_t size, off_t offset) {
    ssize_t (*next)(int, const void *, size_t, off_t) = real(symbol);
    const char *ms = getenv("SLOW");
    if (ms && !strcmp(program_invocation_short_name, "millrace"))
        usleep((useconds_t) atoi(ms) * 1000);
    return next(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return write_slowly("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    return write_slowly("pwrite64", fd, data, size, offset);
}

int fdatasync(int fd) {
    int (*next)(int) = real("fdatasync");
    return fate("fdatasync") ? -1 : next(fd);
}

int fsync(int fd) {
    int (*next)(int) = real("fsync");
    return fate("fsync") ? -1 : next(fd);
}

int ftruncate(int fd, off_t size) {
    int (*next)(int, off_t) = real("ftruncate");
    return fate("ftruncate") ? -1 : next(fd, size);
}

int ftruncate64(int fd, off_t size) {
    int (*next)(int, off_t) = real("ftruncate64");
    return fate("ftruncate") ? -1 : next(fd, size);
}

/* Of the journal: sockets have names too, and lose them. */
int unlink(const char *path) {
    int (*next)(const char *) = real("unlink");
    const char *slash = strrchr(path, '/');
    return slash && !strcmp(slash, "/journal") && fate("unlink") ? -1 : next(path);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    int (*next)(int, const char *, int, const char *, int) = real("linkat");
    return fate("linkat") ? -1 : next(from, old, to, new, flags);
}
