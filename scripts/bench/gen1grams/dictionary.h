/* dictionary.h - the word list that all words are made of. */
#ifndef GEN1GRAMS_DICTIONARY_H
#define GEN1GRAMS_DICTIONARY_H

#include <stddef.h>

enum {
    MAX_STEM = 48, /* longer dictionary words are left out */
    MAX_TAIL = 4,  /* longest second part of a compound */
};

typedef struct {
    char **words; /* into `text`: sorted, unique, lower case, fit to be stems */
    size_t count;
    char *text;
} dictionary_t;

/* Some of a dictionary's words, which they point into. */
typedef struct {
    char **words; /* to be freed by the caller */
    size_t count;
} selection_t;

/* Reads a file of a word a line; exits if it cannot be read. */
dictionary_t dictionary_read(const char *path);
void dictionary_free(dictionary_t *d);

/* Words that begin with one of the letters, which are lower case. */
selection_t select_stems(const dictionary_t *d, const char *letters);

/* Second parts of compounds: short plain words. */
selection_t select_tails(const dictionary_t *d);

#endif
