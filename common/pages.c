#include "pages.h"

#include <sys/mman.h>

/* What comes before this is in small pages, as huge ones would waste more memory than they spare faults. */
#define HUGE_FROM ((size_t) 2 << 20)

static void *advised(void *pages, size_t size) {
    if (pages == MAP_FAILED)
        return NULL;
    if (size > HUGE_FROM)
        madvise((char *) pages + HUGE_FROM, size - HUGE_FROM,
                MADV_HUGEPAGE); /* a wish: refused where the kernel has none */
    return pages;
}

void *mr_pages_new(size_t size) {
    return advised(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), size);
}

void *mr_pages_grow(void *pages, size_t old_size, size_t size) {
    return advised(mremap(pages, old_size, size, MREMAP_MAYMOVE), size);
}

void mr_pages_free(void *pages, size_t size) {
    if (pages)
        munmap(pages, size);
}
