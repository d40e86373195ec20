#include "hash.h"

#include <sys/random.h>

#define PRIME (((uint64_t) 1 << 61) - 1)
#define CHUNK 128u

int mr_hash_seed(mr_hash_seed_t *seed) {
    char *bytes = (char *) seed;
    for (size_t done = 0; done < sizeof *seed;) {
        ssize_t got = getrandom(bytes + done, sizeof *seed - done, 0);
        if (got < 0)
            return -1;
        done += (size_t) got;
    }
    seed->point %= PRIME;
    return 0;
}

/* a * b + c modulo 2^61-1, for a, b below it and any c. */
static uint64_t multiply_add(uint64_t a, uint64_t b, uint64_t c) {
    unsigned __int128 product = (unsigned __int128) a * b + c;
    uint64_t sum = (uint64_t) (product & PRIME) + (uint64_t) (product >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

/* Pair-multiply-shift of at most 128 bytes, of which the high 61 bits are kept. */
static uint64_t hash_chunk(const mr_hash_seed_t *seed, const char *key, size_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = mr_key_word_exact(key + i, size - i);
        const uint64_t *pair = &seed->many[i / 4];
        sum += (pair[0] + (word >> 32)) * (pair[1] + (uint32_t) word);
    }
    return sum >> 3;
}

uint32_t mr_hash_long(const mr_hash_seed_t *seed, const char *key, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i += CHUNK) {
        size_t chunk = size - i < CHUNK ? size - i : CHUNK;
        value = multiply_add(value, seed->point, hash_chunk(seed, key + i, chunk));
    }
    return mr_hash_short(seed, value, 0, size);
}
