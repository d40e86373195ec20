#include "cpu.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

uint32_t mr_cpu_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : (uint32_t) CPU_COUNT(&set);
}

static const char *const names[MR_SIMD_COUNT] = {"scalar", "avx2", "avx512"};

const char *mr_simd_name(mr_simd_t simd) {
    return names[simd];
}

#if defined(__x86_64__)
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2");
}
#else
static bool has_avx2(void) {
    return false;
}

static bool has_avx512(void) {
    return false;
}
#endif

bool mr_simd_supported(mr_simd_t simd) {
    return simd == MR_SIMD_SCALAR || (simd == MR_SIMD_AVX2 && has_avx2()) || (simd == MR_SIMD_AVX512 && has_avx512());
}

mr_simd_t mr_simd_choose(void) {
    const char *wanted = getenv("MILLRACE_SIMD");
    mr_simd_t best = MR_SIMD_SCALAR;
    for (mr_simd_t simd = MR_SIMD_SCALAR; simd < MR_SIMD_COUNT; simd++) {
        if (!mr_simd_supported(simd))
            continue;
        if (wanted && strcmp(wanted, names[simd]) == 0)
            return simd;
        best = simd;
    }
    return best;
}
