/* The queue's table. One connection, in WAL mode with synchronous=FULL: a commit is one fsync, and what was committed is there after a crash. */
#include "job_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"

#define VERSION 1 /* of the table */

struct mr_job_queue {
    char dir[4096];
    int lock;
    sqlite3 *db;
};

static const char *const state_names[] = {
#define X(name, text) text,
    MR_JOB_STATES(X)
#undef X
};

#define COLUMNS_WITH(words)                                                                                            \
    "id,priority,state," words ",directory,user,host,submitted_ms,started_ms,ended_ms,lives,status,message,"           \
    "length(words)"
#define COLUMNS COLUMNS_WITH("words")
#define COLUMNS_IN_SHORT COLUMNS_WITH("substr(words,1,4096)")
#define ORDER_OF_RUNS "state=0,CASE state WHEN 0 THEN lives=0 ELSE 0 END,CASE state WHEN 0 THEN -priority ELSE 0 END,id"

static const char schema[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS jobs(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "priority INTEGER NOT NULL, state INTEGER NOT NULL, words BLOB NOT NULL, directory BLOB NOT NULL,"
    "user BLOB NOT NULL, host BLOB NOT NULL, submitted_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    "ended_ms INTEGER NOT NULL, lives INTEGER NOT NULL, status INTEGER NOT NULL, message BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS jobs_next ON jobs(state, priority DESC, id);"
    "PRAGMA user_version=1;";

const char *mr_job_state_name(mr_job_state_t state) {
    return state_names[state];
}

/* ---- opening ---- */

static int failed(const mr_job_queue_t *queue, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_STORAGE, "%s/queue.db: %s", queue->dir,
                        queue->db ? sqlite3_errmsg(queue->db) : "out of memory");
}

static int make_dir(const char *path, mr_error_t *error) {
    if (mkdir(path, 0700) && errno != EEXIST)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make the directory: %s", path, strerror(errno));
    return 0;
}

static int lock(mr_job_queue_t *queue, mr_error_t *error) {
    char path[4200];
    snprintf(path, sizeof path, "%s/jobs", queue->dir);
    if (make_dir(queue->dir, error) || make_dir(path, error))
        return -1;
    snprintf(path, sizeof path, "%s/lock", queue->dir);
    queue->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (queue->lock < 0)
        return mr_error_set(error, MR_STATUS_STORAGE, "%s: cannot make it: %s", path, strerror(errno));
    if (flock(queue->lock, LOCK_EX | LOCK_NB))
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: another millrace serve uses this state; end it, or choose another directory (--state)",
                            queue->dir);
    return 0;
}

static int read_version(mr_job_queue_t *queue, int *version, mr_error_t *error) {
    sqlite3_stmt *statement = NULL;
    int wrong = sqlite3_prepare_v2(queue->db, "PRAGMA user_version", -1, &statement, NULL) ||
                sqlite3_step(statement) != SQLITE_ROW;
    if (wrong)
        failed(queue, error);
    else
        *version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return wrong ? -1 : 0;
}

