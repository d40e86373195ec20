/* jobs/lines_template.h - the line kernel itself. Included once by each lines_VARIANT.c, after it has defined
 *
 *   index_window(text, words, delimiter, index)   a bit for each byte of text[0 .. 64 words): is it \n, the delimiter
 *   short_keys_equal(a, b, size)                  size <= 64; 64 bytes can be read at both
 *
 * A window of text is indexed first; then each line is found with one unaligned load from each bitmap: the 57 bits or more
 * from its first byte on hold its newline and all its delimiters, if it is no longer than that. No branch depends on
 * the lengths of fields. Rows of equal keys in sequence are folded in registers before the table is touched.
 * Longer lines, odd numbers and all errors go through lines_slow.c. */
#include <stdbool.h>
#include <string.h>

#include "jobs/lines.h"
#include "jobs/number.h"
#include "table.h"

#define TEXT_WINDOW 8192u
#define INDEX_WORDS (TEXT_WINDOW / 64)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* One word more than the window, zero, so that a line's load may reach over its end. */
typedef struct mr_index {
    uint64_t newlines[INDEX_WORDS + 1];
    uint64_t delimiters[INDEX_WORDS + 1];
} mr_index_t;

ALWAYS_INLINE void index_window(const char *text, size_t words, char delimiter, mr_index_t *index);
ALWAYS_INLINE bool short_keys_equal(const char *a, const char *b, size_t size);

/* Rows of one key in sequence. The key lies in the text. */
typedef struct mr_fold {
    const char *key;
    size_t key_size; /* SIZE_MAX: nothing is folded yet */
    uint64_t cells[2];
} mr_fold_t;

static __attribute__((noinline)) void end_fold(mr_fold_t *fold, mr_out_t *out) {
    if (fold->key_size != SIZE_MAX)
        mr_emit(out, fold->key, fold->key_size, fold->cells);
}

/* Begins a fold with one row, after the one before has gone to the table. */
static __attribute__((noinline)) void begin_fold(mr_fold_t *fold, const char *key, size_t size, uint64_t value,
                                                 bool negative, mr_out_t *out) {
    end_fold(fold, out);
    fold->key = key;
    fold->key_size = size;
    fold->cells[negative] = value;
    fold->cells[!negative] = 0;
}

/* A sum that would not fit goes to the table as two rows: the table then finds the overflow and names the key. */
ALWAYS_INLINE void fold_value(mr_fold_t *fold, uint64_t value, bool negative, mr_out_t *out) {
    uint64_t sum;
    if (LIKELY(!__builtin_add_overflow(fold->cells[negative], value, &sum)))
        fold->cells[negative] = sum;
    else
        begin_fold(fold, fold->key, fold->key_size, value, negative, out);
}

static __attribute__((noinline)) void reject(mr_tally_t *tally, mr_out_t *out, const char *line, const char *reason) {
    mr_reject(out, line, reason);
    tally->rejected++;
}

/* Any line at all. Returns its newline. */
static __attribute__((noinline)) const char *map_any_line(const mr_lines_t *lines, const char *line, const char *end,
                                                          mr_fold_t *fold, mr_tally_t *tally, mr_out_t *out) {
    const char *newline = memchr(line, '\n', (size_t) (end - line));
    if (!newline)
        newline = end; /* the engine ends every buffer with one; without, the rest is the last line */
    mr_record_t record = mr_lines_parse(lines, line, newline);
    if (record.bad)
        reject(tally, out, line, record.bad);
    else if (record.key_size == fold->key_size && memcmp(record.key, fold->key, record.key_size) == 0)
        fold_value(fold, record.value, record.negative, out);
    else
        begin_fold(fold, record.key, record.key_size, record.value, record.negative, out);
    return newline;
}

/* A field of a short line, as offsets from its first byte. */
typedef struct mr_field {
    unsigned start;
    unsigned end;
} mr_field_t;

/* Column `column` of a line whose fields end where `ends` has its bits. */
ALWAYS_INLINE mr_field_t find_field(uint64_t ends, uint32_t column) {
    for (uint32_t i = 2; i < column; i++)
        ends &= ends - 1;
    mr_field_t field = {.start = 0};
    if (column > 1) {
        field.start = (unsigned) __builtin_ctzll(ends) + 1;
        ends &= ends - 1;
    }
    field.end = (unsigned) __builtin_ctzll(ends);
    return field;
}

/* Reads a value. Eight digits at most are read without a branch on their number. */
ALWAYS_INLINE const char *read_value(const mr_lines_t *lines, const char *text, size_t size, uint64_t *value,
                                     bool *negative) {
    bool minus = lines->is_signed && *text == '-';
    size_t count = size - minus;
    uint64_t digits = mr_digits_load(text + minus, count);
    if (!LIKELY(count - 1 < 8 && !mr_digits_bad(digits)))
        return mr_lines_value(lines->is_signed, text, size, value, negative);
    *value = mr_digits_value(digits);
    *negative = minus;
    return NULL;
}

