/* The line kernels of every instruction set against a reference that goes byte by byte. */
#include "job_harness.h"
#include "jobs/lines.h"

typedef struct reference {
    harness_rows_t rows;
    uint64_t records;
    uint64_t rejected;
    size_t bad_at[MR_OUT_REJECTS];
    bool overflow;
} reference_t;

/* ---- the reference ---- */

static bool reference_number(bool is_signed, const char *text, size_t size, uint64_t *value, bool *negative) {
    *negative = is_signed && size > 0 && text[0] == '-';
    size_t i = *negative;
    unsigned __int128 total = 0;
    if (i == size)
        return false;
    for (; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        total = total * 10 + (unsigned) (text[i] - '0');
        if (total >> 64)
            return false;
    }
    *value = (uint64_t) total;
    return true;
}

static void reference_emit(reference_t *reference, const char *key, size_t size, uint64_t value, bool negative) {
    harness_row_t *row = NULL;
    for (size_t i = 0; i < reference->rows.count && !row; i++)
        if (reference->rows.items[i].size == size && memcmp(reference->rows.items[i].key, key, size) == 0)
            row = &reference->rows.items[i];
    if (!row)
        row = append_row(&reference->rows, key, size);
    if (__builtin_add_overflow(row->cells[negative], value, &row->cells[negative]))
        reference->overflow = true;
}

static bool reference_line(reference_t *reference, const mr_lines_t *lines, const char *line, size_t size) {
    uint32_t columns = 1;
    for (size_t i = 0; i < size; i++)
        columns += line[i] == lines->delimiter;
    if (lines->key && (columns < lines->key || columns < lines->value || (lines->columns && columns != lines->columns)))
        return false;
    size_t key_start = 0, key_end = size, value_start = 0, value_end = size;
    uint32_t column = 1;
    for (size_t i = 0, start = 0; lines->key && i <= size; i++)
        if (i == size || line[i] == lines->delimiter) {
            if (column == lines->key) {
                key_start = start;
                key_end = i;
            }
            if (column == lines->value) {
                value_start = start;
                value_end = i;
            }
            column++;
            start = i + 1;
        }
    uint64_t value = 1;
    bool negative = false;
    if (lines->value &&
        !reference_number(lines->is_signed, line + value_start, value_end - value_start, &value, &negative))
        return false;
    if (key_end - key_start > MR_MAX_KEY)
        return false;
    reference_emit(reference, line + key_start, key_end - key_start, value, negative);
    return true;
}

static int compare_rows(const void *a, const void *b) {
    const harness_row_t *left = a, *right = b;
    size_t common = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->key, right->key, common);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static reference_t refer(const mr_lines_t *lines, const char *data, size_t size) {
    reference_t reference = {0};
    for (size_t start = 0, i = 0; i < size; i++) {
        if (data[i] != '\n')
            continue;
        if (!reference_line(&reference, lines, data + start, i - start)) {
            if (reference.rejected < MR_OUT_REJECTS)
                reference.bad_at[reference.rejected] = start;
            reference.rejected++;
        }
        reference.records++;
        start = i + 1;
    }
    if (reference.rows.count)
        qsort(reference.rows.items, reference.rows.count, sizeof *reference.rows.items, compare_rows);
    return reference;
}

/* ---- the comparison ---- */

static void check_variant(const mr_lines_t *lines, mr_simd_t simd, const text_t *text, const reference_t *reference) {
    const mr_op_t ops[2] = {MR_SUM, MR_SUM};
    uint32_t ncells = lines->is_signed ? 2 : 1;
    mr_table_t *table = mr_table_new(ops, ncells);
    assert_non_null(table);
    mr_out_t out = {.table = table};
    mr_out_begin(&out);
    mr_tally_t tally = mr_lines_kernel(lines, simd)(lines, text->data, text->size, &out);
    assert_int_equal(tally.records, reference->records);
    assert_int_equal(tally.rejected, reference->rejected);
    assert_int_equal(out.rejected, reference->rejected);
    for (size_t i = 0; i < mr_out_rejects(&out); i++) {
        assert_int_equal(out.rejects[i].record - text->data, reference->bad_at[i]);
        assert_non_null(out.rejects[i].reason);
    }
    assert_int_equal(mr_table_error(table) != NULL, reference->overflow);
    if (!reference->overflow) {
        harness_rows_t rows = drain_rows(table, ncells);
        assert_rows_equal(&rows, &reference->rows, ncells);
        free_rows(&rows);
    }
    mr_table_destroy(&table);
}

static void check(const mr_lines_t *lines, const char *data, size_t size) {
    text_t text = make_text(data, size);
    reference_t reference = refer(lines, data, size);
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++)
        if (mr_simd_supported(simd))
            check_variant(lines, simd, &text, &reference);
    free_rows(&reference.rows);
    free(text.memory);
}

