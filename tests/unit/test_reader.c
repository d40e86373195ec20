/* The reader on plain files: the line rule, normalisation, long lines, offsets and counts, against a reference that sees the
 * whole file at once; then each way to fail. The seed of a failing property is printed; MR_SEED repeats it. */
#include <fcntl.h>
#include <setjmp.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "buffer.h"
#include "input/reader.h"
#include "input/source.h"
#include "millrace/job.h"

static char path[64];

static void write_file(const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (size)
        assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static mr_segment_t whole_file(void) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (mr_segment_t){.path = path,
                          .file_size = (uint64_t) status.st_size,
                          .mtime_ns = mr_mtime_ns(&status),
                          .end = (uint64_t) status.st_size};
}

/* ---- what was read, as text: "OFFSET LINE\n" or "OFFSET !\n" for each line ---- */

static void note(mr_buffer_t *log, uint64_t offset, const char *line, size_t size, bool bad) {
    char head[32];
    int length = snprintf(head, sizeof head, "%llu ", (unsigned long long) offset);
    assert_int_equal(mr_buffer_append(log, head, (size_t) length), 0);
    assert_int_equal(mr_buffer_append(log, bad ? "!" : line, bad ? 1 : size), 0);
    assert_int_equal(mr_buffer_append(log, "\n", 1), 0);
}

typedef struct totals {
    uint64_t bytes, crlf;
} totals_t;

/* The rule, on the whole file. */
static totals_t reference(const char *data, size_t size, size_t max_record, mr_buffer_t *log) {
    totals_t totals = {.bytes = size};
    size_t at = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size) {
        const char *newline = memchr(data + at, '\n', size - at);
        size_t end = newline ? (size_t) (newline - data) : size;
        bool cr = newline && end > at && data[end - 1] == '\r';
        bool bad = end - at - cr > max_record;
        note(log, at, data + at, end - at - cr, bad);
        totals.crlf += cr && !bad;
        at = end + 1;
    }
    return totals;
}

static volatile unsigned char margin_sum; /* reading the margins must be allowed: ASan watches */

static void read_margins(const mr_block_t *block) {
    for (size_t i = 1; i <= MR_MAP_MARGIN; i++)
        margin_sum = (unsigned char) (margin_sum + block->data[-(ptrdiff_t) i] + block->data[block->size + i - 1]);
}

static void note_block(mr_buffer_t *log, const mr_reader_t *reader, const mr_block_t *block) {
    if (block->bad) {
        note(log, block->bad_offset, NULL, 0, true);
        return;
    }
    assert_true(block->size > 0);
    assert_int_equal(block->data[block->size - 1], '\n');
    for (size_t at = 0; at < block->size;) {
        const char *newline = memchr(block->data + at, '\n', block->size - at);
        size_t length = (size_t) (newline - block->data) - at;
        note(log, mr_reader_offset(reader, block->data + at), block->data + at, length, false);
        at += length + 1;
    }
}

static void read_segment(mr_reader_t *reader, const mr_segment_t *segment, mr_buffer_t *log, totals_t *totals) {
    mr_error_t error = {0};
    mr_block_t block;
    int result = mr_reader_open(reader, segment, &error);
    assert_string_equal(error.text, "");
    while (result == 0 && (result = mr_reader_next(reader, &block, &error)) == 1) {
        if (!block.bad)
            read_margins(&block);
        note_block(log, reader, &block);
        result = 0;
    }
    assert_string_equal(error.text, "");
    totals->bytes += mr_reader_counts(reader).bytes;
    totals->crlf += mr_reader_counts(reader).crlf;
    mr_reader_close(reader);
}

/* Reads the file in segments that end at `cuts` and compares with the reference. */
static void check(mr_reader_t *reader, const char *data, size_t size, size_t max_record, const uint64_t *cuts,
                  size_t count) {
    mr_buffer_t expected = {0}, got = {0};
    totals_t want = reference(data, size, max_record, &expected), have = {0};
    mr_segment_t segment = whole_file();
    for (size_t i = 0; i < count; i++) {
        segment.end = cuts[i];
        read_segment(reader, &segment, &got, &have);
        segment.start = segment.end;
    }
    assert_int_equal(got.size, expected.size);
    if (got.size)
        assert_memory_equal(got.data, expected.data, got.size);
    assert_int_equal(have.bytes, want.bytes);
    assert_int_equal(have.crlf, want.crlf);
    mr_buffer_free(&expected);
    mr_buffer_free(&got);
}

