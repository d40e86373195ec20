// Writes 1-gram data of the form of Google Books' files, for benchmarks and large tests:
//
//     word TAB year TAB match_count TAB volume_count
//
// Lines are grouped by word, years ascending. A file holds the words of one set of initial letters and
// is, like the real ones, a concatenation of sorted shards: grouped, but not sorted as a whole.
//
// How: every word of a file has a number in a huge virtual vocabulary (dictionary words and compounds of
// two, in several cases, with part-of-speech tags, quotes, old spellings). Number -> word is one to one,
// and a seeded permutation gives the order in which numbers are drawn. So no word comes twice, at any
// size, and memory holds the dictionary and one shard of words only.
//
// The same seed, size and letters give the same bytes. Sizes are reached to within one line.

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_YEAR 1500
#define LAST_YEAR 2008
#define YEARS (LAST_YEAR - FIRST_YEAR + 1)
#define DEFAULT_DICTIONARY "/usr/share/dict/american-english-huge"

enum {
    MAX_STEM = 48,            // longer dictionary words are left out
    MAX_WORD = 2 * MAX_STEM,  // a compound with tag and marks fits: tails have at most MAX_TAIL bytes
    MAX_TAIL = 4,             // longest second part of a compound
    MAX_LINE = MAX_WORD + 48, // word, year and two 64-bit counts
    SHARD_WORDS = 32768,      // words sorted together in a large file
    BYTES_PER_WORD = 1360,    // measured mean, all lines of a word; only sizes shards by it
    BUFFER_BYTES = 1 << 20,
};

// ---------------------------------------------------------------- random numbers

// SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix per draw, any seed is good.
static uint64_t mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t draw(uint64_t *state)
{
    return mix64(*state += 0x9e3779b97f4a7c15u);
}

static uint64_t hash2(uint64_t a, uint64_t b)
{
    return mix64(mix64(a + 0x9e3779b97f4a7c15u) ^ (b * 0xd1342543de82ef95u + 1));
}

// A number in (0, 1].
static double unit(uint64_t bits)
{
    return ((double)(bits >> 11) + 1.0) * 0x1p-53;
}

// A pseudorandom permutation of 0..count-1: a Feistel network over the next even number of bits, walked
// until it falls inside the range.
typedef struct {
    uint64_t seed;  // selects the permutation
    uint64_t count; // size of the range
    unsigned half;  // bits of each half
} permutation_t;

static permutation_t permutation_new(uint64_t seed, uint64_t count)
{
    permutation_t p = {.seed = seed, .count = count, .half = 1};
    while (p.half < 31 && (UINT64_C(1) << (2 * p.half)) < count)
        p.half++;
    return p;
}

static uint64_t permute(const permutation_t *p, uint64_t x)
{
    const uint64_t mask = (UINT64_C(1) << p->half) - 1;
    do {
        uint64_t left = x >> p->half, right = x & mask;
        for (uint64_t round = 0; round < 4; round++) {
            const uint64_t next = left ^ (hash2(p->seed + round, right) & mask);
            left = right;
            right = next;
        }
        x = left << p->half | right;
    } while (x >= p->count);
    return x;
}

// ---------------------------------------------------------------- dictionary

typedef struct {
    char **words; // into `text`, sorted, unique, lower case
    size_t count;
    char *text;
} dictionary_t;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "gen1grams: error: %s: %s\n", what, why);
    exit(1);
}

static void *must_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        die("memory", "exhausted");
    return p;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path, "cannot be read (package wamerican-huge has it; --dictionary names another)");
    const long size = ftell(file);
    rewind(file);
    char *text = must_alloc((size_t)size + 1, 1);
    if (size < 0 || fread(text, 1, (size_t)size, file) != (size_t)size)
        die(path, "cannot be read");
    fclose(file);
    return text;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// A stem must not hold what variants are made of, or two numbers could give one word.
static bool is_stem(const char *word)
{
    const size_t length = strlen(word);
    if (length == 0 || length > MAX_STEM || !isalpha((unsigned char)word[0]))
        return false;
    if (word[length - 1] == '\'')
        return false;
    if (strpbrk(word, "-_\"\t"))
        return false;
    return !strstr(word, "\xc5\xbf") && !strstr(word, "\xc4\x93");
}

static void lower(char *word)
{
    for (; *word; word++)
        *word = (char)tolower((unsigned char)*word);
}

static size_t sort_unique(char **words, size_t count)
{
    qsort(words, count, sizeof *words, compare_words);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(words[i], words[kept - 1]) != 0)
            words[kept++] = words[i];
    return kept;
}

