/* jobs/lines.h - the kernels of the jobs whose records are lines of columns: sum, ngrams, count.
 *
 * One template (lines_template.h), compiled once for each instruction set (lines_scalar.c, lines_avx2.c,
 * lines_avx512.c); all variants do exactly the same. */
#ifndef MR_LINES_H
#define MR_LINES_H

#include "cpu.h"
#include "millrace/job.h"

/* The shape of a record. Columns count from 1. */
typedef struct mr_lines {
    uint32_t key;     /* column of the key; 0: the whole line */
    uint32_t value;   /* column of the value to sum; 0: count the lines */
    uint32_t columns; /* how many a line must have; 0: at least the larger of key and value */
    char delimiter;   /* not \n */
    bool is_signed;   /* values may begin with '-'; rows have two cells, the sums of positive and of negative ones */
} mr_lines_t;

typedef mr_tally_t mr_lines_map_t(const mr_lines_t *lines, const char *data, size_t size, mr_out_t *out);

/* The variants of one instruction set. */
typedef struct mr_lines_kernels {
    mr_lines_map_t *ngrams;     /* key 1, value 3, four columns, tab: whatever the shape given says */
    mr_lines_map_t *sum;        /* any shape with a value */
    mr_lines_map_t *sum_signed; /* the same with is_signed */
    mr_lines_map_t *count;      /* any shape with a key and no value */
    mr_lines_map_t *count_line; /* the whole line is the key */
} mr_lines_kernels_t;

extern const mr_lines_kernels_t mr_lines_scalar;
extern const mr_lines_kernels_t mr_lines_avx2;
extern const mr_lines_kernels_t mr_lines_avx512;

/* The kernel for a shape. `simd` must be supported. */
mr_lines_map_t *mr_lines_kernel(const mr_lines_t *lines, mr_simd_t simd);

/* ---- what the variants share (lines_slow.c) ---- */

/* A record taken apart, or why it is bad. */
typedef struct mr_record {
    const char *key;
    size_t key_size;
    uint64_t value;  /* 1 when lines are counted */
    bool negative;   /* the value counts below zero */
    const char *bad; /* NULL: a good record */
} mr_record_t;

/* Takes the line [line, end) apart, of any length. `end` is its newline. */
mr_record_t mr_lines_parse(const mr_lines_t *lines, const char *line, const char *end);

/* Reads a value of any length, with its sign when they have one. */
const char *mr_lines_value(bool is_signed, const char *text, size_t size, uint64_t *value, bool *negative);

/* Why a line with so many columns (not the right number) is bad. */
const char *mr_lines_miscounted(const mr_lines_t *lines, uint32_t columns);

#endif
