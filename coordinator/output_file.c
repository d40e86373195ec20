/* output_file.c - a file that appears whole or not at all: a temporary sibling, fsync, its name, fsync of the directory. The sibling has no name
 * until then, so that nothing is left of it when the process is killed; where the file system cannot do that, or something is to be
 * replaced (for the moment before), it is PATH.millrace-XXXXXX.
 *
 * The directory is held open from the start, so that what happens to its path or to the working directory meanwhile doesn't matter.
 * Fails with the path and the reason; the path is then as it was and the temporary file is gone. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output_private.h"

#define MOST_LINKS 40                   /* symlinks to follow, as the kernel does */
#define PUSH_BYTES ((uint64_t) 4 << 20) /* begin to write back every so many */

static int storage(const mr_output_t *output, const char *what, const char *help, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_STORAGE, "%s: %s: %s%s", output->name, what, strerror(errno), help);
}

/* ---- finding the place ---- */

/* The path a symlink at `path` leads to: `link`, taken from the link's directory. Owned by the caller. */
static char *join(const char *path, const char *link) {
    const char *slash = strrchr(path, '/');
    char *joined = NULL;
    if (link[0] == '/' || !slash)
        return strdup(link);
    return asprintf(&joined, "%.*s/%s", (int) (slash - path), path, link) < 0 ? NULL : joined;
}

/* The path with its last part's symlinks followed, also when nothing stands at the end. Owned by the caller; NULL and errno. */
static char *follow(const char *path) {
    char *at = strdup(path), link[PATH_MAX];
    for (int links = 0; at; links++) {
        ssize_t size = readlink(at, link, sizeof link - 1);
        if (size < 0)
            return at;
        link[size] = '\0';
        char *next = links < MOST_LINKS ? join(at, link) : NULL;
        if (links == MOST_LINKS)
            errno = ELOOP;
        free(at);
        at = next;
    }
    return NULL;
}

static bool is_stdout(const struct stat *at) {
    struct stat out;
    return fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == at->st_dev && out.st_ino == at->st_ino;
}

/* Looks at what stands at the path, and refuses what must not be replaced. */
static int look(mr_output_t *output, mr_error_t *error) {
    const char *path = output->config.path;
    if (stat(path, &output->file.at))
        return errno == ENOENT ? 0 : storage(output, "cannot be written", "", error);
    output->file.exists = true;
    mode_t mode = output->file.at.st_mode;
    if (S_ISDIR(mode))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: is a directory (name a file in it)", path);
    if (!S_ISREG(mode) || is_stdout(&output->file.at))
        return 0;
    if (!output->config.overwrite)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: exists already (use --overwrite to replace it)", path);
    return access(path, W_OK) ? storage(output, "cannot be replaced", "", error) : 0;
}

/* ---- the temporary file ---- */

static void random_name(char *end) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    unsigned char bytes[6] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
        memcpy(bytes, &(pid_t){getpid()}, sizeof(pid_t));
    for (size_t i = 0; i < sizeof bytes; i++)
        end[i] = letters[bytes[i] % 32];
}

/* Finds a free name for `make`, which returns less than 0 and EEXIST when it is taken. Returns what `make` does. */
static int with_name(mr_output_file_t *file, int fd, int (*make)(const mr_output_file_t *file, int fd)) {
    if (asprintf(&file->temp, "%s.millrace-XXXXXX", file->base) < 0) {
        file->temp = NULL;
        return -1;
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        random_name(file->temp + strlen(file->temp) - 6);
        int made = make(file, fd);
        if (made >= 0 || errno != EEXIST)
            return made;
    }
    return -1;
}

