/* The line kernels of sum, ngrams and count: each instruction set makes the same rows of a text and rejects the same lines as a
 * reference that goes by docs/jobs.md, line by line and column by column. */
#include "jobs/lines.h"
#include "kernel.h"

/* What a line's columns are: [start[i], start[i + 1] - 1). */
typedef struct columns {
    size_t start[300];
    size_t count;
} columns_t;

static columns_t cut(const char *line, size_t size, char delimiter) {
    columns_t columns = {.count = 1};
    for (size_t i = 0; i < size; i++)
        if (line[i] == delimiter && columns.count < 298)
            columns.start[columns.count++] = i + 1;
    columns.start[columns.count] = size + 1;
    return columns;
}

/* One or more digits, at most 2^64-1; a sign before them if there may be one. */
static bool is_value(const char *text, size_t size, bool is_signed, uint64_t *value, bool *negative) {
    unsigned __int128 number = 0;
    *negative = is_signed && size && *text == '-';
    size_t first = *negative;
    for (size_t i = first; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned) (text[i] - '0');
        if (number > UINT64_MAX)
            return false;
    }
    *value = (uint64_t) number;
    return size > first;
}

static bool refer_line(plain_rows_t *rows, const mr_lines_t *lines, const char *line, size_t size) {
    uint64_t value = 1;
    bool negative = false;
    if (lines->key == 0) {
        plain_add(rows, line, size, 1, false);
        return true;
    }
    columns_t columns = cut(line, size, lines->delimiter);
    if (columns.count < lines->key || columns.count < lines->value ||
        (lines->columns && columns.count != lines->columns))
        return false;
    const size_t *key = &columns.start[lines->key - 1];
    if (lines->value) {
        const size_t *at = &columns.start[lines->value - 1];
        if (!is_value(line + at[0], at[1] - at[0] - 1, lines->is_signed, &value, &negative))
            return false;
    }
    plain_add(rows, line + key[0], key[1] - key[0] - 1, value, negative);
    return true;
}

static void refer(outcome_t *outcome, const mr_lines_t *lines, const text_t *text, uint32_t ncells) {
    plain_rows_t rows = {0};
    for (size_t at = 0; at < text->size;) {
        size_t size = (size_t) ((char *) memchr(text->data + at, '\n', text->size - at) - (text->data + at));
        outcome->tally.records++;
        if (!refer_line(&rows, lines, text->data + at, size)) {
            if (outcome->tally.rejected < MR_OUT_REJECTS)
                outcome->bad_at[outcome->tally.rejected] = at;
            outcome->tally.rejected++;
        }
        at += size + 1;
    }
    plain_end(&rows, outcome, ncells);
}

static void check(const mr_lines_t *lines, const text_t *text) {
    uint32_t ncells = lines->is_signed ? 2 : 1;
    outcome_t want = {0};
    refer(&want, lines, text, ncells);
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++) {
        if (!mr_simd_supported(simd))
            continue;
        outcome_t got = {0};
        mr_out_t out = {.table = the_table(ncells)};
        mr_out_begin(&out);
        got.tally = mr_lines_kernel(lines, simd)(lines, text->data, text->size, &out);
        take_rejects(&got, &out, text);
        take_rows(&got, out.table, ncells);
        compare_outcomes(&got, &want);
        mr_buffer_free(&got.rows);
    }
    mr_buffer_free(&want.rows);
}

/* The shapes that sum, ngrams and count make: no value without a key, no fewer columns than are needed. */
static mr_lines_t take_shape(input_t *input) {
    static const mr_lines_t shapes[] = {
        {.key = 1, .value = 3, .columns = 4, .delimiter = '\t'}, {.key = 1, .value = 2, .delimiter = '\t'}, {.key = 0}};
    uint8_t kind = take_byte(input);
    if (kind % 4 < 3)
        return shapes[kind % 4];
    mr_lines_t lines = {
        .key = 1 + take_byte(input) % 5u, .value = take_byte(input) % 5u, .columns = take_byte(input) % 8u};
    uint32_t least = lines.key > lines.value ? lines.key : lines.value;
    if (lines.columns && lines.columns < least)
        lines.columns = least;
    lines.delimiter = (char) take_byte(input);
    if (lines.delimiter == '\n')
        lines.delimiter = '\t';
    lines.is_signed = lines.value && kind & 4;
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    mr_lines_t lines = take_shape(&input);
    uint8_t filling = take_byte(&input);
    text_t text = make_text(input.at, input.left, filling);
    check(&lines, &text);
    free(text.memory);
    return 0;
}
