#include "slot.h"

#include "clock.h"
#include "timeline.h"

static bool is_stopped(const mr_slot_t *slot) {
    return atomic_load_explicit(&slot->shop->stop, memory_order_relaxed) ||
           atomic_load_explicit(&slot->fate, memory_order_relaxed) != MR_SLOT_GOES_ON;
}

static bool must_stop(void *slot) {
    return is_stopped(slot);
}

static void open_eye(mr_slot_t *slot) {
    if (!slot->shop->sight)
        return;
    mr_eye_init(&slot->eye, slot->shop->sight, must_stop, slot);
    mr_reader_use(slot->reader, &slot->eye.access);
}

int mr_slot_init(mr_slot_t *slot, mr_workshop_t *shop, mr_error_t *error) {
    *slot = (mr_slot_t){.shop = shop};
    mr_relay_init(&slot->relay, shop);
    mr_careful_init(&slot->careful, &slot->mapper, &slot->fate, &slot->timed);
    slot->reader = mr_reader_new(shop->limits->block_size, shop->limits->max_record);
    if (!slot->reader)
        return mr_error_memory(error, "starting a thread");
    open_eye(slot);
    return mr_mapper_init(&slot->mapper, shop, error);
}

void mr_slot_close(mr_slot_t *slot) {
    mr_reader_destroy(&slot->reader);
    mr_eye_close(&slot->eye);
    mr_mapper_close(&slot->mapper);
    mr_relay_close(&slot->relay);
    mr_careful_close(&slot->careful);
    mr_partial_destroy(&slot->partial);
    mr_buffer_free(&slot->payload);
}

/* ---- the open partial ---- */

static int open_partial(mr_slot_t *slot, uint32_t group, mr_error_t *error) {
    slot->partial = mr_partial_new(atomic_fetch_add(&slot->shop->next_partial, 1));
    if (!slot->partial)
        return mr_error_memory(error, "opening a partial");
    slot->group = group;
    slot->opened_ms = mr_clock_ms();
    return 0;
}

/* Nothing can be trusted to happen in this process any more. The coordinator sees it leave, and queues all it held again. */
static void give_up(mr_slot_t *slot, const mr_error_t *error) {
    slot->gave_up = true;
    mr_partial_destroy(&slot->partial);
    mr_outbox_break(slot->shop->outbox, error);
}

/* Rows of a failed task may be in the table, so the whole partial goes; its other tasks are given back. */
static void spoil_partial(mr_slot_t *slot) {
    mr_error_t error = {0};
    if (mr_mapper_reset(&slot->mapper, &error)) {
        give_up(slot, &error);
        return;
    }
    for (size_t i = 0; slot->partial && i < slot->partial->result_count; i++) {
        const mr_result_t *result = &slot->partial->results[i];
        mr_outbox_returned(slot->shop->outbox, (mr_attempt_t){result->task, result->attempt});
    }
    mr_partial_destroy(&slot->partial);
}

void mr_slot_flush(mr_slot_t *slot) {
    mr_error_t error = {0};
    if (!slot->partial)
        return;
    if (!slot->partial->result_count) {
        mr_partial_destroy(&slot->partial);
        return;
    }
    mr_timeline("a thread begins its run");
    if (mr_mapper_drain(&slot->mapper, slot->partial, NULL, &error)) {
        give_up(slot, &error);
        return;
    }
    mr_timeline("a thread has made its run");
    atomic_fetch_add(&slot->shop->held, slot->partial->memory);
    mr_outbox_partial(slot->shop->outbox, slot->partial);
    slot->partial = NULL;
}

/* ---- one segment ---- */

/* Whether a mate may have the block: its bytes are then as in the file, so that offsets can be told without the reader. */
static bool may_share(const mr_slot_t *slot, const mr_segment_t *segment, uint64_t crlf_before) {
    return segment->format == MR_FORMAT_GZIP && !(slot->flags & MR_SPEC_CAREFUL) &&
           mr_reader_counts(slot->reader).crlf == crlf_before;
}

