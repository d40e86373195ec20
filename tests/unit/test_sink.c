/* The sink against sort-and-fold: whatever arrives, in whatever order, with however little memory; its memory; its errors. */
#include "sink_help.h"

#include <malloc.h>
#include <stdbool.h>

/* ---- what came out ---- */

/* Rows as they came: u32 key size, key, cells. */
typedef struct seen {
    mr_buffer_t bytes;
    uint32_t ncells;
    size_t writes;
} seen_t;

static int see_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    const seen_t *seen = context;
    uint32_t size = (uint32_t) row->key_size;
    if (mr_buffer_append(buffer, &size, sizeof size) || mr_buffer_append(buffer, row->key, size) ||
        mr_buffer_append(buffer, row->cells, seen->ncells * sizeof *row->cells))
        return mr_error_memory(error, "testing");
    return 0;
}

static int see_text(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    (void) error;
    seen_t *seen = context;
    seen->writes++;
    return mr_buffer_append(&seen->bytes, buffer->data, buffer->size);
}

static uint64_t finish(mr_sink_t *sink, seen_t *seen, uint32_t ncells) {
    mr_error_t error = {0};
    uint64_t rows = 0;
    *seen = (seen_t){.ncells = ncells};
    mr_sink_visitor_t visitor = {.context = seen, .row = see_row, .write = see_text};
    int result = mr_sink_finish(sink, &visitor, &rows, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
    return rows;
}

static void expect_seen(const seen_t *seen, const rows_t *reference, uint32_t ncells) {
    const char *at = seen->bytes.data;
    for (size_t i = 0; i < reference->count; i++) {
        const row_t *want = &reference->row[i];
        uint32_t size;
        assert_true(at + sizeof size <= seen->bytes.data + seen->bytes.size);
        memcpy(&size, at, sizeof size);
        assert_int_equal(size, want->key_size);
        assert_memory_equal(at + sizeof size, want->key, size);
        assert_memory_equal(at + sizeof size + size, want->cells, ncells * sizeof *want->cells);
        at += sizeof size + size + ncells * sizeof *want->cells;
    }
    assert_ptr_equal(at, seen->bytes.data + seen->bytes.size);
}

static void discard_events(mr_sink_t *sink) {
    mr_error_t error = {0};
    assert_int_equal(mr_sink_check(sink, &error), 0);
}

/* ---- one story after the other ---- */

static void empty_sink(void **state) {
    (void) state;
    mr_sink_t *sink = new_sink(1 << 20, 2, test_ops, 1);
    seen_t seen;
    assert_int_equal(finish(sink, &seen, 1), 0);
    assert_int_equal(seen.writes, 0);
    mr_sink_destroy(&sink);
    assert_null(sink);
    mr_sink_destroy(&sink);
    mr_sink_destroy(NULL);
}

static void only_committed_runs_count(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink(1 << 20, 2, test_ops, 1);
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 3, 1);
    for (uint64_t partial = 0; partial < 4; partial++)
        assert_int_equal(stage_bytes(sink, 7, partial, run.data, run.size, &error), 0);
    assert_int_equal(stage_bytes(sink, 7, 1, run.data, run.size, &error), 0);
    assert_int_equal(stage_bytes(sink, 8, 1, run.data, run.size, &error), 0);
    assert_int_equal(mr_sink_staged(sink, 7, 1, NULL), 2);
    assert_int_equal(mr_sink_commit(sink, 7, 1, &error), 0);
    assert_int_equal(mr_sink_staged(sink, 7, 1, NULL), 0);
    mr_sink_drop(sink, 7, 0);
    mr_sink_drop(sink, 7, 1); /* committed: nothing to drop */
    assert_int_equal(mr_sink_staged(sink, 7, 2, NULL), 1);
    mr_sink_drop_worker(sink, 7);
    assert_int_equal(mr_sink_staged(sink, 7, 2, NULL) + mr_sink_staged(sink, 7, 3, NULL), 0);
    assert_int_equal(mr_sink_staged(sink, 8, 1, NULL), 1); /* never committed */
    seen_t seen;
    assert_int_equal(finish(sink, &seen, 1), 3);
    uint64_t twice = 2;
    assert_memory_equal(seen.bytes.data + sizeof(uint32_t) + 12, &twice, sizeof twice);
    mr_buffer_free(&seen.bytes);
    assert_int_equal(atomic_load(&live_runs), 0);
    assert_int_equal(mr_sink_stats(sink).runs, 2);

    /* The sink is empty now and may be used again. */
    assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
    assert_int_equal(mr_sink_commit(sink, 1, 1, &error), 0);
    assert_int_equal(finish(sink, &seen, 1), 3);
    mr_buffer_free(&seen.bytes);
    mr_buffer_free(&run);
    mr_sink_destroy(&sink);
}

