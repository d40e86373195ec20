/* random.h - the simulation's one source of chance: splitmix64 (Steele, Lea, Flood 2014), the same on every machine. */
#ifndef MR_SIM_RANDOM_H
#define MR_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t sim_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static inline uint64_t sim_random(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    return sim_mix(*state);
}

/* In [0, 1). */
static inline double sim_unit(uint64_t *state) {
    return (double) (sim_random(state) >> 11) * 0x1.0p-53;
}

/* In [low, high]. */
static inline int64_t sim_between(uint64_t *state, int64_t low, int64_t high) {
    return low + (int64_t) (sim_random(state) % (uint64_t) (high - low + 1));
}

static inline bool sim_chance(uint64_t *state, double probability) {
    return sim_unit(state) < probability;
}

#endif
