/* The journal's file: opened and locked, begun or replayed, removed.
 *
 * The lock is a flock on the file itself; a coordinator that ends well unlinks the file while it holds it, so one that opened the file
 * meanwhile looks again. The kernel gives the lock up with the process, however it dies.
 *
 * Errors name the file; what can be done about them is in their text. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "journal_private.h"
#include "key.h"
#include "log.h"

/* ---- directory and lock ---- */

static int sync_directory(const char *path, mr_error_t *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed =
        fd < 0 || (fsync(fd) && errno != EINVAL) /* some file systems cannot, and need not */
            ? mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the directory durable: %s", path, strerror(errno))
            : 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

static int sync_parent(const char *path, mr_error_t *error) {
    char *parent = NULL;
    if (asprintf(&parent, "%s/..", path) < 0)
        return mr_error_memory(error, "opening the journal");
    int failed = sync_directory(parent, error);
    free(parent);
    return failed;
}

static int make_directory(const char *path, mr_error_t *error) {
    if (mkdir(path, 0700) == 0)
        return sync_parent(path, error);
    struct stat status;
    if (errno == EEXIST && stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: the journal needs a directory, and this is none", path);
    return errno == EEXIST ? 0
                           : mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the journal's directory: %s", path,
                                          strerror(errno));
}

/* The process that holds the lock, as far as the kernel tells; 0: it does not. */
static long find_holder(const struct stat *status) {
    unsigned long long inode;
    unsigned major_number, minor_number;
    long pid, holder = 0;
    char *line = NULL;
    size_t capacity = 0;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && !holder && getline(&line, &capacity, locks) >= 0)
        if (sscanf(line, "%*u: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &major_number, &minor_number, &inode) == 4 &&
            inode == status->st_ino && makedev(major_number, minor_number) == status->st_dev)
            holder = pid;
    if (locks)
        fclose(locks);
    free(line);
    return holder;
}

static int refuse_locked(const mr_journal_t *journal, const struct stat *status, mr_error_t *error) {
    char holder[64] = "another coordinator";
    long pid = find_holder(status);
    if (pid > 0)
        snprintf(holder, sizeof holder, "another coordinator (process %ld)", pid);
    return mr_error_set(error, MR_STATUS_USAGE, "%s: %s is using this journal; wait for it, or name another directory",
                        journal->name, holder);
}

/* 1: opened and locked; 0: it was removed meanwhile, look again; -1. Only a locked file may be touched by who closes it. */
static int try_lock(const mr_journal_t *journal, struct stat *status, mr_error_t *error) {
    if (fstat(journal->fd, status))
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot open the journal: %s", journal->name,
                            strerror(errno));
    if (!S_ISREG(status->st_mode))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: the journal is no regular file", journal->name);
    if (flock(journal->fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? refuse_locked(journal, status, error)
                                    : mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot lock the journal: %s",
                                                   journal->name, strerror(errno));
    return fstat(journal->fd, status) == 0 && status->st_nlink;
}

static int try_open(mr_journal_t *journal, struct stat *status, mr_error_t *error) {
    journal->fd = open(journal->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (journal->fd < 0)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot open the journal: %s", journal->name,
                            strerror(errno));
    int locked = try_lock(journal, status, error);
    if (locked <= 0) {
        close(journal->fd);
        journal->fd = -1;
    }
    return locked;
}

/* ---- opening ---- */

static mr_journal_t *make(const char *dir, mr_error_t *error) {
    mr_journal_t *journal = calloc(1, sizeof *journal);
    if (!journal)
        return mr_error_memory(error, "opening the journal"), NULL;
    journal->fd = journal->event_fd = -1;
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->wake, NULL);
    pthread_cond_init(&journal->settled, NULL);
    journal->dir = strdup(dir);
    if (!journal->dir || asprintf(&journal->name, "%s/journal", dir) < 0) {
        journal->name = NULL;
        mr_error_memory(error, "opening the journal");
    } else if ((journal->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make the journal's event descriptor: %m (raise ulimit -n)");
    } else {
        return journal;
    }
    mr_journal_destroy(&journal);
    return NULL;
}

static mr_journal_file_t as_file(const mr_journal_t *journal, uint64_t size) {
    return (mr_journal_file_t){journal->fd, size, journal->name};
}

static int look_inside(mr_journal_t *journal, uint64_t size, bool resume, mr_error_t *error) {
    mr_journal_file_t file = as_file(journal, size);
    int found = mr_journal_read_binding(&file, &journal->binding, error);
    if (found < 0)
        return -1;
    journal->begun = found;
    journal->end = size;
    if (found && !resume)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: it holds an unfinished job; add --resume to go on with it, or remove it",
                            journal->name);
    if (!found && size)
        mr_log(MR_LOG_WARNING, "%s: the journal ends before it says of which job it is; it is begun anew",
               journal->name);
    else if (!found && resume)
        mr_log(MR_LOG_INFO, "%s: there is no unfinished job; beginning it", journal->name);
    return 0;
}

