/* The window keeps what it holds, has room for a block and a \n after it, and leaves the margins readable, for any lengths of tail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "input/window.h"
#include "millrace/job.h"

/* Every byte's value follows from its position in the stream. */
static char byte_at(size_t position) {
    return (char) (position * 7 + (position >> 8));
}

static void expect_content(const mr_window_t *window, size_t position) {
    for (const char *at = window->start; at < window->end; at++)
        assert_int_equal(*at, byte_at(position++));
}

/* Takes what the reader may do with the window to its limits, under ASan: a block, one byte more, both margins. */
static void fill(mr_window_t *window, size_t position) {
    size_t held = (size_t) (window->end - window->start);
    assert_true(window->capacity <= window->limit);
    assert_true(window->start - MR_MAP_MARGIN >= window->memory);
    assert_true(window->end + window->block + 1 + MR_MAP_MARGIN <= window->memory + window->capacity);
    for (size_t i = 0; i < window->block; i++)
        window->end[i] = byte_at(position + held + i);
    window->end += window->block;
}

static void run(size_t block, size_t keep, int rounds) {
    mr_window_t window;
    size_t position = 0; /* of start */
    assert_int_equal(mr_window_init(&window, block, keep), 0);
    size_t small = window.capacity;
    for (int i = 0; i < rounds; i++) {
        assert_int_equal(mr_window_make_room(&window), 0);
        expect_content(&window, position);
        fill(&window, position);
        expect_content(&window, position);
        size_t held = (size_t) (window.end - window.start);
        size_t tail = random() % 4 ? held : (size_t) random() % (held + 1); /* mostly: the line goes on */
        tail = tail > keep ? (size_t) random() % (keep + 1) : tail;
        position += held - tail;
        window.start = window.whole = window.end - tail;
    }
    mr_window_reset(&window);
    assert_ptr_equal(window.start, window.end);
    assert_int_equal(window.capacity, small);
    mr_window_free(&window);
    mr_window_free(&window);
}

static void test_any_tail(void **state) {
    (void) state;
    const char *given = getenv("MR_SEED");
    unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
    print_message("MR_SEED=%u\n", seed);
    srandom(seed);
    for (int i = 0; i < 300; i++)
        run(16 + (size_t) random() % (random() % 2 ? 50 : 10000), 1 + (size_t) random() % 50000, 60);
}

/* A line that only grows, with blocks of every size: some end exactly at the margin. */
static void test_every_fit(void **state) {
    (void) state;
    for (size_t block = 16; block < 400; block++) {
        mr_window_t window;
        size_t keep = 40000 + block;
        assert_int_equal(mr_window_init(&window, block, keep), 0);
        while ((size_t) (window.end - window.start) <= keep) {
            assert_int_equal(mr_window_make_room(&window), 0);
            fill(&window, 0);
        }
        expect_content(&window, 0);
        mr_window_free(&window);
    }
}

/* A tail that only grows is moved seldom: the bytes moved are a small multiple of the line. */
static void test_long_line_is_not_moved_often(void **state) {
    (void) state;
    mr_window_t window;
    size_t moved = 0, block = 4096, keep = (size_t) 8 << 20;
    assert_int_equal(mr_window_init(&window, block, keep), 0);
    while ((size_t) (window.end - window.start) + block <= keep) {
        size_t before = (size_t) (window.start - window.memory);
        assert_int_equal(mr_window_make_room(&window), 0);
        if ((size_t) (window.start - window.memory) != before)
            moved += (size_t) (window.end - window.start);
        window.end += block;
    }
    assert_true(moved < 2 * keep);
    mr_window_free(&window);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_tail),
        cmocka_unit_test(test_every_fit),
        cmocka_unit_test(test_long_line_is_not_moved_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