static dictionary_t dictionary_read(const char *path)
{
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

static bool starts_with_one_of(const char *word, const char *letters)
{
    return strchr(letters, word[0]) != NULL;
}

// Second parts of compounds: short plain words.
static bool is_tail(const char *word, const char *unused)
{
    (void)unused;
    const size_t length = strlen(word);
    return length >= 2 && length <= MAX_TAIL && strspn(word, "abcdefghijklmnopqrstuvwxyz") == length;
}

typedef struct {
    char **words; // borrowed from the dictionary
    size_t count;
} selection_t;

static selection_t select_words(const dictionary_t *d, bool (*wanted)(const char *, const char *),
                                const char *letters)
{
    selection_t s = {.words = must_alloc(d->count, sizeof *s.words)};
    for (size_t i = 0; i < d->count; i++)
        if (wanted(d->words[i], letters))
            s.words[s.count++] = d->words[i];
    return s;
}

// ---------------------------------------------------------------- vocabulary

// A form is what is done to a stem: 3 cases x (no tag, 4 tags of the stem's profile), then marks.
enum { LOWER, CAPITAL, UPPER };
enum {
    TAGS = 5,
    LEADING_QUOTE = 3 * TAGS,
    TRAILING_QUOTE,
    TRAILING_APOSTROPHE,
    OLD_SPELLING, // the long s, or e with a macron: UTF-8 of two bytes
    OLD_CAPITAL,
    FORMS,
};

// Chance, in percent, that a form of a stem exists at all: plain stems, then compounds.
static const unsigned char form_percent[2][FORMS] = {
    {100, 90, 70, 60, 60, 100, 80, 60, 50, 50, 60, 20, 12, 8, 8, 10, 10, 10, 20, 10},
    {60, 30, 20, 15, 15, 30, 10, 8, 5, 5, 10, 2, 1, 1, 1, 2, 2, 2, 4, 2},
};

// How common a form is, relative to the plain lower-case word.
static const double form_weight[FORMS] = {1,   .8,   .3,   .15,  .1,  .5,  .3,   .1,   .1,  .05,
                                          .06, .008, .006, .004, .004, .01, .01, .008, .02, .01};

// A stem's tags; NULL ends a profile.
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

typedef struct {
    selection_t stems;
    selection_t tails;
    uint64_t seed;
    permutation_t order[2]; // of plain numbers and of compound numbers
    uint64_t next[2];       // how many of each are drawn
    double plain_share;     // of the words drawn, so that plain ones last for the whole file
} vocabulary_t;

typedef struct {
    char text[MAX_WORD];
    size_t length;
    double weight; // how common, relative to a plain word
} word_t;

static vocabulary_t vocabulary_new(selection_t stems, selection_t tails, uint64_t seed, uint64_t size)
{
    const uint64_t plain = (uint64_t)stems.count * FORMS;
    vocabulary_t v = {.stems = stems, .tails = tails, .seed = seed};
    v.order[0] = permutation_new(hash2(seed, 1), plain);
    v.order[1] = permutation_new(hash2(seed, 2), plain * tails.count);
    // About a fifth of the numbers of plain words exist.
    const double share = 0.20 * (double)plain * BYTES_PER_WORD / ((double)size + 1);
    v.plain_share = share < 0.72 ? share : 0.72;
    return v;
}

static void append(word_t *w, const char *text)
{
    const size_t length = strlen(text);
    memcpy(w->text + w->length, text, length);
    w->length += length;
}

static void set_case(word_t *w, int letter_case)
{
    const size_t end = letter_case == UPPER ? w->length : letter_case == CAPITAL;
    for (size_t i = 0; i < end; i++)
        w->text[i] = (char)toupper((unsigned char)w->text[i]);
}

// Replaces the first s inside the word by a long s, else the first e by one with a macron.
static bool set_old_spelling(word_t *w)
{
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
    memmove(at + 2, at + 1, (size_t)(w->text + w->length - at) - 1);
    memcpy(at, with, 2);
    w->length++;
    return true;
}

static void prepend_quote(word_t *w)
{
    memmove(w->text + 1, w->text, w->length++);
    w->text[0] = '"';
}

static bool apply_cased_form(word_t *w, unsigned form, const char *const *profile)
{
    const int letter_case = (int)(form / TAGS);
    if (letter_case == UPPER && w->length == 1)
        return false; // the same as CAPITAL
    set_case(w, letter_case);
    if (form % TAGS == 0)
        return true;
    const char *tag = profile[form % TAGS - 1];
    if (tag)
        append(w, tag);
    return tag != NULL;
}

// Turns a bare stem into one of its forms; false if the stem has no such form.
static bool apply_form(word_t *w, unsigned form, const char *const *profile)
{
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

// Chance, in percent, that a stem has forms: print favours short words, and possessives are fewer than the
// dictionary's. Compounds are made of short plain stems only.
static unsigned stem_percent(const char *stem, bool compound)
{
    static const unsigned char by_length[] = {100, 100, 100, 100, 100, 100, 100, 95, 90, 75, 60, 45, 30};
    const size_t length = strlen(stem);
    const bool possessive = strchr(stem, '\'') != NULL;
    if (compound)
        return length <= 6 && !possessive ? 100 : 0;
    const unsigned percent = by_length[length < sizeof by_length ? length : sizeof by_length - 1];
    return possessive ? percent / 2 : percent;
}

// The word of a number; false if that number has none. One to one: see is_stem.
static bool make_word(const vocabulary_t *v, bool compound, uint64_t number, word_t *w)
{
    const unsigned form = (unsigned)(number % FORMS);
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

// Draws the file's next word; false when the vocabulary is exhausted.
static bool next_word(vocabulary_t *v, word_t *w)
{
    for (;;) {
        const bool plain_left = v->next[0] < v->order[0].count;
        const bool compound_left = v->next[1] < v->order[1].count;
        if (!plain_left && !compound_left)
            return false;
        // Existing words are rarer among the numbers of compounds (3 %) than among plain ones (20 %),
        // so a side is chosen first and numbers are tried on that side until one exists.
        const uint64_t coin = hash2(v->seed ^ 5, v->next[0] + v->next[1] * 3);
        const bool compound = !plain_left || (compound_left && unit(coin) > v->plain_share);
        while (v->next[compound] < v->order[compound].count)
            if (make_word(v, compound, permute(&v->order[compound], v->next[compound]++), w))
                return true;
    }
}

// ---------------------------------------------------------------- counts

// Words printed per year, in millions, as in the real collection.
static const struct {
    int year;
    double millions;
} growth[] = {
    {1500, .01}, {1550, .1},  {1600, .8},  {1650, 2},   {1700, 6},    {1750, 20},   {1775, 35},   {1800, 80},
    {1820, 200}, {1840, 350}, {1860, 550}, {1880, 900}, {1900, 1500}, {1920, 1600}, {1940, 1400}, {1950, 1700},
    {1960, 2400}, {1970, 4000}, {1980, 5000}, {1990, 7500}, {2000, 13000}, {2008, 19500},
};

typedef struct {
    double size[YEARS];    // of the year's collection, relative to the last year's
    double volumes[YEARS]; // books of that year
} years_t;

static double interpolate(int year)
{
    size_t i = 0;
    while (growth[i + 1].year < year)
        i++;
    const double part = (double)(year - growth[i].year) / (growth[i + 1].year - growth[i].year);
    return growth[i].millions + part * (growth[i + 1].millions - growth[i].millions);
}

static years_t years_new(void)
{
    years_t y;
    for (int i = 0; i < YEARS; i++) {
        const double millions = interpolate(FIRST_YEAR + i);
        y.size[i] = millions / interpolate(LAST_YEAR);
        y.volumes[i] = 2 + millions * 10; // 100,000 words a volume
    }
    return y;
}

// First year in which a word with `mean` uses in the last year can be expected to be printed at all.
static int first_year(const years_t *y, double mean)
{
    int low = 0, high = YEARS - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (mean * y->size[middle] < 0.03)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// ---------------------------------------------------------------- output

typedef struct {
    FILE *file;
    const char *path;
    uint64_t room; // bytes that may still be written
    uint64_t words, lines, bytes;
} output_t;

static output_t output_open(const char *path, uint64_t size)
{
    output_t out = {.file = fopen(path, "wb"), .path = path, .room = size};
    if (!out.file)
        die(path, strerror(errno));
    setvbuf(out.file, NULL, _IOFBF, BUFFER_BYTES);
    return out;
}

static void output_close(output_t *out)
{
    const bool failed = ferror(out->file) != 0;
    if (fclose(out->file) != 0 || failed)
        die(out->path, strerror(errno));
    fprintf(stderr, "%s: %llu words, %llu lines, %llu bytes\n", out->path, (unsigned long long)out->words,
            (unsigned long long)out->lines, (unsigned long long)out->bytes);
}

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

// False, and nothing written, when the line does not fit any more.
static bool put_line(output_t *out, char *line, char *end)
{
    const uint64_t length = (uint64_t)(end - line);
    if (length > out->room)
        return false;
    fwrite(line, 1, length, out->file);
    out->room -= length;
    out->bytes += length;
    out->lines++;
    return true;
}

// `line` holds the word and a tab; `field` is behind them.
static bool put_year(output_t *out, char *line, char *field, int year, uint64_t matches, uint64_t volumes)
{
    char *end = put_number(field, (uint64_t)year);
    *end++ = '\t';
    end = put_number(end, matches);
    *end++ = '\t';
    end = put_number(end, volumes);
    *end++ = '\n';
    return put_line(out, line, end);
}

// ---------------------------------------------------------------- words to lines

// A word of a shard, before its lines are made.
typedef struct {
    const char *text;
    uint64_t seed; // of its counts
    double mean;   // uses in the last year
} entry_t;

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const entry_t *)a)->text, ((const entry_t *)b)->text);
}

