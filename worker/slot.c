#include "slot.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

#define WARNED_RECORDS 10u /* bad records whose place is told, per process */

int mr_slot_init(mr_slot_t *slot, mr_workshop_t *shop, mr_error_t *error) {
    *slot = (mr_slot_t){.shop = shop};
    slot->reader = mr_reader_new(shop->limits->block_size, shop->limits->max_record);
    slot->out.table = mr_table_new(shop->job->ops, shop->job->ncells);
    if (shop->limits->only_set) {
        slot->out.only = shop->limits->only.data;
        slot->out.only_size = shop->limits->only.size;
    }
    if (!slot->reader || !slot->out.table)
        return mr_error_memory(error, "starting a thread");
    return 0;
}

void mr_slot_close(mr_slot_t *slot) {
    mr_reader_destroy(&slot->reader);
    mr_table_destroy(&slot->out.table);
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

/* Makes the table one more run of the partial. */
static int drain_table(mr_slot_t *slot, const char *spill_dir, mr_error_t *error) {
    mr_buffer_t run = {0};
    if (!mr_table_rows(slot->out.table))
        return 0;
    if (mr_table_drain(slot->out.table, &run) || mr_partial_add_run(slot->partial, &run, spill_dir, error)) {
        mr_buffer_free(&run);
        return mr_error_memory(error, "sorting a run");
    }
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
    mr_table_destroy(&slot->out.table);
    slot->out.table = mr_table_new(slot->shop->job->ops, slot->shop->job->ncells);
    if (!slot->out.table) {
        mr_error_memory(&error, "making a table");
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
    if (drain_table(slot, NULL, &error)) {
        give_up(slot, &error);
        return;
    }
    atomic_fetch_add(&slot->shop->held, slot->partial->memory);
    mr_outbox_partial(slot->shop->outbox, slot->partial);
    slot->partial = NULL;
}

/* ---- one block ---- */

/* `bad`: how many bad records this attempt has seen, with this one. Those of other attempts are counted where they are
 * committed: an attempt that runs twice must not count twice. */
static int too_many_bad(mr_slot_t *slot, const char *where, uint64_t offset, const char *reason, uint64_t bad,
                        mr_error_t *error) {
    if (bad > slot->shop->limits->skip_bad)
        return mr_error_set(error, MR_STATUS_INPUT, "%s:%llu: bad record: %s (--skip-bad N allows N of them)", where,
                            (unsigned long long) offset, reason);
    if (atomic_fetch_add(&slot->shop->warned, 1) < WARNED_RECORDS)
        mr_log(MR_LOG_WARNING, "%s:%llu: bad record skipped: %s", where, (unsigned long long) offset, reason);
    return 0;
}

/* The kernel keeps the first places only; the rest are counted all the same. */
static int account_rejects(mr_slot_t *slot, const char *where, const mr_reader_t *reader, const mr_result_t *result,
                           mr_error_t *error) {
    size_t kept = mr_out_rejects(&slot->out);
    uint64_t before = result->rejected - slot->out.rejected;
    for (size_t i = 0; i < kept; i++) {
        const mr_rejected_t *reject = &slot->out.rejects[i];
        uint64_t offset = reader ? mr_reader_offset(reader, reject->record) : 0;
        if (too_many_bad(slot, where, offset, reject->reason, before + i + 1, error))
            return -1;
    }
    if (result->rejected > slot->shop->limits->skip_bad)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: more than %llu bad records (--skip-bad)", where,
                            (unsigned long long) slot->shop->limits->skip_bad);
    return 0;
}

static int map_block(mr_slot_t *slot, const char *where, const mr_reader_t *reader, const char *data, size_t size,
                     mr_result_t *result, mr_error_t *error) {
    mr_out_begin(&slot->out);
    mr_tally_t tally = slot->shop->job->map(slot->shop->state, data, size, &slot->out);
    result->records += tally.records;
    result->rejected += slot->out.rejected;
    if (slot->out.rejected && account_rejects(slot, where, reader, result, error))
        return -1;
    const mr_error_t *failed = mr_table_error(slot->out.table);
    return failed ? mr_error_set(error, failed->status, "%s: %s", where, failed->text) : 0;
}

static int take_block(mr_slot_t *slot, const mr_segment_t *segment, const mr_block_t *block, mr_result_t *result,
                      mr_error_t *error) {
    if (block->bad) {
        result->records++;
        result->rejected++;
        return too_many_bad(slot, segment->path, block->bad_offset, block->bad, result->rejected, error);
    }
    if (map_block(slot, segment->path, slot->reader, block->data, block->size, result, error))
        return -1;
    /* Only a task larger than the table gets here in its middle; its runs can't be sent before it ends. */
    if (mr_table_bytes(slot->out.table) > slot->shop->limits->table_memory)
        return drain_table(slot, slot->shop->tmp_dir, error);
    return 0;
}

/* ---- one task ---- */

static int read_segment(mr_slot_t *slot, const mr_segment_t *segment, mr_result_t *result, mr_error_t *error) {
    mr_block_t block;
    uint64_t before = result->bytes;
    int got;
    while ((got = mr_reader_next(slot->reader, &block, error)) > 0) {
        if (take_block(slot, segment, &block, result, error))
            return -1;
        result->bytes = before + mr_reader_counts(slot->reader).bytes;
        atomic_store_explicit(&slot->bytes, result->bytes, memory_order_relaxed);
        if (atomic_load_explicit(&slot->shop->stop, memory_order_relaxed))
            return mr_error_set(error, MR_STATUS_INTERRUPTED, "stopped");
    }
    mr_reader_counts_t counts = mr_reader_counts(slot->reader);
    result->bytes = before + counts.bytes;
    result->crlf += counts.crlf;
    return got;
}

/* What is to be done about a failure. */
typedef struct trouble {
    bool began; /* rows of the task may be in the table */
    bool
        retry; /* a file could not be opened here, or memory was out: another attempt, perhaps elsewhere, may succeed */
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
    return map_block(slot, "argument", NULL, slot->payload.data + MR_MAP_MARGIN, spec->payload.size, result, error);
}

static void take_failure(mr_slot_t *slot, const mr_spec_t *spec, trouble_t trouble, const mr_error_t *error) {
    if (trouble.began)
        spoil_partial(slot);
    if (error->status == MR_STATUS_INTERRUPTED)
        return; /* the process is leaving; nobody waits for an answer */
    mr_outbox_failed(slot->shop->outbox, (mr_attempt_t){spec->task, spec->attempt}, trouble.retry, error);
}

static int run_spec(mr_slot_t *slot, const mr_spec_t *spec, mr_result_t *result, trouble_t *trouble,
                    mr_error_t *error) {
    if (!slot->partial && open_partial(slot, spec->group, error))
        return -1;
    int failed = spec->segment_count ? run_segments(slot, spec, result, trouble, error)
                                     : run_payload(slot, spec, result, trouble, error);
    return failed ? -1 : mr_partial_add_result(slot->partial, result, error);
}

static bool should_flush(const mr_slot_t *slot) {
    const mr_job_message_t *limits = slot->shop->limits;
    return mr_table_bytes(slot->out.table) > limits->table_memory / 2 || slot->partial->result_count >= 50000 ||
           slot->partial->run_count > 0 || mr_clock_ms() - slot->opened_ms >= limits->flush_ms;
}

void mr_slot_run(mr_slot_t *slot, const mr_spec_t *spec) {
    mr_error_t error = {0};
    mr_result_t result = {.task = spec->task, .attempt = spec->attempt};
    trouble_t trouble = {.retry = true};
    if (slot->partial && slot->shop->limits->eager && slot->group != spec->group)
        mr_slot_flush(slot);
    if (slot->gave_up)
        return;
    atomic_store_explicit(&slot->bytes, 0, memory_order_relaxed);
    if (run_spec(slot, spec, &result, &trouble, &error)) {
        take_failure(slot, spec, trouble, &error);
        return;
    }
    mr_outbox_done(slot->shop->outbox, (mr_attempt_t){spec->task, spec->attempt});
    if (should_flush(slot))
        mr_slot_flush(slot);
}
