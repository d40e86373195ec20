/* output_rows.c - a result row as text: tsv, csv or json (output.h says how each treats odd bytes).
 *
 * Fails only when memory is out. */
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "output_private.h"

static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* How many digits `value` has: log10 is about 1233/4096 of log2, and one too few at most. */
static inline size_t count_digits(uint64_t value) {
    static const uint64_t powers[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};
    size_t guess = (size_t) (64 - __builtin_clzll(value | 1)) * 1233 >> 12;
    return guess + (value >= powers[guess]);
}

/* The eight digits of a value below 10^8, the first one lowest: all are made at once, as how many there are cannot be predicted. */
static inline uint64_t eight_digits(uint32_t value) {
    uint64_t fours = value / 10000 | (uint64_t) (value % 10000) << 32;
    uint64_t hundreds = fours * 10486 >> 20 & 0x0000007F0000007F;
    uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    uint64_t tens = twos * 103 >> 10 & 0x000F000F000F000F;
    return (tens | (twos - 10 * tens) << 8) + 0x3030303030303030;
}

char *mr_put_decimal(char *out, uint64_t value) {
    size_t digits = value ? count_digits(value) : 1;
    if (__builtin_expect(value < 100000000, 1)) {
        mr_store64(out, eight_digits((uint32_t) value) >> 8 * (8 - digits));
        return out + digits;
    }
    char *end = out + digits, *at = end;
    for (; value >= 100; value /= 100)
        memcpy(at -= 2, PAIRS + 2 * (value % 100), 2);
    if (at - out == 2)
        memcpy(out, PAIRS + 2 * value, 2);
    else
        *out = (char) ('0' + value);
    return end;
}

/* ---- column names ---- */

static char *column_name(const mr_job_t *job, size_t index) {
    const char *at = job->columns ? job->columns : "value";
    for (size_t i = 0; i < index && at; i++) {
        at = strchr(at, '\t');
        at = at ? at + 1 : NULL;
    }
    char *name = NULL;
    if (at)
        return strndup(at, strcspn(at, "\t"));
    return asprintf(&name, "value%zu", index + 1) < 0 ? NULL : name;
}

static size_t count_columns(const mr_job_t *job) {
    size_t count = 1;
    for (const char *at = job->columns ? job->columns : ""; *at; at++)
        count += *at == '\t';
    return !job->print && job->ncells > count ? job->ncells : count;
}

int mr_columns_make(mr_columns_t *columns, const mr_job_t *job, mr_error_t *error) {
    size_t count = count_columns(job);
    columns->names = calloc(count, sizeof *columns->names);
    for (; columns->names && columns->count < count; columns->count++) {
        columns->names[columns->count] = column_name(job, columns->count);
        if (!columns->names[columns->count])
            break;
    }
    return columns->count == count ? 0 : mr_error_memory(error, "naming the columns");
}

void mr_columns_free(mr_columns_t *columns) {
    for (size_t i = 0; i < columns->count; i++)
        free(columns->names[i]);
    free(columns->names);
    *columns = (mr_columns_t){0};
}

/* ---- tsv ---- */

/* Non-zero if one of the 8 bytes is below 14: tab and newline are. */
static inline uint64_t below_14(uint64_t word) {
    return (word - 0x0E0E0E0E0E0E0E0Eu) & ~word & 0x8080808080808080u;
}

/* Copies 8 bytes; tells whether one of them is below 14. */
static inline uint64_t copy_8(char *out, const char *in) {
    uint64_t word;
    memcpy(&word, in, 8);
    memcpy(out, &word, 8);
    return below_14(word);
}

/* Copies the key, looking for bytes below 14 on the way. Whole words where there are any, the last one overlapping. */
static inline bool copy_key(char *out, const char *key, size_t size) {
    uint64_t low = 0;
    if (size >= 16) {
        for (size_t i = 0; i + 16 < size; i += 16)
            low |= copy_8(out + i, key + i) | copy_8(out + i + 8, key + i + 8);
        return low | copy_8(out + size - 16, key + size - 16) | copy_8(out + size - 8, key + size - 8);
    }
    if (size >= 8)
        return copy_8(out, key) | copy_8(out + size - 8, key + size - 8);
    for (size_t i = 0; i < size; i++) {
        out[i] = key[i];
        low |= (unsigned char) key[i] < 14;
    }
    return low;
}

static bool needs_escape(const char *key, size_t size) {
    return memchr(key, '\t', size) || memchr(key, '\n', size);
}

/* Into room for 2 * size bytes. */
static char *put_escaped(char *out, const char *key, size_t size) {
    for (size_t i = 0; i < size; i++) {
        char c = key[i];
        if (c == '\t' || c == '\n' || c == '\\')
            *out++ = '\\';
        *out++ = (char) (c == '\t' ? 't' : c == '\n' ? 'n' : c);
    }
    return out;
}

