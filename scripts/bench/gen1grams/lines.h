/* lines.h - the lines of a word: which years, and how many uses in each. */
#ifndef GEN1GRAMS_LINES_H
#define GEN1GRAMS_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FIRST_YEAR 1500
#define LAST_YEAR 2008
#define YEARS (LAST_YEAR - FIRST_YEAR + 1)

typedef struct {
    double size[YEARS];    /* of the year's collection, relative to the last year's */
    double volumes[YEARS]; /* books of that year */
} years_t;

typedef struct {
    FILE *file;
    const char *path;
    uint64_t room; /* bytes that may still be written */
    uint64_t words, lines, bytes;
} output_t;

/* A word before its lines are made. */
typedef struct {
    const char *text;
    uint64_t seed; /* of its counts */
    double mean;   /* uses in the last year */
} entry_t;

years_t years_new(void);

/* Opens a file that will hold at most `size` bytes; exits on errors, as the others do. */
output_t output_open(const char *path, uint64_t size);

/* Closes it and prints what it holds on stderr. */
void output_close(output_t *out);

/* Uses in the last year of a word of that seed and relative weight. */
double zipf_mean(uint64_t seed, double weight);

/* Writes all lines of a word; false when the file is full. */
bool put_word(output_t *out, const years_t *y, const entry_t *e);

#endif
