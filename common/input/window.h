/* input/window.h - the reused memory through which a reader sees its stream: blocks are read to a fixed place, and an
 * unfinished last line is moved to just before that place, so that only the short tail of a block is ever copied.
 *
 *   memory | margin | front: room for a tail | home: a block is read here      | margin |
 *                             ^start ........ ^whole ...... ^end
 *
 * Only a line longer than the front makes it grow, up to the limit it was made with. */
#ifndef MR_WINDOW_H
#define MR_WINDOW_H

#include <stddef.h>

typedef struct mr_window {
    char *memory;    /* owned */
    size_t capacity; /* bytes of memory */
    size_t front;    /* distance from memory to home, at least */
    size_t block;    /* bytes read at a time */
    size_t limit;    /* capacity is never above */
    char *start;     /* first byte not handed out */
    char *whole;     /* past the last whole line; start if there is none */
    char *end;       /* past the last byte read */
} mr_window_t;

/* An empty window for blocks of `block` bytes that can keep `keep` bytes when a block is read. -1: memory is out. */
int mr_window_init(mr_window_t *window, size_t block, size_t keep);
void mr_window_free(mr_window_t *window);

/* Forgets what it holds, and gives back what it grew by. */
void mr_window_reset(mr_window_t *window);

/* Makes room for one block (and one byte more) at `end`; keeps [start, end), at most `keep` bytes; start == whole on
 * entry and on return. -1: memory is out. */
int mr_window_make_room(mr_window_t *window);

#endif
