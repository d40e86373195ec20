/* lines_slow.c - a record of any length, column by column; and the choice of a kernel.
 *
 * The vector kernels come here with long lines, with numbers that are not 1 to 8 digits, and with all that is bad. */
#include <string.h>

#include "jobs/lines.h"
#include "jobs/number.h"

const char *mr_lines_miscounted(const mr_lines_t *lines, uint32_t columns) {
    return lines->columns && columns > lines->columns ? "too many columns" : "too few columns";
}

const char *mr_lines_value(bool is_signed, const char *text, size_t size, uint64_t *value, bool *negative) {
    *negative = is_signed && size && text[0] == '-';
    if (!*negative)
        return mr_number_parse(text, size, value);
    const char *bad = mr_number_parse(text + 1, size - 1, value);
    if (bad && size > 1 && text[1] == '-')
        return "the value is not a whole number";
    return bad;
}

static const char *find(const char *text, const char *end, char byte) {
    const char *found = text < end ? memchr(text, byte, (size_t) (end - text)) : NULL;
    return found ? found : end;
}

mr_record_t mr_lines_parse(const mr_lines_t *lines, const char *line, const char *end) {
    mr_record_t record = {.key = line, .key_size = (size_t) (end - line), .value = 1};
    const char *value = line, *value_end = end;
    uint32_t last = lines->columns ? lines->columns + 1 : lines->key > lines->value ? lines->key : lines->value;
    uint32_t column = 0;
    for (const char *field = line, *stop; column < last; field = stop + 1) {
        stop = find(field, end, lines->delimiter);
        column++;
        if (column == lines->key) {
            record.key = field;
            record.key_size = (size_t) (stop - field);
        }
        if (column == lines->value) {
            value = field;
            value_end = stop;
        }
        if (stop == end)
            break;
    }
    if (lines->columns ? column != lines->columns : column < last)
        record.bad = mr_lines_miscounted(lines, column);
    else if (lines->value)
        record.bad =
            mr_lines_value(lines->is_signed, value, (size_t) (value_end - value), &record.value, &record.negative);
    if (!record.bad && record.key_size > MR_MAX_KEY)
        record.bad = "the key is longer than 1 MiB";
    return record;
}

static bool is_ngrams(const mr_lines_t *lines) {
    return lines->key == 1 && lines->value == 3 && lines->columns == 4 && lines->delimiter == '\t' && !lines->is_signed;
}

static const mr_lines_kernels_t *kernels_of(mr_simd_t simd) {
#if defined(__x86_64__)
    if (simd != MR_SIMD_SCALAR)
        return simd == MR_SIMD_AVX512 ? &mr_lines_avx512 : &mr_lines_avx2;
#else
    (void) simd;
#endif
    return &mr_lines_scalar;
}

mr_lines_map_t *mr_lines_kernel(const mr_lines_t *lines, mr_simd_t simd) {
    const mr_lines_kernels_t *kernels = kernels_of(simd);
    if (lines->key == 0)
        return kernels->count_line;
    if (lines->value == 0)
        return kernels->count;
    if (is_ngrams(lines))
        return kernels->ngrams;
    return lines->is_signed ? kernels->sum_signed : kernels->sum;
}
