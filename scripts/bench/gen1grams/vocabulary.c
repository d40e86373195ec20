#include "vocabulary.h"

#include <ctype.h>
#include <string.h>

/* A form is what is done to a stem: 3 cases x (no tag, 4 tags of the stem's profile), then marks. */
enum { LOWER, CAPITAL, UPPER };
enum {
    TAGS = 5,
    LEADING_QUOTE = 3 * TAGS,
    TRAILING_QUOTE,
    TRAILING_APOSTROPHE,
    OLD_SPELLING, /* the long s, or e with a macron: UTF-8 of two bytes */
    OLD_CAPITAL,
    FORMS,
};

/* Chance, in percent, that a form of a stem exists at all: plain stems, then compounds. */
static const unsigned char form_percent[2][FORMS] = {
    {100, 90, 70, 60, 60, 100, 80, 60, 50, 50, 60, 20, 12, 8, 8, 10, 10, 10, 20, 10},
    {60, 30, 20, 15, 15, 30, 10, 8, 5, 5, 10, 2, 1, 1, 1, 2, 2, 2, 4, 2},
};

/* How common a form is, relative to the plain lower-case word. */
static const double form_weight[FORMS] = {1,   .8,   .3,   .15,  .1,   .5,  .3,  .1,   .1,  .05,
                                          .06, .008, .006, .004, .004, .01, .01, .008, .02, .01};

/* A stem's tags; NULL ends a profile. */
static const char *const profiles[][TAGS - 1] = {
    {"_NOUN"},
    {"_NOUN", "_VERB"},
    {"_NOUN", "_ADJ"},
    {"_ADJ", "_ADV"},
    {"_VERB", "_NOUN", "_ADJ"},
    {"_NOUN", "_X"},
    {"_NOUN", "_NUM", "_X", "_PRT"},
    {"_ADV", "_ADP", "_CONJ", "_DET"},
    {"_PRON", "_DET", "_NOUN", "_."},
};

vocabulary_t vocabulary_new(selection_t stems, selection_t tails, uint64_t seed, uint64_t size) {
    const uint64_t plain = (uint64_t) stems.count * FORMS;
    vocabulary_t v = {.stems = stems, .tails = tails, .seed = seed};
    v.order[0] = permutation_new(hash2(seed, 1), plain);
    v.order[1] = permutation_new(hash2(seed, 2), plain * tails.count);
    /* About a fifth of the numbers of plain words exist. */
    const double share = 0.20 * (double) plain * BYTES_PER_WORD / ((double) size + 1);
    v.plain_share = share < 0.72 ? share : 0.72;
    return v;
}

static void append(word_t *w, const char *text) {
    const size_t length = strlen(text);
    memcpy(w->text + w->length, text, length);
    w->length += length;
}

static void set_case(word_t *w, int letter_case) {
    const size_t end = letter_case == UPPER ? w->length : letter_case == CAPITAL;
    for (size_t i = 0; i < end; i++)
        w->text[i] = (char) toupper((unsigned char) w->text[i]);
}

/* Replaces the first s inside the word by a long s, else the first e by one with a macron. */
static bool set_old_spelling(word_t *w) {
    if (w->length < 3)
        return false;
    char *at = memchr(w->text + 1, 's', w->length - 2);
    const char *with = "\xc5\xbf";
    if (!at) {
        at = memchr(w->text + 1, 'e', w->length - 2);
        with = "\xc4\x93";
    }
    if (!at)
        return false;
    memmove(at + 2, at + 1, (size_t) (w->text + w->length - at) - 1);
    memcpy(at, with, 2);
    w->length++;
    return true;
}

static void prepend_quote(word_t *w) {
    memmove(w->text + 1, w->text, w->length++);
    w->text[0] = '"';
}

static bool apply_cased_form(word_t *w, unsigned form, const char *const *profile) {
    const int letter_case = (int) (form / TAGS);
    if (letter_case == UPPER && w->length == 1)
        return false; /* the same as CAPITAL */
    set_case(w, letter_case);
    if (form % TAGS == 0)
        return true;
    const char *tag = profile[form % TAGS - 1];
    if (tag)
        append(w, tag);
    return tag != NULL;
}

/* Turns a bare stem into one of its forms; false if the stem has no such form. */
static bool apply_form(word_t *w, unsigned form, const char *const *profile) {
    switch (form) {
    case LEADING_QUOTE:
        prepend_quote(w);
        return true;
    case TRAILING_QUOTE:
        append(w, "\"");
        return true;
    case TRAILING_APOSTROPHE:
        append(w, "'");
        return true;
    case OLD_SPELLING:
        return set_old_spelling(w);
    case OLD_CAPITAL:
        set_case(w, CAPITAL);
        return set_old_spelling(w);
    default:
        return apply_cased_form(w, form, profile);
    }
}

/* Chance, in percent, that a stem has forms: print favours short words, and possessives are fewer than the
 * dictionary's. Compounds are made of short plain stems only. */
static unsigned stem_percent(const char *stem, bool compound) {
    static const unsigned char by_length[] = {100, 100, 100, 100, 100, 100, 100, 95, 90, 75, 60, 45, 30};
    const size_t length = strlen(stem);
    const bool possessive = strchr(stem, '\'') != NULL;
    if (compound)
        return length <= 6 && !possessive ? 100 : 0;
    const unsigned percent = by_length[length < sizeof by_length ? length : sizeof by_length - 1];
    return possessive ? percent / 2 : percent;
}

/* The word of a number; false if that number has none. One to one: see is_stem. */
static bool make_word(const vocabulary_t *v, bool compound, uint64_t number, word_t *w) {
    const unsigned form = (unsigned) (number % FORMS);
    const uint64_t stem = number / FORMS % v->stems.count;
    const uint64_t tail = number / FORMS / v->stems.count;
    if (hash2(v->seed ^ 3, number * 2 + compound) % 100 >= form_percent[compound][form])
        return false;
    if (hash2(v->seed ^ 8, stem) % 100 >= stem_percent(v->stems.words[stem], compound))
        return false;
    w->length = 0;
    w->weight = form_weight[form] * (compound ? 0.3 : 1.0);
    append(w, v->stems.words[stem]);
    if (compound) {
        append(w, "-");
        append(w, v->tails.words[tail]);
    }
    const size_t profile = hash2(v->seed ^ 4, stem) % (sizeof profiles / sizeof *profiles);
    return apply_form(w, form, profiles[profile]);
}

bool next_word(vocabulary_t *v, word_t *w) {
    for (;;) {
        const bool plain_left = v->next[0] < v->order[0].count;
        const bool compound_left = v->next[1] < v->order[1].count;
        if (!plain_left && !compound_left)
            return false;
        /* Existing words are rarer among the numbers of compounds (3 %) than among plain ones (20 %),
         * so a side is chosen first and numbers are tried on that side until one exists. */
        const uint64_t coin = hash2(v->seed ^ 5, v->next[0] + v->next[1] * 3);
        const bool compound = !plain_left || (compound_left && unit(coin) > v->plain_share);
        while (v->next[compound] < v->order[compound].count)
            if (make_word(v, compound, permute(&v->order[compound], v->next[compound]++), w))
                return true;
    }
}
