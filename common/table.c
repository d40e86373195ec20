/* The table: owns its slots and its arena.
 *
 * A slot is 8 bytes: the key's hash above, the row's place in the arena below (in units of 8 bytes), 0 when free. So a probe
 * touches one cache line of slots and, when the 32 hash bits agree, the row. The index is the hash's high bits: when the slots
 * double, they are copied in order, without looking at a row.
 *
 * A row is its cells, u32 key length, key, padded to 8 bytes. Reads past a row's end stay within the arena, which always
 * has SLACK bytes more than its rows.
 *
 * Fails when memory is out or a sum overflows: the first error is kept, rows already there stay. */
#include "table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "hash.h"
#include "pages.h"
#include "reduce.h"
#include "run.h"
#include "sort.h"

#define FIRST_BITS 13u /* of the first slots: 64 KiB */
#define LAST_BITS 31u
#define FIRST_ARENA ((size_t) 64 << 20) /* address space: memory comes as it is written */
#define SLACK 64u
#define NONE UINT32_MAX /* a size that no key has */
#define KEPT_BITS 21u   /* slots kept over a drain: 16 MiB */
#define CACHED_BITS 17u /* up to these slots, 1 MiB, and their rows stay in the processor's cache: nothing waits */
#define PENDING 16u     /* rows between being added and being folded in; a power of two */
#define PENDING_KEY 56u /* longest key that waits; longer ones are folded in at once */
#define AHEAD 16u       /* rows fetched before they are written */

/* A row whose slot is on its way from memory. */
typedef struct pending {
    uint32_t hash;
    uint32_t size;         /* of the key; NONE: no row waits here */
    char key[PENDING_KEY]; /* zeros up to MR_HASH_SHORT */
    uint64_t cells[MR_MAX_CELLS];
} pending_t;

struct mr_table {
    uint64_t *slots;   /* 2^bits */
    char *arena;       /* unit 0 is a row that no key equals, so that a free slot needs no check of its own */
    uint32_t bits;     /* of an index into slots */
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
    pending_t pending[PENDING]; /* a ring */
};

static size_t slots_size(uint32_t bits) {
    return sizeof(uint64_t) << bits;
}

static uint64_t *row_cells(const mr_table_t *table, uint64_t row) {
    return (uint64_t *) (void *) (table->arena + 8 * (row & UINT32_MAX));
}

/* Where a row's key length is; the key follows. */
static const char *row_key(const mr_table_t *table, uint64_t row) {
    return table->arena + 8 * (row & UINT32_MAX) + 8 * table->ncells;
}

static size_t row_units(const mr_table_t *table, size_t key_size) {
    return table->ncells + (sizeof(uint32_t) + key_size + 7) / 8;
}

/* Makes the table empty over slots that are all zero. */
static void set_empty(mr_table_t *table) {
    uint32_t no_size = NONE;
    memset(table->arena, 0, 8 * table->ncells);
    memcpy(table->arena + 8 * table->ncells, &no_size, sizeof no_size);
    table->used = (uint32_t) row_units(table, 0);
    table->limit = ((size_t) 1 << table->bits) / 8 * 5;
    table->rows = 0;
    table->error.status = MR_STATUS_OK;
}

mr_table_t *mr_table_new(const mr_op_t *ops, uint32_t ncells) {
    mr_table_t *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->bits = FIRST_BITS;
    table->arena_size = FIRST_ARENA;
    table->slots = mr_pages_new(slots_size(FIRST_BITS));
    table->arena = mr_pages_new(FIRST_ARENA);
    if (!table->slots || !table->arena || mr_hash_seed(&table->seed)) {
        mr_table_destroy(&table);
        return NULL;
    }
    table->ncells = ncells;
    memcpy(table->ops, ops, ncells * sizeof *ops);
    table->one_sum = ncells == 1 && ops[0] == MR_SUM;
    for (uint32_t i = 0; i < PENDING; i++)
        table->pending[i].size = NONE;
    set_empty(table);
    return table;
}

void mr_table_destroy(mr_table_t **self) {
    mr_table_t *table = self ? *self : NULL;
    if (!table)
        return;
    mr_pages_free(table->slots, slots_size(table->bits));
    mr_pages_free(table->arena, table->arena_size);
    free(table);
    *self = NULL;
}

/* ---- finding ---- */

static inline bool is_short_key(const char *key, const mr_key_words_t *words, size_t size) {
    uint32_t other;
    memcpy(&other, key, sizeof other);
    key += sizeof other;
    uint64_t difference = (mr_load64(key) ^ words->word[0]) & words->mask[0];
    difference |= (mr_load64(key + 8) ^ words->word[1]) & words->mask[1];
    return (difference | (other ^ size)) == 0;
}

static bool is_long_key(const char *key, const char *wanted, size_t size) {
    uint32_t other;
    memcpy(&other, key, sizeof other);
    return other == size && memcmp(key + sizeof other, wanted, size) == 0;
}

static inline size_t first_index(const mr_table_t *table, uint32_t hash) {
    return hash >> (32 - table->bits);
}

