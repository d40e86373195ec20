/* Gzip input: what may stand in a gzip file is read in full, and no damage goes unseen: every bit flipped and every truncation gives
 * an error that names the compressed offset, or the very same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "buffer.h"
#include "input/reader.h"
#include "input/source.h"

#define TEXT "the first line\nthe second line\nthe last line, and the first again\nthe first line\n"

static char path[64];

/* ---- making gzip files ---- */

static void put(mr_buffer_t *to, const void *data, size_t size) {
    assert_int_equal(mr_buffer_append(to, data, size), 0);
}

static void put_le32(mr_buffer_t *to, uint32_t value) {
    unsigned char bytes[] = {value & 255, value >> 8 & 255, value >> 16 & 255, value >> 24};
    put(to, bytes, 4);
}

/* Deflates with dynamic codes (level 1) or, for level 0, ISA-L's fixed ones. */
static void put_deflate(mr_buffer_t *to, const char *text, size_t size, uint32_t level) {
    struct isal_zstream *stream = calloc(1, sizeof *stream);
    unsigned char *work = malloc(ISAL_DEF_LVL1_DEFAULT);
    isal_deflate_init(stream);
    stream->level = level;
    stream->level_buf = work;
    stream->level_buf_size = level ? ISAL_DEF_LVL1_DEFAULT : 0;
    stream->end_of_stream = 1;
    stream->next_in = (unsigned char *) (uintptr_t) text;
    stream->avail_in = (uint32_t) size;
    assert_int_equal(mr_buffer_reserve(to, 2 * size + 1024), 0);
    stream->next_out = (unsigned char *) to->data + to->size;
    stream->avail_out = (uint32_t) (2 * size + 1024);
    assert_int_equal(isal_deflate(stream), COMP_OK);
    assert_int_equal(stream->internal_state.state, ZSTATE_END);
    to->size += stream->total_out;
    free(work);
    free(stream);
}

static void put_trailer(mr_buffer_t *to, const char *text, size_t size) {
    put_le32(to, crc32_gzip_refl(0, (const unsigned char *) text, size));
    put_le32(to, (uint32_t) size);
}

