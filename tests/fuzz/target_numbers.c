/* Numbers as people and runs write them: sizes, times and counts are accepted exactly when a second reading of the grammar in units.h
 * accepts them, with the same value; a job's number likewise; varints come back, and both ways to read one agree. */
#include <ctype.h>
#include <math.h>
#include <strings.h>

#include "error.h"
#include "fuzz.h"
#include "jobs/number.h"
#include "units.h"
#include "varint.h"

/* ---- whole numbers ---- */

static bool refer_whole(const char *text, size_t size, uint64_t *number) {
    unsigned __int128 value = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char) text[i]))
            return false;
        value = value * 10 + (unsigned) (text[i] - '0');
        if (value > UINT64_MAX)
            return false;
    }
    *number = (uint64_t) value;
    return size > 0;
}

static void check_whole(const char *text, uint64_t low, uint64_t high) {
    uint64_t want, got;
    mr_error_t error = {0};
    size_t size = strlen(text);
    bool good = refer_whole(text, size, &want);
    MUST((mr_number_parse(text, size, &got) == NULL) == good);
    MUST(!good || got == want);
    bool accepted = mr_parse_count("it", text, low, high, &got, &error) == 0;
    MUST(accepted == (good && want >= low && want <= high));
    MUST(accepted ? got == want : error.status == MR_STATUS_USAGE);
}

/* ---- numbers with units ---- */

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit_t;

#define SIZES(letter, factor)                                                                                          \
    {letter, factor}, {letter "B", factor}, {                                                                          \
        letter "iB", factor                                                                                            \
    }
static const unit_t sizes[] = {
    {"", 1},  {"B", 1}, SIZES("K", 1 << 10), SIZES("M", 1 << 20), SIZES("G", 1 << 30), SIZES("T", UINT64_C(1) << 40),
    {NULL, 0}};
static const unit_t times[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                               {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* Equal, but for what a double cannot hold. */
static bool near(long double got, long double want) {
    return fabsl(got - want) <= want * 1e-15L;
}

/* Digits, perhaps a point and digits, a unit. Returns what it is worth, or -1. */
static long double refer_scaled(const char *text, const unit_t *units) {
    long double value = 0, place = 1;
    const char *at = text;
    for (; isdigit((unsigned char) *at); at++)
        value = value * 10 + (*at - '0');
    if (at == text)
        return -1;
    if (*at == '.')
        for (at++; isdigit((unsigned char) *at); at++)
            value += (*at - '0') * (place /= 10);
    for (; units->name; units++)
        if (!strcasecmp(units->name, at))
            break;
    bool whole = units->factor != 1 || near(value, roundl(value));
    return units->name && at - text < 64 && whole ? value * units->factor : -1;
}

/* What is less than a whole is dropped. Where the last bit of a double decides, either is fine. */
static void check_scaled(const char *text, const unit_t *units, uint64_t low, uint64_t high, bool accepted,
                         uint64_t got) {
    long double want = refer_scaled(text, units), slack = 1 + want * 1e-15L;
    if (accepted) {
        MUST(want >= 0 && fabsl(got - want) <= slack && got >= low && got <= high);
        return;
    }
    bool exact = want == floorl(want) && want < 0x1p53L;
    bool inside = want >= (exact ? low : low + slack) && want <= (exact ? high : high - slack);
    MUST(want < 0 || !inside || !exact);
}

static void check_units(const char *text, uint64_t low, uint64_t high) {
    uint64_t got = 0;
    bool accepted = mr_parse_size("it", text, low, high, &got, NULL) == 0;
    check_scaled(text, sizes, low, high, accepted, got);
    accepted = mr_parse_time("it", text, low, high, &got, NULL) == 0;
    check_scaled(text, times, low, high, accepted, got);
}

/* ---- numbers as shown, and as kept ---- */

static void check_formats(uint64_t number) {
    char text[32];
    double amount = (double) number;
    mr_format_size(text, amount);
    MUST(strlen(text) < 32);
    mr_format_duration(text, amount / 1000);
    MUST(strlen(text) < 32);
}

static void check_varint(uint64_t number, const uint8_t *data, size_t size) {
    char bytes[2 * MR_VARINT_MAX];
    uint64_t got, careful;
    const char *end = mr_varint_put(bytes, number);
    MUST(mr_varint_get(bytes, end, &got) == end && got == number);
    MUST(mr_varint_get(bytes, bytes + sizeof bytes, &got) == end && got == number);
    const char *text = (const char *) data;
    const char *fast = mr_varint_get(text, text + size, &got);
    MUST(fast == mr_varint_get_careful(text, text + size, &careful));
    MUST(!fast || (got == careful && mr_varint_put(bytes, got) - bytes == fast - text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    uint64_t low = take_number(&input, 8) >> take_byte(&input) % 64, high = take_number(&input, 8);
    if (low > high)
        low = 0;
    check_formats(high);
    check_varint(high, input.at, input.left);
    char *text = take_text(&input, 100);
    check_whole(text, low, high);
    check_units(text, low, high);
    free(text);
    return 0;
}
