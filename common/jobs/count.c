/* count.c - the job `count`: how many lines have each key; the key is a column or the whole line. */
#include <stdlib.h>

#include "builtin.h"
#include "jobs/delimiter.h"
#include "jobs/lines.h"
#include "options.h"

#define MOST_COLUMNS 1000000u

typedef struct mr_count_state {
    mr_lines_t lines;
    mr_lines_map_t *kernel;
} mr_count_state_t;

static const mr_option_t options_of_count[] = {
    {"key", "N", NULL, "column of the key, from 1 (default: the whole line is the key)"},
    {"delimiter", "D", "tab", "what is between columns: tab, comma, space, semicolon or any one byte"},
    {NULL, NULL, NULL, NULL},
};

static int configure_count(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    mr_lines_t lines = {0};
    uint64_t key = 0;
    if (mr_option_number(options, "key", 1, MOST_COLUMNS, &key, complaint) ||
        mr_delimiter_option(options, &lines.delimiter, complaint))
        return -1;
    lines.key = (uint32_t) key;
    mr_count_state_t *count = malloc(sizeof *count);
    if (!count)
        return mr_complain(complaint, "out of memory while reading options");
    *count = (mr_count_state_t){.lines = lines, .kernel = mr_lines_kernel(&lines, mr_simd_choose())};
    *state = count;
    return 0;
}

static mr_tally_t map_count(const void *state, const char *data, size_t size, mr_out_t *out) {
    const mr_count_state_t *count = state;
    return count->kernel(&count->lines, data, size, out);
}

const mr_job_t mr_job_count = {
    .abi = MR_JOB_ABI,
    .name = "count",
    .summary = "how many lines have each key (a column, or the whole line)",
    .arguments = "FILE...",
    .options = options_of_count,
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_count,
    .destroy = free,
    .map = map_count,
    .columns = "count",
};