// Zipf's law, with exponent 1: frequency = constant / rank, the rank being drawn evenly.
static double zipf_mean(uint64_t seed, double weight)
{
    const double rank = unit(hash2(seed, 6));
    return 20 * (0.6 + weight) / rank;
}

// Index of the first year of a word: most words are younger than the collection.
static int birth(uint64_t seed)
{
    const uint64_t bits = hash2(seed, 7);
    return bits % 12 == 0 ? 0 : (int)(415 + (bits >> 8) % 90);
}

// `share`: how evenly the matches are spread over the year's volumes.
static uint64_t volumes_of(uint64_t matches, double volumes, double share)
{
    const double extra = (double)(matches - 1);
    return 1 + (uint64_t)(share * extra * volumes / (volumes + extra));
}

// All lines of a word; false when the file is full.
static bool put_word(output_t *out, const years_t *y, const entry_t *e)
{
    char line[MAX_LINE];
    char *field = stpcpy(line, e->text);
    *field++ = '\t';
    uint64_t state = e->seed;
    const int expected = first_year(y, e->mean), born = birth(e->seed);
    bool any = false;
    for (int i = expected > born ? expected : born; i < YEARS; i++) {
        const uint64_t bits = draw(&state);
        const double noise = 0.6 + 0.8 * (double)(bits >> 32) * 0x1p-32;
        uint64_t matches = (uint64_t)(e->mean * y->size[i] * noise + (double)(bits & 0xffffffff) * 0x1p-32);
        if (i == YEARS - 1 && !any && matches == 0)
            matches = 1;
        if (matches == 0)
            continue;
        const double share = 0.5 + (double)(bits >> 25 & 0x7f) / 256;
        if (!put_year(out, line, field, FIRST_YEAR + i, matches, volumes_of(matches, y->volumes[i], share)))
            return false;
        out->words += !any;
        any = true;
    }
    return true;
}