static const mr_lines_t shapes[] = {
    {.key = 1, .value = 3, .columns = 4, .delimiter = '\t'},
    {.key = 1, .value = 2, .delimiter = '\t'},
    {.key = 3, .value = 1, .delimiter = '\t'},
    {.key = 2, .value = 2, .delimiter = '\t'},
    {.key = 1, .value = 1, .columns = 1, .delimiter = ';'},
    {.key = 2, .value = 4, .columns = 4, .delimiter = '\t'},
    {.key = 4, .value = 3, .delimiter = ' ', .is_signed = true},
    {.key = 1, .value = 3, .columns = 4, .delimiter = '\t', .is_signed = true},
    {.key = 1, .value = 2, .delimiter = '-', .is_signed = true},
    {.key = 1, .delimiter = '\t'},
    {.key = 3, .delimiter = '\0'},
    {.key = 0},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* ---- what lines are made of ---- */

static void add(mr_buffer_t *buffer, const char *text, size_t size) {
    assert_int_equal(mr_buffer_append(buffer, text, size), 0);
}

static void add_text(mr_buffer_t *buffer, const char *text) {
    add(buffer, text, strlen(text));
}

static void add_key(mr_buffer_t *buffer) {
    static const char *const keys[] = {"",
                                       "a",
                                       "ab",
                                       "Aardvark_NOUN",
                                       "the",
                                       "\"don't\"",
                                       "\xE2\x80\x94",
                                       "key of 16 bytes!",
                                       "a key of 33 bytes that is longer",
                                       "x0",
                                       "x1",
                                       "-",
                                       "7"};
    char key[80];
    switch (below(8)) {
    case 0: /* differs from the others in one byte, anywhere */
        memset(key, 'k', sizeof key);
        key[below(sizeof key)] = (char) ('a' + below(3));
        add(buffer, key, below(sizeof key));
        return;
    case 1:
        for (size_t i = 0; i < 4; i++)
            key[i] = "\x00\x80\xFF\r"[below(4)];
        add(buffer, key, below(5));
        return;
    default:
        add_text(buffer, keys[below(sizeof keys / sizeof *keys)]);
    }
}

static void add_digits(mr_buffer_t *buffer, size_t count) {
    for (size_t i = 0; i < count; i++)
        add(buffer, &"0123456789"[below(10)], 1);
}

static void add_value(mr_buffer_t *buffer) {
    static const char *const values[] = {"",
                                         "12abc",
                                         "1e3",
                                         " 7",
                                         "-1",
                                         "--1",
                                         "-",
                                         "+1",
                                         "0",
                                         "00000000000000000000000000000017",
                                         "1:",
                                         "/1",
                                         "1\r",
                                         "7 ",
                                         "1.5",
                                         "0x1",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999",
                                         "100000000000000000000",
                                         "-18446744073709551615"};
    switch (below(40)) {
    case 0:
        add_text(buffer, values[below(sizeof values / sizeof *values)]);
        return;
    case 1:
        add_digits(buffer, below(21));
        return;
    case 2:
        add_text(buffer, "-");
        add_digits(buffer, below(10));
        return;
    default:
        add_digits(buffer, 1 + below(below(4) ? 4 : 9));
    }
}

static void add_line(mr_buffer_t *buffer, const mr_lines_t *lines) {
    uint32_t needed = lines->columns ? lines->columns : lines->key > lines->value ? lines->key : lines->value;
    size_t columns = needed + (lines->columns ? 0 : below(3));
    if (below(30) == 0)
        columns = 1 + below(7);
    for (size_t column = 1; column <= columns || column == 1; column++) {
        if (column > 1)
            add(buffer, &lines->delimiter, 1);
        if (column == lines->value)
            add_value(buffer);
        else
            add_key(buffer);
    }
    add(buffer, "\n", 1);
}

/* A few lines repeated, as in grouped data, or all different; of a size around the kernels' window. */
static void make_lines(mr_buffer_t *buffer, const mr_lines_t *lines) {
    static const size_t sizes[] = {1, 60, 130, 4000, 8100, 8192, 8300, 17000};
    size_t wanted = sizes[below(sizeof sizes / sizeof *sizes)] + below(130);
    buffer->size = 0;
    while (buffer->size < wanted) {
        size_t start = buffer->size;
        add_line(buffer, lines);
        size_t size = buffer->size - start;
        for (size_t copies = below(3) ? 0 : below(20); copies; copies--) {
            assert_int_equal(mr_buffer_reserve(buffer, size), 0);
            add(buffer, buffer->data + start, size);
        }
    }
}

static void test_random_lines(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    for (size_t round = 0; round < 200; round++)
        for (size_t shape = 0; shape < SHAPES; shape++) {
            make_lines(&buffer, &shapes[shape]);
            check(&shapes[shape], buffer.data, buffer.size);
        }
    mr_buffer_free(&buffer);
}

/* Each byte in each place of values of 1 to 9 digits. */
static void test_every_byte_of_a_value(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    for (size_t size = 1; size <= 9; size++)
        for (size_t place = 0; place < size; place++)
            for (unsigned byte = 0; byte < 256; byte++) {
                char value[10] = "987654321";
                value[place] = (char) byte;
                add_text(&buffer, "k\t1999\t");
                add(&buffer, value, size);
                add_text(&buffer, "\t1\n");
            }
    check(&shapes[0], buffer.data, buffer.size);
    check(&shapes[7], buffer.data, buffer.size);
    mr_buffer_free(&buffer);
}

/* Each length of key, where the vectors' and the window's edges are, after each number of bytes. */
static void test_every_length_and_place(void **unused) {
    (void) unused;
    char key[200];
    memset(key, 'k', sizeof key);
    mr_buffer_t buffer = {0};
    for (size_t before = 0; before < 64; before++) {
        buffer.size = 0;
        add(&buffer, key, before);
        add_text(&buffer, "\t\t1\t\n");
        for (size_t size = 0; size < sizeof key; size += before < 4 ? 1 : 7) {
            for (size_t copies = 0; copies < 3; copies++) {
                add(&buffer, key, size);
                add_text(&buffer, "\t2000\t123\t4\n");
            }
            key[size / 2] ^= 1;
        }
        check(&shapes[0], buffer.data, buffer.size);
        check(&shapes[1], buffer.data, buffer.size);
        check(&shapes[11], buffer.data, buffer.size);
    }
    mr_buffer_free(&buffer);
}

/* All buffers of up to 7 bytes of the five kinds of byte there are. */
static void test_every_short_text(void **unused) {
    (void) unused;
    static const char kinds[] = {'\t', '\n', '5', 'x', '-'};
    for (size_t size = 1; size <= 4; size++) {
        size_t texts = 1;
        for (size_t i = 0; i < size; i++)
            texts *= sizeof kinds;
        for (size_t number = 0; number < texts; number++) {
            char data[8];
            for (size_t i = 0, rest = number; i < size; i++, rest /= sizeof kinds)
                data[i] = kinds[rest % sizeof kinds];
            data[size] = '\n';
            check(&shapes[1 + number % 3], data, size + 1);
        }
    }
}

static void test_long_lines_and_keys(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    static const size_t sizes[] = {60, 8191, 8192, 8193, 70000, MR_MAX_KEY, MR_MAX_KEY + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        add_text(&buffer, "a\t1\t2\t3\n");
        assert_int_equal(mr_buffer_reserve(&buffer, sizes[i]), 0);
        memset(buffer.data + buffer.size, 'x', sizes[i]);
        buffer.size += sizes[i];
        add_text(&buffer, "\t1\t2\t3\n");
    }
    for (size_t shape = 0; shape < 3; shape++)
        check(&shapes[shape], buffer.data, buffer.size);
    check(&(mr_lines_t){.key = 0}, buffer.data, buffer.size);
    mr_buffer_free(&buffer);
}

static void test_overflow(void **unused) {
    (void) unused;
    static const char *const texts[] = {
        "a\t18446744073709551615\na\t0\n", "a\t18446744073709551615\na\t1\n", "a\t18446744073709551615\nb\t1\na\t1\n",
        "a\t9223372036854775808\na\t9223372036854775807\n", "a\t9223372036854775808\na\t9223372036854775808\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(&shapes[1], texts[i], strlen(texts[i]));
    const char *both = "a b -18446744073709551615 k\na b 18446744073709551615 k\n";
    check(&shapes[6], both, strlen(both));
}

static void check_reason(const mr_lines_t *lines, const char *line, const char *reason) {
    text_t text = make_text(line, strlen(line));
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++) {
        if (!mr_simd_supported(simd))
            continue;
        mr_table_t *table = mr_table_new((const mr_op_t[]){MR_SUM, MR_SUM}, 2);
        mr_out_t out = {.table = table};
        mr_lines_kernel(lines, simd)(lines, text.data, text.size, &out);
        assert_int_equal(out.rejected, 1);
        assert_string_equal(out.rejects[0].reason, reason);
        assert_int_equal(mr_table_rows(table), 0);
        mr_table_destroy(&table);
    }
    free(text.memory);
}

static void test_reasons(void **unused) {
    (void) unused;
    const mr_lines_t *exact = &shapes[0], *least = &shapes[1], *with_sign = &shapes[7];
    check_reason(exact, "a\t1\t2\n", "too few columns");
    check_reason(exact, "a\t1\t2\t3\t4\n", "too many columns");
    check_reason(least, "a\n", "too few columns");
    check_reason(least, "\n", "too few columns");
    check_reason(exact, "a\t1\t\t3\n", "the value is empty");
    check_reason(exact, "a\t1\t12abc\t3\n", "the value is not a whole number");
    check_reason(exact, "a\t1\t1e3\t3\n", "the value is not a whole number");
    check_reason(exact, "a\t1\t 7\t3\n", "the value is not a whole number");
    check_reason(exact, "a\t1\t-1\t3\n", "the value is negative");
    check_reason(with_sign, "a\t1\t--1\t3\n", "the value is not a whole number");
    check_reason(with_sign, "a\t1\t-\t3\n", "the value is empty");
    check_reason(exact, "a\t1\t18446744073709551616\t3\n", "the value is past 2^64-1");
}

static int start(void **unused) {
    (void) unused;
    seed_random();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_every_byte_of_a_value),
        cmocka_unit_test(test_every_length_and_place),
        cmocka_unit_test(test_every_short_text),
        cmocka_unit_test(test_long_lines_and_keys),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_random_lines),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
