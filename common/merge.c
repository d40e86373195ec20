/* The merge: owns one cursor a run and a loser tree over them (D. Knuth, The Art of Computer Programming 3, 5.4.1).
 *
 * Each call takes the winner's row, advances that cursor, and goes on while the new winner has the same key. A node of the tree holds
 * the loser's key prefix, so that most comparisons touch the tree only.
 *
 * Fails for good at the first malformed run, failed read or overflow: the error is given and later calls give -1 too. */
#include "merge.h"

#include <stdlib.h>

#include "merge_cursor.h"
#include "reduce.h"

typedef struct node {
    uint64_t prefix; /* of the cursor's key */
    size_t cursor;   /* index */
} node_t;

struct mr_merge {
    mr_cursor_t *cursors; /* one a run */
    size_t count;         /* of cursors */
    node_t *losers;       /* [1, count): the loser of the match at that node; the leaf of cursor i is node count + i */
    node_t winner;        /* of all */
    mr_range_t range;
    mr_op_t ops[MR_MAX_CELLS];
    uint32_t ncells;
    uint64_t folded; /* rows reduced into another */
    bool failed;
};

/* Compares cursors whose prefixes are equal. */
static bool __attribute__((noinline)) tie_less(const mr_merge_t *merge, size_t a, size_t b) {
    const mr_cursor_t *x = &merge->cursors[a], *y = &merge->cursors[b];
    if (x->done || y->done)
        return !x->done;
    return mr_key_compare(x->row.key, x->row.key_size, y->row.key, y->row.key_size) < 0;
}

static inline bool node_less(const mr_merge_t *merge, node_t a, node_t b) {
    if (__builtin_expect(a.prefix == b.prefix, 0))
        return tie_less(merge, a.cursor, b.cursor);
    return a.prefix < b.prefix;
}

/* Plays the winner's leaf again, after its cursor has moved. */
static inline void replay(mr_merge_t *merge) {
    size_t cursor = merge->winner.cursor;
    node_t winner = {merge->cursors[cursor].prefix, cursor};
    for (size_t i = (cursor + merge->count) / 2; i; i /= 2) {
        node_t loser = merge->losers[i];
        bool swap = node_less(merge, loser, winner);
        merge->losers[i] = swap ? winner : loser;
        winner = swap ? loser : winner;
    }
    merge->winner = winner;
}

/* Plays all matches of the subtree at node `at`; returns its winner. As deep as the tree: 64 calls at the very most. */
static node_t play(mr_merge_t *merge, size_t at) {
    if (at >= merge->count)
        return (node_t){merge->cursors[at - merge->count].prefix, at - merge->count};
    node_t a = play(merge, 2 * at), b = play(merge, 2 * at + 1);
    bool swap = node_less(merge, b, a);
    merge->losers[at] = swap ? a : b;
    return swap ? b : a;
}

static int open_cursors(mr_merge_t *merge, mr_run_t *const *runs, mr_error_t *error) {
    for (size_t i = 0; i < merge->count; i++) {
        mr_cursor_t *cursor = &merge->cursors[i];
        *cursor = (mr_cursor_t){.run = runs[i], .range = &merge->range, .ncells = merge->ncells};
        if (mr_cursor_open(cursor, error))
            return -1;
    }
    if (merge->count)
        merge->winner = play(merge, 1);
    return 0;
}

mr_merge_t *mr_merge_new(mr_run_t *const *runs, size_t count, const mr_op_t *ops, uint32_t ncells, mr_range_t range,
                         mr_error_t *error) {
    mr_merge_t *merge = calloc(1, sizeof *merge);
    if (merge) {
        merge->cursors = calloc(count + 1, sizeof *merge->cursors);
        merge->losers = calloc(count + 1, sizeof *merge->losers);
    }
    if (!merge || !merge->cursors || !merge->losers) {
        mr_error_memory(error, "merging runs");
        mr_merge_destroy(&merge);
        return NULL;
    }
    merge->count = count;
    merge->range = range;
    merge->ncells = ncells;
    memcpy(merge->ops, ops, ncells * sizeof *ops);
    if (open_cursors(merge, runs, error))
        mr_merge_destroy(&merge);
    return merge;
}

void mr_merge_destroy(mr_merge_t **self) {
    mr_merge_t *merge = self ? *self : NULL;
    if (!merge)
        return;
    for (size_t i = 0; merge->cursors && i < merge->count; i++)
        mr_cursor_close(&merge->cursors[i]);
    free(merge->cursors);
    free(merge->losers);
    free(merge);
    *self = NULL;
}

/* Takes the winner's row and moves on. */
static inline int take(mr_merge_t *merge, mr_row_t *row, mr_error_t *error) {
    mr_cursor_t *cursor = &merge->cursors[merge->winner.cursor];
    row->key_size = cursor->row.key_size;
    for (uint32_t i = 0; i < merge->ncells; i++)
        row->cells[i] = cursor->row.cells[i];
    if (mr_cursor_advance(cursor, &row->key, error))
        return -1;
    replay(merge);
    return 0;
}

/* Reduces rows of row's key into it, as long as they win. `taken` is the cursor the row came from: keys ascend within it, so when it wins
 * again, no cursor stands on the key. */
static inline int take_equal(mr_merge_t *merge, size_t taken, uint64_t prefix, mr_row_t *row, mr_error_t *error) {
    while (merge->winner.prefix == prefix && merge->winner.cursor != taken) {
        mr_cursor_t *cursor = &merge->cursors[merge->winner.cursor];
        if (cursor->done || !mr_key_equal(cursor->row.key, cursor->row.key_size, row->key, row->key_size))
            return 0;
        if (!mr_reduce_cells(merge->ops, merge->ncells, row->cells, cursor->row.cells))
            return mr_reduce_overflow(error, row->key, row->key_size);
        merge->folded++;
        const char *moved;
        if (mr_cursor_advance(cursor, &moved, error))
            return -1;
        replay(merge);
    }
    return 0;
}

uint64_t mr_merge_folded(const mr_merge_t *merge) {
    return merge->folded;
}

static inline bool at_end(const mr_merge_t *merge) {
    return merge->count == 0 || (merge->winner.prefix == UINT64_MAX && merge->cursors[merge->winner.cursor].done);
}

int mr_merge_next(mr_merge_t *merge, mr_row_t *row, mr_error_t *error) {
    if (merge->failed)
        return mr_error_set(error, MR_STATUS_JOB, "the merge has failed before");
    if (at_end(merge))
        return 0;
    node_t taken = merge->winner;
    if (take(merge, row, error) == 0 && take_equal(merge, taken.cursor, taken.prefix, row, error) == 0)
        return 1;
    merge->failed = true;
    return -1;
}
