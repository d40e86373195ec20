/* fuzz.h - what the fuzz targets share. A target is one file, target_NAME.c, with LLVMFuzzerTestOneInput in it: it judges one input,
 * returns 0, and aborts when a promise is broken. libFuzzer calls it with inputs it makes; replay.c with those kept in
 * corpus/NAME. What a target does depends on nothing but the input. */
#ifndef MR_FUZZ_H
#define MR_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- the input, taken piece by piece ---- */

typedef struct input {
    const uint8_t *at;
    size_t left;
} input_t;

/* The next byte; 0 when there is none. */
static inline uint8_t take_byte(input_t *input) {
    if (!input->left)
        return 0;
    input->left--;
    return *input->at++;
}

/* A little-endian number of `width` bytes. */
static inline uint64_t take_number(input_t *input, unsigned width) {
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++)
        number |= (uint64_t) take_byte(input) << 8 * i;
    return number;
}

/* A copy of at most `size` bytes, with nothing behind it that may be read; *got gets how many. The caller frees it. */
static inline char *take_copy(input_t *input, size_t size, size_t *got) {
    *got = size < input->left ? size : input->left;
    char *copy = malloc(*got ? *got : 1);
    MUST(copy);
    if (*got)
        memcpy(copy, input->at, *got);
    input->at += *got;
    input->left -= *got;
    return copy;
}

/* The bytes up to the first NUL as a string. The caller frees it. Not strndup: ASan, being strict, wants a NUL behind what that reads. */
static inline char *make_string(const void *data, size_t size) {
    const char *end = size ? memchr(data, 0, size) : NULL;
    size_t length = end ? (size_t) (end - (const char *) data) : size;
    char *text = calloc(1, length + 1);
    MUST(text);
    if (length)
        memcpy(text, data, length);
    return text;
}

/* At most `size` bytes of the input as a string. */
static inline char *take_text(input_t *input, size_t size) {
    size_t got = size < input->left ? size : input->left;
    char *text = make_string(input->at, got);
    input->at += got;
    input->left -= got;
    return text;
}

/* ---- files, in memory ---- */

/* One for each run of a target: the path by which it is opened again, and its descriptor. */
typedef struct fuzz_file {
    int fd;
    char path[32];
} fuzz_file_t;

static inline fuzz_file_t make_file(const void *data, size_t size) {
    fuzz_file_t file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    MUST(file.fd >= 0);
    if (size)
        MUST(write(file.fd, data, size) == (ssize_t) size);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

/* ---- bytes ---- */

static inline void put_bytes(mr_buffer_t *buffer, const void *data, size_t size) {
    MUST(mr_buffer_append(buffer, data, size) == 0);
}

static inline bool same_bytes(const mr_buffer_t *a, const mr_buffer_t *b) {
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

#endif