static void malformed_run_is_refused_and_released(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink(1 << 20, 1, test_ops, 1);
    assert_true(mr_sink_reserve(sink, 5));
    assert_int_equal(stage_bytes(sink, 1, 1, "abcde", 5, &error), -1);
    assert_int_equal(error.status, MR_STATUS_JOB);
    assert_int_equal(atomic_load(&live_runs), 0);
    assert_int_equal(mr_sink_staged(sink, 1, 1, NULL), 0);
    mr_sink_destroy(&sink);
}

static void damaged_row_fails_the_finish(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 20000, 1);
    run.data[run.size - 14] = 0x7F; /* the length of the last key */
    for (uint32_t reducers = 1; reducers <= 3; reducers++) {
        error = (mr_error_t){0};
        mr_sink_t *sink = new_sink(64 << 20, reducers, test_ops, 1);
        assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
        assert_int_equal(mr_sink_commit(sink, 1, 1, &error), 0);
        seen_t seen = {.ncells = 1};
        uint64_t rows;
        mr_sink_visitor_t visitor = {.context = &seen, .row = see_row, .write = see_text};
        assert_int_equal(mr_sink_finish(sink, &visitor, &rows, &error), -1);
        assert_int_equal(error.status, MR_STATUS_JOB);
        mr_buffer_free(&seen.bytes);
        mr_sink_destroy(&sink);
    }
    mr_buffer_free(&run);
}

/* ---- random stories ---- */

/* Partials on their way: each has rows [from, to) of the story's, in runs of its own. */
typedef struct partial {
    size_t from, to;
    size_t next; /* first row not yet staged */
    uint32_t worker;
    uint64_t number;
} partial_t;

typedef struct story {
    rows_t rows; /* all, shared out among partials */
    rows_t kept; /* copies of those committed */
    uint32_t ncells;
    mr_sink_t *sink;
    size_t free_row; /* first row that belongs to no partial yet */
    uint64_t partials;
    partial_t open[12];
    size_t count;
} story_t;

static rows_t story_rows(size_t count) {
    rows_t rows = random_rows(count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < MR_MAX_CELLS; j++)
            rows.row[i].cells[j] >>= 16; /* the sums must not overflow */
        if (random_below(3) == 0)
            continue;
        char *key = malloc(rows.row[i].key_size + 3); /* more distinct keys */
        memcpy(key, rows.row[i].key, rows.row[i].key_size);
        for (size_t j = 0; j < 3; j++)
            key[rows.row[i].key_size++] = (char) random_below(256);
        free(rows.row[i].key);
        rows.row[i].key = key;
    }
    return rows;
}

static void open_partial(story_t *story) {
    size_t left = story->rows.count - story->free_row;
    if (left == 0 || story->count == sizeof story->open / sizeof *story->open)
        return;
    size_t size = 1 + random_below(random_below(2) ? 20 : 6000);
    size = size < left ? size : left;
    story->open[story->count++] = (partial_t){.from = story->free_row,
                                              .to = story->free_row + size,
                                              .next = story->free_row,
                                              .worker = (uint32_t) random_below(4),
                                              .number = story->partials++};
    story->free_row += size;
}