/* Into room for MR_PRINT_MAX bytes. */
static char *put_columns(const mr_output_t *output, const mr_row_t *row, char *out) {
    const mr_job_t *job = output->config.job;
    if (job->print)
        return out + job->print(output->config.state, row->cells, out);
    out = mr_put_decimal(out, row->cells[0]);
    for (uint32_t i = 1; i < job->ncells; i++) {
        *out++ = '\t';
        out = mr_put_decimal(out, row->cells[i]);
    }
    return out;
}

static int format_tsv(const mr_output_t *output, const mr_row_t *row, mr_buffer_t *buffer) {
    size_t most = 2 * row->key_size + MR_PRINT_MAX + 2;
    if (buffer->capacity - buffer->size < most && mr_buffer_reserve(buffer, most))
        return -1;
    char *out = buffer->data + buffer->size;
    if (copy_key(out, row->key, row->key_size) && needs_escape(row->key, row->key_size))
        out = put_escaped(out, row->key, row->key_size);
    else
        out += row->key_size;
    *out++ = '\t';
    out = put_columns(output, row, out);
    *out++ = '\n';
    buffer->size = (size_t) (out - buffer->data);
    return 0;
}

/* ---- csv ---- */

static int put_quoted(mr_buffer_t *buffer, const char *text, size_t size) {
    if (mr_buffer_reserve(buffer, 2 * size + 2))
        return -1;
    char *out = buffer->data + buffer->size;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            *out++ = '"';
        *out++ = text[i];
    }
    *out++ = '"';
    buffer->size = (size_t) (out - buffer->data);
    return 0;
}

int mr_put_csv(mr_buffer_t *buffer, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) /* NOLINTNEXTLINE(clang-analyzer-core.*): print has filled `size` bytes */
        if (text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r')
            return put_quoted(buffer, text, size);
    return mr_buffer_append(buffer, text, size);
}

/* The next of the columns in [*at, end), cut at tabs. False: there is none. */
static bool next_column(const char **at, const char *end, const char **column, size_t *size) {
    if (!*at)
        return false;
    const char *tab = memchr(*at, '\t', (size_t) (end - *at));
    *column = *at;
    *size = (size_t) ((tab ? tab : end) - *at);
    *at = tab ? tab + 1 : NULL;
    return true;
}

static int format_csv(const mr_output_t *output, const mr_row_t *row, mr_buffer_t *buffer) {
    char text[MR_PRINT_MAX];
    const char *at = text, *end = put_columns(output, row, text), *column;
    size_t size;
    if (row->key_size ? mr_put_csv(buffer, row->key, row->key_size) : mr_buffer_append(buffer, "\"\"", 2))
        return -1;
    while (next_column(&at, end, &column, &size))
        if (mr_buffer_append(buffer, ",", 1) || mr_put_csv(buffer, column, size))
            return -1;
    return mr_buffer_append(buffer, "\n", 1);
}

/* ---- json ---- */

static int put_json_column(mr_buffer_t *buffer, const char *name, const char *text, size_t size) {
    bool number = mr_is_json_number(text, size);
    if (mr_buffer_append(buffer, ",\"", 2) || mr_put_json(buffer, name, strlen(name)) < 0 ||
        mr_buffer_append(buffer, "\":", 2))
        return -1;
    if (number)
        return mr_buffer_append(buffer, text, size);
    if (mr_buffer_append(buffer, "\"", 1) || mr_put_json(buffer, text, size) < 0)
        return -1;
    return mr_buffer_append(buffer, "\"", 1);
}

static int put_json_key(mr_buffer_t *buffer, const char *key, size_t size) {
    if (mr_buffer_append(buffer, "{\"key\":\"", 8))
        return -1;
    int utf8 = mr_put_json(buffer, key, size);
    if (utf8 < 0 || mr_buffer_append(buffer, "\"", 1))
        return -1;
    if (utf8)
        return 0;
    if (mr_buffer_append(buffer, ",\"key_base64\":\"", 15) || mr_put_base64(buffer, key, size))
        return -1;
    return mr_buffer_append(buffer, "\"", 1);
}

static int format_json(const mr_output_t *output, const mr_row_t *row, mr_buffer_t *buffer) {
    char text[MR_PRINT_MAX], spare[32];
    const char *at = text, *end = put_columns(output, row, text), *column;
    size_t size;
    if (put_json_key(buffer, row->key, row->key_size))
        return -1;
    for (size_t i = 0; next_column(&at, end, &column, &size); i++) {
        const char *name = spare;
        if (i < output->columns.count)
            name = output->columns.names[i];
        else
            snprintf(spare, sizeof spare, "value%zu", i + 1);
        if (put_json_column(buffer, name, column, size))
            return -1;
    }
    return mr_buffer_append(buffer, "}\n", 2);
}

int mr_output_format(const mr_output_t *output, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    int result;
    switch (output->config.format) {
    case MR_ROW_CSV:
        result = format_csv(output, row, buffer);
        break;
    case MR_ROW_JSON:
        result = format_json(output, row, buffer);
        break;
    default:
        result = format_tsv(output, row, buffer);
    }
    return result ? mr_error_memory(error, "writing rows") : 0;
}
