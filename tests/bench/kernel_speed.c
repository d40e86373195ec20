/* kernel_speed.c - one kernel alone, on text in memory, in each SIMD variant this processor has.
 *
 *   kernel_speed [--job NAME] [--set OPTION[=VALUE]]... [--megabytes N] [--block KIB] [--rounds N] FILE
 *
 * Reads the first N MB of FILE, then maps it block by block into a fresh table, `rounds` times for each variant in turn,
 * and prints the best of each: GB/s, ns a record, rows. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu.h"
#include "jobs/registry.h"
#include "options.h"
#include "out.h"

typedef struct mr_text {
    char *memory; /* owned */
    char *data;   /* inside it, with margins */
    size_t size;
} mr_text_t;

typedef struct mr_speed {
    const mr_job_t *job;
    mr_options_t *options;
    mr_text_t text;
    size_t block;
    double best[MR_SIMD_COUNT];
    uint64_t records;
    size_t rows;
} mr_speed_t;

static void die(const char *what) {
    fprintf(stderr, "kernel_speed: %s\n", what);
    exit(2);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

/* Whole lines only. */
static mr_text_t read_text(const char *path, size_t limit) {
    mr_text_t text = {.memory = calloc(1, limit + 2 * MR_MAP_MARGIN)};
    FILE *file = fopen(path, "rb");
    if (!text.memory || !file)
        die(strerror(errno));
    text.data = text.memory + MR_MAP_MARGIN;
    text.size = fread(text.data, 1, limit, file);
    fclose(file);
    while (text.size && text.data[text.size - 1] != '\n')
        text.size--;
    if (!text.size)
        die("the file has no whole line in its first bytes");
    return text;
}

static size_t block_size(const mr_speed_t *speed, size_t at) {
    size_t left = speed->text.size - at;
    if (left <= speed->block)
        return left;
    const char *block = speed->text.data + at;
    const char *newline = memrchr(block, '\n', speed->block);
    if (!newline)
        newline = memchr(block, '\n', left);
    return (size_t) (newline - block) + 1;
}

static void map_all(mr_speed_t *speed, const void *state, mr_table_t *table) {
    mr_out_t out = {.table = table};
    speed->records = 0;
    for (size_t at = 0, size; at < speed->text.size; at += size) {
        size = block_size(speed, at);
        mr_out_begin(&out);
        speed->records += speed->job->map(state, speed->text.data + at, size, &out).records;
        if (out.rejected)
            die(out.rejects[0].reason);
    }
    if (mr_table_error(table))
        die(mr_table_error(table)->text);
    speed->rows = mr_table_rows(table);
}

static void time_variant(mr_speed_t *speed, mr_simd_t simd) {
    setenv("MILLRACE_SIMD", mr_simd_name(simd), 1);
    mr_complaint_t complaint = {{0}};
    void *state = NULL;
    if (speed->job->configure && speed->job->configure(speed->options, &state, &complaint))
        die(complaint.text);
    mr_table_t *table = mr_table_new(speed->job->ops, speed->job->ncells);
    if (!table)
        die("out of memory");
    double start = now();
    map_all(speed, state, table);
    double seconds = now() - start;
    if (speed->best[simd] == 0 || seconds < speed->best[simd])
        speed->best[simd] = seconds;
    mr_table_destroy(&table);
    if (speed->job->destroy)
        speed->job->destroy(state);
}

static void set_option(mr_speed_t *speed, char *setting) {
    mr_error_t error = {0};
    char *value = strchr(setting, '=');
    if (value)
        *value++ = 0;
    if (mr_options_set(speed->options, setting, value, &error))
        die(error.text);
    speed->job = mr_job_variant(speed->job, speed->options);
}

static void choose_job(mr_speed_t *speed, const char *name) {
    speed->job = mr_job_find(name);
    if (!speed->job || !speed->job->map)
        die("no such job");
    mr_options_destroy(&speed->options);
    speed->options = mr_options_new(speed->job);
}

static void print_results(const mr_speed_t *speed) {
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++)
        if (mr_simd_supported(simd))
            printf("%-8s %6.2f GB/s  %6.2f ns/record  %zu rows  %" PRIu64 " records\n", mr_simd_name(simd),
                   1e-9 * (double) speed->text.size / speed->best[simd],
                   1e9 * speed->best[simd] / (double) speed->records, speed->rows, speed->records);
}

int main(int argc, char **argv) {
    static const struct option known[] = {{"job", 1, NULL, 'j'},    {"set", 1, NULL, 's'},
                                          {"rounds", 1, NULL, 'r'}, {"megabytes", 1, NULL, 'm'},
                                          {"block", 1, NULL, 'b'},  {NULL, 0, NULL, 0}};
    mr_speed_t speed = {.block = 256 << 10};
    size_t megabytes = 64, rounds = 5;
    choose_job(&speed, "ngrams");
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (option) {
        case 'j':
            choose_job(&speed, optarg);
            break;
        case 's':
            set_option(&speed, optarg);
            break;
        case 'r':
            rounds = strtoul(optarg, NULL, 10);
            break;
        case 'm':
            megabytes = strtoul(optarg, NULL, 10);
            break;
        case 'b':
            speed.block = strtoul(optarg, NULL, 10) << 10;
            break;
        default:
            return 2;
        }
    if (optind + 1 != argc || !rounds || !megabytes || !speed.block)
        die("usage: kernel_speed [--job NAME] [--set OPTION[=VALUE]]... [--megabytes N] [--block KIB] [--rounds N] "
            "FILE");
    speed.text = read_text(argv[optind], megabytes * 1000000);
    for (size_t round = 0; round < rounds; round++)
        for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++)
            if (mr_simd_supported(simd))
                time_variant(&speed, simd);
    print_results(&speed);
    free(speed.text.memory);
    mr_options_destroy(&speed.options);
    return 0;
}
