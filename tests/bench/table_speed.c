/* table_speed - nanoseconds a row for the table, its drain and the merge, on keys like those of the two main jobs.
 *
 * usage: table_speed [ROWS]. Each figure is processor time, the best of ROUNDS rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "key.h"
#include "merge.h"
#include "table.h"

#define ROUNDS 5
#define WORDS 60000u
#define TEXT ((size_t) 4 << 20) /* words of text; about 24 MB */

static const mr_op_t sum[] = {MR_SUM};

typedef struct key {
    const char *data;
    size_t size;
} word_t;

typedef struct keys {
    word_t *key;
    size_t count;
} keys_t;

static uint64_t random_state = 42;

static uint64_t random_next(void) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

static int compare_keys(const void *a, const void *b) {
    const word_t *x = a, *y = b;
    return mr_key_compare(x->data, x->size, y->data, y->size);
}

/* Word-like: syllables, now and then a part of speech behind. */
static size_t make_word(char *out, unsigned syllables) {
    static const char consonants[] = "bcdfghklmnprstvw", vowels[] = "aeiou";
    static const char *const tags[] = {"_NOUN", "_VERB", "_ADJ", "'s", "ing", "ed"};
    char *end = out;
    while (syllables--) {
        *end++ = consonants[random_next() % 16];
        *end++ = vowels[random_next() % 5];
        if (random_next() % 3 == 0)
            *end++ = consonants[random_next() % 16];
    }
    const char *tag = tags[random_next() % 6];
    if (random_next() % 3 == 0)
        end = stpcpy(end, tag);
    return (size_t) (end - out);
}

/* About `count` different words, ascending. */
static keys_t make_keys(size_t count) {
    char *text = malloc(count * 32);
    keys_t keys = {.key = malloc(count * sizeof(word_t))};
    for (size_t i = 0; i < count; i++) {
        size_t size = make_word(text, 3 + (unsigned) (random_next() % 4));
        keys.key[i] = (word_t){text, size};
        text += size;
    }
    qsort(keys.key, count, sizeof *keys.key, compare_keys);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || compare_keys(&keys.key[keys.count - 1], &keys.key[i]) != 0)
            keys.key[keys.count++] = keys.key[i];
    return keys;
}

static void shuffle(keys_t *keys) {
    for (size_t i = keys->count; i > 1; i--) {
        size_t j = random_next() % i;
        word_t key = keys->key[i - 1];
        keys->key[i - 1] = keys->key[j];
        keys->key[j] = key;
    }
}

/* Cuts the ascending keys into `parts` sequences, each ascending, which follow one another in a strange order. */
static void shard(keys_t *keys, size_t parts) {
    word_t *copy = malloc(keys->count * sizeof *copy);
    size_t out = 0;
    for (size_t p = 0; p < parts; p++)
        for (size_t i = 0; i < keys->count; i++)
            if ((i / 1000 * 7 + 3) % parts == p)
                copy[out++] = keys->key[i];
    free(keys->key);
    keys->key = copy;
}

/* Lays the keys' bytes out in their order, as they would stand in a block of input. */
static void lay_out(keys_t *keys) {
    char *text = malloc(keys->count * 33 + 64);
    for (size_t i = 0; i < keys->count; i++) {
        memcpy(text, keys->key[i].data, keys->key[i].size);
        keys->key[i].data = text;
        text += keys->key[i].size + 1;
    }
}