static int open_table(mr_job_queue_t *queue, mr_error_t *error) {
    char path[4200];
    int version = 0;
    snprintf(path, sizeof path, "%s/queue.db", queue->dir);
    if (sqlite3_open_v2(path, &queue->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        return failed(queue, error);
    if (read_version(queue, &version, error))
        return -1;
    if (version > VERSION)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: a later version of Millrace has written it; install that one, or choose another "
                            "directory (--state)",
                            path);
    return sqlite3_exec(queue->db, schema, NULL, NULL, NULL) ? failed(queue, error) : 0;
}

mr_job_queue_t *mr_job_queue_open(const char *dir, mr_error_t *error) {
    mr_job_queue_t *queue = calloc(1, sizeof *queue);
    if (!queue) {
        mr_error_memory(error, "opening the queue");
        return NULL;
    }
    queue->lock = -1;
    if (strlen(dir) >= sizeof queue->dir)
        mr_error_set(error, MR_STATUS_USAGE, "--state: the name is too long");
    else if (strcpy(queue->dir, dir), !lock(queue, error) && !open_table(queue, error))
        return queue;
    mr_job_queue_close(&queue);
    return NULL;
}

void mr_job_queue_close(mr_job_queue_t **queue) {
    mr_job_queue_t *self = *queue;
    if (!self)
        return;
    sqlite3_close_v2(self->db);
    if (self->lock >= 0)
        close(self->lock);
    free(self);
    *queue = NULL;
}

const char *mr_job_queue_dir(const mr_job_queue_t *queue) {
    return queue->dir;
}

int mr_job_queue_path(const mr_job_queue_t *queue, uint64_t id, const char *name, char *path, size_t size,
                      mr_error_t *error) {
    int length = snprintf(path, size, "%s/jobs/%llu%s%s", queue->dir, (unsigned long long) id, name ? "/" : "",
                          name ? name : "");
    return length < 0 || (size_t) length >= size
               ? mr_error_set(error, MR_STATUS_STORAGE, "%s: the name is too long (--state)", queue->dir)
               : 0;
}

/* ---- writing ---- */

/* Words may hold any byte but NUL, so that is what ends each. */
static int join_words(const mr_queued_t *job, mr_buffer_t *joined) {
    int wrong = 0;
    for (uint32_t i = 0; i < job->word_count; i++)
        wrong |= mr_buffer_append(joined, job->words[i], strlen(job->words[i]) + 1);
    return wrong;
}

static int bind_bytes(sqlite3_stmt *statement, int place, const char *text) {
    return sqlite3_bind_blob(statement, place, text ? text : "", text ? (int) strlen(text) : 0, SQLITE_TRANSIENT);
}

/* A statement that gives no row. */
static int carry_out(mr_job_queue_t *queue, sqlite3_stmt *statement, int wrong, mr_error_t *error) {
    wrong = wrong || sqlite3_step(statement) != SQLITE_DONE;
    if (wrong)
        failed(queue, error);
    sqlite3_finalize(statement);
    return wrong ? -1 : 0;
}

int mr_job_queue_add(mr_job_queue_t *queue, mr_queued_t *job, mr_error_t *error) {
    sqlite3_stmt *statement = NULL;
    mr_buffer_t words = {0};
    int64_t now = mr_clock_wall_ms();
    if (join_words(job, &words)) {
        mr_buffer_free(&words);
        return mr_error_memory(error, "adding a job");
    }
    int wrong = sqlite3_prepare_v2(queue->db,
                                   "INSERT INTO jobs(priority,state,words,directory,user,host,submitted_ms,started_ms,"
                                   "ended_ms,lives,status,message) VALUES(?,0,?,?,?,?,?,0,0,0,0,x'')",
                                   -1, &statement, NULL) ||
                sqlite3_bind_int64(statement, 1, job->priority) ||
                sqlite3_bind_blob64(statement, 2, words.data ? words.data : "", words.size, SQLITE_TRANSIENT) ||
                bind_bytes(statement, 3, job->directory) || bind_bytes(statement, 4, job->user) ||
                bind_bytes(statement, 5, job->host) || sqlite3_bind_int64(statement, 6, now);
    mr_buffer_free(&words);
    if (carry_out(queue, statement, wrong, error))
        return -1;
    job->id = (uint64_t) sqlite3_last_insert_rowid(queue->db);
    job->state = MR_JOB_QUEUED;
    job->submitted_ms = now;
    return 0;
}

int mr_job_queue_set(mr_job_queue_t *queue, const mr_queued_t *job, mr_error_t *error) {
    sqlite3_stmt *statement = NULL;
    int wrong = sqlite3_prepare_v2(
                    queue->db, "UPDATE jobs SET state=?,started_ms=?,ended_ms=?,lives=?,status=?,message=? WHERE id=?",
                    -1, &statement, NULL) ||
                sqlite3_bind_int(statement, 1, (int) job->state) || sqlite3_bind_int64(statement, 2, job->started_ms) ||
                sqlite3_bind_int64(statement, 3, job->ended_ms) || sqlite3_bind_int64(statement, 4, job->lives) ||
                sqlite3_bind_int(statement, 5, job->status) || bind_bytes(statement, 6, job->message) ||
                sqlite3_bind_int64(statement, 7, (int64_t) job->id);
    return carry_out(queue, statement, wrong, error);
}

int mr_job_queue_forget(mr_job_queue_t *queue, uint64_t id, mr_error_t *error) {
    sqlite3_stmt *statement = NULL;
    int wrong = sqlite3_prepare_v2(queue->db, "DELETE FROM jobs WHERE id=?", -1, &statement, NULL) ||
                sqlite3_bind_int64(statement, 1, (int64_t) id);
    return carry_out(queue, statement, wrong, error);
}

/* ---- reading ---- */

static char *copy_bytes(sqlite3_stmt *statement, int column) {
    const void *bytes = sqlite3_column_blob(statement, column);
    size_t size = (size_t) sqlite3_column_bytes(statement, column);
    char *copy = malloc(size + 1);
    if (copy && size)
        memcpy(copy, bytes, size);
    if (copy)
        copy[size] = 0;
    return copy;
}

/* One allocation: the pointers, and the bytes behind them. */
static int split_words(const char *bytes, size_t size, mr_queued_t *job) {
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] == 0;
    char **words = malloc((count + (size_t) 1) * sizeof *words + size + 1);
    if (!words)
        return -1;
    char *at = memcpy((char *) (words + count + 1), size ? bytes : "", size);
    for (uint32_t i = 0; i < count; i++, at += strlen(at) + 1)
        words[i] = at;
    words[count] = NULL;
    job->words = words;
    job->word_count = count;
    return 0;
}