mr_journal_t *mr_journal_open(const char *dir, bool resume, mr_error_t *error) {
    struct stat status = {0};
    mr_journal_t *journal = make_directory(dir, error) ? NULL : make(dir, error);
    int opened = 0;
    while (journal && (opened = try_open(journal, &status, error)) == 0)
        ;
    if (journal && (opened < 0 || look_inside(journal, (uint64_t) status.st_size, resume, error)))
        mr_journal_destroy(&journal);
    return journal;
}

const char *mr_journal_binding(const mr_journal_t *journal, size_t *size) {
    *size = journal->binding.size;
    return journal->begun ? journal->binding.data : NULL;
}

/* ---- beginning and going on ---- */

/* Writes one record at once. */
static int append(mr_journal_t *journal, mr_record_type_t type, const char *payload, size_t size, mr_error_t *error) {
    mr_entry_t *entry = mr_entry_new(size);
    if (!entry)
        return mr_error_memory(error, "beginning the journal");
    mr_buffer_append(&entry->payload, payload, size); /* there is room */
    mr_entry_place(journal, entry, type);
    int failed = mr_entries_write(journal, entry, error);
    mr_entry_free(&entry);
    return failed;
}

/* A new coordinator's number, on the disk with all before it; then the thread may write. */
static int begin_life(mr_journal_t *journal, uint64_t life, mr_error_t *error) {
    char payload[8];
    journal->life = life;
    mr_store64(payload, life);
    if (append(journal, MR_RECORD_LIFE, payload, sizeof payload, error))
        return -1;
    if (fsync(journal->fd))
        return mr_journal_failed(journal, journal->end, "make the journal durable", error);
    journal->synced = journal->end;
    return mr_journal_start(journal, error);
}

int mr_journal_begin(mr_journal_t *journal, const char *binding, size_t size, mr_error_t *error) {
    if (ftruncate(journal->fd, 0))
        return mr_journal_failed(journal, 0, "begin the journal", error);
    journal->end = 0;
    if (getrandom(&journal->job, sizeof journal->job, 0) < 0 || mr_buffer_append(&journal->binding, binding, size))
        return mr_error_memory(error, "beginning the journal");
    journal->begun = true;
    return append(journal, MR_RECORD_BINDING, binding, size, error) || begin_life(journal, 1, error) ||
                   sync_directory(journal->dir, error)
               ? -1
               : 0;
}

static int cut_tail(const mr_journal_t *journal, uint64_t good, mr_error_t *error) {
    if (good == journal->end)
        return 0;
    if (ftruncate(journal->fd, (off_t) good))
        return mr_journal_failed(journal, good, "cut the torn end of the journal", error);
    mr_log(MR_LOG_WARNING, "%s:%llu: the last %llu bytes were not written whole and are cut off", journal->name,
           (unsigned long long) good, (unsigned long long) (journal->end - good));
    return 0;
}

int mr_journal_replay(mr_journal_t *journal, const mr_journal_visitor_t *visitor, mr_error_t *error) {
    mr_journal_file_t file = as_file(journal, journal->end);
    mr_journal_found_t found;
    if (mr_journal_read(&file, visitor, &found, error) || cut_tail(journal, found.good, error))
        return -1;
    journal->end = found.good;
    journal->job = found.job;
    return begin_life(journal, found.life + 1, error);
}

uint64_t mr_journal_job(const mr_journal_t *journal) {
    return journal->job;
}

uint64_t mr_journal_life(const mr_journal_t *journal) {
    return journal->life;
}

int mr_journal_fd(const mr_journal_t *journal) {
    return journal->fd;
}

const char *mr_journal_name(const mr_journal_t *journal) {
    return journal->name;
}

/* ---- the end ---- */

int mr_journal_finish(mr_journal_t *journal, mr_error_t *error) {
    atomic_store(&journal->forsaken, true);
    mr_journal_stop(journal);
    if (unlink(journal->name) && errno != ENOENT)
        return mr_error_set(error, MR_STATUS_STORAGE,
                            "%s: the job is complete, but its journal cannot be removed: %s; remove it", journal->name,
                            strerror(errno));
    return sync_directory(journal->dir, error);
}

void mr_journal_destroy(mr_journal_t **self) {
    mr_journal_t *journal = *self;
    if (!journal)
        return;
    mr_journal_stop(journal);
    struct stat status;
    if (journal->fd >= 0 && !journal->begun && fstat(journal->fd, &status) == 0 && status.st_size == 0)
        unlink(journal->name);
    if (journal->fd >= 0)
        close(journal->fd);
    if (journal->event_fd >= 0)
        close(journal->event_fd);
    mr_buffer_free(&journal->binding);
    free(journal->staged);
    free(journal->dir);
    free(journal->name);
    pthread_cond_destroy(&journal->settled);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
    *self = NULL;
}
