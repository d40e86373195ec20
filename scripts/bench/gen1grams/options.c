#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DICTIONARY "/usr/share/dict/american-english-huge"

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

static _Noreturn void usage(const char *problem, const char *value) {
    fprintf(stderr, "gen1grams: error: %s %s\n%s", problem, value, usage_text);
    exit(2);
}

static uint64_t parse_unit(const char *suffix, const char *whole) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(suffix, units[i].name) == 0)
            return units[i].bytes;
    usage("not a size:", whole);
}

static uint64_t parse_number(const char *text, char **end) {
    errno = 0;
    const unsigned long long number = strtoull(text, end, 10);
    if (*end == text || errno || text[0] == '-')
        usage("not a number:", text);
    return number;
}

static uint64_t parse_size(const char *text) {
    char *suffix;
    const uint64_t number = parse_number(text, &suffix);
    const uint64_t bytes = parse_unit(suffix, text);
    if (number > UINT64_MAX / 4 / bytes)
        usage("too large:", text);
    return number * bytes;
}

static uint64_t parse_seed(const char *text) {
    char *end;
    const uint64_t seed = parse_number(text, &end);
    if (*end)
        usage("not a number:", text);
    return seed;
}

static bool parse_order(const char *text) {
    if (strcmp(text, "shards") != 0 && strcmp(text, "random") != 0)
        usage("--order is shards or random, not", text);
    return text[0] == 's';
}

static void set_option(options_t *o, int option, const char *value) {
    switch (option) {
    case 's':
        o->size = parse_size(value);
        break;
    case 'o':
        o->out = value;
        break;
    case 'p':
        o->prefix = value;
        break;
    case 'l':
        o->letters = value;
        break;
    case 'r':
        o->sorted_shards = parse_order(value);
        break;
    case 'e':
        o->seed = parse_seed(value);
        break;
    case 'd':
        o->dictionary = value;
        break;
    case 'h':
        fputs(usage_text, stdout);
        exit(0);
    default:
        usage("see the options:", "");
    }
}

options_t parse_options(int argc, char **argv) {
    static const struct option known[] = {
        {"size", required_argument, NULL, 's'},
        {"out", required_argument, NULL, 'o'},
        {"prefix", required_argument, NULL, 'p'},
        {"letters", required_argument, NULL, 'l'},
        {"order", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 'e'},
        {"dictionary", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
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