static void check_all_chunks(const char *data, size_t size, size_t max_record) {
    uint64_t cuts[64];
    write_file(data, size);
    for (size_t block = 1; block <= 64; block *= 4) {
        mr_reader_t *reader = mr_reader_new(block, max_record);
        for (size_t chunk = 1; chunk <= size; chunk++) {
            size_t count = 0;
            for (uint64_t end = 0; end < size; count++)
                cuts[count] = end = end + chunk < size ? end + chunk : size;
            check(reader, data, size, max_record, cuts, count);
        }
        mr_reader_destroy(&reader);
        assert_null(reader);
    }
}

#define CHECK_TEXT(text, max_record) check_all_chunks(text, sizeof(text) - 1, max_record)

static void test_small_texts(void **state) {
    (void) state;
    CHECK_TEXT("", 10);
    CHECK_TEXT("\n", 10);
    CHECK_TEXT("a", 10);
    CHECK_TEXT("a\nbb\n\nccc", 10);
    CHECK_TEXT("a\r\nbb\r\n\r\nccc\r\n", 10);
    CHECK_TEXT("a\r\r\n\rb\n\r\n\r", 10);
    CHECK_TEXT("nul\0nul\n\0\n\xff\xfe\n", 20);
    CHECK_TEXT("\xef\xbb\xbfmark\nx\n", 10);
    CHECK_TEXT("\xef\xbb\xbf", 10);
    CHECK_TEXT("\xef\xbb\xbf\n", 10);
    CHECK_TEXT("\xef\xbb\xbf\r\n\xef\xbb\xbfnot a mark\n", 20);
    CHECK_TEXT("\xef\xbb", 10);
}

static void test_long_records(void **state) {
    (void) state;
    CHECK_TEXT("0123456789\n01234567890\nshort\n", 10);
    CHECK_TEXT("0123456789\r\n01234567890\r\n0123456789\r\r\n", 10);
    CHECK_TEXT("0123456789\r", 10); /* the CR is data, one byte too many */
    CHECK_TEXT("a\n0123456789012345678901234567890123456789", 10);
    CHECK_TEXT("a\n0123456789012345678901234567890123456789\nb", 10);
    CHECK_TEXT("0123456789012345\n0123456789012345\n", 1);
    CHECK_TEXT("\xef\xbb\xbf"
               "0123456789\n\xef\xbb\xbf"
               "0123456789\n",
               10);
}

/* ---- the property ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return bound ? (random_state >> 11) % bound : 0;
}

static size_t random_line(void) {
    static const size_t bounds[] = {1, 3, 20, 60, 60, 300, 5000};
    return random_below(bounds[random_below(random_below(4) ? 4 : 7)] + 1);
}

static void random_text(mr_buffer_t *text, size_t size) {
    static const char alphabet[] = "abc\t\r\xef\xbb\xbf\0z";
    if (random_below(4) == 0)
        mr_buffer_append(text, "\xef\xbb\xbf", 3);
    bool crlf = random_below(2);
    while (text->size < size) {
        for (size_t length = random_line(); length > 0; length--)
            mr_buffer_append(text, &alphabet[random_below(random_below(8) ? 3 : sizeof alphabet)], 1);
        if (crlf && random_below(8))
            mr_buffer_append(text, "\r", 1);
        mr_buffer_append(text, "\n", 1);
    }
    if (random_below(2))
        text->size -= 1;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return (x > y) - (x < y);
}

static size_t random_cuts(uint64_t *cuts, size_t most, size_t size) {
    size_t count = random_below(most) + 1;
    for (size_t i = 0; i + 1 < count; i++)
        cuts[i] = random_below(size + 1);
    cuts[count - 1] = size;
    qsort(cuts, count, sizeof *cuts, by_value);
    return count;
}

static void one_random_file(void) {
    uint64_t cuts[100];
    mr_buffer_t text = {0};
    random_text(&text, random_below(random_below(2) ? 200 : 30000) + 1);
    write_file(text.data, text.size);
    for (int i = 0; i < 4; i++) {
        size_t max_record = 1 + random_below(random_below(2) ? 100 : 10000);
        size_t block = 1 + random_below(random_below(2) ? 64 : 20000);
        mr_reader_t *reader = mr_reader_new(block, max_record);
        check(reader, text.data, text.size, max_record, cuts, random_cuts(cuts, 100, text.size));
        check(reader, text.data, text.size, max_record, cuts, random_cuts(cuts, 3, text.size));
        mr_reader_destroy(&reader);
    }
    mr_buffer_free(&text);
}

static void test_random_files(void **state) {
    (void) state;
    const char *given = getenv("MR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL) ^ (uint64_t) getpid() << 32;
    for (int i = 0; i < 300; i++) {
        random_state = (seed + (uint64_t) i) * 0x9e3779b97f4a7c15u | 1;
        if (i == 0 || given)
            print_message("MR_SEED=%llu\n", (unsigned long long) (seed + (uint64_t) i));
        one_random_file();
    }
}

/* ---- long lines and memory ---- */

