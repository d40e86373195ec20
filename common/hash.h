/* hash.h - a keyed 32-bit hash of byte strings, for tables whose keys an enemy may choose.
 *
 * Keys of up to 16 bytes: pair-multiply-shift over 32-bit characters (M. Thorup, "High Speed Hashing for Integers and
 * Strings", section 3.5), strongly universal: any two keys, chosen without the random numbers, collide with probability
 * 2^-32. Longer ones: each 128 bytes by the same function, and those values as a polynomial over 2^61-1, which adds less
 * than 2^-47 for keys of a megabyte. XXH3 and wyhash are no faster here and fold their products with xor, for which fixed colliding
 * pairs are known (xxHash issue 1127). */
#ifndef MR_HASH_H
#define MR_HASH_H

#include "key.h"

#define MR_HASH_SHORT 16u

/* The random numbers: one set for each table. */
typedef struct mr_hash_seed {
    uint64_t pair[4];  /* for the characters of a short key */
    uint64_t length;   /* for its length */
    uint64_t point;    /* where the polynomial of a long key is evaluated; below 2^61-1 */
    uint64_t many[32]; /* for the characters of 128 bytes of a long key */
} mr_hash_seed_t;

/* Fills the seed from the system's random numbers. Returns 0, or -1 when there are none (errno). */
int mr_hash_seed(mr_hash_seed_t *seed);

/* Steps of 1 in a key must not become steps of a constant in the table. This is a permutation, so it spoils no promise. */
static inline uint32_t mr_hash_mix(uint32_t hash) {
    hash ^= hash >> 15;
    return hash * 0x9E3779B1u;
}

/* The hash of the first two words of a key of at most 16 bytes. The high bits are the good ones for an index. */
static inline uint32_t mr_hash_short(const mr_hash_seed_t *seed, uint64_t first, uint64_t second, size_t size) {
    uint64_t sum = (seed->pair[0] + (first >> 32)) * (seed->pair[1] + (uint32_t) first);
    sum += (seed->pair[2] + (second >> 32)) * (seed->pair[3] + (uint32_t) second);
    sum += seed->length * (size + 1);
    return mr_hash_mix((uint32_t) (sum >> 32));
}

/* The hash of a longer key. */
uint32_t mr_hash_long(const mr_hash_seed_t *seed, const char *key, size_t size);

#endif
