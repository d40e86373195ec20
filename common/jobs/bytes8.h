/* jobs/bytes8.h - eight bytes at a time in a 64-bit word, for the kernels' scalar variants. Nothing carries from byte to byte. */
#ifndef MR_BYTES8_H
#define MR_BYTES8_H

#include <stdint.h>

#define MR_BYTES8(byte) (0x0101010101010101u * (unsigned char) (byte))
#define MR_BYTES8_HIGH MR_BYTES8(0x80)

/* 0x80 in each byte that equals the byte in `pattern`. */
static inline uint64_t mr_bytes8_equal(uint64_t bytes, uint64_t pattern) {
    uint64_t differ = bytes ^ pattern;
    return ~(((differ & ~MR_BYTES8_HIGH) + MR_BYTES8(0x7F)) | differ) & MR_BYTES8_HIGH;
}

/* 0x80 in each byte from `low` to `high`, both below 0x80. */
static inline uint64_t mr_bytes8_between(uint64_t bytes, unsigned char low, unsigned char high) {
    uint64_t seven = bytes & ~MR_BYTES8_HIGH;
    uint64_t reach_low = seven + MR_BYTES8(0x80 - low), pass_high = seven + MR_BYTES8(0x7F - high);
    return reach_low & ~pass_high & ~bytes & MR_BYTES8_HIGH;
}

/* A bit for each byte that is 0x80, of a word whose bytes are 0x80 or 0. */
static inline uint64_t mr_bytes8_bits(uint64_t marks) {
    return ((marks >> 7) * 0x0102040810204080u) >> 56;
}

#endif
