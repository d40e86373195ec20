/* Cutting inputs into tasks: every byte of every input is in exactly one task, and sizes and order are as promised. */
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

#include "inputs.h"

typedef struct sample {
    uint64_t size;
    mr_format_t format;
} sample_t;

static mr_inputs_t make_inputs(const sample_t *samples, size_t count) {
    static char name[] = "name";
    mr_inputs_t inputs = {.items = calloc(count + 1, sizeof(mr_input_t)), .count = count};
    for (size_t i = 0; i < count; i++) {
        inputs.items[i] = (mr_input_t){.name = name, .size = samples[i].size, .format = samples[i].format};
        inputs.bytes += samples[i].size;
    }
    return inputs;
}

/* "FIRST+COUNT" or "INPUT[START,END)", joined by spaces. */
static void expect(const sample_t *samples, size_t count, uint64_t chunk, const char *expected) {
    char got[4096] = "";
    size_t used = 0;
    mr_inputs_t inputs = make_inputs(samples, count);
    mr_splits_t splits;
    assert_int_equal(mr_inputs_split(&inputs, chunk, &splits, NULL), 0);
    for (size_t i = 0; i < splits.count; i++) {
        const mr_split_t *split = &splits.items[i];
        const char *space = i ? " " : "";
        if (split->count > 1)
            used += (size_t) sprintf(got + used, "%s%u+%u", space, split->input, split->count);
        else
            used += (size_t) sprintf(got + used, "%s%u[%u,%u)", space, split->input, (unsigned) split->start,
                                     (unsigned) split->end);
    }
    assert_string_equal(got, expected);
    mr_splits_free(&splits);
    mr_splits_free(&splits);
    mr_inputs_free(&inputs);
}

#define EXPECT(chunk, expected, ...)                                                                                   \
    do {                                                                                                               \
        const sample_t samples[] = {__VA_ARGS__};                                                                      \
        expect(samples, sizeof samples / sizeof *samples, chunk, expected);                                            \
    } while (0)
#define P(size)                                                                                                        \
    { size, MR_FORMAT_PLAIN }
#define G(size)                                                                                                        \
    { size, MR_FORMAT_GZIP }

static void test_examples(void **state) {
    (void) state;
    EXPECT(10, "0[0,10)", P(10));
    EXPECT(10, "0[0,0)", P(0));
    EXPECT(10, "0[0,10) 0[10,20)", P(20));
    EXPECT(10, "0[0,13)", P(13));
    EXPECT(10, "0[0,9) 0[9,17)", P(17));
    EXPECT(1, "0[0,1) 0[1,2) 0[2,3)", P(3));
    EXPECT(0, "0[0,1) 0[1,2)", P(2));
    EXPECT(10, "0+3", P(3), P(0), G(7));
    EXPECT(10, "0+2 2[0,5) 3[0,10) 3[10,20)", P(5), P(5), P(5), P(20));
    EXPECT(10, "2[0,30) 1[0,20) 5[0,20) 0[0,1) 3[0,10) 3[10,20) 3[20,30) 4[0,3)", P(1), G(20), G(30), P(30), G(3),
           G(20));
    expect(NULL, 0, 10, "");
}

/* Small files are packed, but not without bound. */
static void test_packs_are_bounded(void **state) {
    (void) state;
    sample_t *samples = calloc(10000, sizeof *samples);
    expect(samples, 10000, 1 << 20, "0+4096 4096+4096 8192+1808");
    free(samples);
}

static void test_too_many(void **state) {
    (void) state;
    const sample_t sample = P(UINT64_C(1) << 40);
    mr_inputs_t inputs = make_inputs(&sample, 1);
    mr_splits_t splits;
    mr_error_t error = {0};
    assert_int_equal(mr_inputs_split(&inputs, 1, &splits, &error), -1);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_null(splits.items);
    mr_inputs_free(&inputs);
}

/* ---- the property ---- */

/* Adds what the split covers to `covered`; ranges of an input must come in order. */
static void cover(const mr_inputs_t *inputs, const mr_split_t *split, uint64_t *covered, unsigned *touched) {
    assert_true(split->count >= 1 && split->input + (size_t) split->count <= inputs->count);
    for (uint32_t i = split->input; i < split->input + split->count; i++) {
        uint64_t start = split->count > 1 ? 0 : split->start;
        uint64_t end = split->count > 1 ? inputs->items[i].size : split->end;
        assert_int_equal(start, covered[i]);
        assert_true(end > start || inputs->items[i].size == 0);
        covered[i] = end;
        touched[i]++;
    }
}

static void check_cover(const mr_inputs_t *inputs, const mr_splits_t *splits) {
    uint64_t *covered = calloc(inputs->count + 1, sizeof *covered);
    unsigned *touched = calloc(inputs->count + 1, sizeof *touched);
    for (size_t i = 0; i < splits->count; i++)
        cover(inputs, &splits->items[i], covered, touched);
    for (size_t i = 0; i < inputs->count; i++) {
        assert_int_equal(covered[i], inputs->items[i].size);
        assert_true(touched[i] == 1 || (inputs->items[i].format == MR_FORMAT_PLAIN && touched[i] > 1));
    }
    free(covered);
    free(touched);
}

/* Ranges of plain files are within half a chunk of one. */
static void check_sizes(const mr_inputs_t *inputs, const mr_splits_t *splits, uint64_t chunk) {
    for (size_t i = 0; i < splits->count; i++) {
        const mr_split_t *split = &splits->items[i];
        const mr_input_t *input = &inputs->items[split->input];
        if (split->count > 1 || input->format == MR_FORMAT_GZIP || input->size <= chunk)
            continue;
        assert_true(2 * (split->end - split->start) <= 3 * chunk);
        assert_true(3 * (split->end - split->start) + 3 >= 2 * chunk);
    }
}

static void test_random_inputs(void **state) {
    (void) state;
    const char *given = getenv("MR_SEED");
    unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
    print_message("MR_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 500; round++) {
        sample_t samples[50];
        size_t count = (size_t) random() % 50;
        uint64_t bound = 1 + (uint64_t) random() % 1000;
        for (size_t i = 0; i < count; i++)
            samples[i] = (sample_t){(uint64_t) random() % bound, random() % 3 ? MR_FORMAT_PLAIN : MR_FORMAT_GZIP};
        mr_inputs_t inputs = make_inputs(samples, count);
        mr_splits_t splits;
        uint64_t chunk = 1 + (uint64_t) random() % 1000;
        assert_int_equal(mr_inputs_split(&inputs, chunk, &splits, NULL), 0);
        check_cover(&inputs, &splits);
        check_sizes(&inputs, &splits, chunk);
        mr_splits_free(&splits);
        mr_inputs_free(&inputs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_packs_are_bounded),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_random_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
