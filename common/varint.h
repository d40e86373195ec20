/* varint.h - LEB128, unsigned, at most 10 bytes, the shortest form only. */
#ifndef MR_VARINT_H
#define MR_VARINT_H

#include "key.h"

#define MR_VARINT_MAX 10u

char *mr_varint_put_long(char *out, uint64_t value);
const char *mr_varint_get_careful(const char *cursor, const char *end, uint64_t *value);

/* Writes `value` at `out`, where MR_VARINT_MAX bytes are writable. Returns the byte past it. Up to 56 bits it is one store and no
 * branch on the length: the lengths of counts cannot be predicted. */
static inline char *mr_varint_put(char *out, uint64_t value) {
    if (__builtin_expect(value >> 56 != 0, 0))
        return mr_varint_put_long(out, value);
    unsigned size = (unsigned) (63 - __builtin_clzll(value | 1)) / 7 + 1;
    uint64_t word = (value & 0x0FFFFFFF) | (value & 0xFFFFFFF0000000) << 4;
    word = (word & 0x00003FFF00003FFF) | (word & 0x0FFFC0000FFFC000) << 2;
    word = (word & 0x007F007F007F007F) | (word & 0x3F803F803F803F80) << 1;
    uint64_t more = 0x8080808080808080 & (((uint64_t) 1 << (8 * (size - 1))) - 1);
    mr_store64(out, word | more);
    return out + size;
}

/* Reads the varint at `cursor`. Returns the byte past it, or NULL when there is none before `end`. */
static inline const char *mr_varint_get(const char *cursor, const char *end, uint64_t *value) {
    if (__builtin_expect(end - cursor < 8, 0))
        return mr_varint_get_careful(cursor, end, value);
    uint64_t word = mr_load64(cursor);
    uint64_t stops = ~word & 0x8080808080808080;
    if (__builtin_expect(stops == 0, 0))
        return mr_varint_get_careful(cursor, end, value);
    unsigned size = (unsigned) __builtin_ctzll(stops) / 8 + 1;
    word &= (stops ^ (stops - 1)) & 0x7F7F7F7F7F7F7F7F;
    if (__builtin_expect(size > 1 && word >> (8 * (size - 1)) == 0, 0))
        return NULL;
    word = (word & 0x007F007F007F007F) | (word & 0x7F007F007F007F00) >> 1;
    word = (word & 0x00003FFF00003FFF) | (word & 0x3FFF00003FFF0000) >> 2;
    *value = (word & 0x0FFFFFFF) | (word & 0x0FFFFFFF00000000) >> 4;
    return cursor + size;
}

/* The same for what is nearly always below 128, such as lengths: one load until the next field is known to begin. */
static inline const char *mr_varint_get_small(const char *cursor, const char *end, uint64_t *value) {
    if (__builtin_expect(cursor == end || (signed char) *cursor < 0, 0))
        return mr_varint_get(cursor, end, value);
    *value = (unsigned char) *cursor;
    return cursor + 1;
}

#endif
