/* input/segment.h - what a worker reads: a range of one input, and all that tells whether what it finds is that input. */
#ifndef MR_SEGMENT_H
#define MR_SEGMENT_H

#include <stdint.h>

typedef enum mr_format { MR_FORMAT_PLAIN, MR_FORMAT_GZIP } mr_format_t;

typedef struct mr_segment {
    const char *path;     /* for messages, and where to look for it; borrowed while the segment is open */
    uint64_t file_size;   /* as planned; an input that differs has changed during the job */
    int64_t mtime_ns;     /* as planned */
    uint64_t start;       /* first byte; 0 for gzip */
    uint64_t end;         /* past the last byte; file_size for gzip */
    mr_format_t format;   /* told by content */
    uint32_t input;       /* its index in the job */
    uint64_t fingerprint; /* as planned (fingerprint.h); 0: not taken */
    const char *url;      /* where it is, if it is not a file; secret, as it may hold a signature; "" or NULL: a file */
} mr_segment_t;

#endif
