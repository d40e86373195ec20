/* options.h - the generator's command line. */
#ifndef GEN1GRAMS_OPTIONS_H
#define GEN1GRAMS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t seed;
    uint64_t size;       /* of each file */
    bool sorted_shards;  /* else words in no order */
    const char *out;     /* one file, or NULL */
    const char *prefix;  /* of several files, or NULL */
    const char *letters; /* sets of initials, separated by commas */
    const char *dictionary;
} options_t;

/* Exits with 2 after an explanation when the command line is wrong. */
options_t parse_options(int argc, char **argv);

#endif