typedef struct {
    entry_t *entries;
    size_t count;
    size_t capacity;
    char *text; // the words' bytes
} shard_t;

// Small files have several shards too.
static shard_t shard_new(uint64_t size)
{
    const uint64_t words = size / BYTES_PER_WORD / 8 + 2;
    shard_t s = {.capacity = words < SHARD_WORDS ? (size_t)words : SHARD_WORDS};
    s.entries = must_alloc(s.capacity, sizeof *s.entries);
    s.text = must_alloc(s.capacity, MAX_WORD);
    return s;
}

static void shard_free(shard_t *s)
{
    free(s->entries);
    free(s->text);
}

static void shard_fill(shard_t *s, vocabulary_t *v)
{
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

// ---------------------------------------------------------------- command line

typedef struct {
    uint64_t seed;
    uint64_t size; // of each file
    bool sorted_shards;
    const char *out;
    const char *prefix;
    const char *letters;
    const char *dictionary;
} options_t;

static const char usage_text[] =
    "usage: gen1grams --size SIZE (--out FILE | --prefix PATH) [options]\n"
    "example: gen1grams --size 500MB --prefix data/1gram-   writes data/1gram-a, -b and -c\n"
    "  --size SIZE         bytes of each file; K M G are 1024, KB MB GB 1000\n"
    "  --out FILE          one file, of words that begin with any of --letters\n"
    "  --prefix PATH       a file PATH + SET for each set of --letters\n"
    "  --letters SETS      initial letters, sets separated by commas (default a,b,c)\n"
    "  --order ORDER       shards: sorted shards, one after the other (default);\n"
    "                      random: words in no order, still grouped\n"
    "  --seed N            the same seed, size and letters give the same bytes (default 1)\n"
    "  --dictionary FILE   a word a line (default " DEFAULT_DICTIONARY ")\n";

static void usage(const char *problem, const char *value)
{
    fprintf(stderr, "gen1grams: error: %s %s\n%s", problem, value, usage_text);
    exit(2);
}

static uint64_t parse_unit(const char *suffix, const char *whole)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},       {"K", 1 << 10}, {"M", 1 << 20},   {"G", 1 << 30},
        {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(suffix, units[i].name) == 0)
            return units[i].bytes;
    usage("not a size:", whole);
    return 0;
}

