#include "dictionary.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path, "cannot be read (package wamerican-huge has it; --dictionary names another)");
    const long size = ftell(file);
    rewind(file);
    char *text = must_alloc((size_t) size + 1, 1);
    if (size < 0 || fread(text, 1, (size_t) size, file) != (size_t) size)
        die(path, "cannot be read");
    fclose(file);
    return text;
}

static int compare_words(const void *a, const void *b) {
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* A stem must not hold what variants are made of, or two numbers could give one word. */
static bool is_stem(const char *word) {
    const size_t length = strlen(word);
    if (length == 0 || length > MAX_STEM || !isalpha((unsigned char) word[0]))
        return false;
    if (word[length - 1] == '\'')
        return false;
    if (strpbrk(word, "-_\"\t"))
        return false;
    return !strstr(word, "\xc5\xbf") && !strstr(word, "\xc4\x93");
}

static void lower(char *word) {
    for (; *word; word++)
        *word = (char) tolower((unsigned char) *word);
}

static size_t sort_unique(char **words, size_t count) {
    qsort(words, count, sizeof *words, compare_words);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(words[i], words[kept - 1]) != 0)
            words[kept++] = words[i];
    return kept;
}

dictionary_t dictionary_read(const char *path) {
    dictionary_t d = {.text = read_text(path)};
    size_t lines = 1;
    for (const char *c = d.text; *c; c++)
        lines += *c == '\n';
    d.words = must_alloc(lines, sizeof *d.words);
    for (char *word = strtok(d.text, "\r\n"); word; word = strtok(NULL, "\r\n")) {
        lower(word);
        if (is_stem(word))
            d.words[d.count++] = word;
    }
    d.count = sort_unique(d.words, d.count);
    return d;
}

static bool starts_with_one_of(const char *word, const char *letters) {
    return strchr(letters, word[0]) != NULL;
}

static bool is_tail(const char *word, const char *unused) {
    (void) unused;
    const size_t length = strlen(word);
    return length >= 2 && length <= MAX_TAIL && strspn(word, "abcdefghijklmnopqrstuvwxyz") == length;
}

static selection_t select_words(const dictionary_t *d, bool (*wanted)(const char *, const char *),
                                const char *letters) {
    selection_t s = {.words = must_alloc(d->count, sizeof *s.words)};
    for (size_t i = 0; i < d->count; i++)
        if (wanted(d->words[i], letters))
            s.words[s.count++] = d->words[i];
    return s;
}

selection_t select_stems(const dictionary_t *d, const char *letters) {
    return select_words(d, starts_with_one_of, letters);
}

selection_t select_tails(const dictionary_t *d) {
    return select_words(d, is_tail, NULL);
}

void dictionary_free(dictionary_t *d) {
    free(d->words);
    free(d->text);
    *d = (dictionary_t){0};
}
