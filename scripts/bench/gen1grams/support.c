#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what, const char *why) {
    fprintf(stderr, "gen1grams: error: %s: %s\n", what, why);
    exit(1);
}

void *must_alloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    if (!p)
        die("memory", "exhausted");
    return p;
}

char *joined(const char *a, const char *b) {
    char *text = must_alloc(strlen(a) + strlen(b) + 1, 1);
    stpcpy(stpcpy(text, a), b);
    return text;
}