static int read_row(sqlite3_stmt *statement, mr_queued_t *job) {
    int state = sqlite3_column_int(statement, 2);
    const void *words = sqlite3_column_blob(statement, 3);
    *job = (mr_queued_t){.id = (uint64_t) sqlite3_column_int64(statement, 0),
                         .priority = sqlite3_column_int64(statement, 1),
                         .state = state >= 0 && state <= MR_JOB_CANCELLED ? (mr_job_state_t) state : MR_JOB_FAILED,
                         .directory = copy_bytes(statement, 4),
                         .user = copy_bytes(statement, 5),
                         .host = copy_bytes(statement, 6),
                         .submitted_ms = sqlite3_column_int64(statement, 7),
                         .started_ms = sqlite3_column_int64(statement, 8),
                         .ended_ms = sqlite3_column_int64(statement, 9),
                         .lives = (uint32_t) sqlite3_column_int64(statement, 10),
                         .status = sqlite3_column_int(statement, 11),
                         .message = copy_bytes(statement, 12),
                         .cut = sqlite3_column_int64(statement, 13) > sqlite3_column_bytes(statement, 3)};
    if (job->directory && job->user && job->host && job->message &&
        !split_words(words, (size_t) sqlite3_column_bytes(statement, 3), job))
        return 0;
    mr_queued_free(job);
    return -1;
}

static int add_row(sqlite3_stmt *statement, mr_job_queue_list_t *list) {
    if ((list->count & (list->count - 1)) == 0) {
        mr_queued_t *more = realloc(list->items, (list->count ? 2 * list->count : 1) * sizeof *more);
        if (!more)
            return -1;
        list->items = more;
    }
    if (read_row(statement, &list->items[list->count]))
        return -1;
    list->count++;
    return 0;
}

/* Adds the rows of a query with one number in it. */
static int add_rows(mr_job_queue_t *queue, const char *query, int64_t number, mr_job_queue_list_t *list,
                    mr_error_t *error) {
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR, memory = 0;
    if (!sqlite3_prepare_v2(queue->db, query, -1, &statement, NULL) && !sqlite3_bind_int64(statement, 1, number))
        while (!memory && (step = sqlite3_step(statement)) == SQLITE_ROW)
            memory = add_row(statement, list);
    if (memory)
        mr_error_memory(error, "reading the queue");
    else if (step != SQLITE_DONE)
        failed(queue, error);
    sqlite3_finalize(statement);
    return memory || step != SQLITE_DONE ? -1 : 0;
}

