/* vocabulary.h - a huge virtual vocabulary, from which a file's words are drawn, none of them twice.
 *
 * Every word has a number; number -> word is one to one, and a seeded permutation gives the order in which
 * numbers are drawn. Nothing needs to be remembered but how far the drawing has come. */
#ifndef GEN1GRAMS_VOCABULARY_H
#define GEN1GRAMS_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dictionary.h"
#include "random.h"

enum {
    MAX_WORD = 2 * MAX_STEM, /* a compound with its tag or marks fits */
    BYTES_PER_WORD = 1360,   /* measured mean, all lines of a word; only sizes shards by it */
};

typedef struct {
    selection_t stems;
    selection_t tails;
    uint64_t seed;
    permutation_t order[2]; /* of plain numbers and of compound numbers */
    uint64_t next[2];       /* how many of each are drawn */
    double plain_share;     /* of the words drawn, so that plain ones last for the whole file */
} vocabulary_t;

typedef struct {
    char text[MAX_WORD];
    size_t length;
    double weight; /* how common, relative to a plain word */
} word_t;

/* The vocabulary for a file of about `size` bytes; borrows the selections. */
vocabulary_t vocabulary_new(selection_t stems, selection_t tails, uint64_t seed, uint64_t size);

/* Draws the file's next word; false when the vocabulary is exhausted. */
bool next_word(vocabulary_t *v, word_t *w);

#endif