static int map_text(mr_slot_t *slot, const mr_place_t *place, size_t size, mr_result_t *result, mr_error_t *error) {
    return slot->flags & MR_SPEC_CAREFUL ? mr_careful_map(&slot->careful, place, size, result, error)
                                         : mr_mapper_map(&slot->mapper, place, size, result, error);
}

static int take_block(mr_slot_t *slot, const mr_segment_t *segment, const mr_block_t *block, bool share,
                      mr_result_t *result, mr_error_t *error) {
    if (block->bad)
        return mr_mapper_skip(&slot->mapper, segment->path, block, result, error);
    if (share) {
        int put = mr_relay_put(&slot->relay, block, mr_reader_offset(slot->reader, block->data), slot->partial, error);
        if (put)
            return put < 0 ? -1 : 0;
    }
    mr_place_t place = {segment->path, slot->reader, block->data, 0};
    if (map_text(slot, &place, block->size, result, error))
        return -1;
    /* Only a task larger than the table gets here in its middle; its runs can't be sent before it ends. */
    if (mr_mapper_full(&slot->mapper))
        return mr_mapper_drain(&slot->mapper, slot->partial, slot->shop->tmp_dir, error);
    return 0;
}

static int read_blocks(mr_slot_t *slot, const mr_segment_t *segment, mr_result_t *result, mr_error_t *error) {
    mr_block_t block;
    uint64_t before = result->bytes, crlf = 0;
    int got;
    while ((got = mr_reader_next(slot->reader, &block, error)) > 0) {
        if (take_block(slot, segment, &block, may_share(slot, segment, crlf), result, error))
            return -1;
        mr_reader_counts_t counts = mr_reader_counts(slot->reader);
        crlf = counts.crlf;
        result->bytes = before + counts.bytes;
        atomic_store_explicit(&slot->bytes, result->bytes, memory_order_relaxed);
        if (is_stopped(slot))
            return mr_error_set(error, MR_STATUS_INTERRUPTED, "stopped");
    }
    mr_reader_counts_t counts = mr_reader_counts(slot->reader);
    result->bytes = before + counts.bytes;
    result->crlf += counts.crlf;
    return got;
}

static int read_segment(mr_slot_t *slot, const mr_segment_t *segment, mr_result_t *result, mr_error_t *error) {
    if (segment->format != MR_FORMAT_GZIP)
        return read_blocks(slot, segment, result, error);
    mr_relay_begin(&slot->relay, segment->path);
    slot->shop->call_mates(slot->shop->pool);
    int failed = read_blocks(slot, segment, result, error);
    return mr_relay_end(&slot->relay, failed, slot->partial, result, error);
}

/* ---- one task ---- */

/* What is to be done about a failure. */
typedef struct trouble {
    bool began; /* rows of the task may be in the table */
    bool retry; /* a file could not be opened here, or memory was out: another attempt may succeed */
} trouble_t;

static int run_segments(mr_slot_t *slot, const mr_spec_t *spec, mr_result_t *result, trouble_t *trouble,
                        mr_error_t *error) {
    for (size_t i = 0; i < spec->segment_count; i++) {
        trouble->retry = true;
        if (mr_reader_open(slot->reader, &spec->segments[i], error))
            return -1;
        *trouble = (trouble_t){.began = true};
        int failed = read_segment(slot, &spec->segments[i], result, error);
        mr_reader_close(slot->reader);
        if (failed)
            return -1;
    }
    return 0;
}