static void stage_more(story_t *story, partial_t *partial) {
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    size_t most = partial->to - partial->next;
    size_t to = partial->next + (random_below(3) ? most : 1 + random_below(most));
    table_run(&story->rows, partial->next, to, story->ncells, &run);
    if (random_below(2))
        reserve_room(story->sink, run.size);
    assert_int_equal(stage_bytes(story->sink, partial->worker, partial->number, run.data, run.size, &error), 0);
    assert_true(mr_sink_staged(story->sink, partial->worker, partial->number, NULL) >= 1);
    mr_buffer_free(&run);
    partial->next = to;
}

static void keep_rows(story_t *story, const partial_t *partial) {
    for (size_t i = partial->from; i < partial->to; i++) {
        const row_t *row = &story->rows.row[i];
        row_t copy = make_row(row->key, row->key_size);
        memcpy(copy.cells, row->cells, sizeof copy.cells);
        story->kept.row[story->kept.count++] = copy;
    }
}

static void forget_worker(story_t *story, uint32_t worker) {
    mr_sink_drop_worker(story->sink, worker);
    for (size_t i = 0; i < story->count;) {
        if (story->open[i].worker == worker)
            story->open[i] = story->open[--story->count];
        else
            i++;
    }
}

/* A whole partial is committed, or dropped and done with, or dropped and sent again by another worker. */
static void decide(story_t *story, partial_t *partial) {
    mr_error_t error = {0};
    size_t choice = random_below(10);
    if (choice < 7) {
        assert_int_equal(mr_sink_commit(story->sink, partial->worker, partial->number, &error), 0);
        keep_rows(story, partial);
    } else {
        mr_sink_drop(story->sink, partial->worker, partial->number);
    }
    if (choice == 9) {
        partial->worker += 10;
        partial->next = partial->from;
    } else {
        *partial = story->open[--story->count];
    }
}

static void step(story_t *story) {
    if (story->count == 0 || random_below(3) == 0)
        open_partial(story);
    if (story->count == 0)
        return;
    if (random_below(200) == 0) {
        forget_worker(story, (uint32_t) random_below(4));
        return;
    }
    partial_t *partial = &story->open[random_below(story->count)];
    if (partial->next < partial->to)
        stage_more(story, partial);
    else if (random_below(2))
        decide(story, partial);
}

static void tell(size_t count, size_t memory, uint32_t reducers) {
    story_t story = {.rows = story_rows(count), .ncells = 1 + (uint32_t) random_below(MR_MAX_CELLS)};
    story.kept.row = calloc(count + 1, sizeof(row_t));
    story.sink = new_sink(memory, reducers, test_ops, story.ncells);
    while (story.free_row < count)
        step(&story);
    for (size_t i = random_below(100); i > 0 && story.count; i--)
        step(&story); /* some may stay staged */
    discard_events(story.sink);
    reduce_rows(&story.kept, test_ops, story.ncells);
    seen_t seen;
    assert_int_equal(finish(story.sink, &seen, story.ncells), story.kept.count);
    expect_seen(&seen, &story.kept, story.ncells);
    mr_sink_stats_t stats = mr_sink_stats(story.sink);
    assert_in_range(stats.peak_memory, 0, memory + memory / 10);
    mr_sink_destroy(&story.sink);
    assert_int_equal(atomic_load(&live_runs), 0);
    mr_buffer_free(&seen.bytes);
    free_rows(&story.rows);
    free_rows(&story.kept);
}

static void random_stories(void **state) {
    (void) state;
    random_start("random_stories");
    for (int i = 0; i < 30; i++)
        tell(random_below(3000), (size_t) 64 << 20, 1 + (uint32_t) random_below(4));
}

static void random_stories_with_little_memory(void **state) {
    (void) state;
    random_start("random_stories_with_little_memory");
    for (int i = 0; i < 4; i++)
        tell(60000, (size_t) (1 + random_below(3)) << 20, 1 + (uint32_t) random_below(4));
}

/* ---- memory ---- */

