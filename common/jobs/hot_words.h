/* jobs/hot_words.h - the counts of short words that occur often, in front of the table, during one call of map.
 *
 * A direct-mapped cache: a word that finds another in its place sends that one's count to the table. Most text repeats a few
 * thousand words, which then cost a few cycles each instead of a walk through a large table. Its hash needs no secret: who
 * makes words collide gets the table's own speed. */
#ifndef MR_HOT_WORDS_H
#define MR_HOT_WORDS_H

#include "key.h"
#include "millrace/job.h"

#define MR_HOT_WORD 16u         /* longest, in bytes */
#define MR_HOT_WORDS_BITS 12u   /* 128 KiB at most */
#define MR_HOT_WORDS_PER_ROW 64 /* bytes of text for which one row is set up and emptied again */

typedef struct mr_hot_word {
    uint64_t word[2]; /* the bytes, zeros after them: words have no zero bytes */
    uint64_t count;   /* 0: the row is free */
    uint64_t size;    /* bytes */
} mr_hot_word_t;

typedef struct mr_hot_words {
    unsigned shift; /* of a 64-bit hash, to get an index */
    mr_hot_word_t rows[1u << MR_HOT_WORDS_BITS];
} mr_hot_words_t;

/* Makes it empty, for a text of `size` bytes. */
static inline void mr_hot_words_begin(mr_hot_words_t *hot, size_t size) {
    unsigned bits = 1;
    while (bits < MR_HOT_WORDS_BITS && ((size_t) MR_HOT_WORDS_PER_ROW << bits) < size)
        bits++;
    hot->shift = 64 - bits;
    memset(hot->rows, 0, sizeof *hot->rows << bits);
}

static inline void mr_hot_word_emit(const mr_hot_word_t *row, mr_out_t *out) {
    char key[MR_HOT_WORD];
    mr_store64(key, row->word[0]);
    mr_store64(key + 8, row->word[1]);
    mr_emit(out, key, row->size, &row->count);
}

static inline void mr_hot_words_end(mr_hot_words_t *hot, mr_out_t *out) {
    for (size_t i = 0; i < (size_t) 1 << (64 - hot->shift); i++)
        if (hot->rows[i].count)
            mr_hot_word_emit(&hot->rows[i], out);
}

/* Counts a word of 1 to MR_HOT_WORD bytes; 16 bytes can be read at `text`. */
static inline void mr_hot_words_count(mr_hot_words_t *hot, const char *text, size_t size, mr_out_t *out) {
    uint64_t first = mr_load64(text) & mr_key_mask(size);
    uint64_t second = size > 8 ? mr_load64(text + 8) & mr_key_mask(size - 8) : 0;
    uint64_t hash = (first + second * 0x9E3779B97F4A7C15u) * 0xD1342543DE82EF95u;
    mr_hot_word_t *row = &hot->rows[hash >> hot->shift];
    if (__builtin_expect(row->word[0] == first && row->word[1] == second, 1)) {
        row->count++;
        return;
    }
    if (row->count)
        mr_hot_word_emit(row, out);
    *row = (mr_hot_word_t){.word = {first, second}, .count = 1, .size = size};
}

#endif
