/* The table: owns its slots and its arena (table_inner.h shows them).
 *
 * A row that is added is looked for at once while slots and rows fit the processor's cache. Past that size it waits in a ring while
 * its slot, then its row, are fetched: 16 rows are on their way at a time, not one.
 *
 * Fails when memory is out or a sum overflows: the first error is kept, rows already there stay. */
#include <stdlib.h>

#include "pages.h"
#include "reduce.h"
#include "table_inner.h"

#define LAST_BITS 31u
#define SLOTS_OF_ROW 26u /* bytes of slots for each row just after they have doubled: 2 * 8 / (5/8) */
#define CACHED_BITS 17u  /* up to these slots, 1 MiB: nothing waits */

uint64_t *mr_table_new_slots(uint32_t bits) {
    uint64_t *slots = mr_pages_new(mr_table_slots_size(bits));
    if (slots)
        mr_pages_populate(slots, mr_table_slots_size(bits));
    return slots;
}

void mr_table_set_slots(mr_table_t *table, uint64_t *slots, uint32_t bits) {
    table->slots = slots;
    table->bits = bits;
    table->shift = 32 - bits;
    table->limit = ((size_t) 1 << bits) / 8 * 5;
}

char *mr_table_new_arena(void) {
    return mr_pages_new(MR_TABLE_FIRST_ARENA);
}

void mr_table_set_empty(mr_table_t *table) {
    uint32_t no_size = MR_TABLE_NONE;
    memset(table->arena, 0, 8 * table->ncells);
    memcpy(table->arena + 8 * table->ncells, &no_size, sizeof no_size);
    table->used = (uint32_t) mr_table_row_units(table, 0);
    table->rows = 0;
    table->error.status = MR_STATUS_OK;
}

mr_table_t *mr_table_new(const mr_op_t *ops, uint32_t ncells) {
    mr_table_t *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    mr_table_set_slots(table, mr_table_new_slots(MR_TABLE_FIRST_BITS), MR_TABLE_FIRST_BITS);
    table->arena_size = MR_TABLE_FIRST_ARENA;
    table->arena = mr_table_new_arena();
    if (!table->slots || !table->arena || mr_hash_seed(&table->seed)) {
        mr_table_destroy(&table);
        return NULL;
    }
    table->ncells = ncells;
    memcpy(table->ops, ops, ncells * sizeof *ops);
    table->one_sum = ncells == 1 && ops[0] == MR_SUM;
    for (uint32_t i = 0; i < MR_TABLE_PENDING; i++)
        table->pending[i].size = MR_TABLE_NONE;
    mr_table_set_empty(table);
    return table;
}

void mr_table_destroy(mr_table_t **self) {
    mr_table_t *table = self ? *self : NULL;
    if (!table)
        return;
    mr_pages_free(table->slots, mr_table_slots_size(table->bits));
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
    return hash >> table->shift;
}

static inline size_t next_index(const mr_table_t *table, size_t index) {
    return (index + 1) & (UINT32_MAX >> table->shift);
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
    uint64_t *old = table->slots, *slots = mr_table_new_slots(table->bits + 1);
    if (!slots)
        return mr_error_memory(&table->error, "adding rows to a table");
    size_t count = (size_t) 1 << table->bits;
    mr_table_set_slots(table, slots, table->bits + 1);
    for (size_t i = 0; i < count; i++)
        if (old[i])
            put_slot(table, old[i]);
    mr_pages_free(old, count * sizeof *old);
    return 0;
}

