/* Sizes and times as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "units.h"

static void expect_size(const char *text, uint64_t want) {
    mr_error_t error = {0};
    uint64_t size = 0;
    assert_int_equal(mr_parse_size("--chunk", text, 0, UINT64_MAX, &size, &error), 0);
    assert_true(size == want);
}

static void expect_time(const char *text, uint64_t want) {
    mr_error_t error = {0};
    uint64_t ms = 0;
    assert_int_equal(mr_parse_time("--lease", text, 0, UINT64_MAX, &ms, &error), 0);
    assert_true(ms == want);
}

static void sizes(void **state) {
    (void) state;
    expect_size("0", 0);
    expect_size("4096", 4096);
    expect_size("64K", 65536);
    expect_size("64k", 65536);
    expect_size("1.5G", 1610612736);
    expect_size("2MiB", 2097152);
    expect_size("2MB", 2097152);
    expect_size("7B", 7);
    expect_size("0.5K", 512);
    expect_size("1T", (uint64_t) 1 << 40);
}

static void times(void **state) {
    (void) state;
    expect_time("250ms", 250);
    expect_time("30", 30000);
    expect_time("30s", 30000);
    expect_time("0.25s", 250);
    expect_time("5m", 300000);
    expect_time("1.5h", 5400000);
    expect_time("2d", 172800000);
}

static void not_sizes(void **state) {
    (void) state;
    static const char *const texts[] = {"",     "K",       "-1",  "+1",  " 1",   "1 K",
                                        "0x10", "1e3",     "inf", "nan", "1.5",  "1..5",
                                        "1KK",  "99999T9", "1Q",  "64 ", "1,5K", "99999999999999999999T"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mr_error_t error = {0};
        uint64_t size = 77;
        assert_int_equal(mr_parse_size("--chunk", texts[i], 0, UINT64_MAX, &size, &error), -1);
        assert_int_equal(error.status, MR_STATUS_USAGE);
        assert_int_equal(size, 77);
        assert_non_null(strstr(error.text, "--chunk: '"));
    }
}

static void range(void **state) {
    (void) state;
    mr_error_t error = {0}, second = {0};
    uint64_t size;
    assert_int_equal(mr_parse_size("--block", "9", 10, 20, &size, &error), -1);
    assert_string_equal(error.text, "--block: 9 is out of range (10 to 20)");
    assert_int_equal(mr_parse_size("--block", "10", 10, 20, &size, &second), 0);
    assert_int_equal(mr_parse_size("--block", "20", 10, 20, &size, &second), 0);
    assert_int_equal(mr_parse_size("--block", "21", 10, 20, &size, &second), -1);
}

static void counts(void **state) {
    (void) state;
    mr_error_t error = {0};
    uint64_t count;
    assert_int_equal(mr_parse_count("--top", "18446744073709551615", 0, UINT64_MAX, &count, &error), 0);
    assert_true(count == UINT64_MAX);
    assert_int_equal(mr_parse_count("--top", "007", 0, 10, &count, &error), 0);
    assert_int_equal(count, 7);
    static const char *const texts[] = {"", "-1", "+1", "1.0", "1K", " 1", "18446744073709551616", "11"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        error = (mr_error_t){0};
        assert_int_equal(mr_parse_count("--top", texts[i], 0, 10, &count, &error), -1);
        assert_int_equal(error.status, MR_STATUS_USAGE);
    }
}

static void expect_format(double bytes, const char *want) {
    char text[32];
    mr_format_size(text, bytes);
    assert_string_equal(text, want);
}

static void formatted_sizes(void **state) {
    (void) state;
    expect_format(0, "0 B");
    expect_format(999, "999 B");
    expect_format(1000, "1.00 kB");
    expect_format(9994, "9.99 kB");
    expect_format(99940, "99.9 kB");
    expect_format(999499, "999 kB");
    expect_format(999500, "1.00 MB");
    expect_format(930e6, "930 MB");
    expect_format(1.5e9, "1.50 GB");
    expect_format(2e18, "2000 PB");
}

static void expect_duration(double seconds, const char *want) {
    char text[32];
    mr_format_duration(text, seconds);
    assert_string_equal(text, want);
}

static void durations(void **state) {
    (void) state;
    expect_duration(0, "0:00");
    expect_duration(-5, "0:00");
    expect_duration(2.6, "0:03");
    expect_duration(727, "12:07");
    expect_duration(3729, "1:02:09");
    expect_duration(1e30, "277777:46:39");
}

static void expect_time_text(uint64_t ms, const char *want) {
    char text[32];
    mr_format_time(text, ms);
    assert_string_equal(text, want);
}

static void formatted_times(void **state) {
    (void) state;
    expect_time_text(0, "0s");
    expect_time_text(250, "250ms");
    expect_time_text(30000, "30s");
    expect_time_text(90000, "90s");
    expect_time_text(300000, "5m");
    expect_time_text(7200000, "2h");
    expect_time_text(UINT64_MAX, "18446744073709551615ms");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),     cmocka_unit_test(times),           cmocka_unit_test(not_sizes),
        cmocka_unit_test(range),     cmocka_unit_test(counts),          cmocka_unit_test(formatted_sizes),
        cmocka_unit_test(durations), cmocka_unit_test(formatted_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
