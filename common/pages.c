#include "pages.h"

#include <sys/mman.h>

/* Linux 5.14; older kernels refuse it, and older headers do not know it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* All advice is a wish: a kernel that does not grant it costs time only. */

/* The advice is always for all of the memory: advice for a part would make it two mappings, and mremap moves only one. */
static void advise(void *pages, size_t size) {
    if (size >= MR_PAGES_HUGE)
        madvise(pages, size, MADV_HUGEPAGE);
}

void *mr_pages_new(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    advise(pages, size);
    return pages;
}

void mr_pages_populate(void *pages, size_t size) {
    madvise(pages, size, MADV_POPULATE_WRITE);
}

void *mr_pages_grow(void *pages, size_t old_size, size_t size) {
    void *grown = mremap(pages, old_size, size, MREMAP_MAYMOVE);
    if (grown == MAP_FAILED)
        return NULL;
    advise(grown, size);
    return grown;
}

void mr_pages_free(void *pages, size_t size) {
    if (pages)
        munmap(pages, size);
}
