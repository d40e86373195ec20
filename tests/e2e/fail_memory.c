#define _GNU_SOURCE
/* Preloaded: the Nth call for memory fails, in processes of one name.
 *
 *   FAIL_IN=NAME     the program: millrace or millrace-worker
 *   FAIL_AT=N        which call of malloc, calloc, realloc or mmap, of all threads together; 0: none
 *   FAIL_ONCE=FILE   only in the process that makes this file
 *   FAIL_COUNT=FILE  where the number of calls is written when such a process ends */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char *program_invocation_short_name;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_ulong calls;
static unsigned long fail_at; /* 0: not this process, or not yet */
static int counting;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FAIL_IN"), *at = getenv("FAIL_AT");
    counting = name && !strcmp(name, program_invocation_short_name);
    fail_at = counting && at ? strtoul(at, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAIL_COUNT");
    FILE *file = counting && path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%lu\n", (unsigned long) calls);
        fclose(file);
    }
}

/* True in every process, or in the first that asks. */
static int may_fail(void) {
    const char *path = getenv("FAIL_ONCE");
    int fd = path ? open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
    return !path || fd >= 0;
}

static int fails(void) {
    if (!counting || atomic_fetch_add(&calls, 1) + 1 != fail_at || !may_fail())
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    return fails() ? NULL : __libc_realloc(memory, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return fails() ? MAP_FAILED : (void *) syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