static int run_payload(mr_slot_t *slot, const mr_spec_t *spec, mr_result_t *result, trouble_t *trouble,
                       mr_error_t *error) {
    static const char margin[MR_MAP_MARGIN];
    slot->payload.size = 0;
    if (mr_buffer_append(&slot->payload, margin, sizeof margin) ||
        mr_buffer_append(&slot->payload, spec->payload.data, spec->payload.size) ||
        mr_buffer_append(&slot->payload, margin, sizeof margin))
        return mr_error_memory(error, "reading a task");
    *trouble = (trouble_t){.began = true};
    result->bytes = spec->payload.size;
    if (!spec->payload.size)
        return 0; /* a kernel is never called for nothing */
    mr_place_t place = {"argument", NULL, slot->payload.data + MR_MAP_MARGIN, 0};
    return map_text(slot, &place, spec->payload.size, result, error);
}

static bool is_disowned(const mr_slot_t *slot) {
    return atomic_load(&slot->fate) == MR_SLOT_DISOWNED;
}

static void take_failure(mr_slot_t *slot, const mr_spec_t *spec, trouble_t trouble, const mr_error_t *error) {
    mr_attempt_t attempt = {spec->task, spec->attempt};
    if (trouble.began)
        spoil_partial(slot);
    if (is_disowned(slot) || atomic_load(&slot->shop->stop))
        return; /* nobody waits for an answer */
    if (error->status == MR_STATUS_INTERRUPTED)
        mr_outbox_returned(slot->shop->outbox, attempt);
    else
        mr_outbox_failed(slot->shop->outbox, attempt, trouble.retry || slot->careful.blamed, error);
}

static int run_spec(mr_slot_t *slot, const mr_spec_t *spec, mr_result_t *result, trouble_t *trouble,
                    mr_error_t *error) {
    if (!slot->partial && open_partial(slot, spec->group, error))
        return -1;
    int failed = spec->segment_count ? run_segments(slot, spec, result, trouble, error)
                                     : run_payload(slot, spec, result, trouble, error);
    if (failed)
        return -1;
    trouble->retry = true; /* only memory can be out now */
    return mr_partial_add_result(slot->partial, result, error);
}

static bool should_flush(const mr_slot_t *slot) {
    const mr_job_message_t *limits = slot->shop->limits;
    return mr_table_bytes(slot->mapper.out.table) > limits->table_memory / 2 || slot->partial->result_count >= 50000 ||
           slot->partial->run_count > 0 || mr_clock_ms() - slot->opened_ms >= limits->flush_ms;
}

/* The open partial may be spoiled by this task, or would be lost with the process. */
static bool must_flush_first(const mr_slot_t *slot, const mr_spec_t *spec) {
    return slot->partial && (spec->flags || (slot->shop->limits->eager && slot->group != spec->group));
}

static void begin(mr_slot_t *slot, const mr_spec_t *spec) {
    int64_t now = mr_clock_ms();
    if (must_flush_first(slot, spec))
        mr_slot_flush(slot);
    slot->flags = spec->flags;
    slot->careful.blamed = false;
    atomic_store_explicit(&slot->bytes, 0, memory_order_relaxed);
    atomic_store(&slot->since, now);
    atomic_store(&slot->timed, now);
}

void mr_slot_run(mr_slot_t *slot, const mr_spec_t *spec) {
    mr_error_t error = {0};
    mr_result_t result = {.task = spec->task, .attempt = spec->attempt};
    trouble_t trouble = {.retry = true};
    begin(slot, spec);
    if (slot->gave_up || is_disowned(slot))
        return;
    int failed = run_spec(slot, spec, &result, &trouble, &error);
    atomic_store(&slot->timed, 0);
    mr_careful_rest(&slot->careful);
    if (!failed && is_disowned(slot)) {
        slot->partial->result_count--; /* it was reported as failed */
        failed = trouble.began = true;
    }
    if (failed) {
        take_failure(slot, spec, trouble, &error);
        return;
    }
    mr_outbox_done(slot->shop->outbox, (mr_attempt_t){spec->task, spec->attempt});
    if (spec->flags || should_flush(slot))
        mr_slot_flush(slot);
}