static void put_member(mr_buffer_t *to, const char *text, size_t size, uint32_t level) {
    put(to, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    put_deflate(to, text, size, level);
    put_trailer(to, text, size);
}

/* A member with every optional field (RFC 1952, 2.3.1); `extra` bytes of FEXTRA. */
static void put_full_member(mr_buffer_t *to, const char *text, size_t size, size_t extra) {
    size_t begin = to->size;
    unsigned char length[] = {extra & 255, extra >> 8 & 255};
    put(to, "\x1f\x8b\x08\x1e\0\0\0\0\0\3", 10);
    put(to, length, 2);
    assert_int_equal(mr_buffer_reserve(to, extra), 0);
    memset(to->data + to->size, 'e', extra);
    to->size += extra;
    put(to, "name\0comment", 13);
    uint32_t crc = crc32_gzip_refl(0, (unsigned char *) to->data + begin, to->size - begin);
    unsigned char check[] = {crc & 255, crc >> 8 & 255};
    put(to, check, 2);
    put_deflate(to, text, size, 1);
    put_trailer(to, text, size);
}

static void put_stored_member(mr_buffer_t *to, const char *text, size_t size) {
    unsigned char head[] = {1, size & 255, size >> 8 & 255, ~size & 255, ~size >> 8 & 255};
    put(to, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    put(to, head, 5);
    put(to, text, size);
    put_trailer(to, text, size);
}

/* ---- reading them ---- */

static void write_file(const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (size)
        assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Reads the file; the text goes to `text`. Returns what mr_reader_next did at the end. */
static int read_file(mr_reader_t *reader, mr_buffer_t *text, mr_error_t *error) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    uint64_t size = (uint64_t) status.st_size;
    mr_segment_t segment = {
        .path = path, .file_size = size, .end = size, .mtime_ns = mr_mtime_ns(&status), .format = MR_FORMAT_GZIP};
    mr_block_t block;
    int result;
    uint64_t before = 0;
    *error = (mr_error_t){0};
    text->size = 0;
    assert_int_equal(mr_reader_open(reader, &segment, error), 0);
    while ((result = mr_reader_next(reader, &block, error)) == 1) {
        assert_int_equal(mr_reader_offset(reader, block.data), text->size);
        put(text, block.data, block.size);
        assert_true(mr_reader_counts(reader).bytes >= before);
        before = mr_reader_counts(reader).bytes;
    }
    if (result == 0)
        assert_int_equal(mr_reader_counts(reader).bytes, size);
    mr_reader_close(reader);
    return result;
}

static void expect_text(const mr_buffer_t *file, const char *text, size_t size, size_t block_size) {
    mr_reader_t *reader = mr_reader_new(block_size, 1 << 20);
    mr_buffer_t got = {0};
    mr_error_t error;
    write_file(file->data, file->size);
    read_file(reader, &got, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(got.size, size);
    if (size)
        assert_memory_equal(got.data, text, size);
    mr_buffer_free(&got);
    mr_reader_destroy(&reader);
}

static void expect_error(const mr_buffer_t *file, const char *reason) {
    char expected[256];
    mr_reader_t *reader = mr_reader_new(4096, 1 << 20);
    mr_buffer_t got = {0};
    mr_error_t error;
    write_file(file->data, file->size);
    assert_int_equal(read_file(reader, &got, &error), -1);
    snprintf(expected, sizeof expected, "%s:%s", path, reason);
    assert_string_equal(error.text, expected);
    assert_int_equal(error.status, MR_STATUS_INPUT);
    mr_buffer_free(&got);
    mr_reader_destroy(&reader);
}

/* ---- what may stand in a file ---- */

static void test_members(void **state) {
    (void) state;
    mr_buffer_t file = {0};
    put_member(&file, "a\nb", 3, 0);
    expect_text(&file, "a\nb\n", 4, 16);
    put_member(&file, "", 0, 1); /* an empty member, then a line that goes on over members */
    put_full_member(&file, "c\n", 2, 300);
    put_stored_member(&file, "stored\n", 7);
    put_full_member(&file, "d", 1, 0);
    for (size_t block = 16; block < 100; block += 3)
        expect_text(&file, "a\nbc\nstored\nd\n", 14, block);
    mr_buffer_free(&file);
}

static void test_empty_text(void **state) {
    (void) state;
    mr_buffer_t file = {0};
    put_member(&file, "", 0, 0);
    expect_text(&file, "", 0, 4096);
    put_stored_member(&file, "", 0);
    expect_text(&file, "", 0, 4096);
    mr_buffer_free(&file);
}

static void test_text_is_normalised(void **state) {
    (void) state;
    mr_buffer_t file = {0}, got = {0};
    mr_error_t error;
    put_member(&file, "\xef\xbb", 2, 0); /* a mark cut by a member's end is still a mark */
    put_member(&file,
               "\xbf"
               "a\r",
               3, 0);
    put_member(&file, "\nb\r\n", 4, 0);
    write_file(file.data, file.size);
    mr_reader_t *reader = mr_reader_new(4096, 1000);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    mr_segment_t segment = {.path = path,
                            .file_size = file.size,
                            .end = file.size,
                            .mtime_ns = mr_mtime_ns(&status),
                            .format = MR_FORMAT_GZIP};
    mr_block_t block;
    assert_int_equal(mr_reader_open(reader, &segment, &error), 0);
    assert_int_equal(mr_reader_next(reader, &block, &error), 1);
    assert_int_equal(block.size, 4);
    assert_memory_equal(block.data, "a\nb\n", 4);
    assert_int_equal(mr_reader_offset(reader, block.data), 3);
    assert_int_equal(mr_reader_offset(reader, block.data + 2), 6);
    assert_int_equal(mr_reader_next(reader, &block, &error), 0);
    assert_int_equal(mr_reader_counts(reader).crlf, 2);
    mr_reader_destroy(&reader);
    mr_buffer_free(&got);
    mr_buffer_free(&file);
}

/* Text that does not fit in any block: lines of all lengths, some of them random enough to be stored. */
static void make_text(mr_buffer_t *text, size_t size) {
    uint32_t random = 12345;
    while (text->size < size) {
        random = random * 1664525 + 1013904223;
        char line[400];
        size_t length = random >> 24;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            line[i] = (char) ((random >> 16) % (length % 3 ? 26 : 200) + 'A');
            line[i] = line[i] == '\n' || line[i] == '\r' ? 'x' : line[i];
        }
        line[length] = '\n';
        put(text, line, length + 1);
    }
}

static void test_large_text(void **state) {
    (void) state;
    mr_buffer_t text = {0}, file = {0};
    make_text(&text, 3000000);
    put_member(&file, text.data, text.size, 1);
    expect_text(&file, text.data, text.size, 256 << 10);
    expect_text(&file, text.data, text.size, 65536);
    expect_text(&file, text.data, text.size, 1000);
    expect_text(&file, text.data, text.size, text.size);
    expect_text(&file, text.data, text.size, 2 * text.size);
    put_member(&file, text.data, text.size, 0);
    mr_buffer_t twice = {0};
    put(&twice, text.data, text.size);
    put(&twice, text.data, text.size);
    expect_text(&file, twice.data, twice.size, 256 << 10);
    mr_buffer_free(&twice);
    mr_buffer_free(&file);
    mr_buffer_free(&text);
}

/* The file is read 128 KiB at a time: every part of a member is once cut there. */
static void test_input_boundaries(void **state) {
    (void) state;
    for (size_t shift = 0; shift < 120; shift++) {
        mr_buffer_t file = {0};
        put_full_member(&file, TEXT, sizeof TEXT - 1, 65535);
        size_t fixed = file.size + 10 + 2 + 13 + 2;
        put_full_member(&file, TEXT, sizeof TEXT - 1, 131072 - fixed - shift);
        put_stored_member(&file, TEXT, 40);
        put_full_member(&file, TEXT + 40, sizeof TEXT - 1 - 40, shift);
        expect_text(&file, TEXT TEXT TEXT, 3 * (sizeof TEXT - 1), 4096);
        mr_buffer_free(&file);
    }
}

/* ---- damage ---- */

static void test_errors(void **state) {
    (void) state;
    mr_buffer_t file = {0};
    expect_error(&file, "0: truncated gzip");
    put(&file, "\x1f", 1);
    expect_error(&file, "1: truncated gzip");
    file.size = 0;
    put(&file, "plain\n", 6);
    expect_error(&file, "0: not gzip data");
    file.size = 0;
    put_stored_member(&file, "abc\n", 4);
    put(&file, "x", 1);
    expect_error(&file, "27: trailing garbage after the gzip data");
    file.data[27] = 0;
    expect_error(&file, "27: trailing garbage after the gzip data");
    file.data[27] = 0x1f;
    expect_error(&file, "28: truncated gzip");
    file.size = 26;
    expect_error(&file, "26: truncated gzip");
    put(&file, "\1", 1);
    expect_error(&file, "27: damaged gzip data (checksum differs)");
    file.data[2] = 7;
    expect_error(&file, "0: unknown compression method in the gzip header");
    mr_buffer_free(&file);
}

static void test_reserved_flags(void **state) {
    (void) state;
    mr_buffer_t file = {0};
    put_member(&file, TEXT, sizeof TEXT - 1, 1);
    for (unsigned flag = 0x20; flag < 0x100; flag *= 2) {
        file.data[3] = (char) flag;
        expect_error(&file, "0: damaged gzip header");
    }
    mr_buffer_free(&file);
}

/* An error, or the same text. */
static void expect_no_wrong_text(mr_reader_t *reader, const char *data, size_t size, const mr_buffer_t *text,
                                 const char *what, size_t where) {
    mr_buffer_t got = {0};
    mr_error_t error;
    write_file(data, size);
    int result = read_file(reader, &got, &error);
    bool same = result == 0 && got.size == text->size && memcmp(got.data, text->data, text->size) == 0;
    if (result == 0 ? !same : strncmp(error.text, path, strlen(path)) != 0)
        fail_msg("%s %zu: %s", what, where, result ? error.text : "wrong text accepted");
    mr_buffer_free(&got);
}

static void sweep(mr_buffer_t *file, const mr_buffer_t *text) {
    mr_reader_t *reader = mr_reader_new(4096, 1 << 20);
    for (size_t bit = 0; bit < 8 * file->size; bit++) {
        file->data[bit / 8] = (char) (file->data[bit / 8] ^ 1 << bit % 8);
        expect_no_wrong_text(reader, file->data, file->size, text, "bit", bit);
        file->data[bit / 8] = (char) (file->data[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t at = 0; at < file->size; at++) {
        char old = file->data[at];
        file->data[at] = (char) ~old;
        expect_no_wrong_text(reader, file->data, file->size, text, "byte", at);
        file->data[at] = old;
    }
    mr_reader_destroy(&reader);
}

static void test_every_flip(void **state) {
    (void) state;
    mr_buffer_t file = {0}, text = {0};
    put_full_member(&file, TEXT, sizeof TEXT - 1, 5);
    put_stored_member(&file, "stored\n", 7);
    put_member(&file, TEXT, sizeof TEXT - 1, 0);
    put(&text, TEXT "stored\n" TEXT, 2 * sizeof TEXT - 2 + 7);
    expect_text(&file, text.data, text.size, 4096);
    sweep(&file, &text);
    mr_buffer_free(&file);
    mr_buffer_free(&text);
}

/* Only whole members make a file. */
static void test_every_truncation(void **state) {
    (void) state;
    mr_buffer_t file = {0}, got = {0};
    mr_error_t error;
    put_full_member(&file, TEXT, sizeof TEXT - 1, 5);
    size_t first = file.size;
    put_stored_member(&file, "stored\n", 7);
    size_t second = file.size;
    put_member(&file, TEXT, sizeof TEXT - 1, 1);
    mr_reader_t *reader = mr_reader_new(4096, 1 << 20);
    for (size_t size = 0; size < file.size; size++) {
        write_file(file.data, size);
        int result = read_file(reader, &got, &error);
        assert_int_equal(result, size == first || size == second ? 0 : -1);
        if (result)
            assert_non_null(strstr(error.text, ": truncated gzip"));
    }
    mr_reader_destroy(&reader);
    mr_buffer_free(&got);
    mr_buffer_free(&file);
}

/* ISA-L's count of what is left of such a body falls below zero: the place told must lie in the file all the same. */
static void test_damage_is_told_within_the_file(void **state) {
    (void) state;
    static const unsigned char bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x2b, 0xc9, 0x48,
                                          0x55, 0x48, 0xcb, 0x2c, 0x2a, 0x2e, 0x51, 0xc8, 0xc9, 0xcc, 0x4b, 0xe5, 0x2a,
                                          0x01, 0x72, 0x8b, 0x53, 0x93, 0xf3, 0xf3, 0x52, 0x10, 0xfc, 0x81, 0xfc, 0xff,
                                          0xff, 0xff, 0x92, 0x06, 0x00, 0x8e, 0xba, 0xfe, 0x70, 0x9b, 0x00, 0x00, 0x00};
    mr_buffer_t file = {0};
    put(&file, bytes, sizeof bytes);
    expect_error(&file, "52: damaged gzip data");
    mr_buffer_free(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_text_is_normalised),
        cmocka_unit_test(test_large_text),
        cmocka_unit_test(test_input_boundaries),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_reserved_flags),
        cmocka_unit_test(test_every_flip),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_damage_is_told_within_the_file),
    };
    snprintf(path, sizeof path, "/tmp/millrace-test-gzip-%d", (int) getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
