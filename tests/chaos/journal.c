/* Reads what a journal says is committed, by the layout of docs/journal.md and by no code of Millrace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"

#define HEAD 40 /* magic, kind, epoch, offset, size */
#define TAIL 16
#define KIND_COMMIT 4
#define MOST_TASKS (1u << 20)

static const unsigned char end_mark[8] = {0xa5, 0x96, 0xc3, 0x87, 0xb4, 0xd2, 0xe1, 0x5a};

static uint64_t number(const unsigned char *at, size_t size) {
    uint64_t value = 0;
    memcpy(&value, at, size);
    return value;
}

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "r");
    unsigned char *data = NULL;
    *size = 0;
    if (file && !fseek(file, 0, SEEK_END) && ftell(file) > 0 && (data = malloc((size_t) ftell(file)))) {
        size_t wanted = (size_t) ftell(file);
        rewind(file);
        *size = fread(data, 1, wanted, file);
    }
    if (file)
        fclose(file);
    return data;
}

/* Where the record at `at` ends; 0: it is torn. */
static size_t end_of(const unsigned char *data, size_t size, size_t at) {
    if (size - at < HEAD + TAIL || memcmp(data + at, "MRJ1", 4) || number(data + at + 16, 8) != at)
        return 0;
    uint64_t length = (number(data + at + 24, 8) + 7) / 8 * 8;
    if (length > size - at - HEAD - TAIL)
        return 0;
    size_t end = at + HEAD + (size_t) length + TAIL;
    return memcmp(data + end - 8, end_mark, 8) ? 0 : end;
}

/* Marks the tasks of one commit. Returns how many; adds to `twice` those that were marked before. */
static unsigned mark(const unsigned char *body, size_t size, unsigned char *seen, unsigned *twice) {
    uint64_t runs = number(body + 4, 4), results = number(body + 16, 8);
    unsigned marked = 0;
    for (uint64_t i = 0, at = 24 + 8 * runs; i < results && at + 40 <= size; i++, at += 40) {
        uint64_t task = number(body + at, 4);
        if (task >= MOST_TASKS)
            continue;
        *twice += seen[task];
        marked += !seen[task];
        seen[task] = 1;
    }
    return marked;
}

unsigned journal_committed(const char *path, unsigned *twice) {
    size_t size;
    unsigned char *data = read_all(path, &size), *seen = calloc(MOST_TASKS, 1);
    unsigned committed = 0;
    *twice = 0;
    for (size_t at = 0, end; data && seen && at < size && (end = end_of(data, size, at)); at = end)
        if (number(data + at + 4, 4) == KIND_COMMIT)
            committed += mark(data + at + HEAD, end - at - HEAD - TAIL, seen, twice);
    free(data);
    free(seen);
    return committed;
}
