/* support.h - what every part of the generator needs. */
#ifndef GEN1GRAMS_SUPPORT_H
#define GEN1GRAMS_SUPPORT_H

#include <stddef.h>

/* Prints an error about `what` and exits with 1. */
_Noreturn void die(const char *what, const char *why);

/* Zeroed memory, to be freed by the caller; never NULL. */
void *must_alloc(size_t count, size_t size);

/* `a` and `b` in one new string, to be freed by the caller. */
char *joined(const char *a, const char *b);

#endif