static int grow_arena(mr_table_t *table, size_t units) {
    size_t need = 8 * (table->used + units) + MR_TABLE_SLACK, size = table->arena_size;
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
    size_t units = mr_table_row_units(table, size);
    if (table->rows == table->limit && grow_slots(table))
        return -1;
    if (8 * (table->used + units) + MR_TABLE_SLACK > table->arena_size && grow_arena(table, units))
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

static int __attribute__((noinline)) reduce_cells(mr_table_t *table, uint64_t row, const uint64_t *cells) {
    if (mr_reduce_cells(table->ops, table->ncells, mr_table_row_cells(table, row), cells))
        return 0;
    uint32_t size;
    const char *key = mr_table_row_key(table, row);
    memcpy(&size, key, sizeof size);
    return mr_reduce_overflow(&table->error, key + sizeof size, size);
}

static inline int reduce(mr_table_t *table, uint64_t row, const uint64_t *cells) {
    uint64_t *into = mr_table_row_cells(table, row), sum;
    if (__builtin_expect(!table->one_sum || __builtin_add_overflow(*into, *cells, &sum), 0))
        return reduce_cells(table, row, cells);
    *into = sum;
    return 0;
}

static int __attribute__((noinline))
fold_long(mr_table_t *table, uint32_t hash, const char *key, size_t size, const uint64_t *cells) {
    for (size_t i = first_index(table, hash); table->slots[i]; i = next_index(table, i))
        if (table->slots[i] >> 32 == hash && is_long_key(mr_table_row_key(table, table->slots[i]), key, size))
            return reduce(table, table->slots[i], cells);
    return insert(table, hash, key, size, cells);
}

static inline int fold_short(mr_table_t *table, uint32_t hash, const mr_key_words_t *words, const char *key,
                             size_t size, const uint64_t *cells) {
    for (size_t i = first_index(table, hash);; i = next_index(table, i)) {
        uint64_t slot = table->slots[i];
        if (slot >> 32 == hash && is_short_key(mr_table_row_key(table, slot), words, size))
            return reduce(table, slot, cells);
        if (slot == 0)
            return insert(table, hash, key, size, cells);
    }
}

/* Folds in a row that has waited. */
static inline int fold(mr_table_t *table, const mr_pending_t *row) {
    if (__builtin_expect(row->size > MR_HASH_SHORT, 0))
        return row->size == MR_TABLE_NONE ? 0 : fold_long(table, row->hash, row->key, row->size, row->cells);
    mr_key_words_t words = mr_key_words(row->key, row->size);
    return fold_short(table, row->hash, &words, row->key, row->size, row->cells);
}

static inline void fetch_slot(const mr_table_t *table, const mr_pending_t *row) {
    __builtin_prefetch(&table->slots[first_index(table, row->hash)]);
}

/* Fetches the row that the slot, here by now, most likely leads to. */
static inline void fetch_row(const mr_table_t *table, const mr_pending_t *row) {
    uint64_t slot = table->slots[first_index(table, row->hash)];
    if (slot >> 32 == row->hash)
        __builtin_prefetch(mr_table_row_cells(table, slot));
}

static int __attribute__((noinline)) add_long(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    if (size > MR_MAX_KEY)
        return mr_error_set(&table->error, MR_STATUS_JOB, "a key of %zu bytes is longer than %zu, the limit", size,
                            MR_MAX_KEY);
    return fold_long(table, mr_hash_long(&table->seed, key, size), key, size, cells);
}

/* Lets the row wait for its slot, and folds in the one that has waited longest. */
static int __attribute__((noinline)) add_later(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    mr_pending_t *row = &table->pending[table->next % MR_TABLE_PENDING];
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
    fetch_row(table, &table->pending[(table->next + MR_TABLE_PENDING / 2) % MR_TABLE_PENDING]);
    return result;
}

/* Every other way is a call at the end, out of the way of the common one: a short key that is there. */
int mr_table_add(mr_table_t *table, const char *key, size_t size, const uint64_t *cells) {
    if (__builtin_expect(table->bits > CACHED_BITS && size <= MR_TABLE_PENDING_KEY, 0))
        return add_later(table, key, size, cells);
    if (__builtin_expect(size > MR_HASH_SHORT, 0))
        return add_long(table, key, size, cells);
    mr_key_words_t words = mr_key_words(key, size);
    uint32_t hash = mr_hash_short(&table->seed, words.word[0], words.word[1], size);
    return fold_short(table, hash, &words, key, size, cells);
}

/* Folds in all rows that wait. */
static void settle(mr_table_t *table) {
    for (uint32_t i = 0; i < MR_TABLE_PENDING; i++) {
        mr_pending_t *row = &table->pending[table->next++ % MR_TABLE_PENDING];
        fold(table, row);
        row->size = MR_TABLE_NONE;
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
    size_t slots = mr_table_slots_size(table->bits),
           most = mr_table_slots_size(MR_TABLE_FIRST_BITS) + SLOTS_OF_ROW * table->rows;
    return (slots < most ? slots : most) + 8 * (size_t) table->used;
}
