#include "error.h"

#include <stdlib.h>
#include <string.h>

#define ELIDED "..."

/* A path can be longer than the message has room for, and what happened stands behind it. */
static void elide(char *text, size_t size, const char *whole, size_t length) {
    size_t tail = size / 2, head = size - tail - sizeof ELIDED;
    memcpy(text, whole, head);
    memcpy(text + head, ELIDED, sizeof ELIDED - 1);
    memcpy(text + head + sizeof ELIDED - 1, whole + length - tail, tail + 1);
}

void mr_format_message(char *text, size_t size, const char *format, va_list arguments) {
    va_list again;
    char *whole = NULL;
    va_copy(again, arguments);
    int length = vsnprintf(text, size, format, arguments);
    if (length >= 0 && (size_t) length >= size && (length = vasprintf(&whole, format, again)) >= 0) {
        elide(text, size, whole, (size_t) length);
        free(whole);
    }
    va_end(again);
}

int mr_error_set_list(mr_error_t *error, mr_status_t status, const char *format, va_list arguments) {
    if (error && error->status == MR_STATUS_OK) {
        error->status = status;
        mr_format_message(error->text, sizeof error->text, format, arguments);
    }
    return -1;
}

int mr_error_set(mr_error_t *error, mr_status_t status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    mr_error_set_list(error, status, format, arguments);
    va_end(arguments);
    return -1;
}

int mr_error_memory(mr_error_t *error, const char *what) {
    bool first = error && error->status == MR_STATUS_OK;
    mr_error_set(error, MR_STATUS_JOB, "out of memory while %s", what);
    if (first)
        error->memory = true;
    return -1;
}

/* Length of the valid UTF-8 sequence at text, or 0. Overlong forms, surrogates and values past U+10FFFF are not valid
 * (RFC 3629); C1 controls (U+0080..9F) are refused too: terminals obey them. */
static size_t utf8_length(const unsigned char *text, size_t size) {
    unsigned char first = text[0];
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || size < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    unsigned char second = text[1];
    if ((first == 0xC2 && second < 0xA0) || (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
        return 0;
    return length;
}

int mr_print_escaped(FILE *stream, const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *) text;
    for (size_t i = 0; i < size;) {
        size_t length = bytes[i] >= 0x80 ? utf8_length(bytes + i, size - i) : bytes[i] >= 0x20 && bytes[i] != 0x7F;
        if (length) {
            fwrite(bytes + i, 1, length, stream);
            i += length;
        } else {
            fprintf(stream, "\\x%02x", bytes[i++]);
        }
    }
    return ferror(stream) ? -1 : 0;
}