static inline size_t next_index(const mr_table_t *table, size_t index) {
    return (index + 1) & (((size_t) 1 << table->bits) - 1);
}

/* ---- growing ---- */

static void put_slot(mr_table_t *table, uint64_t slot) {
    size_t index = first_index(table, (uint32_t) (slot >> 32));
    while (table->slots[index])
        index = next_index(table, index);
    table->slots[index] = slot;
}

static int grow_slots(mr_table_t *table) {
    if (table->bits == LAST_BITS)
        return mr_error_memory(&table->error, "adding rows to a table: it is full");
    uint64_t *old = table->slots, *slots = mr_pages_new(slots_size(table->bits + 1));
    if (!slots)
        return mr_error_memory(&table->error, "adding rows to a table");
    size_t count = (size_t) 1 << table->bits;
    table->slots = slots;
    table->bits++;
    table->limit *= 2;
    for (size_t i = 0; i < count; i++)
        if (old[i])
            put_slot(table, old[i]);
    mr_pages_free(old, count * sizeof *old);
    return 0;
}

static int grow_arena(mr_table_t *table, size_t units) {
    size_t need = 8 * (table->used + units) + SLACK, size = table->arena_size;
    if (table->used + units > UINT32_MAX)
        return mr_error_memory(&table->error, "adding rows to a table: it is full");
    while (size < need)
        size *= 2;
    char *arena = mr_pages_grow(table->arena, table->arena_size, size);
    if (!arena)
        return mr_error_memory(&table->error, "adding rows to a table");
    table->arena = arena;
    table->arena_size = size;
    return 0;
}

static int __attribute__((noinline))
insert(mr_table_t *table, uint32_t hash, const char *key, size_t size, const uint64_t *cells) {
    size_t units = row_units(table, size);
    if (table->rows == table->limit && grow_slots(table))
        return -1;
    if (8 * (table->used + units) + SLACK > table->arena_size && grow_arena(table, units))
        return -1;
    uint32_t length = (uint32_t) size;
    char *row = table->arena + 8 * (size_t) table->used;
    memcpy(row, cells, 8 * table->ncells);
    memcpy(row + 8 * table->ncells, &length, sizeof length);
    if (size)
        memcpy(row + 8 * table->ncells + sizeof length, key, size);
    put_slot(table, (uint64_t) hash << 32 | table->used);
    table->used += (uint32_t) units;
    table->rows++;
    return 0;
}

/* ---- folding ---- */

static int reduce(mr_table_t *table, uint64_t row, const uint64_t *cells) {
    uint64_t *into = row_cells(table, row), sum;
    if (__builtin_expect(table->one_sum, 1) && !__builtin_add_overflow(*into, *cells, &sum)) {
        *into = sum;
        return 0;
    }
    if (mr_reduce_cells(table->ops, table->ncells, into, cells))
        return 0;
    uint32_t size;
    const char *key = row_key(table, row);
    memcpy(&size, key, sizeof size);
    return mr_reduce_overflow(&table->error, key + sizeof size, size);
}

static int __attribute__((noinline))
fold_long(mr_table_t *table, uint32_t hash, const char *key, size_t size, const uint64_t *cells) {
    for (size_t i = first_index(table, hash); table->slots[i]; i = next_index(table, i))
        if (table->slots[i] >> 32 == hash && is_long_key(row_key(table, table->slots[i]), key, size))
            return reduce(table, table->slots[i], cells);
    return insert(table, hash, key, size, cells);
}

static inline int fold_short(mr_table_t *table, uint32_t hash, const mr_key_words_t *words, const char *key,
                             size_t size, const uint64_t *cells) {
    for (size_t i = first_index(table, hash);; i = next_index(table, i)) {
        uint64_t slot = table->slots[i];
        if (slot >> 32 == hash && is_short_key(row_key(table, slot), words, size))
            return reduce(table, slot, cells);
        if (slot == 0)
            return insert(table, hash, key, size, cells);
    }
}

/* Folds in a row that has waited. */
static inline int fold(mr_table_t *table, const pending_t *row) {
    if (__builtin_expect(row->size > MR_HASH_SHORT, 0))
        return row->size == NONE ? 0 : fold_long(table, row->hash, row->key, row->size, row->cells);
    mr_key_words_t words = mr_key_words(row->key, row->size);
    return fold_short(table, row->hash, &words, row->key, row->size, row->cells);
}

static inline void fetch_slot(const mr_table_t *table, const pending_t *row) {
    __builtin_prefetch(&table->slots[first_index(table, row->hash)]);
}

/* Fetches the row that the slot, here by now, most likely leads to. */
static inline void fetch_row(const mr_table_t *table, const pending_t *row) {
    uint64_t slot = table->slots[first_index(table, row->hash)];
    if (slot >> 32 == row->hash)
        __builtin_prefetch(row_cells(table, slot));
}

static int __attribute__((noinline)) fold_huge(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    if (size > MR_MAX_KEY)
        return mr_error_set(&table->error, MR_STATUS_JOB, "a key of %zu bytes is longer than %zu, the limit", size,
                            MR_MAX_KEY);
    return fold_long(table, mr_hash_long(&table->seed, key, size), key, size, cells);
}

