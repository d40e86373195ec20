/* input/format.h - what a stream's first bytes tell: gzip (RFC 1952, 2.3.1) and byte-order marks (RFC 3629, 6). */
#ifndef MR_FORMAT_H
#define MR_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "input/reader.h"

#define MR_FORMAT_HEAD 4u /* bytes that tell all of it */

#define MR_UTF16_REASON "UTF-16 is not supported (convert it first: iconv -f UTF-16 -t UTF-8)"

/* `size` bytes at `head` are the file's first; fewer than MR_FORMAT_HEAD only if the file is that short. */
mr_format_t mr_format_of(const void *head, size_t size);

/* Length of a UTF-8 byte-order mark at the start of text: 3 or 0. */
size_t mr_format_bom(const void *head, size_t size);

/* The text begins with a byte-order mark of UTF-16 (or of little-endian UTF-32). */
bool mr_format_utf16(const void *head, size_t size);

#endif
