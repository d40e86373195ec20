#include "input/window.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/job.h"

#define PAGE ((size_t) 4096)

/* What is not text: the margins, the \n a last line may lack, and the slack that lets home begin at a page. */
#define OVERHEAD (2 * MR_MAP_MARGIN + 1 + PAGE)

static char *window_floor(const mr_window_t *window) {
    return window->memory + MR_MAP_MARGIN;
}

/* A block may end here, one byte before the upper margin. */
static char *window_ceiling(const mr_window_t *window) {
    return window->memory + window->capacity - MR_MAP_MARGIN - 1;
}

/* The kernel copies fastest from page to page. */
static char *window_home(const mr_window_t *window) {
    uintptr_t address = (uintptr_t) window->memory + window->front;
    return window->memory + window->front + (-address & (PAGE - 1));
}

static void set_empty(mr_window_t *window) {
    window->start = window->whole = window->end = window_home(window);
}

static size_t small_capacity(const mr_window_t *window) {
    return window->front + window->block + OVERHEAD;
}

int mr_window_init(mr_window_t *window, size_t block, size_t keep) {
    *window = (mr_window_t){.block = block, .front = MR_MAP_MARGIN + block / 4};
    window->capacity = small_capacity(window);
    window->limit = block + keep + OVERHEAD;
    if (window->limit < window->capacity)
        window->limit = window->capacity;
    window->memory = malloc(window->capacity);
    if (!window->memory)
        return -1;
    set_empty(window);
    return 0;
}

void mr_window_free(mr_window_t *window) {
    free(window->memory);
    *window = (mr_window_t){0};
}

/* realloc moves large memory by remapping, so growing neither copies nor doubles it. */
static int resize(mr_window_t *window, size_t capacity) {
    size_t start = (size_t) (window->start - window->memory);
    size_t held = (size_t) (window->end - window->start);
    char *memory = realloc(window->memory, capacity);
    if (!memory)
        return -1;
    window->memory = memory;
    window->capacity = capacity;
    window->start = window->whole = memory + start;
    window->end = window->start + held;
    return 0;
}

void mr_window_reset(mr_window_t *window) {
    set_empty(window);
    if (window->capacity > small_capacity(window) && resize(window, small_capacity(window)) == 0)
        set_empty(window);
}

static void move_tail(mr_window_t *window, char *to) {
    size_t held = (size_t) (window->end - window->start);
    memmove(to, window->start, held);
    window->start = window->whole = to;
    window->end = to + held;
}

/* A long line: it stays where it is while blocks fit behind it, and slides down at most once per doubling. */
static int make_room_for_long(mr_window_t *window, size_t held) {
    if ((size_t) (window_ceiling(window) - window->end) >= window->block)
        return 0;
    size_t needed = held + window->block + OVERHEAD;
    size_t below = (size_t) (window->start - window_floor(window));
    bool grown = window->capacity == window->limit;
    assert(needed <= window->limit);
    if (needed > window->capacity || (below < held && !grown)) {
        size_t capacity = window->capacity > window->limit / 2 ? window->limit : 2 * window->capacity;
        if (resize(window, capacity > needed ? capacity : needed))
            return -1;
    }
    move_tail(window, window_floor(window));
    return 0;
}

int mr_window_make_room(mr_window_t *window) {
    size_t held = (size_t) (window->end - window->start);
    char *home = window_home(window);
    if (held > (size_t) (home - window_floor(window)))
        return make_room_for_long(window, held);
    move_tail(window, home - held);
    return 0;
}
