/* faulty.c - the job `faulty`: `count` and `sum` with lines that misbehave, to test what becomes of a job with a bug.
 *
 * A line that begins with one of the words below does what it says, once, when it is reached; if the process is still there, the line is mapped
 * like any other. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "builtin.h"
#include "jobs/lines.h"
#include "options.h"
#include "units.h"

#define MARK '!'
#define MOST_COLUMNS 1000000u
#define EXIT_STATUS 3
#define ARGUMENT_SIZE 32u

typedef struct mr_faulty_state {
    mr_lines_t lines;
    mr_lines_map_t *kernel;
} mr_faulty_state_t;

static const mr_option_t options_of_faulty[] = {
    {"key", "N", "1", "column of the key, from 1"},
    {"value", "N", NULL, "column of the number to add up (default: lines are counted)"},
    {NULL, NULL, NULL, NULL},
};

/* ---- what a line may do ---- */

static void do_crash(const char *argument) {
    (void) argument;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn it into an exit */
    raise(SIGSEGV);
}

static void do_abort(const char *argument) {
    (void) argument;
    abort();
}

static void do_exit(const char *argument) {
    (void) argument;
    _exit(EXIT_STATUS);
}

static void do_hang(const char *argument) {
    (void) argument;
    for (;;)
        pause();
}

/* The same, with a child that nobody will wait for. */
static void do_fork(const char *argument) {
    fork();
    do_hang(argument);
}

static void do_sleep(const char *argument) {
    long ms = strtol(argument, NULL, 10);
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&left, &left))
        ;
}

static void do_eat(const char *argument) {
    uint64_t size = 0;
    mr_error_t ignored = {0};
    if (mr_parse_size("!eat", argument, 0, SIZE_MAX / 2, &size, &ignored))
        return;
    volatile char *memory = malloc((size_t) size);
    for (uint64_t at = 0; memory && at < size; at += 4096)
        memory[at] = 1;
    free((void *) memory);
}

/* The argument is what stands behind the word, up to a tab or the end of the line. */
static const struct {
    const char *word;
    void (*act)(const char *argument);
} deeds[] = {{"!crash", do_crash}, {"!abort", do_abort}, {"!exit", do_exit}, {"!hang", do_hang},
             {"!fork", do_fork},   {"!sleep", do_sleep}, {"!eat", do_eat}};

static void misbehave(const char *line, const char *end) {
    char argument[ARGUMENT_SIZE] = "";
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        size_t length = strlen(deeds[i].word);
        if ((size_t) (end - line) < length || memcmp(line, deeds[i].word, length))
            continue;
        const char *from = line + length + (line[length] == ' ');
        for (size_t j = 0; j + 1 < sizeof argument && from < end && *from != '\t'; j++)
            argument[j] = *from++;
        deeds[i].act(argument);
        return;
    }
}

/* ---- the job ---- */

static int configure_faulty(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    uint64_t key = 0, value = 0;
    if (mr_option_number(options, "key", 1, MOST_COLUMNS, &key, complaint) ||
        mr_option_number(options, "value", 1, MOST_COLUMNS, &value, complaint))
        return -1;
    mr_faulty_state_t *faulty = malloc(sizeof *faulty);
    if (!faulty)
        return mr_complain(complaint, "out of memory while reading options");
    faulty->lines = (mr_lines_t){.key = (uint32_t) key, .value = (uint32_t) value, .delimiter = '\t'};
    faulty->kernel = mr_lines_kernel(&faulty->lines, mr_simd_choose());
    *state = faulty;
    return 0;
}

static mr_tally_t map_faulty(const void *state, const char *data, size_t size, mr_out_t *out) {
    const mr_faulty_state_t *faulty = state;
    for (const char *line = data, *past = data + size, *end; line < past; line = end + 1) {
        end = memchr(line, '\n', (size_t) (past - line));
        if (*line == MARK)
            misbehave(line, end);
    }
    return faulty->kernel(&faulty->lines, data, size, out);
}

const mr_job_t mr_job_faulty = {
    .abi = MR_JOB_ABI,
    .name = "faulty",
    .summary = "lines that crash, hang or eat memory, to test the engine",
    .arguments = "FILE...",
    .options = options_of_faulty,
    .flags = MR_JOB_HIDDEN,
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_faulty,
    .destroy = free,
    .map = map_faulty,
    .columns = "count",
};