static int select_rows(mr_job_queue_t *queue, const char *query, int64_t number, mr_job_queue_list_t *list,
                       mr_error_t *error) {
    *list = (mr_job_queue_list_t){0};
    return add_rows(queue, query, number, list, error);
}

/* The first of the rows, which becomes the caller's. */
static int take_first(mr_job_queue_t *queue, const char *query, int64_t number, mr_queued_t *job, mr_error_t *error) {
    mr_job_queue_list_t list;
    int wrong = select_rows(queue, query, number, &list, error);
    int found = !wrong && list.count;
    if (found) {
        *job = list.items[0];
        list.items[0] = (mr_queued_t){0};
    }
    mr_job_queue_list_free(&list);
    return wrong ? -1 : found;
}

int mr_job_queue_next(mr_job_queue_t *queue, mr_queued_t *job, mr_error_t *error) {
    return take_first(queue, "SELECT " COLUMNS " FROM jobs WHERE state=? ORDER BY lives=0,priority DESC,id LIMIT 1",
                      MR_JOB_QUEUED, job, error);
}

int mr_job_queue_find(mr_job_queue_t *queue, uint64_t id, mr_queued_t *job, mr_error_t *error) {
    return take_first(queue, "SELECT " COLUMNS " FROM jobs WHERE id=?", (int64_t) id, job, error);
}

int mr_job_queue_glance(mr_job_queue_t *queue, uint64_t id, mr_queued_t *job, mr_error_t *error) {
    return take_first(queue, "SELECT " COLUMNS_IN_SHORT " FROM jobs WHERE id=?", (int64_t) id, job, error);
}

int mr_job_queue_list(mr_job_queue_t *queue, unsigned states, mr_job_queue_list_t *list, mr_error_t *error) {
    return select_rows(queue, "SELECT " COLUMNS " FROM jobs WHERE (?>>state)&1 ORDER BY " ORDER_OF_RUNS, states, list,
                       error);
}

int mr_job_queue_outline(mr_job_queue_t *queue, uint32_t most, mr_job_queue_list_t *list, bool *cut,
                         mr_error_t *error) {
    int wrong = select_rows(queue,
                            "SELECT " COLUMNS_IN_SHORT " FROM jobs WHERE id IN"
                            "(SELECT id FROM jobs WHERE state>=2 ORDER BY id DESC LIMIT ?) ORDER BY id",
                            most, list, error);
    size_t ended = list->count;
    wrong = wrong ||
            add_rows(queue,
                     "SELECT " COLUMNS_IN_SHORT " FROM jobs WHERE id IN"
                     "(SELECT id FROM jobs WHERE state<2 ORDER BY " ORDER_OF_RUNS " LIMIT ?) ORDER BY " ORDER_OF_RUNS,
                     most, list, error);
    *cut = ended == most || list->count - ended == most;
    return wrong ? -1 : 0;
}

int mr_job_queue_old(mr_job_queue_t *queue, int64_t before_ms, mr_job_queue_list_t *list, mr_error_t *error) {
    return select_rows(queue, "SELECT " COLUMNS " FROM jobs WHERE state>=2 AND ended_ms<=? ORDER BY id", before_ms,
                       list, error);
}

void mr_queued_free(mr_queued_t *job) {
    free(job->words);
    free(job->directory);
    free(job->user);
    free(job->host);
    free(job->message);
    *job = (mr_queued_t){0};
}

void mr_job_queue_list_free(mr_job_queue_list_t *list) {
    for (size_t i = 0; i < list->count; i++)
        mr_queued_free(&list->items[i]);
    free(list->items);
    *list = (mr_job_queue_list_t){0};
}