/* Feeds `runs` runs of distinct keys, as a worker that asks for room does. Returns the bytes fed. */
static uint64_t feed(mr_sink_t *sink, size_t runs, size_t rows, bool commit_at_once) {
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < runs; i++) {
        run.size = 0;
        number_run(&run, i, runs, rows, 1);
        reserve_room(sink, run.size);
        assert_int_equal(stage_bytes(sink, 1, i, run.data, run.size, &error), 0);
        if (commit_at_once)
            assert_int_equal(mr_sink_commit(sink, 1, i, &error), 0);
        bytes += run.size;
    }
    for (size_t i = 0; !commit_at_once && i < runs; i++)
        assert_int_equal(mr_sink_commit(sink, 1, i, &error), 0);
    mr_buffer_free(&run);
    return bytes;
}

static int key_text(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    (void) context;
    return mr_buffer_append(buffer, row->key, row->key_size) ? mr_error_memory(error, "testing") : 0;
}

/* Counts the keys and sees that they are all numbers from 0 on. */
static int count_keys(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    uint64_t *rows = context;
    for (size_t at = 0; at < buffer->size; at += 12, (*rows)++) {
        uint64_t number = 0;
        for (size_t i = 0; i < 12; i++)
            number = 10 * number + (uint64_t) (buffer->data[at + i] - '0');
        if (number != *rows)
            return mr_error_set(error, MR_STATUS_JOB, "row %llu is not in its place", (unsigned long long) *rows);
    }
    return 0;
}

static void bounded(size_t memory, size_t runs, size_t rows, uint32_t reducers, bool commit_at_once) {
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink(memory, reducers, test_ops, 1);
    uint64_t fed = feed(sink, runs, rows, commit_at_once), found;
    uint64_t rows_seen = 0;
    mr_sink_visitor_t visitor = {.context = &rows_seen, .row = key_text, .write = count_keys};
    assert_int_equal(mr_sink_finish(sink, &visitor, &found, &error), 0);
    assert_int_equal(found, runs * rows);
    assert_int_equal(rows_seen, runs * rows);
    mr_sink_stats_t stats = mr_sink_stats(sink);
    assert_true(fed > 4 * memory);
    assert_true(stats.spilled_bytes > fed - memory);
    assert_in_range(stats.peak_memory, memory / 8, memory);
    mr_sink_destroy(&sink);
}

/* Where each access is watched, a part of it shows the same. */
#ifdef __SANITIZE_THREAD__
#define PART 4
#else
#define PART 1
#endif

static void memory_holds_with_committed_runs(void **state) {
    (void) state;
    bounded(((size_t) 4 << 20) / PART, 100 / PART, 12000, 2, true);
}

static void memory_holds_with_many_small_runs(void **state) {
    (void) state;
    bounded((size_t) 2 << 20, 1200, 500, 3, true);
}

static void memory_holds_with_staged_runs(void **state) {
    (void) state;
    bounded(((size_t) 4 << 20) / PART, 100 / PART, 12000, 2, false);
}

/* ---- rows that are missed ---- */

/* Takes the first of what was committed away, as a defect might. */
static void lose_a_run(mr_sink_t *sink) {
    size_t i = 0;
    while (!sink->store.items[i]->committed)
        i++;
    mr_held_t *held = sink->store.items[i];
    mr_store_remove(&sink->store, held);
    mr_held_free(&held);
}

static int ignore_text(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    (void) context;
    (void) buffer;
    (void) error;
    return 0;
}

static void missed(size_t memory, size_t runs) {
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink(memory, 2, test_ops, 1);
    uint64_t rows;
    feed(sink, runs, 6000, true);
    mr_sink_quiesce(sink);
    lose_a_run(sink);
    mr_sink_visitor_t visitor = {.row = key_text, .write = ignore_text};
    assert_int_equal(mr_sink_finish(sink, &visitor, &rows, &error), -1);
    assert_int_equal(error.status, MR_STATUS_LEDGER);
    assert_non_null(strstr(error.text, "rows"));
    mr_sink_destroy(&sink);
    assert_int_equal(atomic_load(&live_runs), 0);
}

static void a_lost_run_is_missed(void **state) {
    (void) state;
    missed((size_t) 64 << 20, 1);
    missed((size_t) 64 << 20, 5);
    missed((size_t) 1 << 20, 60); /* most of them merged and spilled */
}