static void add_all(mr_table_t *table, const keys_t *keys) {
    uint64_t one = 1000;
    for (size_t i = 0; i < keys->count; i++, one = 1 + (one * 7 & 0xFFFFF))
        mr_table_add(table, keys->key[i].data, keys->key[i].size, &one);
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

/* Fills and drains a table several times: the first time on new memory, then on kept memory. */
static void bench_distinct(const char *name, const keys_t *keys) {
    double add = 1e99, drain = 1e99, first = 0;
    for (int round = 0; round < ROUNDS; round++) {
        mr_table_t *table = mr_table_new(sum, 1);
        for (int reuse = 0; reuse < 2; reuse++) {
            mr_buffer_t run = {0};
            double start = now_ns();
            add_all(table, keys);
            double middle = now_ns();
            mr_table_drain(table, &run);
            double end = now_ns();
            if (reuse == 0)
                first = round ? smaller(first, middle - start) : middle - start;
            add = smaller(add, middle - start);
            drain = smaller(drain, end - middle);
            mr_buffer_free(&run);
        }
        mr_table_destroy(&table);
    }
    double count = (double) keys->count;
    printf("%-28s add new table %5.1f  add reused %5.1f  drain %5.1f ns a row (drain %.1f ms)\n", name, first / count,
           add / count, drain / count, drain / 1e6);
}

/* ---- words of text ---- */

/* Zipf: word r with probability proportional to 1/(r+1). */
static size_t zipf(void) {
    static double upto[WORDS];
    for (size_t i = 0; upto[WORDS - 1] == 0 && i < WORDS; i++)
        upto[i] = (i ? upto[i - 1] : 0) + 1.0 / (double) (i + 1);
    double u = (double) (random_next() >> 11) / 9007199254740992.0 * upto[WORDS - 1];
    size_t low = 0, high = WORDS - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (upto[middle] <= u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static keys_t make_text(void) {
    static char words[WORDS][32];
    static uint8_t sizes[WORDS];
    for (size_t i = 0; i < WORDS; i++)
        sizes[i] = (uint8_t) make_word(words[i], 1 + (unsigned) (random_next() % (i < 200 ? 2 : 4)));
    for (size_t i = 0; i < 40; i++)
        sizes[i] = (uint8_t) (1 + i % 4);
    char *text = malloc(TEXT * 24 + 64);
    keys_t keys = {.key = malloc(TEXT * sizeof(word_t)), .count = TEXT};
    for (size_t i = 0; i < TEXT; i++) {
        size_t word = zipf();
        memcpy(text, words[word], sizes[word]);
        keys.key[i] = (word_t){text, sizes[word]};
        text += sizes[word];
        *text++ = ' ';
    }
    return keys;
}

static void bench_text(void) {
    keys_t keys = make_text();
    double best = 1e99, walk = 1e99;
    uint64_t one = 1, check = 0;
    mr_table_t *table = mr_table_new(sum, 1);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (size_t i = 0; i < keys.count; i++)
            mr_table_add(table, keys.key[i].data, keys.key[i].size, &one);
        double middle = now_ns();
        for (size_t i = 0; i < keys.count; i++)
            check += mr_key_words(keys.key[i].data, keys.key[i].size & 15).word[0];
        best = smaller(best, middle - start);
        walk = smaller(walk, now_ns() - middle);
    }
    printf("%-28s add %5.1f ns a word; loading the word alone %.1f  (%zu distinct, check %llx)\n", "words of text",
           best / (double) keys.count, walk / (double) keys.count, mr_table_rows(table), (unsigned long long) check);
    mr_table_destroy(&table);
}

/* ---- merge ---- */

static uint32_t hash_of(const word_t *key) {
    uint32_t hash = 0;
    for (size_t i = 0; i < key->size; i++)
        hash = (hash ^ (unsigned char) key->data[i]) * 16777619;
    return hash >> 12;
}

/* Deals ascending keys to `count` runs; `equal`: each run has all of them. */
static void bench_merge(const keys_t *keys, size_t count, int equal) {
    mr_run_t *runs[64];
    mr_buffer_t bytes[64] = {0};
    uint64_t rows = 0;
    for (size_t r = 0; r < count; r++) {
        mr_run_writer_t writer = {.out = &bytes[r], .ncells = 1};
        uint64_t cell = 1;
        for (size_t i = 0; i < keys->count; i++, cell = 1 + (cell * 7 & 0xFFFFF))
            if (equal || hash_of(&keys->key[i]) % count == r)
                mr_run_write(&writer, keys->key[i].data, keys->key[i].size, &cell);
        mr_run_end_block(&writer);
        runs[r] = mr_run_from_memory(bytes[r].data, bytes[r].size, 1, NULL, NULL, NULL);
        rows += mr_run_rows(runs[r]);
    }
    double best = 1e99;
    uint64_t out = 0;
    for (int round = 0; round < ROUNDS; round++) {
        mr_row_t row;
        double start = now_ns();
        mr_merge_t *merge = mr_merge_new(runs, count, sum, 1, (mr_range_t){0}, NULL);
        for (out = 0; mr_merge_next(merge, &row, NULL) == 1; out++)
            ;
        mr_merge_destroy(&merge);
        best = smaller(best, now_ns() - start);
    }
    printf("merge %2zu runs, keys %-10s %5.1f ns a row in  (%llu rows in, %llu out)\n", count,
           equal ? "equal" : "distinct", best / (double) rows, (unsigned long long) rows, (unsigned long long) out);
    for (size_t r = 0; r < count; r++) {
        mr_run_destroy(&runs[r]);
        mr_buffer_free(&bytes[r]);
    }
}

/* Numbered keys, as of sensors: what a careless hash sends to neighbouring slots. */
static void bench_numbered(size_t count) {
    char *text = malloc(count * 16 + 64);
    keys_t keys = {.key = malloc(count * sizeof(word_t)), .count = count};
    for (size_t i = 0; i < count; i++)
        keys.key[i] = (word_t){text + 16 * i, (size_t) sprintf(text + 16 * i, "id%09zu", i)};
    bench_distinct("numbered, ascending", &keys);
}

int main(int argc, char **argv) {
    size_t rows = argc > 1 ? (size_t) strtoull(argv[1], NULL, 10) : 520000;
    keys_t keys = make_keys(rows);
    printf("%zu distinct keys\n", keys.count);
    lay_out(&keys);
    bench_merge(&keys, 1, 1);
    bench_merge(&keys, 2, 0);
    bench_merge(&keys, 2, 1);
    bench_merge(&keys, 16, 0);
    bench_merge(&keys, 16, 1);
    bench_distinct("ascending", &keys);
    shard(&keys, 3);
    lay_out(&keys);
    bench_distinct("3 ascending shards", &keys);
    shuffle(&keys);
    lay_out(&keys);
    bench_distinct("random order", &keys);
    bench_numbered(rows);
    bench_text();
    return 0;
}
