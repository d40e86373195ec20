/* Writes 1-gram data of the form of Google Books' files, for benchmarks and large tests:
 *
 *     word TAB year TAB match_count TAB volume_count
 *
 * Lines are grouped by word, years ascending. A file holds the words of one set of initial letters and
 * is, like the real ones, a concatenation of sorted shards: grouped, but not sorted as a whole.
 * The same seed, size and letters give the same bytes. Sizes are reached to within one line; memory
 * holds the dictionary and one shard's words, whatever the size. */

#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "options.h"
#include "support.h"
#include "vocabulary.h"

enum { SHARD_WORDS = 32768 }; /* words sorted together in a large file */

/* Words that are sorted and written together. */
typedef struct {
    entry_t *entries;
    size_t count;
    size_t capacity;
    char *text; /* the words' bytes */
} shard_t;

/* Small files have several shards too. */
static shard_t shard_new(uint64_t size) {
    const uint64_t words = size / BYTES_PER_WORD / 8 + 2;
    shard_t s = {.capacity = words < SHARD_WORDS ? (size_t) words : SHARD_WORDS};
    s.entries = must_alloc(s.capacity, sizeof *s.entries);
    s.text = must_alloc(s.capacity, MAX_WORD);
    return s;
}

static void shard_free(shard_t *s) {
    free(s->entries);
    free(s->text);
}

static void shard_fill(shard_t *s, vocabulary_t *v) {
    word_t word;
    char *to = s->text;
    for (s->count = 0; s->count < s->capacity && next_word(v, &word); s->count++) {
        const uint64_t seed = hash2(v->seed, v->next[0] << 32 ^ v->next[1]);
        s->entries[s->count] = (entry_t){.text = to, .seed = seed, .mean = zipf_mean(seed, word.weight)};
        memcpy(to, word.text, word.length);
        to += word.length;
        *to++ = '\0';
    }
}

static int compare_entries(const void *a, const void *b) {
    return strcmp(((const entry_t *) a)->text, ((const entry_t *) b)->text);
}

/* Draws, sorts and writes shards until the file is full or the vocabulary exhausted. */
static void write_shards(output_t *out, vocabulary_t *v, shard_t *shard, bool sorted) {
    const years_t years = years_new();
    bool room = true;
    do {
        shard_fill(shard, v);
        if (sorted)
            qsort(shard->entries, shard->count, sizeof *shard->entries, compare_entries);
        for (size_t i = 0; i < shard->count && room; i++)
            room = put_word(out, &years, &shard->entries[i]);
    } while (room && shard->count == shard->capacity);
}

static uint64_t file_seed(uint64_t seed, const char *letters) {
    for (; *letters; letters++)
        seed = hash2(seed, (uint64_t) (unsigned char) *letters);
    return seed;
}

static void write_file(const options_t *o, const dictionary_t *d, const char *path, const char *letters) {
    selection_t stems = select_stems(d, letters), tails = select_tails(d);
    if (!stems.count || !tails.count)
        die(letters, "no word of the dictionary begins so");
    vocabulary_t vocabulary = vocabulary_new(stems, tails, file_seed(o->seed, letters), o->size);
    shard_t shard = shard_new(o->size);
    output_t out = output_open(path, o->size);
    write_shards(&out, &vocabulary, &shard, o->sorted_shards);
    output_close(&out);
    shard_free(&shard);
    free(stems.words);
    free(tails.words);
}

static void write_files(const options_t *o, const dictionary_t *d) {
    char *sets = joined(o->letters, "");
    for (char *set = strtok(sets, ","); set; set = strtok(NULL, ",")) {
        char *path = joined(o->prefix, set);
        write_file(o, d, path, set);
        free(path);
    }
    free(sets);
}

int main(int argc, char **argv) {
    const options_t options = parse_options(argc, argv);
    dictionary_t dictionary = dictionary_read(options.dictionary);
    if (options.prefix)
        write_files(&options, &dictionary);
    else
        write_file(&options, &dictionary, options.out, options.letters);
    dictionary_free(&dictionary);
    return 0;
}