/* ---- resident memory ---- */

/* Bytes of a line of /proc/self/status, which are in kB there. */
static size_t status_bytes(const char *name) {
    char line[256];
    size_t kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    return kb * 1024;
}

/* Sets the largest resident size to the one now. False: not permitted. */
static bool forget_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool done = file && fputs("5", file) >= 0;
    return file && fclose(file) == 0 && done;
}

/* What is accounted is what the process really takes. */
static void resident_memory_holds(void **state) {
    (void) state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* their shadow memory counts too */
#endif
    malloc_trim(0);
    if (!forget_peak())
        skip();
    size_t memory = (size_t) 24 << 20, before = status_bytes("VmRSS:");
    bounded(memory, 150, 50000, 2, true);
    size_t grown = status_bytes("VmHWM:") - before;
    print_message("resident memory grew by %zu bytes, %zu allowed\n", grown, memory + memory / 10);
    assert_in_range(grown, memory / 2, memory + memory / 10);
}

static void admission_is_strict(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink((size_t) 4 << 20, 1, test_ops, 1);
    size_t granted = 0;
    while (mr_sink_reserve(sink, 1 << 18))
        granted += 1 << 18;
    assert_in_range(granted, 2 << 20, 4 << 20);
    assert_false(mr_sink_reserve(sink, (size_t) 64 << 20)); /* others are on their way */
    struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 0), 0);
    for (; granted; granted -= 1 << 18)
        mr_sink_unreserve(sink, 1 << 18);
    assert_int_equal(poll(&ready, 1, 0), 1);
    assert_int_equal(mr_sink_check(sink, &error), 0);
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_true(mr_sink_reserve(sink, (size_t) 64 << 20)); /* larger than the memory, but alone */
    assert_false(mr_sink_reserve(sink, 1));
    mr_sink_unreserve(sink, (size_t) 64 << 20);
    assert_true(mr_sink_reserve(sink, 1));
    mr_sink_destroy(&sink);
}

/* A small run that nobody asked room for must not use up what was reserved for another, larger one. */
static void unasked_run_leaves_reservations_alone(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink((size_t) 4 << 20, 1, test_ops, 1);
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 10, 1);
    while (mr_sink_reserve(sink, 200000))
        continue;
    assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
    assert_false(mr_sink_reserve(sink, 200000));
    mr_buffer_free(&run);
    mr_sink_destroy(&sink);
}

/* Staged runs that fill the memory are moved to disk, and a run larger than the memory still gets in. */
static void too_large_a_run_gets_in_at_last(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink((size_t) 1 << 20, 1, test_ops, 1);
    mr_buffer_t small = {0}, large = {0};
    number_run(&small, 0, 2, 10000, 1);
    number_run(&large, 1, 2, 200000, 1);
    for (uint64_t i = 0; i < 6; i++) {
        reserve_room(sink, small.size);
        assert_int_equal(stage_bytes(sink, 1, i, small.data, small.size, &error), 0);
    }
    reserve_room(sink, large.size);
    assert_int_equal(stage_bytes(sink, 2, 0, large.data, large.size, &error), 0);
    reserve_room(sink, small.size);
    mr_sink_unreserve(sink, small.size);
    assert_int_equal(mr_sink_commit(sink, 2, 0, &error), 0);
    mr_sink_drop(sink, 1, 0);
    for (uint64_t i = 1; i < 6; i++)
        assert_int_equal(mr_sink_commit(sink, 1, i, &error), 0);
    seen_t seen;
    assert_int_equal(finish(sink, &seen, 1), 210000);
    mr_buffer_free(&seen.bytes);
    mr_buffer_free(&small);
    mr_buffer_free(&large);
    mr_sink_destroy(&sink);
    assert_int_equal(atomic_load(&live_runs), 0);
}

/* ---- errors ---- */

