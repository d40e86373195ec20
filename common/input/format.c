#include "input/format.h"

#include <string.h>

static bool begins(const void *head, size_t size, const char *magic, size_t length) {
    return size >= length && memcmp(head, magic, length) == 0;
}

mr_format_t mr_format_of(const void *head, size_t size) {
    return begins(head, size, "\x1f\x8b", 2) ? MR_FORMAT_GZIP : MR_FORMAT_PLAIN;
}

size_t mr_format_bom(const void *head, size_t size) {
    return begins(head, size, "\xef\xbb\xbf", 3) ? 3 : 0;
}

bool mr_format_utf16(const void *head, size_t size) {
    return begins(head, size, "\xff\xfe", 2) || begins(head, size, "\xfe\xff", 2);
}
