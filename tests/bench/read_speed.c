/* read_speed [-b BLOCK_KIB] [-n ROUNDS] FILE...: reads each file whole through mr_reader, one thread, with a consumer that looks
 * at one byte a block, and prints the best round: seconds, GB/s of text and of file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "input/format.h"
#include "input/reader.h"
#include "input/source.h"

typedef struct round {
    double seconds;
    double text; /* bytes */
    double file; /* bytes */
} round_t;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

static void fail(const mr_error_t *error) {
    fprintf(stderr, "read_speed: %s\n", error->text);
    exit(error->status);
}

static mr_segment_t plan(const char *path) {
    struct stat status;
    char head[MR_FORMAT_HEAD];
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &status)) {
        perror(path);
        exit(MR_STATUS_INPUT);
    }
    size_t size = fread(head, 1, sizeof head, file);
    fclose(file);
    return (mr_segment_t){.path = path,
                          .file_size = (uint64_t) status.st_size,
                          .end = (uint64_t) status.st_size,
                          .mtime_ns = mr_mtime_ns(&status),
                          .format = mr_format_of(head, size)};
}

static volatile char consumed; /* keeps the blocks from being unused */

static round_t read_once(mr_reader_t *reader, const char *path) {

    mr_segment_t segment = plan(path);
    mr_error_t error = {0};
    mr_block_t block;
    int result;
    round_t round = {.seconds = now(), .file = (double) segment.file_size};
    if (mr_reader_open(reader, &segment, &error))
        fail(&error);
    while ((result = mr_reader_next(reader, &block, &error)) == 1) {
        round.text += (double) block.size;
        if (block.size)
            consumed = block.data[block.size - 1];
    }
    if (result < 0)
        fail(&error);
    mr_reader_close(reader);
    round.seconds = now() - round.seconds + 0 * consumed;
    return round;
}

static round_t best_of(mr_reader_t *reader, const char *path, int rounds) {
    round_t best = read_once(reader, path);
    for (int i = 1; i < rounds; i++) {
        round_t round = read_once(reader, path);
        if (round.seconds < best.seconds)
            best = round;
    }
    return best;
}

int main(int argc, char **argv) {
    size_t block = 256;
    int rounds = 5, option;
    while ((option = getopt(argc, argv, "b:n:")) != -1) {
        if (option == 'b')
            block = strtoul(optarg, NULL, 10);
        else if (option == 'n')
            rounds = atoi(optarg);
        else
            return MR_STATUS_USAGE;
    }
    mr_reader_t *reader = mr_reader_new(block << 10, (size_t) 64 << 20);
    for (; optind < argc; optind++) {
        round_t best = best_of(reader, argv[optind], rounds);
        printf("%s: %.4f s, text %.2f GB/s, file %.2f GB/s\n", argv[optind], best.seconds,
               best.text / best.seconds * 1e-9, best.file / best.seconds * 1e-9);
    }
    mr_reader_destroy(&reader);
    return 0;
}