/* Feeds until the background reports its error. Returns it. */
static mr_error_t feed_until_error(mr_sink_t *sink) {
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 10000, 1);
    for (uint64_t i = 0; error.status == MR_STATUS_OK && i < 10000; i++) {
        if (mr_sink_reserve(sink, run.size)) {
            if (stage_bytes(sink, 1, i, run.data, run.size, &error) == 0)
                mr_sink_commit(sink, 1, i, &error);
        } else {
            struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
            assert_int_equal(poll(&ready, 1, 60000), 1);
            mr_sink_check(sink, &error);
        }
    }
    mr_buffer_free(&run);
    return error;
}

static void expect_failed_sink(mr_sink_t **sink, const mr_error_t *error) {
    mr_error_t again = {0};
    seen_t seen = {.ncells = 1};
    uint64_t rows;
    mr_sink_visitor_t visitor = {.context = &seen, .row = see_row, .write = see_text};
    assert_int_equal(mr_sink_finish(*sink, &visitor, &rows, &again), -1);
    assert_string_equal(again.text, error->text);
    assert_int_equal(seen.writes, 0);
    mr_sink_destroy(sink);
    assert_int_equal(atomic_load(&live_runs), 0);
}

static void missing_tmp_dir(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_sink_config_t config = {
        .memory = 1 << 20, .tmp_dir = "/nonexistent/dir", .reducers = 1, .ops = test_ops, .ncells = 1};
    mr_sink_t *sink = mr_sink_new(&config, &error);
    assert_non_null(sink);
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 100000, 1);
    assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
    mr_buffer_free(&run);
    struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 60000), 1);
    assert_int_equal(mr_sink_check(sink, &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "/nonexistent/dir"));
    assert_non_null(strstr(error.text, "--tmp"));
    mr_error_t later = {0};
    assert_int_equal(mr_sink_commit(sink, 1, 1, &later), -1);
    assert_string_equal(later.text, error.text);
    expect_failed_sink(&sink, &error);
}

/* A file may not grow past the limit: as a full disk, at a place of one's choice. */
static void full_disk(void **state) {
    (void) state;
    struct rlimit old, limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){.rlim_cur = 100000, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    mr_sink_t *sink = new_sink(1 << 20, 1, test_ops, 1);
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 100000, 1);
    assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
    mr_buffer_free(&run);
    struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 60000), 1);
    assert_int_equal(mr_sink_check(sink, &error), -1);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "/tmp: "));
    assert_non_null(strstr(error.text, "--tmp"));
    expect_failed_sink(&sink, &error);
}

/* Runs that sum to more than 64 bits. */
static void commit_huge(mr_sink_t *sink, size_t rows, uint64_t partial) {
    mr_error_t error = {0};
    mr_buffer_t run = {0};
    mr_run_writer_t writer = {.out = &run, .ncells = 1};
    for (size_t i = 0; i < rows; i++) {
        char key[16];
        uint64_t cell = i == rows / 2 ? UINT64_MAX : 0;
        int size = snprintf(key, sizeof key, "word%07zu", i);
        assert_int_equal(mr_run_write(&writer, key, (size_t) size, &cell), 0);
    }
    mr_run_end_block(&writer);
    assert_int_equal(stage_bytes(sink, 1, partial, run.data, run.size, &error), 0);
    mr_sink_commit(sink, 1, partial, &error);
    mr_buffer_free(&run);
}

static void overflow_names_the_key(void **state) {
    (void) state;
    for (uint32_t reducers = 1; reducers <= 4; reducers++) {
        mr_sink_t *sink = new_sink(64 << 20, reducers, test_ops, 1);
        commit_huge(sink, 100001, 1);
        commit_huge(sink, 100001, 2);
        mr_error_t error = {0};
        seen_t seen = {.ncells = 1};
        uint64_t rows;
        mr_sink_visitor_t visitor = {.context = &seen, .row = see_row, .write = see_text};
        assert_int_equal(mr_sink_finish(sink, &visitor, &rows, &error), -1);
        assert_int_equal(error.status, MR_STATUS_JOB);
        assert_non_null(strstr(error.text, "word0050000"));
        mr_buffer_free(&seen.bytes);
        mr_sink_destroy(&sink);
    }
}

