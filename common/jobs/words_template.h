/* jobs/words_template.h - the kernel of wordcount. Included once by each words_VARIANT.c, after which that defines
 *
 *   classify(text, words, index)           fills the index for text[0 .. 64 words)
 *   find_edges(bits, base, edges)          appends base + the place of each bit of a word; returns how many
 *   lower_ascii(text, size, lowered)       copies, rounded up to whole vectors, A-Z as a-z
 *
 * A window of text becomes a bitmap of word bytes; the places where the bitmap changes are the words' first bytes and ends,
 * in turn. Only where a byte may begin a separator beyond ASCII (0xC2, 0xC3, 0xE2, 0xE3) is the bitmap looked at bit
 * by bit. A word that is cut by the window's end is where the next window begins. */
#include <stdbool.h>
#include <string.h>

#include "jobs/hot_words.h"
#include "jobs/words.h"
#include "key.h"
#include "out.h"

#define TEXT_WINDOW 4096u
#define INDEX_WORDS (TEXT_WINDOW / 64)
#define LONG_LINE ((size_t) MR_MAX_KEY / 2) /* no shorter one can hold a word that is too long, even when lowered */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct mr_word_index {
    uint64_t word[INDEX_WORDS + 1]; /* a bit for each byte that belongs to a word */
    uint64_t wide[INDEX_WORDS];     /* a bit for each byte that may begin a separator beyond ASCII */
    uint64_t any_wide;              /* nonzero if wide has a bit */
    uint64_t beyond_ascii;          /* nonzero if there is a byte from 0x80 on */
    uint64_t newlines;              /* how many */
} mr_word_index_t;

/* What one call of map works with. */
typedef struct mr_word_map {
    const mr_words_t *words;
    const char *end; /* of the text */
    mr_out_t *out;
    mr_buffer_t buffer; /* for lowered words; owned */
    mr_word_index_t index;
    uint16_t edges[TEXT_WINDOW + 128];
    char lowered[TEXT_WINDOW + MR_MAP_MARGIN];
    mr_hot_words_t hot;
} mr_word_map_t;

ALWAYS_INLINE void classify(const char *text, size_t words, mr_word_index_t *index);
ALWAYS_INLINE unsigned find_edges(uint64_t bits, unsigned base, uint16_t *edges);
ALWAYS_INLINE void lower_ascii(const char *text, size_t size, char *lowered);

/* Takes the separators beyond ASCII out of the bitmap. Returns where the last one ends, perhaps past the window. */
static __attribute__((noinline)) size_t cut_separators(const char *text, size_t size, mr_word_index_t *index) {
    size_t last = 0;
    for (size_t word = 0; word < (size + 63) / 64; word++)
        for (uint64_t bits = index->wide[word]; bits; bits &= bits - 1) {
            size_t at = 64 * word + (unsigned) __builtin_ctzll(bits);
            size_t length = at < size ? mr_words_separator(text + at) : 0;
            for (size_t i = at; i < at + length; i++)
                index->word[i / 64] &= ~((uint64_t) 1 << i % 64);
            if (length)
                last = at + length;
        }
    return last;
}

/* The edges of all words; one that reaches the window's end gets its end there. Returns how many. */
ALWAYS_INLINE unsigned find_words(const uint64_t *bits, size_t size, uint16_t *edges) {
    unsigned count = 0;
    uint64_t carry = 0;
    for (size_t word = 0; word < (size + 63) / 64; word++) {
        count += find_edges(bits[word] ^ (bits[word] << 1 | carry), (unsigned) (64 * word), edges + count);
        carry = bits[word] >> 63;
    }
    if (count % 2)
        edges[count++] = (uint16_t) size;
    return count;
}

static bool is_ascii(const char *text, size_t size) {
    for (; size > 8; size -= 8, text += 8)
        if (mr_load64(text) & 0x8080808080808080u)
            return false;
    return !(mr_key_word_exact(text, size) & 0x8080808080808080u);
}

