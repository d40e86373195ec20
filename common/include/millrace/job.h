/* millrace/job.h - what a job is: the one header that built-in jobs and plugins share.
 *
 * A job maps text records to rows. A row is a key (bytes) and a fixed number of 64-bit cells; rows of equal keys are
 * reduced cell by cell with the operation the job names (sum, min, max). Operations are associative and commutative,
 * so the result does not depend on the order in which partials arrive.
 *
 * A job is one const mr_job_t at the foot of one C file. The engine calls, in this order:
 *   variant     wherever the options are first known, to get the table to use
 *   configure   in the coordinator (to check the options, to print) and once in each worker process
 *   plan        in the coordinator, only for jobs that take arguments instead of input files
 *   map         in the workers, concurrently from several threads with the same const state
 *   print       in the coordinator, from several threads, once per result row
 *   destroy     in each process that configured
 */
#ifndef MILLRACE_JOB_H
#define MILLRACE_JOB_H

#include <stddef.h>
#include <stdint.h>

#define MR_JOB_ABI 1u
#define MR_MAX_CELLS 8u
#define MR_MAX_KEY ((size_t) 1 << 20) /* bytes; a longer key makes its record a bad record */

/* Bytes a kernel may read (never write) before and after the buffer it is given, so that it can load whole vectors.
 * Their contents are arbitrary. */
#define MR_MAP_MARGIN 64u

/* How a cell of two rows of equal key becomes one. All cells are unsigned 64-bit. */
typedef enum mr_op {
    MR_SUM, /* checked: a sum past 2^64-1 ends the job and names the key; nothing wraps */
    MR_MIN,
    MR_MAX,
} mr_op_t;

/* Where a kernel puts what it finds. Owned by the engine; valid during one call of map. */
typedef struct mr_out mr_out_t;

/* Folds one row into the output. `key` is `len` bytes (any bytes; may be empty; at most MR_MAX_KEY), `cells` has the
 * job's ncells values; both are copied. Errors (memory, overflow) are kept in `out` and end the task after map. */
void mr_emit(mr_out_t *out, const char *key, size_t len, const uint64_t *cells);

/* Reports the record that begins at `record`, inside the buffer given to map, as bad. `reason` is a string literal
 * ("column 3 is not a number"). The record must not have been emitted; count it in mr_tally_t.rejected. */
void mr_reject(mr_out_t *out, const char *record, const char *reason);

/* What one call of map saw. records = every line of the buffer; rejected = those given to mr_reject. */
typedef struct mr_tally {
    uint64_t records;
    uint64_t rejected;
} mr_tally_t;

/* One option of a job, given as --name VALUE (or --name alone when `value` is NULL). */
typedef struct mr_option {
    const char *name;          /* "key"; NULL ends the list */
    const char *value;         /* what the value is, for --help: "N"; NULL: a switch, whose value is then "1" */
    const char *default_value; /* NULL: no default; a switch is off */
    const char *help;          /* half a line */
} mr_option_t;

/* Reads an option's value by name, or NULL when it has neither value nor default. Valid during configure and plan. */
typedef struct mr_options mr_options_t;
const char *mr_option_get(const mr_options_t *options, const char *name);

/* Where configure and plan say what is wrong: one line, without a final full stop or newline. Always returns -1. */
typedef struct mr_complaint mr_complaint_t;
int mr_complain(mr_complaint_t *complaint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where plan puts the tasks of a job without input files. `payload` (copied) becomes the buffer of one call of map, so
 * it is whole lines, each ended by \n. `group` is the index of the argument the task belongs to; a group's rows are printed as
 * soon as all of its tasks are committed. Tasks are handed out in the order in which they are added. Returns 0 or -1. */
typedef struct mr_plan mr_plan_t;
int mr_plan_add(mr_plan_t *plan, uint32_t group, const char *payload, size_t size);

/* Job flags */
#define MR_JOB_ARGUMENTS 1u /* takes arguments, not input files: plan is called, and results stream group by group */
#define MR_JOB_HIDDEN 2u    /* not in the listing of `millrace jobs`: for benchmarks and tests */

typedef struct mr_job {
    uint32_t abi;               /* MR_JOB_ABI */
    const char *name;           /* as typed: "sum" */
    const char *summary;        /* one line for `millrace jobs` */
    const char *arguments;      /* for --help: "FILE..." or "N..." */
    const mr_option_t *options; /* ended by a NULL name; may be NULL */
    uint32_t flags;             /* MR_JOB_... */
    uint32_t ncells;            /* 1 to MR_MAX_CELLS */
    mr_op_t ops[MR_MAX_CELLS];  /* one for each cell */

    /* Checks the options and makes the state that the other functions get. Returns 0, or -1 after mr_complain. May be
     * NULL: no state. */
    int (*configure)(const mr_options_t *options, void **state, mr_complaint_t *complaint);

    /* Frees the state. May be NULL. */
    void (*destroy)(void *state);

    /* Cuts arguments into tasks (MR_JOB_ARGUMENTS only, else NULL). Returns 0, or -1 after mr_complain. */
    int (*plan)(const void *state, int count, char *const *arguments, mr_plan_t *plan, mr_complaint_t *complaint);

    /* Maps `size` > 0 bytes at `data`: whole lines, each ended by \n (the engine adds a missing last one, and has
     * removed one CR before each \n). Lines are at most --max-record long. */
    mr_tally_t (*map)(const void *state, const char *data, size_t size, mr_out_t *out);

    /* Writes the row's value columns as text, tab-separated, without key or newline, into `buffer` of MR_PRINT_MAX
     * bytes. Returns the length. NULL: each cell as a decimal number. */
    size_t (*print)(const void *state, const uint64_t *cells, char *buffer);

    /* Names of the value columns, tab-separated, for --format json and csv headers; NULL: "value". */
    const char *columns;

    /* The table these options really mean, when they change the cells or flags: of the same name, used instead of this
     * one for everything that follows. May be NULL: always this one. */
    const struct mr_job *(*variant)(const mr_options_t *options);
} mr_job_t;

#define MR_PRINT_MAX 512u

#endif
