/* output_json.c - the parts of JSON (RFC 8259) that rows need: strings, numbers, and base64 (RFC 4648) for keys that are not
 * UTF-8. */
#include <string.h>

#include "output_private.h"

/* Length of the UTF-8 sequence at `text` (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF), or 0. */
static size_t utf8_length(const unsigned char *text, size_t size) {
    unsigned char first = text[0];
    size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4 || size < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    unsigned char second = text[1];
    bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
               (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return bad ? 0 : length;
}

/* The escape of an ASCII byte that can't stand in a string as it is. Into room for 6 bytes. */
static char *put_escape(char *out, unsigned char byte) {
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\", hex[] = "0123456789abcdef";
    *out++ = '\\';
    for (const char *at = shorts; *at; at += 2) {
        if ((unsigned char) *at == byte) {
            *out++ = at[1];
            return out;
        }
    }
    memcpy(out, "u00", 3);
    out[3] = hex[byte >> 4];
    out[4] = hex[byte & 15];
    return out + 5;
}

/* ASCII that stands in a string as it is. */
static inline bool plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

int mr_put_json(mr_buffer_t *buffer, const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *) text;
    int utf8 = 1;
    if (mr_buffer_reserve(buffer, 6 * size + 1))
        return -1;
    char *out = buffer->data + buffer->size;
    for (size_t i = 0; i < size;) {
        if (plain(bytes[i])) {
            *out++ = text[i++];
            continue;
        }
        size_t length = utf8_length(bytes + i, size - i);
        if (length == 1) {
            out = put_escape(out, bytes[i++]);
        } else if (length) {
            memcpy(out, bytes + i, length);
            out += length;
            i += length;
        } else {
            memcpy(out, "\xEF\xBF\xBD", 3); /* U+FFFD */
            out += 3;
            i++;
            utf8 = 0;
        }
    }
    buffer->size = (size_t) (out - buffer->data);
    return utf8;
}

int mr_put_base64(mr_buffer_t *buffer, const char *data, size_t size) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *) data;
    if (mr_buffer_reserve(buffer, (size + 2) / 3 * 4))
        return -1;
    char *out = buffer->data + buffer->size;
    for (size_t i = 0; i < size; i += 3) {
        size_t have = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t) bytes[i] << 16;
        group |= have > 1 ? (uint32_t) bytes[i + 1] << 8 : 0;
        group |= have > 2 ? bytes[i + 2] : 0;
        for (size_t j = 0; j < 4; j++)
            *out++ = (char) (j > have ? '=' : letters[group >> (18 - 6 * j) & 63]);
    }
    buffer->size = (size_t) (out - buffer->data);
    return 0;
}

static size_t digits(const char *text, size_t size) {
    size_t count = 0;
    while (count < size && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

/* number = [ "-" ] int [ "." 1*DIGIT ] [ "e" [ "-" / "+" ] 1*DIGIT ] */
bool mr_is_json_number(const char *text, size_t size) {
    size_t at = size && text[0] == '-', count = digits(text + at, size - at);
    if (count == 0 || (count > 1 && text[at] == '0'))
        return false;
    at += count;
    if (at < size && text[at] == '.') {
        at++;
        count = digits(text + at, size - at);
        at += count;
    }
    if (count && at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < size && (text[at] == '+' || text[at] == '-');
        count = digits(text + at, size - at);
        at += count;
    }
    return count && at == size;
}