/* A line whose fields end where `ends` has its bits, the last bit being its newline. */
ALWAYS_INLINE void map_short_line(const mr_lines_t *lines, const char *line, uint64_t ends, mr_fold_t *fold,
                                  mr_tally_t *tally, mr_out_t *out) {
    uint32_t least = lines->key > lines->value ? lines->key : lines->value;
    uint32_t columns = (uint32_t) __builtin_popcountll(ends);
    if (!LIKELY(lines->columns ? columns == lines->columns : columns >= least)) {
        reject(tally, out, line, mr_lines_miscounted(lines, columns));
        return;
    }
    uint64_t value = 1;
    bool negative = false;
    if (lines->value) {
        mr_field_t field = find_field(ends, lines->value);
        const char *bad = read_value(lines, line + field.start, field.end - field.start, &value, &negative);
        if (!LIKELY(!bad)) {
            reject(tally, out, line, bad);
            return;
        }
    }
    mr_field_t field = find_field(ends, lines->key > 1 ? lines->key : 1);
    const char *key = line + field.start;
    size_t size = field.end - field.start;
    if (LIKELY(size == fold->key_size && short_keys_equal(key, fold->key, size)))
        fold_value(fold, value, negative, out);
    else
        begin_fold(fold, key, size, value, negative, out);
}

/* The lines that begin in the window. Returns the first one that does not, which may be past the window's end. */
ALWAYS_INLINE const char *map_window(const mr_lines_t *lines, const char *text, size_t size, const char *end,
                                     const mr_index_t *index, mr_fold_t *fold, mr_tally_t *tally, mr_out_t *out) {
    size_t start = 0;
    while (start < size) {
        uint64_t newlines = mr_load64((const char *) index->newlines + start / 8) >> (start % 8);
        uint64_t delimiters = mr_load64((const char *) index->delimiters + start / 8) >> (start % 8);
        tally->records++;
        if (LIKELY(newlines)) {
            uint64_t newline = newlines & -newlines;
            uint64_t ends = lines->key ? (delimiters & (newline - 1)) | newline : newline;
            map_short_line(lines, text + start, ends, fold, tally, out);
            start += (unsigned) __builtin_ctzll(newlines) + 1;
        } else {
            start = (size_t) (map_any_line(lines, text + start, end, fold, tally, out) + 1 - text);
        }
    }
    return text + start;
}

/* Forgets newlines past the buffer's end: what lies there is not part of it. */
ALWAYS_INLINE void cut_index(uint64_t *newlines, size_t size) {
    uint64_t *last = &newlines[size / 64];
    mr_store64(last, mr_load64(last) & (((uint64_t) 1 << size % 64) - 1));
}

ALWAYS_INLINE mr_tally_t map_lines(const mr_lines_t *lines, const char *data, size_t size, mr_out_t *out) {
    mr_tally_t tally = {0};
    mr_fold_t fold = {.key = data, .key_size = SIZE_MAX};
    const char *end = data + size;
    mr_index_t index;
    for (const char *text = data; text < end;) {
        size_t window = (size_t) (end - text) < TEXT_WINDOW ? (size_t) (end - text) : TEXT_WINDOW;
        size_t words = (window + 63) / 64;
        index_window(text, words, lines->delimiter, &index);
        index.newlines[words] = index.delimiters[words] = 0;
        cut_index(index.newlines, window);
        text = map_window(lines, text, window, end, &index, &fold, &tally, out);
    }
    end_fold(&fold, out);
    return tally;
}

/* ---- the kernels: the template with what is known of the shape made constant ---- */

static mr_tally_t map_ngrams(const mr_lines_t *given, const char *data, size_t size, mr_out_t *out) {
    (void) given;
    const mr_lines_t lines = {.key = 1, .value = 3, .columns = 4, .delimiter = '\t'};
    return map_lines(&lines, data, size, out);
}

static mr_tally_t map_sum(const mr_lines_t *given, const char *data, size_t size, mr_out_t *out) {
    const mr_lines_t lines = {given->key, given->value, given->columns, given->delimiter, false};
    if (!lines.key || !lines.value)
        __builtin_unreachable();
    return map_lines(&lines, data, size, out);
}

static mr_tally_t map_sum_signed(const mr_lines_t *given, const char *data, size_t size, mr_out_t *out) {
    const mr_lines_t lines = {given->key, given->value, given->columns, given->delimiter, true};
    if (!lines.key || !lines.value)
        __builtin_unreachable();
    return map_lines(&lines, data, size, out);
}

static mr_tally_t map_count(const mr_lines_t *given, const char *data, size_t size, mr_out_t *out) {
    const mr_lines_t lines = {given->key, 0, given->columns, given->delimiter, false};
    if (!lines.key)
        __builtin_unreachable();
    return map_lines(&lines, data, size, out);
}

static mr_tally_t map_count_line(const mr_lines_t *given, const char *data, size_t size, mr_out_t *out) {
    (void) given;
    const mr_lines_t lines = {.delimiter = '\n'};
    return map_lines(&lines, data, size, out);
}

#define LINES_KERNELS                                                                                                  \
    {                                                                                                                  \
        .ngrams = map_ngrams, .sum = map_sum, .sum_signed = map_sum_signed, .count = map_count,                        \
        .count_line = map_count_line                                                                                   \
    }
