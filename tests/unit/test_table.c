/* The table against sort-and-fold, its errors, its memory, and its hash. */
#include "rows.h"

#include <stdbool.h>

#include "hash.h"

static void add(mr_table_t *table, const char *key, uint64_t cell) {
    assert_int_equal(mr_table_add(table, key, strlen(key), &cell), 0);
}

/* Asserts that the run is exactly the reference's rows. */
static void expect_run(const mr_buffer_t *bytes, size_t from, const rows_t *reference, uint32_t ncells) {
    mr_error_t error = {0};
    size_t next = 0;
    mr_run_t *run = mr_run_from_memory(bytes->data + from, bytes->size - from, ncells, NULL, NULL, &error);
    assert_non_null(run);
    assert_int_equal(mr_run_rows(run), reference->count);
    mr_merge_t *merge = mr_merge_new(&run, 1, test_ops, ncells, (mr_range_t){0}, &error);
    assert_non_null(merge);
    expect_rows(merge, reference, &next, ncells);
    assert_int_equal(next, reference->count);
    mr_merge_destroy(&merge);
    mr_run_destroy(&run);
}

/* Fills and drains one table again and again, so that kept memory is used too. */
static void test_random(void **state) {
    (void) state;
    random_start("random");
    for (uint32_t ncells = 1; ncells <= MR_MAX_CELLS; ncells++) {
        mr_table_t *table = mr_table_new(test_ops, ncells);
        mr_buffer_t run = {0};
        for (int round = 0; round < 6; round++) {
            rows_t rows = random_rows(random_below(round % 2 ? 200 : 30000));
            for (size_t i = 0; i < rows.count; i++)
                assert_int_equal(mr_table_add(table, rows.row[i].key, rows.row[i].key_size, rows.row[i].cells), 0);
            reduce_rows(&rows, test_ops, ncells);
            assert_int_equal(mr_table_rows(table), rows.count);
            size_t from = run.size;
            assert_int_equal(mr_table_drain(table, &run), 0);
            expect_run(&run, from, &rows, ncells);
            assert_int_equal(mr_table_rows(table), 0);
            free_rows(&rows);
        }
        mr_buffer_free(&run);
        mr_table_destroy(&table);
        mr_table_destroy(&table);
    }
}

/* So many keys that rows wait for their slots and the slots double; each key twice, far apart. */
static void test_many_keys(void **state) {
    (void) state;
    const size_t count = 400000;
    mr_table_t *table = mr_table_new(test_ops, 1);
    mr_buffer_t bytes = {0};
    char key[64];
    for (int twice = 0; twice < 2; twice++)
        for (uint64_t i = 0; i < count; i++) {
            int size = snprintf(key, sizeof key, i % 5 ? "%zu" : "a key of more than sixteen bytes %zu", (size_t) i);
            assert_int_equal(mr_table_add(table, key, (size_t) size, &i), 0);
        }
    assert_null(mr_table_error(table));
    assert_int_equal(mr_table_rows(table), count);
    assert_true(mr_table_bytes(table) < 64 * count);
    assert_int_equal(mr_table_drain(table, &bytes), 0);
    assert_true(mr_table_bytes(table) <= 16 << 20);
    mr_error_t error = {0};
    mr_row_t row;
    mr_run_t *run = mr_run_from_memory(bytes.data, bytes.size, 1, NULL, NULL, &error);
    mr_merge_t *merge = mr_merge_new(&run, 1, test_ops, 1, (mr_range_t){0}, &error);
    uint64_t sum = 0, rows = 0;
    for (; mr_merge_next(merge, &row, &error) == 1; rows++)
        sum += row.cells[0];
    assert_int_equal(rows, count);
    assert_int_equal(sum, count * (count - 1));
    mr_merge_destroy(&merge);
    mr_run_destroy(&run);
    mr_buffer_free(&bytes);
    mr_table_destroy(&table);
}

/* An arena of several times its first size: it must grow whatever mappings the system made of it. */
static void test_large_arena(void **state) {
    (void) state;
    const uint64_t one = 1;
    const size_t rows = 200000;
    char key[1000] = {0};
    mr_table_t *table = mr_table_new(test_ops, 1);
    for (size_t i = 0; i < rows; i++) {
        memcpy(key, &i, sizeof i);
        assert_int_equal(mr_table_add(table, key, sizeof key, &one), 0);
    }
    assert_null(mr_table_error(table));
    assert_int_equal(mr_table_rows(table), rows);
    mr_table_destroy(&table);
}

static void test_overflow(void **state) {
    (void) state;
    mr_table_t *table = mr_table_new(test_ops, 1);
    mr_buffer_t run = {0};
    uint64_t one = 1, most = UINT64_MAX;
    add(table, "rest", 1);
    assert_int_equal(mr_table_add(table, "a\0\x1b", 3, &most), 0);
    assert_null(mr_table_error(table));
    mr_table_add(table, "a\0\x1b", 3, &one);
    assert_non_null(mr_table_error(table));
    mr_table_add(table, "rest", 4, &most); /* the first error stays */
    assert_int_equal(mr_table_error(table)->status, MR_STATUS_JOB);
    assert_string_equal(mr_table_error(table)->text, "key \"a\\x00\\x1b\": the sum overflows 64 bits");
    assert_int_equal(mr_table_drain(table, &run), -1);
    assert_int_equal(run.size, 0);
    assert_int_equal(mr_table_rows(table), 2);
    mr_table_destroy(&table);
}