static void overflow_in_the_background(void **state) {
    (void) state;
    mr_sink_t *sink = new_sink(1 << 20, 1, test_ops, 1);
    commit_huge(sink, 20001, 1);
    commit_huge(sink, 20001, 2);
    mr_error_t error = feed_until_error(sink);
    assert_int_equal(error.status, MR_STATUS_JOB);
    assert_non_null(strstr(error.text, "word0010000"));
    expect_failed_sink(&sink, &error);
}

/* ---- visitors that fail ---- */

typedef struct failing {
    atomic_long calls; /* until it fails */
    bool in_write;
} failing_t;

static int failing_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    failing_t *failing = context;
    if (!failing->in_write && atomic_fetch_sub(&failing->calls, 1) <= 0)
        return mr_error_set(error, MR_STATUS_STORAGE, "no more");
    return mr_buffer_append(buffer, row->key, row->key_size);
}

static int failing_write(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    (void) buffer;
    failing_t *failing = context;
    if (failing->in_write && atomic_fetch_sub(&failing->calls, 1) <= 0)
        return mr_error_set(error, MR_STATUS_STORAGE, "no more");
    return 0;
}

static void visitor_errors_end_all(void **state) {
    (void) state;
    random_start("visitor_errors_end_all");
    mr_buffer_t run = {0};
    number_run(&run, 0, 1, 200000, 1);
    for (uint32_t i = 0; i < 24; i++) {
        mr_error_t error = {0};
        mr_sink_t *sink = new_sink((size_t) (i % 3 ? 64 : 1) << 20, 1 + i % 4, test_ops, 1);
        failing_t failing = {.in_write = i % 2};
        atomic_init(&failing.calls, (long) random_below(failing.in_write ? 8 : 200000));
        mr_sink_visitor_t visitor = {
            .context = &failing, .row = failing_row, .write = failing_write, .bound = i % 5 ? 0 : 4096};
        uint64_t rows;
        assert_int_equal(stage_bytes(sink, 1, 1, run.data, run.size, &error), 0);
        assert_int_equal(mr_sink_commit(sink, 1, 1, &error), 0);
        if (mr_sink_finish(sink, &visitor, &rows, &error) == 0)
            assert_true(failing.in_write && atomic_load(&failing.calls) >= 0);
        else
            assert_string_equal(error.text, "no more");
        mr_sink_destroy(&sink);
    }
    mr_buffer_free(&run);
    assert_int_equal(atomic_load(&live_runs), 0);
}

/* A sink that is merging and spilling is thrown away. */
static void destroy_while_busy(void **state) {
    (void) state;
    for (size_t i = 0; i < 10; i++) {
        mr_sink_t *sink = new_sink(2 << 20, 2, test_ops, 1);
        feed(sink, 10 + i, 6000, i % 2);
        mr_sink_destroy(&sink);
        assert_int_equal(atomic_load(&live_runs), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_sink),
        cmocka_unit_test(only_committed_runs_count),
        cmocka_unit_test(malformed_run_is_refused_and_released),
        cmocka_unit_test(damaged_row_fails_the_finish),
        cmocka_unit_test(random_stories),
        cmocka_unit_test(random_stories_with_little_memory),
        cmocka_unit_test(a_lost_run_is_missed),
        cmocka_unit_test(memory_holds_with_committed_runs),
        cmocka_unit_test(memory_holds_with_many_small_runs),
        cmocka_unit_test(memory_holds_with_staged_runs),
        cmocka_unit_test(resident_memory_holds),
        cmocka_unit_test(admission_is_strict),
        cmocka_unit_test(unasked_run_leaves_reservations_alone),
        cmocka_unit_test(too_large_a_run_gets_in_at_last),
        cmocka_unit_test(missing_tmp_dir),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(overflow_names_the_key),
        cmocka_unit_test(overflow_in_the_background),
        cmocka_unit_test(visitor_errors_end_all),
        cmocka_unit_test(destroy_while_busy),
    };
    return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