/* open() rather than mkstemp(), for the mode: 0666 less the umask, which no thread-safe call tells. */
static int open_named(const mr_output_file_t *file, int fd) {
    (void) fd;
    return openat(file->dir_fd, file->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static void name_of_descriptor(int fd, char path[32]) {
    snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int link_named(const mr_output_file_t *file, int fd) {
    char path[32];
    name_of_descriptor(fd, path);
    return linkat(AT_FDCWD, path, file->dir_fd, file->temp, AT_SYMLINK_FOLLOW);
}

/* Without O_TMPFILE (NFS, old overlays), or /proc to give it a name later, the file has one from the start. */
static int make_temp(mr_output_file_t *file) {
    char path[32];
    int fd = openat(file->dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return -1;
    name_of_descriptor(fd, path);
    if (fd >= 0 && !access(path, F_OK))
        return fd;
    if (fd >= 0)
        close(fd);
    return with_name(file, -1, open_named);
}

static void forget_temp(mr_output_file_t *file) {
    free(file->temp);
    file->temp = NULL;
}

static int open_dir(mr_output_file_t *file) {
    char *copy = strdup(file->target);
    if (!copy)
        return -1;
    file->dir_fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    const char *slash = strrchr(file->target, '/');
    file->base = slash ? slash + 1 : file->target;
    return file->dir_fd;
}

static int open_temp(mr_output_t *output, mr_error_t *error) {
    mr_output_file_t *file = &output->file;
    file->target = follow(output->config.path);
    if (!file->target)
        return storage(output, "cannot be written", "", error);
    if (open_dir(file) < 0)
        return storage(output, "cannot open its directory", errno == ENOENT ? " (make it first)" : "", error);
    output->fd = make_temp(file);
    if (output->fd < 0) {
        forget_temp(file);
        return storage(output, "cannot make a file beside it", "", error);
    }
    file->pending = true;
    if (file->exists && fchmod(output->fd, file->at.st_mode & 07777))
        return storage(output, "cannot keep its mode", "", error);
    return 0;
}

int mr_output_file_open(mr_output_t *output, mr_error_t *error) {
    if (look(output, error))
        return -1;
    if (output->file.exists && is_stdout(&output->file.at))
        return 0;
    if (!output->file.exists || S_ISREG(output->file.at.st_mode))
        return open_temp(output, error);
    output->fd = open(output->config.path, O_WRONLY | O_CLOEXEC);
    return output->fd < 0 ? storage(output, "cannot be written", "", error) : 0;
}

/* ---- its mark ---- */

/* An inode's number is used again, but not together with the time of its making. */
static bool read_mark(int fd, const char *path, int flags, char mark[MR_OUTPUT_MARK]) {
    struct statx status;
    if (statx(fd, path, flags, STATX_INO | STATX_BTIME, &status) || !(status.stx_mask & STATX_BTIME))
        return false;
    snprintf(mark, MR_OUTPUT_MARK, "%llu %lld.%09u", (unsigned long long) status.stx_ino,
             (long long) status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
    return true;
}

bool mr_output_mark(const mr_output_t *output, char mark[MR_OUTPUT_MARK]) {
    return output->file.pending && read_mark(output->fd, "", AT_EMPTY_PATH, mark);
}

bool mr_output_mark_at(const char *path, char mark[MR_OUTPUT_MARK]) {
    return read_mark(AT_FDCWD, path, 0, mark);
}

/* ---- to the disk and to its name ---- */

void mr_output_file_push(mr_output_t *output) {
    mr_output_file_t *file = &output->file;
    if (!file->pending || file->size - file->begun < PUSH_BYTES)
        return;
    sync_file_range(output->fd, (off_t) file->begun, (off_t) (file->size - file->begun), SYNC_FILE_RANGE_WRITE);
    file->begun = file->size;
}

/* For file systems that do not know RENAME_NOREPLACE. */
static int link_then_unlink(mr_output_file_t *file) {
    if (linkat(file->dir_fd, file->temp, file->dir_fd, file->base, 0))
        return -1;
    unlinkat(file->dir_fd, file->temp, 0);
    return 0;
}

static int give_name(mr_output_t *output) {
    mr_output_file_t *file = &output->file;
    char path[32];
    name_of_descriptor(output->fd, path);
    if (!file->temp && !output->config.overwrite)
        return linkat(AT_FDCWD, path, file->dir_fd, file->base, AT_SYMLINK_FOLLOW);
    if (!file->temp && with_name(file, output->fd, link_named)) {
        forget_temp(file);
        return -1;
    }
    if (output->config.overwrite)
        return renameat(file->dir_fd, file->temp, file->dir_fd, file->base);
    if (renameat2(file->dir_fd, file->temp, file->dir_fd, file->base, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? link_then_unlink(file) : -1;
}

int mr_output_file_commit(mr_output_t *output, mr_error_t *error) {
    mr_output_file_t *file = &output->file;
    if (!file->pending)
        return 0;
    if (fsync(output->fd))
        return storage(output, "cannot write to the disk", "", error);
    if (give_name(output)) {
        const char *help = errno == EEXIST ? " (it appeared while the job ran; use --overwrite to replace it)" : "";
        return storage(output, "cannot be given its name", help, error);
    }
    forget_temp(file);
    file->pending = false;
    if (fsync(file->dir_fd) && errno != EINVAL)
        return storage(output, "cannot write its directory to the disk", "", error);
    return 0;
}

void mr_output_file_close(mr_output_t *output) {
    mr_output_file_t *file = &output->file;
    if (file->temp)
        unlinkat(file->dir_fd, file->temp, 0);
    forget_temp(file);
    if (file->dir_fd >= 0)
        close(file->dir_fd);
    file->dir_fd = -1;
    if (output->fd > STDERR_FILENO)
        close(output->fd);
    output->fd = -1;
    free(file->target);
    file->target = NULL;
}
