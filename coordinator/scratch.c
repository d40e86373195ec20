/* A run's directory is locked as long as the run lives. So whoever makes one knows those of the dead, and removes them: what a run that was
 * killed could not remove. Where a directory cannot be locked (some NFS), none is ever taken for a dead one's. */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_DIR 80 /* a socket's path has 107 bytes: "/lane-4294967295" must fit behind */
#define PREFIX "millrace-"
#define MARK ".millrace" /* a file in it: somebody's /tmp/millrace-backup is not ours to remove */
#define ATTEMPTS 100

/* Without a DIR, which takes memory: there may be none, and nothing shall be left for that. */
static void remove_files(int dir_fd) {
    char entries[8192] __attribute__((aligned(8)));
    ssize_t size;
    lseek(dir_fd, 0, SEEK_SET);
    while ((size = getdents64(dir_fd, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < size; at += ((struct dirent64 *) (void *) (entries + at))->d_reclen)
            unlinkat(dir_fd, ((struct dirent64 *) (void *) (entries + at))->d_name, 0);
}

static bool looks_like_ours(const char *name) {
    return !strncmp(name, PREFIX, sizeof PREFIX - 1) && strlen(name) == sizeof PREFIX - 1 + 6;
}

/* Opens a run's directory: one of this user that nobody else could have put anything into. -1: it is none. */
static int open_run(int base, const char *name) {
    struct stat at;
    int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 &&
        (fstat(fd, &at) || at.st_uid != geteuid() || (at.st_mode & 0777) != 0700 || faccessat(fd, MARK, F_OK, 0))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void remove_dead(const char *base) {
    DIR *dir = opendir(base);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int fd = looks_like_ours(entry->d_name) ? open_run(dirfd(dir), entry->d_name) : -1;
        if (fd < 0)
            continue;
        if (!flock(fd, LOCK_EX | LOCK_NB)) {
            remove_files(fd);
            unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
        close(fd);
    }
    if (dir)
        closedir(dir);
}

/* False: another run has taken it for a dead one's, before it was locked. Where directories cannot be locked, nobody does. */
static bool lock(int fd) {
    struct stat at;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return errno != EWOULDBLOCK;
    return !fstat(fd, &at) && at.st_nlink;
}

static int put_mark(int dir_fd) {
    int fd = openat(dir_fd, MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

/* 1: made and locked; 0: it is to be tried again; -1 and errno. */
static int make_locked(mr_scratch_t *scratch, const char *base) {
    snprintf(scratch->dir, sizeof scratch->dir, "%s/" PREFIX "XXXXXX", base);
    if (!mkdtemp(scratch->dir))
        return -1;
    scratch->lock = open(scratch->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scratch->lock < 0)
        return errno == ENOENT ? 0 : -1;
    bool locked = lock(scratch->lock);
    if (locked && !put_mark(scratch->lock))
        return 1;
    int reason = errno;
    if (locked)
        rmdir(scratch->dir);
    close(scratch->lock);
    errno = reason;
    return locked ? -1 : 0;
}

int mr_scratch_make(mr_scratch_t *scratch, const char *tmp, mr_error_t *error) {
    const char *base = strlen(tmp) + sizeof "/" PREFIX "XXXXXX" <= LONGEST_DIR ? tmp : "/tmp";
    int made = 0;
    remove_dead(base);
    for (int i = 0; i < ATTEMPTS && !made; i++)
        made = make_locked(scratch, base);
    if (made > 0)
        return 0;
    scratch->dir[0] = 0;
    return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make a directory: %s (name another with --tmp)", base,
                        made ? strerror(errno) : "it goes away");
}

void mr_scratch_remove(mr_scratch_t *scratch) {
    if (!scratch->dir[0])
        return;
    remove_files(scratch->lock);
    rmdir(scratch->dir);
    close(scratch->lock);
    scratch->dir[0] = 0;
}
