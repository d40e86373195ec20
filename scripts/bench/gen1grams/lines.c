#include "lines.h"

#include <errno.h>
#include <string.h>

#include "random.h"
#include "support.h"
#include "vocabulary.h"

enum {
    MAX_LINE = MAX_WORD + 48, /* word, year and two 64-bit counts */
    BUFFER_BYTES = 1 << 20,
};

/* Words printed per year, in millions, as in the real collection. */
static const struct {
    int year;
    double millions;
} growth[] = {
    {1500, .01},  {1550, .1},   {1600, .8},   {1650, 2},    {1700, 6},     {1750, 20},    {1775, 35},   {1800, 80},
    {1820, 200},  {1840, 350},  {1860, 550},  {1880, 900},  {1900, 1500},  {1920, 1600},  {1940, 1400}, {1950, 1700},
    {1960, 2400}, {1970, 4000}, {1980, 5000}, {1990, 7500}, {2000, 13000}, {2008, 19500},
};

static double interpolate(int year) {
    size_t i = 0;
    while (growth[i + 1].year < year)
        i++;
    const double part = (double) (year - growth[i].year) / (growth[i + 1].year - growth[i].year);
    return growth[i].millions + part * (growth[i + 1].millions - growth[i].millions);
}

years_t years_new(void) {
    years_t y;
    for (int i = 0; i < YEARS; i++) {
        const double millions = interpolate(FIRST_YEAR + i);
        y.size[i] = millions / interpolate(LAST_YEAR);
        y.volumes[i] = 2 + millions * 10; /* 100,000 words a volume */
    }
    return y;
}

/* First year in which a word with `mean` uses in the last year can be expected to be printed at all. */
static int first_year(const years_t *y, double mean) {
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

output_t output_open(const char *path, uint64_t size) {
    output_t out = {.file = fopen(path, "wb"), .path = path, .room = size};
    if (!out.file)
        die(path, strerror(errno));
    setvbuf(out.file, NULL, _IOFBF, BUFFER_BYTES);
    return out;
}

void output_close(output_t *out) {
    const bool failed = ferror(out->file) != 0;
    if (fclose(out->file) != 0 || failed)
        die(out->path, strerror(errno));
    fprintf(stderr, "%s: %llu words, %llu lines, %llu bytes\n", out->path, (unsigned long long) out->words,
            (unsigned long long) out->lines, (unsigned long long) out->bytes);
}

static char *put_number(char *to, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char) ('0' + number % 10);
    while (number /= 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

/* False, and nothing written, when the line does not fit any more. */
static bool put_line(output_t *out, char *line, char *end) {
    const uint64_t length = (uint64_t) (end - line);
    if (length > out->room)
        return false;
    fwrite(line, 1, length, out->file);
    out->room -= length;
    out->bytes += length;
    out->lines++;
    return true;
}

/* `line` holds the word and a tab; `field` is behind them. */
static bool put_year(output_t *out, char *line, char *field, int year, uint64_t matches, uint64_t volumes) {
    char *end = put_number(field, (uint64_t) year);
    *end++ = '\t';
    end = put_number(end, matches);
    *end++ = '\t';
    end = put_number(end, volumes);
    *end++ = '\n';
    return put_line(out, line, end);
}

/* Zipf's law, with exponent 1: frequency = constant / rank, the rank being drawn evenly. */
double zipf_mean(uint64_t seed, double weight) {
    const double rank = unit(hash2(seed, 6));
    return 20 * (0.6 + weight) / rank;
}

/* Index of the first year of a word: most words are younger than the collection. */
static int birth(uint64_t seed) {
    const uint64_t bits = hash2(seed, 7);
    return bits % 12 == 0 ? 0 : (int) (415 + (bits >> 8) % 90);
}

/* `share`: how evenly the matches are spread over the year's volumes. */
static uint64_t volumes_of(uint64_t matches, double volumes, double share) {
    const double extra = (double) (matches - 1);
    return 1 + (uint64_t) (share * extra * volumes / (volumes + extra));
}

bool put_word(output_t *out, const years_t *y, const entry_t *e) {
    char line[MAX_LINE];
    char *field = stpcpy(line, e->text);
    *field++ = '\t';
    uint64_t state = e->seed;
    const int expected = first_year(y, e->mean), born = birth(e->seed);
    bool any = false;
    for (int i = expected > born ? expected : born; i < YEARS; i++) {
        const uint64_t bits = draw(&state);
        const double noise = 0.6 + 0.8 * (double) (bits >> 32) * 0x1p-32;
        uint64_t matches = (uint64_t) (e->mean * y->size[i] * noise + (double) (bits & 0xffffffff) * 0x1p-32);
        if (i == YEARS - 1 && !any && matches == 0)
            matches = 1;
        if (matches == 0)
            continue;
        const double share = 0.5 + (double) (bits >> 25 & 0x7f) / 256;
        if (!put_year(out, line, field, FIRST_YEAR + i, matches, volumes_of(matches, y->volumes[i], share)))
            return false;
        out->words += !any;
        any = true;
    }
    return true;
}
