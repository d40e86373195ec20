#include "mapper.h"

#include "log.h"

#define WARNED_RECORDS 10u /* bad records whose place is told, per process */

int mr_mapper_init(mr_mapper_t *mapper, mr_workshop_t *shop, mr_error_t *error) {
    *mapper = (mr_mapper_t){.shop = shop};
    if (shop->limits->only_set) {
        mapper->out.only = shop->limits->only.data;
        mapper->out.only_size = shop->limits->only.size;
    }
    return mr_mapper_reset(mapper, error);
}

void mr_mapper_close(mr_mapper_t *mapper) {
    mr_table_destroy(&mapper->out.table);
}

int mr_mapper_reset(mr_mapper_t *mapper, mr_error_t *error) {
    mr_table_destroy(&mapper->out.table);
    mapper->out.table = mr_table_new(mapper->shop->job->ops, mapper->shop->job->ncells);
    return mapper->out.table ? 0 : mr_error_memory(error, "making a table");
}

/* `bad`: how many bad records this attempt has seen, with this one. Those of other attempts are counted where they are
 * committed: an attempt that runs twice must not count twice. */
static int too_many_bad(mr_mapper_t *mapper, const char *path, uint64_t offset, const char *reason, uint64_t bad,
                        mr_error_t *error) {
    if (bad > mapper->shop->limits->skip_bad)
        return mr_error_set(error, MR_STATUS_INPUT, "%s:%llu: bad record: %s (--skip-bad N allows N of them)", path,
                            (unsigned long long) offset, reason);
    if (atomic_fetch_add(&mapper->shop->warned, 1) < WARNED_RECORDS)
        mr_log(MR_LOG_WARNING, "%s:%llu: bad record skipped: %s", path, (unsigned long long) offset, reason);
    return 0;
}

uint64_t mr_place_offset(const mr_place_t *place, const char *record) {
    return place->reader ? mr_reader_offset(place->reader, record) : place->offset + (uint64_t) (record - place->data);
}

/* The kernel keeps the first places only; the rest are counted all the same. */
static int account_rejects(mr_mapper_t *mapper, const mr_place_t *place, const mr_result_t *result, mr_error_t *error) {
    size_t kept = mr_out_rejects(&mapper->out);
    uint64_t before = result->rejected - mapper->out.rejected;
    for (size_t i = 0; i < kept; i++) {
        const mr_rejected_t *reject = &mapper->out.rejects[i];
        if (too_many_bad(mapper, place->path, mr_place_offset(place, reject->record), reject->reason, before + i + 1,
                         error))
            return -1;
    }
    if (result->rejected > mapper->shop->limits->skip_bad)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: more than %llu bad records (--skip-bad)", place->path,
                            (unsigned long long) mapper->shop->limits->skip_bad);
    return 0;
}

int mr_mapper_map(mr_mapper_t *mapper, const mr_place_t *place, size_t size, mr_result_t *result, mr_error_t *error) {
    mr_out_begin(&mapper->out);
    mr_tally_t tally = mapper->shop->job->map(mapper->shop->state, place->data, size, &mapper->out);
    result->records += tally.records;
    result->rejected += mapper->out.rejected;
    if (mapper->out.rejected && account_rejects(mapper, place, result, error))
        return -1;
    const mr_error_t *failed = mr_table_error(mapper->out.table);
    return failed ? mr_error_set(error, failed->status, "%s: %s", place->path, failed->text) : 0;
}

int mr_mapper_reject(mr_mapper_t *mapper, const char *path, uint64_t offset, const char *reason, mr_result_t *result,
                     mr_error_t *error) {
    result->records++;
    result->rejected++;
    return too_many_bad(mapper, path, offset, reason, result->rejected, error);
}

int mr_mapper_skip(mr_mapper_t *mapper, const char *path, const mr_block_t *block, mr_result_t *result,
                   mr_error_t *error) {
    return mr_mapper_reject(mapper, path, block->bad_offset, block->bad, result, error);
}

bool mr_mapper_full(const mr_mapper_t *mapper) {
    return mr_table_bytes(mapper->out.table) > mapper->shop->limits->table_memory;
}

int mr_mapper_drain(mr_mapper_t *mapper, mr_partial_t *partial, const char *spill_dir, mr_error_t *error) {
    mr_buffer_t run = {0};
    size_t rows = mr_table_rows(mapper->out.table);
    if (!rows)
        return 0;
    if (mr_table_drain(mapper->out.table, &run) || mr_partial_add_run(partial, &run, spill_dir, error)) {
        mr_buffer_free(&run);
        return mr_error_memory(error, "sorting a run");
    }
    partial->rows += rows;
    return 0;
}
