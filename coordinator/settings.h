/* settings.h - the options of `millrace run`, `serve` and the commands of clients: from flags, the environment, and configuration files, in this order of rank:
 *
 *   --name VALUE  >  MILLRACE_NAME  >  ./millrace.conf  >  $XDG_CONFIG_HOME/millrace/millrace.conf  >  /etc/millrace.conf
 *
 * A file has lines `name = value`; # begins a comment. */
#ifndef MR_SETTINGS_H
#define MR_SETTINGS_H

#include <stdbool.h>

#include "options.h"

/* Which commands know a setting on their command line: R run, S serve, J run for a job that was submitted to serve (what it may ask for), C all
 * commands of clients, F those that fetch rows (submit, wait), P submit, Q status; several letters, several commands. In the environment and in files all settings may stand, for the commands that they mean something to. */
typedef enum mr_use {
    MR_USE_R = 1,
    MR_USE_S = 2,
    MR_USE_J = 4,
    MR_USE_C = 8,
    MR_USE_F = 16,
    MR_USE_P = 32,
    MR_USE_Q = 64,
    MR_USE_SUBMIT = MR_USE_J | MR_USE_C | MR_USE_F | MR_USE_P,
    MR_USE_WAIT = MR_USE_C | MR_USE_F,
    MR_USE_STATUS = MR_USE_C | MR_USE_Q,
    MR_USE_RSC = MR_USE_R | MR_USE_S | MR_USE_C,
    MR_USE_RF = MR_USE_R | MR_USE_F,
    MR_USE_RJQ = MR_USE_R | MR_USE_J | MR_USE_Q,
    MR_USE_RS = MR_USE_R | MR_USE_S,
    MR_USE_RJ = MR_USE_R | MR_USE_J,
    MR_USE_RSJ = MR_USE_R | MR_USE_S | MR_USE_J
} mr_use_t;

/* X(id, use, name, letter, value, default, help); value NULL: a switch; help NULL: for few, so in the man page only */
#define MR_SETTINGS(X)                                                                                                 \
    X(OUTPUT, RF, "output", 'o', "FILE", NULL, "write the rows to FILE, atomically (default: stdout)")                 \
    X(OVERWRITE, RF, "overwrite", 0, NULL, NULL, "replace FILE if it exists")                                          \
    X(FORMAT, RJQ, "format", 0, "tsv|csv|json", "tsv", "how rows look")                                                \
    X(SORT, RJ, "sort", 0, "key|value|none", "key", "order of rows; value: largest first")                             \
    X(TOP, RJ, "top", 0, "N", "0", "only the N rows with the largest values")                                          \
    X(ONLY, RJ, "only", 0, "KEY", NULL, "only the row of KEY")                                                         \
    X(ORDER, RJ, "order", 0, "completion|input", "completion", "order of results of a job with arguments")             \
    X(RECURSIVE, RJ, "recursive", 'r', NULL, NULL, "take the files below a directory")                                 \
    X(FILES_FROM, RJ, "files-from", 0, "FILE", NULL, "also read the files named in FILE, one a line")                  \
    X(FILES0_FROM, RJ, "files0-from", 0, "FILE", NULL, "the same, names ended by NUL")                                 \
    X(THREADS, RS, "threads", 'j', "N|N%", "100%", "threads of all local workers; % of the processors")                \
    X(WORKERS, RS, "workers", 0, "N", "auto", "local worker processes (auto: one for each 8 threads)")                 \
    X(LISTEN, RS, "listen", 0, "ENDPOINT", NULL, "take workers from elsewhere too: tcp://HOST:PORT")                   \
    X(LANE_PORTS, RS, "lane-ports", 0, "A-B", NULL, NULL)                                                              \
    X(ADVERTISE, RS, "advertise", 0, "HOST", NULL, NULL)                                                               \
    X(KEYS, RSC, "keys", 0, "DIR", NULL,                                                                               \
      "keys (made by millrace keygen); a coordinator then admits only who has some")                                   \
    X(INSECURE, RS, "insecure", 0, NULL, NULL, "listen beyond this machine without keys")                              \
    X(ROOT, RS, "root", 0, "DIR", NULL, NULL)                                                                          \
    X(CHUNK, RJ, "chunk", 0, "SIZE", "0", "bytes of input a task (0: by size of the input)")                           \
    X(MEMORY, RJ, "memory", 0, "SIZE", "1G", "for reducing; and as much again for the local workers")                  \
    X(REDUCERS, RJ, "reducers", 0, "N", "0", "threads that merge at the end (0: as many as processors)")               \
    X(TMP, RS, "tmp", 0, "DIR", NULL, "where what outgrows memory is kept (default: $TMPDIR or /tmp)")                 \
    X(JOURNAL, R, "journal", 0, "DIR", NULL, "keep what is committed in DIR, to go on after a crash")                  \
    X(RESUME, R, "resume", 0, NULL, NULL, "go on with the job in the journal, if it holds one")                        \
    X(MAX_RECORD, RJ, "max-record", 0, "SIZE", "64M", "a longer line is a bad record")                                 \
    X(SKIP_BAD, RJ, "skip-bad", 0, "N", "0", "skip and count up to N bad records")                                     \
    X(FLUSH, RJ, "flush", 0, "TIME", "10s", "a worker sends what it has at least so often")                            \
    X(LEASE, RSJ, "lease", 0, "TIME", "9s", "a worker silent for so long is replaced")                                 \
    X(BACKUP, RJ, "backup", 0, "TIME", "1s", NULL)                                                                     \
    X(TASK_TIMEOUT, RJ, "task-timeout", 0, "TIME", "0",                                                                \
      "a task that runs longer has failed; it is tried again (0: none)")                                               \
    X(WORKER_TIMEOUT, RJ, "worker-timeout", 0, "TIME", "1m", "give up (status 7) after so long without a worker")      \
    X(PROGRESS, RF, "progress", 0, "auto|bar|json|none", "auto", "how progress is shown on stderr")                    \
    X(LOG_LEVEL, RSJ, "log-level", 0, "LEVEL", "warning", "error, warning, info or debug")                             \
    X(QUIET, RF, "quiet", 'q', NULL, NULL, "no closing summary")                                                       \
    X(DRY_RUN, R, "dry-run", 'n', NULL, NULL, "print the plan, run nothing")                                           \
    X(BLOCK, RJ, "block", 0, "SIZE", "256K", NULL)                                                                     \
    X(STATE, S, "state", 0, "DIR", NULL, "where the queue and what belongs to jobs is kept")                           \
    X(AT_ONCE, S, "at-once", 0, "N", "1", "jobs that run side by side")                                                \
    X(KEEP, S, "keep", 0, "TIME", "7d", "jobs that have ended, and their rows, are kept so long")                      \
    X(CONNECT, C, "connect", 0, "ENDPOINT", "tcp://127.0.0.1:5555", "where millrace serve is")                         \
    X(PRIORITY, P, "priority", 0, "N", "50", "0 to 100: of the jobs that wait, the highest is run first")              \
    X(DETACH, P, "detach", 'd', NULL, NULL, "print the job's number and do not wait for it")                           \
    X(PARENT, R, "parent", 0, "PID", NULL, NULL)                                                                       \
    X(SUBMITTED, R, "submitted", 0, NULL, NULL, NULL)

