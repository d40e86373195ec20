#include "book.h"

#include <stdlib.h>

#define FIRST_CAPACITY 256u

void mr_book_close(mr_book_t *book) {
    free(book->entries);
    *book = (mr_book_t){0};
}

/* Fibonacci hashing: tasks that count up, the usual case, spread over the table. */
static uint32_t home_of(const mr_book_t *book, mr_attempt_t attempt) {
    uint64_t mixed = (attempt.task + ((uint64_t) attempt.attempt << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t) (mixed >> 32) & (book->capacity - 1);
}

static bool same(mr_attempt_t a, mr_attempt_t b) {
    return a.task == b.task && a.attempt == b.attempt;
}

/* Where the attempt is, or the free place where it would go. */
static mr_book_entry_t *find(const mr_book_t *book, mr_attempt_t attempt) {
    uint32_t at = home_of(book, attempt);
    while (book->entries[at].attempt.attempt && !same(book->entries[at].attempt, attempt))
        at = (at + 1) & (book->capacity - 1);
    return &book->entries[at];
}

static int grow(mr_book_t *book) {
    mr_book_t larger = {.capacity = book->capacity ? 2 * book->capacity : FIRST_CAPACITY, .count = book->count};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return -1;
    for (uint32_t i = 0; i < book->capacity; i++)
        if (book->entries[i].attempt.attempt)
            *find(&larger, book->entries[i].attempt) = book->entries[i];
    mr_book_close(book);
    *book = larger;
    return 0;
}

int mr_book_add(mr_book_t *book, mr_attempt_t attempt) {
    if (!attempt.attempt)
        return 0; /* attempts count from 1 */
    if (2 * (book->count + 1) > book->capacity && grow(book))
        return -1;
    mr_book_entry_t *entry = find(book, attempt);
    if (entry->attempt.attempt)
        return 0;
    *entry = (mr_book_entry_t){.attempt = attempt};
    book->count++;
    return 0;
}

/* The entry of an attempt that is held, or NULL. */
static mr_book_entry_t *held(const mr_book_t *book, mr_attempt_t attempt) {
    mr_book_entry_t *entry = book->capacity && attempt.attempt ? find(book, attempt) : NULL;
    return entry && entry->attempt.attempt ? entry : NULL;
}

void mr_book_done(mr_book_t *book, mr_attempt_t attempt) {
    mr_book_entry_t *entry = held(book, attempt);
    if (entry)
        entry->done = true;
}

/* Empties the place, and moves up those behind it that a probe would no longer reach. */
void mr_book_remove(mr_book_t *book, mr_attempt_t attempt) {
    mr_book_entry_t *entry = held(book, attempt);
    if (!entry)
        return;
    uint32_t mask = book->capacity - 1, hole = (uint32_t) (entry - book->entries);
    for (uint32_t next = (hole + 1) & mask; book->entries[next].attempt.attempt; next = (next + 1) & mask) {
        uint32_t home = home_of(book, book->entries[next].attempt);
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        book->entries[hole] = book->entries[next];
        hole = next;
    }
    book->entries[hole] = (mr_book_entry_t){0};
    book->count--;
}

int mr_book_list(const mr_book_t *book, mr_attempts_t *undone, mr_attempts_t *done) {
    for (uint32_t i = 0; i < book->capacity; i++) {
        const mr_book_entry_t *entry = &book->entries[i];
        if (entry->attempt.attempt && mr_attempts_add(entry->done ? done : undone, entry->attempt))
            return -1;
    }
    return 0;
}
