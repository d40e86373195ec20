/* cpu.h - the processors here: how many, and which instructions a kernel may use. */
#ifndef MR_CPU_H
#define MR_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Processors this process may use; at least 1. */
uint32_t mr_cpu_count(void);

typedef enum mr_simd { MR_SIMD_SCALAR, MR_SIMD_AVX2, MR_SIMD_AVX512, MR_SIMD_COUNT } mr_simd_t;

/* "scalar", "avx2", "avx512" */
const char *mr_simd_name(mr_simd_t simd);

/* Whether this processor (and its system) has all the instructions that files named *_avx2.c, *_avx512.c are compiled for. */
bool mr_simd_supported(mr_simd_t simd);

/* The best supported one, or the one named by MILLRACE_SIMD if that is supported. */
mr_simd_t mr_simd_choose(void);

#endif