typedef enum mr_setting {
#define X(id, use, name, letter, value, default_value, help) MR_SETTING_##id,
    MR_SETTINGS(X)
#undef X
        MR_SETTING_COUNT
} mr_setting_t;

typedef struct mr_settings {
    char *values[MR_SETTING_COUNT]; /* owned; NULL: not set */
    const char
        *sources[MR_SETTING_COUNT]; /* "--chunk", "MILLRACE_CHUNK", "./millrace.conf:3": borrowed or in `texts` */
    char texts[MR_SETTING_COUNT][96];
} mr_settings_t;

/* Reads files and environment (lowest rank first). */
int mr_settings_load(mr_settings_t *settings, mr_error_t *error);

/* Reads the command line: the settings of that use, and the options of `job` (NULL: none) into `options`. `first` gets the index of the first
 * operand (argv is permuted). Names may be shortened as getopt_long allows. Of `run`, what follows --submitted may be of use J only. Returns 0;
 * 1: --help was asked for; -1: status USAGE, naming the nearest right option. */
int mr_settings_parse(mr_settings_t *settings, mr_use_t use, mr_options_t *options, const mr_job_t *job, int argc,
                      char **argv, int *first, mr_error_t *error);

void mr_settings_free(mr_settings_t *settings);

/* The value set, or the default, or NULL. */
const char *mr_settings_text(const mr_settings_t *settings, mr_setting_t setting);
bool mr_settings_switch(const mr_settings_t *settings, mr_setting_t setting);

/* Where the value was set, for messages. */
const char *mr_settings_source(const mr_settings_t *settings, mr_setting_t setting);

/* The value read as a size, a count or a time (ms); errors name where it was set. */
int mr_settings_size(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *size,
                     mr_error_t *error);
int mr_settings_count(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *count,
                      mr_error_t *error);
int mr_settings_time(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *ms,
                     mr_error_t *error);

/* The index of the value among `names` (ended by NULL). */
int mr_settings_choice(const mr_settings_t *settings, mr_setting_t setting, const char *const *names, unsigned *choice,
                       mr_error_t *error);

/* The lines of --help for the settings of that use. */
void mr_settings_help(FILE *stream, mr_use_t use);

#endif
