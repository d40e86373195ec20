/* The fingerprint of a file: the same for the same content, another where the first, middle or last part differs, and in small files
 * where any byte does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "input/fingerprint.h"

static char path[] = "/tmp/test-fingerprint-XXXXXX";
static int file;

static void write_text(const char *text, size_t size) {
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(pwrite(file, text, size, 0), size);
}

static uint64_t take(const char *text, size_t size) {
    uint64_t all, rest;
    write_text(text, size);
    assert_int_equal(mr_fingerprint(file, size, &all), 0);
    assert_int_equal(mr_fingerprint_rest(file, text, size < 4096 ? size : 4096, size, &rest), 0);
    assert_true(all == rest && all != 0);
    return all;
}

static void every_byte_of_a_small_file_counts(void **state) {
    char text[8192];
    (void) state;
    memset(text, 'x', sizeof text);
    for (size_t size = 0; size <= sizeof text; size = size ? 2 * size : 1) {
        uint64_t before = take(text, size);
        for (size_t at = 0; at < size; at += 1 + size / 8) {
            text[at] ^= 1;
            assert_true(take(text, size) != before);
            text[at] ^= 1;
        }
        assert_true(take(text, size) == before);
        assert_true(!size || take(text, size - 1) != before);
    }
}

static void three_parts_of_a_large_file_count(void **state) {
    const size_t size = 100000, places[] = {0, 4095, 50000, 54095, size - 4096, size - 1}, between[] = {4096, 49999};
    char *text = calloc(1, size);
    (void) state;
    uint64_t before = take(text, size);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        text[places[i]] = 1;
        assert_true(take(text, size) != before);
        text[places[i]] = 0;
    }
    for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
        text[between[i]] = 1;
        assert_true(take(text, size) == before);
    }
    free(text);
}

static void a_file_that_became_shorter_has_none(void **state) {
    uint64_t sum;
    (void) state;
    write_text("abc", 3);
    errno = EIO;
    assert_true(mr_fingerprint(file, 4, &sum) == -1 && errno == 0);
    assert_true(mr_fingerprint_rest(file, "abc", 3, 4, &sum) == -1 && errno == 0);
    assert_true(mr_fingerprint_rest(file, "abc", 3, 10000, &sum) == -1 && errno == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte_of_a_small_file_counts),
                                       cmocka_unit_test(three_parts_of_a_large_file_count),
                                       cmocka_unit_test(a_file_that_became_shorter_has_none)};
    file = mkstemp(path);
    unlink(path);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
