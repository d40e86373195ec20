/* book.h - the attempts this worker holds: those it has not computed, and those in partials that are not answered yet. What HELD
 * tells the coordinator when messages may have been lost. */
#ifndef MR_BOOK_H
#define MR_BOOK_H

#include <stdbool.h>

#include "outbox.h"

typedef struct mr_book_entry {
    mr_attempt_t attempt; /* attempt 0: the place is free */
    bool done;
} mr_book_entry_t;

/* A hash table with linear probing, at most half full. Zero it to make one. */
typedef struct mr_book {
    mr_book_entry_t *entries; /* owned */
    uint32_t capacity;        /* a power of two, or 0 */
    uint32_t count;
} mr_book_t;

void mr_book_close(mr_book_t *book);

/* The attempt was received. Returns 0, or -1 when memory is out. One that is there already stays as it is. */
int mr_book_add(mr_book_t *book, mr_attempt_t attempt);

/* It was computed. */
void mr_book_done(mr_book_t *book, mr_attempt_t attempt);

/* It is held no longer: given back, failed, or its partial was answered. */
void mr_book_remove(mr_book_t *book, mr_attempt_t attempt);

/* Appends all attempts to the two lists. Returns 0, or -1 when memory is out. */
int mr_book_list(const mr_book_t *book, mr_attempts_t *undone, mr_attempts_t *done);

#endif