static uint64_t parse_number(const char *text, char **end)
{
    errno = 0;
    const unsigned long long number = strtoull(text, end, 10);
    if (*end == text || errno || text[0] == '-')
        usage("not a number:", text);
    return number;
}

static uint64_t parse_size(const char *text)
{
    char *suffix;
    const uint64_t number = parse_number(text, &suffix);
    const uint64_t bytes = parse_unit(suffix, text);
    if (number > UINT64_MAX / 4 / bytes)
        usage("too large:", text);
    return number * bytes;
}

static bool parse_order(const char *text)
{
    if (strcmp(text, "shards") != 0 && strcmp(text, "random") != 0)
        usage("--order is shards or random, not", text);
    return text[0] == 's';
}

static void set_option(options_t *o, int option, const char *value)
{
    char *end;
    switch (option) {
    case 's': o->size = parse_size(value); break;
    case 'o': o->out = value; break;
    case 'p': o->prefix = value; break;
    case 'l': o->letters = value; break;
    case 'r': o->sorted_shards = parse_order(value); break;
    case 'e': o->seed = parse_number(value, &end); break;
    case 'd': o->dictionary = value; break;
    case 'h': fputs(usage_text, stdout); exit(0);
    default: usage("see the options:", "");
    }
}

static options_t parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"size", required_argument, NULL, 's'},    {"out", required_argument, NULL, 'o'},
        {"prefix", required_argument, NULL, 'p'},  {"letters", required_argument, NULL, 'l'},
        {"order", required_argument, NULL, 'r'},   {"seed", required_argument, NULL, 'e'},
        {"dictionary", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    options_t o = {.seed = 1, .sorted_shards = true, .letters = "a,b,c", .dictionary = DEFAULT_DICTIONARY};
    int option;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        set_option(&o, option, option == '?' ? "" : optarg);
    if (optind < argc)
        usage("unexpected:", argv[optind]);
    if (!o.size)
        usage("needs", "--size");
    if (!o.out == !o.prefix)
        usage("needs one of", "--out, --prefix");
    return o;
}

static void write_file(const options_t *o, const dictionary_t *d, const char *path, const char *letters)
{
    const years_t years = years_new();
    selection_t stems = select_words(d, starts_with_one_of, letters), tails = select_words(d, is_tail, NULL);
    if (!stems.count || !tails.count)
        die(letters, "no word of the dictionary begins so");
    uint64_t seed = o->seed;
    for (const char *c = letters; *c; c++)
        seed = hash2(seed, (uint64_t)(unsigned char)*c);
    vocabulary_t vocabulary = vocabulary_new(stems, tails, seed, o->size);
    shard_t shard = shard_new(o->size);
    output_t out = output_open(path, o->size);
    bool room = true;
    while (room) {
        shard_fill(&shard, &vocabulary);
        if (o->sorted_shards)
            qsort(shard.entries, shard.count, sizeof *shard.entries, compare_entries);
        for (size_t i = 0; i < shard.count && room; i++)
            room = put_word(&out, &years, &shard.entries[i]);
        room = room && shard.count == shard.capacity;
    }
    output_close(&out);
    shard_free(&shard);
    free(stems.words);
    free(tails.words);
}

static char *joined(const char *a, const char *b)
{
    char *text = must_alloc(strlen(a) + strlen(b) + 1, 1);
    stpcpy(stpcpy(text, a), b);
    return text;
}

static void write_files(const options_t *o, const dictionary_t *d)
{
    char *sets = joined(o->letters, "");
    for (char *set = strtok(sets, ","); set; set = strtok(NULL, ",")) {
        char *path = joined(o->prefix, set);
        write_file(o, d, path, set);
        free(path);
    }
    free(sets);
}

int main(int argc, char **argv)
{
    const options_t options = parse_options(argc, argv);
    dictionary_t dictionary = dictionary_read(options.dictionary);
    if (options.prefix)
        write_files(&options, &dictionary);
    else
        write_file(&options, &dictionary, options.out, options.letters);
    free(dictionary.words);
    free(dictionary.text);
    return 0;
}
