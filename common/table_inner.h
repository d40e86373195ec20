/* table_inner.h - what a table is made of: private to table.c, which fills it, and table_drain.c, which empties it.
 *
 * A slot is 8 bytes: the key's hash above, the row's place in the arena below (in units of 8 bytes), 0 when free. So a probe
 * touches one cache line of slots and, when the 32 hash bits agree, the row. The index is the hash's high bits: when the slots
 * double, they are copied in order, without looking at a row.
 *
 * A row is its cells, u32 key length, key, padded to 8 bytes. Reads past a row's end stay within the arena, which always
 * has MR_TABLE_SLACK bytes more than its rows. */
#ifndef MR_TABLE_INNER_H
#define MR_TABLE_INNER_H

#include <stdbool.h>

#include "hash.h"
#include "table.h"

#define MR_TABLE_FIRST_BITS 13u                  /* of the first slots: 64 KiB */
#define MR_TABLE_FIRST_ARENA ((size_t) 64 << 20) /* address space: memory comes as it is written */
#define MR_TABLE_SLACK 64u
#define MR_TABLE_NONE UINT32_MAX /* a size that no key has */
#define MR_TABLE_PENDING 16u     /* rows between being added and being folded in; a power of two */
#define MR_TABLE_PENDING_KEY 56u /* longest key that waits; longer ones are folded in at once */

/* A row whose slot is on its way from memory. */
typedef struct mr_pending {
    uint32_t hash;
    uint32_t size;                  /* of the key; MR_TABLE_NONE: no row waits here */
    char key[MR_TABLE_PENDING_KEY]; /* zeros up to MR_HASH_SHORT */
    uint64_t cells[MR_MAX_CELLS];
} mr_pending_t;

struct mr_table {
    uint64_t *slots;   /* 2^bits */
    char *arena;       /* unit 0 is a row that no key equals, so that a free slot needs no check of its own */
    uint32_t bits;     /* of an index into slots */
    uint32_t shift;    /* from a hash to an index: 32 - bits */
    uint32_t used;     /* units of the arena, unit 0 included */
    bool one_sum;      /* one cell, a sum: the common case */
    uint32_t ncells;   /* of a row */
    size_t limit;      /* rows at which the slots double: 5/8 of them */
    size_t rows;       /* distinct keys */
    size_t arena_size; /* bytes */
    mr_op_t ops[MR_MAX_CELLS];
    mr_error_t error; /* the first */
    uint32_t next;    /* place in `pending` of the next row, counted on */
    mr_hash_seed_t seed;
    mr_pending_t pending[MR_TABLE_PENDING]; /* a ring */
};

static inline size_t mr_table_slots_size(uint32_t bits) {
    return sizeof(uint64_t) << bits;
}

static inline uint64_t *mr_table_row_cells(const mr_table_t *table, uint64_t row) {
    return (uint64_t *) (void *) (table->arena + 8 * (row & UINT32_MAX));
}

/* Where a row's key length is; the key follows. */
static inline const char *mr_table_row_key(const mr_table_t *table, uint64_t row) {
    return table->arena + 8 * (row & UINT32_MAX) + 8 * table->ncells;
}

static inline size_t mr_table_row_units(const mr_table_t *table, size_t key_size) {
    return table->ncells + (sizeof(uint32_t) + key_size + 7) / 8;
}

/* Free slots, 2^bits of them; NULL when memory is out. */
uint64_t *mr_table_new_slots(uint32_t bits);

/* Takes the slots, all free, as the table's. */
void mr_table_set_slots(mr_table_t *table, uint64_t *slots, uint32_t bits);

/* An arena of MR_TABLE_FIRST_ARENA bytes; NULL when memory is out. */
char *mr_table_new_arena(void);

/* Makes the table empty over slots that are all free. */
void mr_table_set_empty(mr_table_t *table);

#endif
