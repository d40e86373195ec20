/* sum.c - the jobs `sum` (add up one column by the key in another) and `ngrams` (the same, for Google Books 1-grams).
 *
 * Values are whole numbers below 2^64. With --signed a row has two cells, the sum of the positive values and that of
 * the negative ones' magnitudes: both only grow, so whether one overflows does not depend on the order of the rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"
#include "jobs/delimiter.h"
#include "jobs/lines.h"
#include "options.h"

#define MOST_COLUMNS 1000000u

typedef struct mr_sum_state {
    mr_lines_t lines;
    mr_lines_map_t *kernel;
} mr_sum_state_t;

static const mr_option_t options_of_sum[] = {
    {"key", "N", "1", "column of the key, from 1"},
    {"value", "N", "2", "column of the number to add up, from 1"},
    {"delimiter", "D", "tab", "what is between columns: tab, comma, space, semicolon or any one byte"},
    {"columns", "N", NULL, "exact number of columns a line must have (default: enough to hold key and value)"},
    {"signed", NULL, NULL, "values may be negative"},
    {NULL, NULL, NULL, NULL},
};

/* Makes the state for a shape. */
static int set_up(const mr_lines_t *lines, void **state, mr_complaint_t *complaint) {
    mr_sum_state_t *sum = malloc(sizeof *sum);
    if (!sum)
        return mr_complain(complaint, "out of memory while reading options");
    *sum = (mr_sum_state_t){.lines = *lines, .kernel = mr_lines_kernel(lines, mr_simd_choose())};
    *state = sum;
    return 0;
}

static int configure(const mr_options_t *options, bool is_signed, void **state, mr_complaint_t *complaint) {
    mr_lines_t lines = {.is_signed = is_signed};
    uint64_t key = 0, value = 0, columns = 0;
    if (mr_option_number(options, "key", 1, MOST_COLUMNS, &key, complaint) ||
        mr_option_number(options, "value", 1, MOST_COLUMNS, &value, complaint) ||
        mr_option_number(options, "columns", 1, MOST_COLUMNS, &columns, complaint) ||
        mr_delimiter_option(options, &lines.delimiter, complaint))
        return -1;
    if (columns && (columns < key || columns < value))
        return mr_complain(complaint, "--columns %" PRIu64 ": there would be no column %" PRIu64, columns,
                           key > value ? key : value);
    lines.key = (uint32_t) key;
    lines.value = (uint32_t) value;
    lines.columns = (uint32_t) columns;
    return set_up(&lines, state, complaint);
}

static int configure_unsigned(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    if (mr_option_get(options, "signed"))
        return mr_complain(complaint, "--signed: the engine took the job's table without asking for its variant");
    return configure(options, false, state, complaint);
}

static int configure_signed(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    return configure(options, true, state, complaint);
}

static int configure_ngrams(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    (void) options;
    return set_up(&(mr_lines_t){.key = 1, .value = 3, .columns = 4, .delimiter = '\t'}, state, complaint);
}

static mr_tally_t map(const void *state, const char *data, size_t size, mr_out_t *out) {
    const mr_sum_state_t *sum = state;
    return sum->kernel(&sum->lines, data, size, out);
}

/* The difference of two 64-bit sums needs a sign and 64 bits. */
static size_t print_signed(const void *state, const uint64_t *cells, char *buffer) {
    (void) state;
    bool negative = cells[1] > cells[0];
    uint64_t magnitude = negative ? cells[1] - cells[0] : cells[0] - cells[1];
    return (size_t) snprintf(buffer, MR_PRINT_MAX, "%s%" PRIu64, negative ? "-" : "", magnitude);
}

static const mr_job_t sum_signed = {
    .abi = MR_JOB_ABI,
    .name = "sum",
    .summary = "add up one column by the key in another",
    .arguments = "FILE...",
    .options = options_of_sum,
    .ncells = 2,
    .ops = {MR_SUM, MR_SUM},
    .configure = configure_signed,
    .destroy = free,
    .map = map,
    .print = print_signed,
    .columns = "sum",
};

static const mr_job_t *variant_of_sum(const mr_options_t *options) {
    return mr_option_get(options, "signed") ? &sum_signed : &mr_job_sum;
}

const mr_job_t mr_job_sum = {
    .abi = MR_JOB_ABI,
    .name = "sum",
    .summary = "add up one column by the key in another",
    .arguments = "FILE...",
    .options = options_of_sum,
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_unsigned,
    .destroy = free,
    .map = map,
    .columns = "sum",
    .variant = variant_of_sum,
};

const mr_job_t mr_job_ngrams = {
    .abi = MR_JOB_ABI,
    .name = "ngrams",
    .summary = "total count of each word in Google Books 1-gram files (word, year, count, volumes)",
    .arguments = "FILE...",
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_ngrams,
    .destroy = free,
    .map = map,
    .columns = "match_count",
};