/* Counts the words between the edges. `text` is as it is to be counted, unless it is to be lowered beyond ASCII. */
ALWAYS_INLINE void emit_words(mr_word_map_t *map, const char *text, unsigned count) {
    bool slow = map->words->lower && map->index.beyond_ascii;
    for (unsigned i = 0; i < count; i += 2) {
        const char *word = text + map->edges[i];
        size_t size = (size_t) (map->edges[i + 1] - map->edges[i]);
        if (__builtin_expect(slow && !is_ascii(word, size), 0))
            mr_words_emit_slowly(map->words, word, size, &map->buffer, map->out);
        else if (size <= MR_HOT_WORD)
            mr_hot_words_count(&map->hot, word, size, map->out);
        else
            mr_out_count(map->out, word, size);
    }
}

/* A word that fills the window and more. Returns its end. */
static __attribute__((noinline)) const char *emit_long_word(mr_word_map_t *map, const char *text) {
    const char *stop = mr_words_end(text, map->end);
    mr_words_emit_slowly(map->words, text, (size_t) (stop - text), &map->buffer, map->out);
    return stop;
}

/* Counts the words that begin in the window. Returns where to go on. */
ALWAYS_INLINE const char *map_window(mr_word_map_t *map, const char *text, size_t size) {
    mr_word_index_t *index = &map->index;
    classify(text, (size + 63) / 64, index);
    index->word[(size + 63) / 64] = 0;
    index->word[size / 64] &= ((uint64_t) 1 << size % 64) - 1;
    size_t next = index->any_wide ? cut_separators(text, size, index) : 0;
    unsigned count = find_words(index->word, size, map->edges);
    if (next < size)
        next = size;
    if (count && map->edges[count - 1] == size && text + size < map->end) { /* it may go on */
        next = map->edges[count - 2];
        count -= 2;
        if (next == 0)
            return emit_long_word(map, text);
    }
    if (map->words->lower)
        lower_ascii(text, size, map->lowered);
    emit_words(map, map->words->lower ? map->lowered : text, count);
    return text + next;
}

ALWAYS_INLINE void map_words(mr_word_map_t *map, const char *text, const char *end) {
    map->end = end;
    while (text < end) {
        size_t left = (size_t) (end - text);
        text = map_window(map, text, left < TEXT_WINDOW ? left : TEXT_WINDOW);
    }
}

/* Text with lines so long that a word in them may be too long for a key: such lines are looked at before anything of
 * them is counted. */
static __attribute__((noinline)) void map_long_lines(mr_word_map_t *map, const char *text, const char *end,
                                                     mr_tally_t *tally) {
    for (const char *line = text, *newline; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t) (end - line));
        if (!newline)
            newline = end;
        if ((size_t) (newline - line) < LONG_LINE || !mr_words_line_is_bad(map->words, line, newline))
            continue;
        map_words(map, text, line);
        mr_reject(map->out, line, "a word is longer than 1 MiB");
        tally->rejected++;
        text = newline + 1;
    }
    if (text < end)
        map_words(map, text, end);
}

ALWAYS_INLINE uint64_t count_newlines(const char *text, size_t size);

ALWAYS_INLINE mr_tally_t map_text(const mr_words_t *words, const char *data, size_t size, mr_out_t *out) {
    mr_word_map_t map; /* not cleared: 150 KiB */
    map.words = words;
    map.out = out;
    map.buffer = (mr_buffer_t){0};
    mr_hot_words_begin(&map.hot, size);
    mr_tally_t tally = {.records = count_newlines(data, size)};
    if (size < LONG_LINE)
        map_words(&map, data, data + size);
    else
        map_long_lines(&map, data, data + size, &tally);
    mr_hot_words_end(&map.hot, out);
    mr_buffer_free(&map.buffer);
    return tally;
}