static void test_line_longer_than_blocks(void **state) {
    (void) state;
    size_t size = (5 << 20) + 123;
    char *text = malloc(size);
    memset(text, 'x', size);
    text[100] = text[size - 50] = '\n';
    write_file(text, size);
    mr_reader_t *reader = mr_reader_new(65536, 64 << 20);
    uint64_t cuts[] = {50, 101, 102, 1 << 20, size - 49, size};
    check(reader, text, size, 64 << 20, cuts, 6);
    check(reader, text, size, 64 << 20, cuts + 5, 1);
    mr_reader_destroy(&reader);
    reader = mr_reader_new(65536, size - 50 - 101); /* fits exactly */
    check(reader, text, size, size - 50 - 101, cuts, 6);
    mr_reader_destroy(&reader);
    reader = mr_reader_new(65536, size - 50 - 102);
    check(reader, text, size, size - 50 - 102, cuts, 6);
    mr_reader_destroy(&reader);
    free(text);
}

/* ---- failures ---- */

static void expect_open_error(const mr_segment_t *segment, const char *text) {
    char expected[128];
    mr_error_t error = {0};
    mr_reader_t *reader = mr_reader_new(4096, 1000);
    snprintf(expected, sizeof expected, "%s%s", path, text);
    assert_int_equal(mr_reader_open(reader, segment, &error), -1);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_string_equal(error.text, expected);
    mr_reader_destroy(&reader);
}

static void test_open_failures(void **state) {
    (void) state;
    write_file("abc\n", 4);
    mr_segment_t segment = whole_file(), other = segment;
    other.mtime_ns++;
    expect_open_error(&other, ": changed during the job");
    other = segment;
    other.file_size = other.end = 5;
    expect_open_error(&other, ": changed during the job");
    assert_int_equal(unlink(path), 0);
    expect_open_error(&segment, ": No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_open_error(&segment, ": changed during the job");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_open_error(&segment, ": changed during the job");
    assert_int_equal(rmdir(path), 0);
}

/* Reads a block of a 3-page file, lets `change` be done to it, and reads on to the end. */
static void expect_change_seen(void (*change)(void)) {
    char text[12288];
    memset(text, '\n', sizeof text);
    write_file(text, sizeof text);
    mr_reader_t *reader = mr_reader_new(4096, 1000);
    mr_segment_t segment = whole_file();
    mr_error_t error = {0};
    mr_block_t block;
    assert_int_equal(mr_reader_open(reader, &segment, &error), 0);
    assert_int_equal(mr_reader_next(reader, &block, &error), 1);
    change();
    int result;
    while ((result = mr_reader_next(reader, &block, &error)) == 1)
        ;
    assert_int_equal(result, -1);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    assert_non_null(strstr(error.text, ": changed during the job"));
    mr_reader_destroy(&reader);
}

static void shrink(void) {
    assert_int_equal(truncate(path, 5000), 0);
}

static void grow(void) {
    assert_int_equal(truncate(path, 20000), 0);
}

static void touch(void) {
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_changes_are_seen(void **state) {
    (void) state;
    expect_change_seen(shrink);
    expect_change_seen(grow);
    expect_change_seen(touch);
}

static void test_utf16(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_block_t block;
    mr_reader_t *reader = mr_reader_new(4096, 1000);
    write_file("\xff\xfe"
               "a\0\n\0",
               6);
    mr_segment_t segment = whole_file();
    assert_int_equal(mr_reader_open(reader, &segment, &error), 0);
    assert_int_equal(mr_reader_next(reader, &block, &error), -1);
    assert_non_null(strstr(error.text, "UTF-16 is not supported"));
    mr_reader_destroy(&reader);
    mr_reader_destroy(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_texts),   cmocka_unit_test(test_long_records),
        cmocka_unit_test(test_random_files),  cmocka_unit_test(test_line_longer_than_blocks),
        cmocka_unit_test(test_open_failures), cmocka_unit_test(test_changes_are_seen),
        cmocka_unit_test(test_utf16),
    };
    snprintf(path, sizeof path, "/tmp/millrace-test-reader-%d", (int) getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
