#include "varint.h"

char *mr_varint_put_long(char *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *out++ = (char) (value | 0x80);
    *out++ = (char) value;
    return out;
}

const char *mr_varint_get_careful(const char *cursor, const char *end, uint64_t *value) {
    uint64_t result = 0;
    for (unsigned shift = 0; cursor < end && shift < 64; shift += 7) {
        uint64_t byte = (unsigned char) *cursor++;
        if (shift == 63 && byte > 1)
            return NULL;
        result |= (byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = result;
            return byte == 0 && shift > 0 ? NULL : cursor;
        }
    }
    return NULL;
}
