/* pages.h - large zeroed memory straight from the system, which grows without being copied (the system moves the page
 * table) and asks for huge pages where they spare faults. */
#ifndef MR_PAGES_H
#define MR_PAGES_H

#include <stddef.h>

#define MR_PAGES_MIN ((size_t) 64 << 10)
#define MR_PAGES_HUGE ((size_t) 2 << 20)

/* `size` bytes, a multiple of MR_PAGES_MIN, all zero. NULL when memory is out. */
void *mr_pages_new(size_t size);

/* Fetches the memory now, in one call rather than by a fault for each page, for one who will touch all of it. */
void mr_pages_populate(void *pages, size_t size);

/* Makes the memory larger; it may move; new bytes are zero. NULL when memory is out: the old memory is then unchanged. */
void *mr_pages_grow(void *pages, size_t old_size, size_t size);

/* NULL is fine. */
void mr_pages_free(void *pages, size_t size);

#endif
