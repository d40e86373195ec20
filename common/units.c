#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct unit {
    const char *name;
    double factor;
} unit_t;

static const unit_t size_units[] = {{"", 1},
                                    {"B", 1},
                                    {"K", 1024.0},
                                    {"KB", 1024.0},
                                    {"KiB", 1024.0},
                                    {"M", 1048576.0},
                                    {"MB", 1048576.0},
                                    {"MiB", 1048576.0},
                                    {"G", 1073741824.0},
                                    {"GB", 1073741824.0},
                                    {"GiB", 1073741824.0},
                                    {"T", 1099511627776.0},
                                    {"TB", 1099511627776.0},
                                    {"TiB", 1099511627776.0},
                                    {NULL, 0}};
static const unit_t time_units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* A decimal number at the beginning of `text`; strtod alone would also take 0x10, 1e3, inf and nan. -1: there is none. */
static double read_decimal(const char *text, const char **end) {
    char digits[64];
    size_t size = strspn(text, "0123456789.");
    if (!isdigit((unsigned char) text[0]) || size >= sizeof digits)
        return -1;
    memcpy(digits, text, size);
    digits[size] = 0;
    char *stop;
    double number = strtod(digits, &stop);
    *end = text + (stop - digits);
    return number;
}

/* `kind` is for the error. */
static int parse(const char *what, const char *text, const unit_t *units, const char *kind, uint64_t low, uint64_t high,
                 uint64_t *value, mr_error_t *error) {
    const char *end = NULL;
    double number = read_decimal(text, &end);
    const unit_t *unit = units;
    if (end != text + strspn(text, "0123456789."))
        end = NULL; /* strtod takes more for numbers than people do: 0x10, 1e3 */
    while (end && unit->name && strcasecmp(unit->name, end))
        unit++;
    double scaled = end && unit->name ? number * unit->factor : -1;
    if (!(scaled >= 0) || scaled >= 18446744073709551615.0 || (unit->factor == 1 && scaled != floor(scaled)))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is not %s", what, text, kind);
    *value = (uint64_t) scaled;
    if (*value < low || *value > high)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s is out of range (%llu to %llu)", what, text,
                            (unsigned long long) low, (unsigned long long) high);
    return 0;
}

int mr_parse_size(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *size, mr_error_t *error) {
    return parse(what, text, size_units, "a size (as 4096, 64K, 1.5G)", low, high, size, error);
}

int mr_parse_time(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *ms, mr_error_t *error) {
    return parse(what, text, time_units, "a time (as 250ms, 30s, 5m, 1h)", low, high, ms, error);
}

int mr_parse_count(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *count,
                   mr_error_t *error) {
    size_t digits = strspn(text, "0123456789");
    if (!digits || text[digits])
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is not a whole number", what, text);
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    if (errno || number < low || number > high)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s is out of range (%llu to %llu)", what, text,
                            (unsigned long long) low, (unsigned long long) high);
    *count = number;
    return 0;
}

void mr_format_size(char text[32], double bytes) {
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < sizeof names / sizeof *names) {
        bytes /= 1000;
        unit++;
    }
    int decimals = unit == 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
    snprintf(text, 32, "%.*f %s", decimals, bytes, names[unit]);
}

void mr_format_duration(char text[32], double seconds) {
    unsigned long whole = seconds < 0 ? 0 : seconds < 1e9 ? (unsigned long) (seconds + 0.5) : 999999999UL;
    if (whole >= 3600)
        snprintf(text, 32, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, 32, "%lu:%02lu", whole / 60, whole % 60);
}

void mr_format_time(char text[32], uint64_t ms) {
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms || (!ms && i < 2))
        i++;
    snprintf(text, 32, "%llu%s", (unsigned long long) (ms / units[i].ms), units[i].name);
}
