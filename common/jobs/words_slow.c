/* words_slow.c - words byte by byte: the characters beyond ASCII that separate, lower case beyond ASCII, words of any length.
 *
 * Bytes that are not UTF-8 are word bytes and stay as they are. */
#include <string.h>
#include <wctype.h>

#include "jobs/words.h"

#define MOST_UTF8 4u /* bytes of a character */

size_t mr_words_separator(const char *text) {
    unsigned char first = (unsigned char) text[0], second = (unsigned char) text[1], third = (unsigned char) text[2];
    if ((second & 0xC0) != 0x80)
        return 0;
    if (first == 0xC2) /* U+0080..00BF, but for the letters among them */
        return second != 0xAA && second != 0xB5 && second != 0xBA ? 2 : 0;
    if (first == 0xC3) /* the signs of multiplication and division */
        return second == 0x97 || second == 0xB7 ? 2 : 0;
    if ((third & 0xC0) != 0x80)
        return 0;
    if (first == 0xE2) /* U+2000..206F, but for the joiners, which stand inside words */
        return (second == 0x80 && third != 0x8C && third != 0x8D) || (second == 0x81 && third <= 0xAF) ? 3 : 0;
    return first == 0xE3 && second == 0x80 ? 3 : 0; /* U+3000..303F */
}

static bool is_word_byte(unsigned char byte) {
    return byte >= 0x80 || (byte >= '0' && byte <= '9') || byte == '_' ||
           ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

const char *mr_words_end(const char *text, const char *end) {
    while (text < end && is_word_byte((unsigned char) *text) && !mr_words_separator(text))
        text++;
    return text;
}

/* Decodes the character at text, of at most `size` bytes. Returns its length; 1 and its byte for what is not UTF-8. */
static size_t decode(const unsigned char *text, size_t size, uint32_t *character) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0xC2 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    *character = text[0];
    if (length == 1 || length > size || text[0] > 0xF4)
        return 1;
    uint32_t value = text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (text[i] & 0x3F);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 1;
    *character = value;
    return length;
}

static size_t encode(uint32_t character, char *text) {
    size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, character >>= 6)
        text[i] = (char) (0x80 | (character & 0x3F));
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    text[0] = (char) (marks[length] | character);
    return length;
}

/* Writes the lower case of the character at text (MOST_UTF8 bytes at most) and returns how many bytes were read. */
static size_t lower_character(locale_t locale, const char *text, size_t size, char *lowered, size_t *lowered_size) {
    uint32_t character;
    size_t length = decode((const unsigned char *) text, size, &character);
    wint_t lower = length > 1 || character < 0x80 ? towlower_l((wint_t) character, locale) : (wint_t) character;
    if (lower == character) {
        memcpy(lowered, text, length);
        *lowered_size = length;
    } else {
        *lowered_size = encode((uint32_t) lower, lowered);
    }
    return length;
}

static size_t lowered_size(const mr_words_t *words, const char *text, size_t size) {
    size_t total = 0, part;
    char scratch[MOST_UTF8];
    for (size_t i = 0; i < size; total += part)
        i += lower_character(words->locale, text + i, size - i, scratch, &part);
    return total;
}

void mr_words_emit_slowly(const mr_words_t *words, const char *text, size_t size, mr_buffer_t *buffer, mr_out_t *out) {
    uint64_t one = 1;
    if (!words->lower) {
        mr_emit(out, text, size, &one);
        return;
    }
    buffer->size = 0; /* lower case takes half as much again at most: 3 bytes for 2 */
    if (mr_buffer_reserve(buffer, size + size / 2 + MOST_UTF8)) {
        mr_reject(out, text, "out of memory for a long word");
        return;
    }
    for (size_t i = 0, part; i < size; buffer->size += part)
        i += lower_character(words->locale, text + i, size - i, buffer->data + buffer->size, &part);
    mr_emit(out, buffer->data, buffer->size, &one);
}

bool mr_words_line_is_bad(const mr_words_t *words, const char *line, const char *end) {
    for (const char *text = line; text < end;) {
        const char *stop = mr_words_end(text, end);
        size_t size = (size_t) (stop - text);
        if (size > MR_MAX_KEY / 2 && (words->lower ? lowered_size(words, text, size) : size) > MR_MAX_KEY)
            return true;
        size_t skip = stop < end ? mr_words_separator(stop) : 0;
        text = stop + (skip ? skip : 1);
    }
    return false;
}
