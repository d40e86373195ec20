#include "buffer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t) 4096)
#define HUGE_FROM ((size_t) 4 << 20) /* bytes from which huge pages spare more faults than they may waste */

/* A wish; the system may have no huge pages. */
static void advise_huge(char *data, size_t capacity) {
    if (capacity >= HUGE_FROM)
        madvise((void *) ((uintptr_t) data & ~(PAGE - 1)), capacity, MADV_HUGEPAGE);
}

int mr_buffer_reserve(mr_buffer_t *buffer, size_t more) {
    if (buffer->capacity - buffer->size >= more)
        return 0;
    if (more > SIZE_MAX / 2 - buffer->size)
        return -1;
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity < buffer->size + more)
        capacity += capacity / 2;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return -1;
    advise_huge(data, capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int mr_buffer_append(mr_buffer_t *buffer, const void *data, size_t size) {
    if (mr_buffer_reserve(buffer, size))
        return -1;
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}

void mr_buffer_trim(mr_buffer_t *buffer) {
    char *data = buffer->size ? realloc(buffer->data, buffer->size) : NULL;
    if (data) {
        buffer->data = data;
        buffer->capacity = buffer->size;
    }
}

void mr_buffer_free(mr_buffer_t *buffer) {
    free(buffer->data);
    *buffer = (mr_buffer_t){0};
}
