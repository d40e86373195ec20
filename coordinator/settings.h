/* settings.h - the options of `millrace run`: from flags, the environment, and configuration files, in this order of rank:
 *
 *   --name VALUE  >  MILLRACE_NAME  >  ./millrace.conf  >  $XDG_CONFIG_HOME/millrace/millrace.conf  >  /etc/millrace.conf
 *
 * A file has lines `name = value`; # begins a comment. */
#ifndef MR_SETTINGS_H
#define MR_SETTINGS_H

#include <stdbool.h>

#include "options.h"

/* X(id, name, letter, value, default, help); value NULL: a switch; help NULL: for few, so in the man page only */
#define MR_SETTINGS(X)                                                                                                 \
    X(OUTPUT, "output", 'o', "FILE", NULL, "write the rows to FILE, atomically (default: stdout)")                     \
    X(OVERWRITE, "overwrite", 0, NULL, NULL, "replace FILE if it exists")                                              \
    X(FORMAT, "format", 0, "tsv|csv|json", "tsv", "how rows look")                                                     \
    X(SORT, "sort", 0, "key|value|none", "key", "order of rows; value: largest first")                                 \
    X(TOP, "top", 0, "N", "0", "only the N rows with the largest values")                                              \
    X(ONLY, "only", 0, "KEY", NULL, "only the row of KEY")                                                             \
    X(ORDER, "order", 0, "completion|input", "completion", "order of results of a job with arguments")                 \
    X(RECURSIVE, "recursive", 'r', NULL, NULL, "take the files below a directory")                                     \
    X(FILES_FROM, "files-from", 0, "FILE", NULL, "also read the files named in FILE, one a line")                      \
    X(FILES0_FROM, "files0-from", 0, "FILE", NULL, "the same, names ended by NUL")                                     \
    X(THREADS, "threads", 'j', "N|N%", "100%", "threads of all local workers; % of the processors")                    \
    X(WORKERS, "workers", 0, "N", "auto", "local worker processes (auto: one for each 8 threads)")                     \
    X(LISTEN, "listen", 0, "ENDPOINT", NULL, "take workers from elsewhere too: tcp://HOST:PORT")                       \
    X(LANE_PORTS, "lane-ports", 0, "A-B", NULL, NULL)                                                                  \
    X(INSECURE, "insecure", 0, NULL, NULL, "listen beyond this machine without keys")                                  \
    X(CHUNK, "chunk", 0, "SIZE", "0", "bytes of input a task (0: by size of the input)")                               \
    X(MEMORY, "memory", 0, "SIZE", "1G", "for reducing; and as much again for the local workers")                      \
    X(REDUCERS, "reducers", 0, "N", "0", "threads that merge at the end (0: as many as processors)")                   \
    X(TMP, "tmp", 0, "DIR", NULL, "where what outgrows memory is kept (default: $TMPDIR or /tmp)")                     \
    X(JOURNAL, "journal", 0, "DIR", NULL, "keep what is committed in DIR, to go on after a crash")                     \
    X(RESUME, "resume", 0, NULL, NULL, "go on with the job in the journal, if it holds one")                           \
    X(MAX_RECORD, "max-record", 0, "SIZE", "64M", "a longer line is a bad record")                                     \
    X(SKIP_BAD, "skip-bad", 0, "N", "0", "skip and count up to N bad records")                                         \
    X(FLUSH, "flush", 0, "TIME", "10s", "a worker sends what it has at least so often")                                \
    X(LEASE, "lease", 0, "TIME", "9s", "a worker silent for so long is replaced")                                      \
    X(BACKUP, "backup", 0, "TIME", "1s", "a slow task gets a second attempt after so long (0: none)")                  \
    X(TASK_TIMEOUT, "task-timeout", 0, "TIME", "0", "a task that runs longer has failed; it is tried again (0: none)") \
    X(WORKER_TIMEOUT, "worker-timeout", 0, "TIME", "1m", "give up (status 7) after so long without a worker")          \
    X(PROGRESS, "progress", 0, "auto|bar|json|none", "auto", "how progress is shown on stderr")                        \
    X(LOG_LEVEL, "log-level", 0, "LEVEL", "warning", "error, warning, info or debug")                                  \
    X(QUIET, "quiet", 'q', NULL, NULL, "no closing summary")                                                           \
    X(DRY_RUN, "dry-run", 'n', NULL, NULL, "print the plan, run nothing")                                              \
    X(BLOCK, "block", 0, "SIZE", "256K", NULL)

typedef enum mr_setting {
#define X(id, name, letter, value, default_value, help) MR_SETTING_##id,
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

/* Reads the command line: settings, and the job's options into `options`. `first` gets the index of the first operand (argv is
 * permuted). Names may be shortened as getopt_long allows. Returns 0; 1: --help was asked for; -1: status USAGE, naming
 * the nearest right option. */
int mr_settings_parse(mr_settings_t *settings, mr_options_t *options, const mr_job_t *job, int argc, char **argv,
                      int *first, mr_error_t *error);

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

/* The lines of --help. */
void mr_settings_help(FILE *stream);

#endif
