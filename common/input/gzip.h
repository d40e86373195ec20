/* input/gzip.h - the text of a gzip file (RFC 1952): all members one after the other, each checked against its CRC-32 and length.
 *
 * Errors have status INPUT and the compressed offset: "PATH:OFFSET: truncated gzip", "... trailing garbage", ... */
#ifndef MR_GZIP_H
#define MR_GZIP_H

#include "input/source.h"

typedef struct mr_gzip mr_gzip_t;

/* A decoder to be used for many files, one after the other. NULL when memory is out. */
mr_gzip_t *mr_gzip_new(void);
void mr_gzip_destroy(mr_gzip_t **gzip);

/* Begins with an open file; `source` is borrowed until the next start. */
void mr_gzip_start(mr_gzip_t *gzip, mr_source_t *source);

/* Writes up to `size` bytes of text to `into`; *got is less only at the end of the last member, when all is verified. */
int mr_gzip_read(mr_gzip_t *gzip, char *into, size_t size, size_t *got, mr_error_t *error);

/* Compressed bytes used so far; the size of the file at the end. */
uint64_t mr_gzip_consumed(const mr_gzip_t *gzip);

#endif
