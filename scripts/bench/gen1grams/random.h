/* random.h - seeded random numbers and permutations, the same on every machine. */
#ifndef GEN1GRAMS_RANDOM_H
#define GEN1GRAMS_RANDOM_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix per draw, any seed is good. */
static inline uint64_t mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t draw(uint64_t *state) {
    return mix64(*state += 0x9e3779b97f4a7c15u);
}

static inline uint64_t hash2(uint64_t a, uint64_t b) {
    return mix64(mix64(a + 0x9e3779b97f4a7c15u) ^ (b * 0xd1342543de82ef95u + 1));
}

/* A number in (0, 1]. */
static inline double unit(uint64_t bits) {
    return ((double) (bits >> 11) + 1.0) * 0x1p-53;
}

/* A pseudorandom permutation of 0..count-1: a Feistel network over the next even number of bits, walked
 * until it falls inside the range. */
typedef struct {
    uint64_t seed;  /* selects the permutation */
    uint64_t count; /* size of the range */
    unsigned half;  /* bits of each half */
} permutation_t;

static inline permutation_t permutation_new(uint64_t seed, uint64_t count) {
    permutation_t p = {.seed = seed, .count = count, .half = 1};
    while (p.half < 31 && (UINT64_C(1) << (2 * p.half)) < count)
        p.half++;
    return p;
}

static inline uint64_t permute(const permutation_t *p, uint64_t x) {
    const uint64_t mask = (UINT64_C(1) << p->half) - 1;
    do {
        uint64_t left = x >> p->half, right = x & mask;
        for (uint64_t round = 0; round < 4; round++) {
            const uint64_t next = left ^ (hash2(p->seed + round, right) & mask);
            left = right;
            right = next;
        }
        x = left << p->half | right;
    } while (x >= p->count);
    return x;
}

#endif
