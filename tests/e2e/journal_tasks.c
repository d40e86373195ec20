/* Prints the tasks that a journal says are committed, one a line. Written from docs/journal.md, not from the product's reader; a torn tail
 * is passed over. Usage: journal_tasks FILE */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 40
#define TRAILER 16
#define COMMIT 4

static const unsigned char end_mark[8] = {0xa5, 0x96, 0xc3, 0x87, 0xb4, 0xd2, 0xe1, 0x5a};

static uint32_t u32(const unsigned char *at) {
    return at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 | (uint32_t) at[3] << 24;
}

static uint64_t u64(const unsigned char *at) {
    return u32(at) | (uint64_t) u32(at + 4) << 32;
}

/* Payload of a COMMIT: u32 worker, u32 runs, u64 partial, u64 results; the runs' offsets; 40 bytes for each result, its task first. */
static void print_tasks(const unsigned char *payload) {
    uint64_t runs = u32(payload + 4), results = u64(payload + 16);
    for (uint64_t i = 0; i < results; i++)
        printf("%u\n", u32(payload + 24 + 8 * runs + 40 * i));
}

/* Bytes of the whole record at `at`, or 0. Header: "MRJ1", u32 kind, u64, u64 its own offset, u64 payload size, u64. */
static uint64_t record_size(const unsigned char *data, uint64_t at, uint64_t size) {
    if (size - at < HEADER || memcmp(data + at, "MRJ1", 4) || u64(data + at + 16) != at)
        return 0;
    uint64_t payload = (u64(data + at + 24) + 7) / 8 * 8;
    if (payload > size - at - HEADER || size - at - HEADER - payload < TRAILER)
        return 0;
    uint64_t whole = HEADER + payload + TRAILER;
    return memcmp(data + at + whole - sizeof end_mark, end_mark, sizeof end_mark) ? 0 : whole;
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END))
        return 1;
    long size = ftell(file);
    unsigned char *data = malloc((size_t) size + 1);
    rewind(file);
    if (!data || fread(data, 1, (size_t) size, file) != (size_t) size)
        return 1;
    for (uint64_t at = 0, whole; (whole = record_size(data, at, (uint64_t) size)); at += whole)
        if (u32(data + at + 4) == COMMIT)
            print_tasks(data + at + HEADER);
    free(data);
    return fclose(file);
}
