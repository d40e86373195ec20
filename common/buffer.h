/* buffer.h - a growable array of bytes. A zeroed mr_buffer_t is an empty buffer. */
#ifndef MR_BUFFER_H
#define MR_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct mr_buffer {
    char *data;      /* owned; NULL while capacity is 0 */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
} mr_buffer_t;

/* Makes room for `more` bytes past size. Returns 0, or -1 when memory is out (the buffer is unchanged). */
int mr_buffer_reserve(mr_buffer_t *buffer, size_t more);

/* Appends bytes. Returns 0, or -1 when memory is out. */
int mr_buffer_append(mr_buffer_t *buffer, const void *data, size_t size);

/* Gives back what is allocated past size, where that can be had. */
void mr_buffer_trim(mr_buffer_t *buffer);

/* Frees the memory and zeroes the buffer. Safe twice. */
void mr_buffer_free(mr_buffer_t *buffer);

#endif