/* An overflow whose row still waits when the table is drained must not get lost. */
static void test_overflow_of_a_waiting_row(void **state) {
    (void) state;
    mr_table_t *table = mr_table_new(test_ops, 1);
    mr_buffer_t run = {0};
    char key[32];
    for (uint64_t i = 0; i < 200000; i++) {
        snprintf(key, sizeof key, "%zu", (size_t) i);
        add(table, key, UINT64_MAX);
    }
    uint64_t one = 1;
    mr_table_add(table, "777", 3, &one);
    assert_int_equal(mr_table_drain(table, &run), -1);
    assert_string_equal(mr_table_error(table)->text, "key \"777\": the sum overflows 64 bits");
    assert_int_equal(run.size, 0);
    mr_table_destroy(&table);
}

static void test_key_sizes(void **state) {
    (void) state;
    mr_table_t *table = mr_table_new(test_ops, 1);
    char *key = calloc(1, MR_MAX_KEY + 1);
    uint64_t one = 1;
    for (int twice = 0; twice < 2; twice++)
        for (size_t size = 0; size < 300; size++) /* zeros only: the length alone tells them apart */
            assert_int_equal(mr_table_add(table, key, size, &one), 0);
    assert_int_equal(mr_table_add(table, key, MR_MAX_KEY, &one), 0);
    assert_int_equal(mr_table_rows(table), 301);
    assert_null(mr_table_error(table));
    assert_int_equal(mr_table_add(table, key, MR_MAX_KEY + 1, &one), -1);
    assert_string_equal(mr_table_error(table)->text, "a key of 1048577 bytes is longer than 1048576, the limit");
    free(key);
    mr_table_destroy(&table);
}

/* ---- hash ---- */

/* The fullest of 2^12 slots, by the hash's high bits. With random hashes of 2^14 keys, more than 24 in one slot is a matter of one in
 * thousands; the tests use 40. */
static unsigned fullest(const uint32_t *hashes, size_t count) {
    static unsigned slots[1 << 12];
    unsigned most = 0;
    memset(slots, 0, sizeof slots);
    for (size_t i = 0; i < count; i++) {
        unsigned now = ++slots[hashes[i] >> 20];
        most = now > most ? now : most;
    }
    return most;
}

#define FLOOD ((size_t) 1 << 14)

/* Families of keys on which weak hashes pile up. */
static size_t family_key(int family, size_t i, char *key) {
    uint64_t n = i;
    memset(key, 0, 256);
    switch (family) {
    case 0: /* counting in the first word, the last byte of it, the second word */
        mr_store64(key, n);
        return 8;
    case 1:
        mr_store64(key, n << 40);
        return 16;
    case 2:
        mr_store64(key + 8, n << 16);
        return 16;
    case 3: /* blocks and their complements (xxHash issue 1127) */
        for (unsigned b = 0; b < 14; b++)
            memset(key + 16 * b, n >> b & 1 ? 0xFF : 0, 16);
        return 224;
    case 4: /* two words with a constant product of differences */
        mr_store64(key, n * 0x9E3779B97F4A7C15u);
        mr_store64(key + 8, (uint64_t) 0 - n * 0x9E3779B97F4A7C15u);
        return 16;
    case 5: /* beyond one chunk of the long hash */
        mr_store64(key + 192, n);
        return 200;
    default: /* blocks swapped */
        for (unsigned b = 0; b < 14; b++)
            memset(key + 8 * b, n >> b & 1 ? 'a' : 'b', 8);
        return 112;
    }
}

static uint32_t hash_of(const mr_hash_seed_t *seed, const char *key, size_t size) {
    if (size > MR_HASH_SHORT)
        return mr_hash_long(seed, key, size);
    mr_key_words_t words = mr_key_words(key, size);
    return mr_hash_short(seed, words.word[0], words.word[1], size);
}

static void test_families_do_not_pile_up(void **state) {
    (void) state;
    static uint32_t hashes[FLOOD];
    char key[256];
    mr_hash_seed_t seed;
    assert_int_equal(mr_hash_seed(&seed), 0);
    for (int family = 0; family < 7; family++) {
        for (size_t i = 0; i < FLOOD; i++) {
            size_t size = family_key(family, i, key);
            hashes[i] = hash_of(&seed, key, size);
        }
        unsigned most = fullest(hashes, FLOOD);
        if (most > 40)
            fail_msg("family %d: %u of %zu keys in one of 4096 slots", family, most, FLOOD);
    }
}

/* The same key, seen through memory that ends with it and through memory that does not. */
static void test_words_do_not_depend_on_what_follows(void **state) {
    (void) state;
    random_start("words");
    for (int i = 0; i < 2000; i++) {
        char buffer[64], *exact;
        size_t size = random_below(MR_HASH_SHORT + 1);
        for (size_t b = 0; b < sizeof buffer; b++)
            buffer[b] = (char) random_next();
        exact = malloc(size ? size : 1);
        memcpy(exact, buffer, size);
        mr_key_words_t a = mr_key_words(buffer, size), b = mr_key_words(exact, size);
        assert_memory_equal(&a, &b, sizeof a);
        char padded[24] = {0};
        memcpy(padded, buffer, size);
        assert_int_equal(a.word[0], mr_load64(padded));
        assert_int_equal(a.word[1], mr_load64(padded + 8));
        assert_int_equal(mr_key_prefix(buffer, size, 0), __builtin_bswap64(a.word[0]));
        free(exact);
    }
}

static void test_seeds_differ(void **state) {
    (void) state;
    mr_hash_seed_t a, b;
    assert_int_equal(mr_hash_seed(&a), 0);
    assert_int_equal(mr_hash_seed(&b), 0);
    assert_true(memcmp(&a, &b, sizeof a) != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_large_arena),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_overflow_of_a_waiting_row),
        cmocka_unit_test(test_key_sizes),
        cmocka_unit_test(test_families_do_not_pile_up),
        cmocka_unit_test(test_words_do_not_depend_on_what_follows),
        cmocka_unit_test(test_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