/* Lets the row wait for its slot, and folds in the one that has waited longest. */
static int __attribute__((noinline))
fold_later(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    pending_t *row = &table->pending[table->next % PENDING];
    int result = fold(table, row);
    if (__builtin_expect(size > MR_HASH_SHORT, 0)) {
        row->hash = mr_hash_long(&table->seed, key, size);
        memcpy(row->key, key, size);
    } else {
        mr_key_words_t words = mr_key_words(key, size);
        row->hash = mr_hash_short(&table->seed, words.word[0], words.word[1], size);
        mr_store64(row->key, words.word[0]);
        mr_store64(row->key + 8, words.word[1]);
    }
    row->size = (uint32_t) size;
    for (uint32_t i = 0; i < table->ncells; i++)
        row->cells[i] = cells[i];
    fetch_slot(table, row);
    table->next++;
    fetch_row(table, &table->pending[(table->next + PENDING / 2) % PENDING]);
    return result;
}

int mr_table_add(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    if (size > PENDING_KEY)
        return fold_huge(table, key, size, cells);
    if (table->bits > CACHED_BITS)
        return fold_later(table, key, size, cells);
    if (size > MR_HASH_SHORT)
        return fold_long(table, mr_hash_long(&table->seed, key, size), key, size, cells);
    mr_key_words_t words = mr_key_words(key, size);
    uint32_t hash = mr_hash_short(&table->seed, words.word[0], words.word[1], size);
    return fold_short(table, hash, &words, key, size, cells);
}

/* Folds in all rows that wait. */
static void settle(mr_table_t *table) {
    for (uint32_t i = 0; i < PENDING; i++) {
        pending_t *row = &table->pending[table->next++ % PENDING];
        fold(table, row);
        row->size = NONE;
    }
}

const mr_error_t *mr_table_error(mr_table_t *table) {
    settle(table);
    return table->error.status == MR_STATUS_OK ? NULL : &table->error;
}

size_t mr_table_rows(mr_table_t *table) {
    settle(table);
    return table->rows;
}

size_t mr_table_bytes(const mr_table_t *table) {
    return slots_size(table->bits) + 8 * (size_t) table->used;
}

/* ---- draining ---- */

/* Empties the table, keeping its memory up to a bound. Where smaller memory cannot be had, the larger is kept. */
static void reset(mr_table_t *table) {
    uint64_t *slots = table->bits > KEPT_BITS ? mr_pages_new(slots_size(FIRST_BITS)) : NULL;
    char *arena = table->arena_size > FIRST_ARENA ? mr_pages_new(FIRST_ARENA) : NULL;
    if (slots) {
        mr_pages_free(table->slots, slots_size(table->bits));
        table->slots = slots;
        table->bits = FIRST_BITS;
    } else {
        memset(table->slots, 0, slots_size(table->bits));
    }
    if (arena) {
        mr_pages_free(table->arena, table->arena_size);
        table->arena = arena;
        table->arena_size = FIRST_ARENA;
    }
    set_empty(table);
}

/* One entry a row, in insertion order. */
static void list_rows(const mr_table_t *table, mr_sort_entry_t *entries) {
    size_t at = row_units(table, 0);
    for (size_t i = 0; i < table->rows; i++) {
        const char *key = row_key(table, at);
        uint32_t size;
        memcpy(&size, key, sizeof size);
        uint64_t prefix = __builtin_bswap64(mr_load64(key + sizeof size) & mr_key_mask(size));
        entries[i] = (mr_sort_entry_t){.prefix = prefix, .row = (uint32_t) at, .size = size};
        at += row_units(table, size);
    }
}

static int write_rows(const mr_table_t *table, const mr_sort_entry_t *entries, mr_buffer_t *run) {
    mr_run_writer_t writer = {.out = run, .ncells = table->ncells};
    for (size_t i = 0; i < table->rows; i++) {
        if (i + AHEAD < table->rows)
            __builtin_prefetch(row_cells(table, entries[i + AHEAD].row));
        const char *key = row_key(table, entries[i].row) + sizeof(uint32_t);
        if (mr_run_write(&writer, key, entries[i].size, row_cells(table, entries[i].row)))
            return -1;
    }
    mr_run_end_block(&writer);
    return 0;
}

int mr_table_drain(mr_table_t *table, mr_buffer_t *run) {
    if (mr_table_error(table))
        return -1;
    size_t before = run->size, size = 2 * table->rows * sizeof(mr_sort_entry_t);
    size = (size + MR_PAGES_MIN) / MR_PAGES_MIN * MR_PAGES_MIN;
    mr_sort_entry_t *entries = mr_pages_new(size);
    int result = -1;
    if (entries && mr_buffer_reserve(run, 8 * (size_t) table->used) == 0) {
        list_rows(table, entries);
        mr_sort(entries, entries + table->rows, table->rows, row_key(table, 0) + sizeof(uint32_t));
        result = write_rows(table, entries, run);
    }
    mr_pages_free(entries, size);
    if (result)
        run->size = before;
    else
        reset(table);
    return result;
}
