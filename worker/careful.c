#include "careful.h"

#include <string.h>

#include "clock.h"

void mr_careful_init(mr_careful_t *careful, mr_mapper_t *mapper, const atomic_int *fate, atomic_int_fast64_t *timed) {
    *careful = (mr_careful_t){.mapper = mapper, .fate = fate, .timed = timed};
}

void mr_careful_close(mr_careful_t *careful) {
    mr_probe_destroy(&careful->probe);
}

void mr_careful_rest(mr_careful_t *careful) {
    mr_probe_destroy(&careful->probe);
}

static int try_text(mr_careful_t *careful, const char *data, size_t size, bool by_record, mr_verdict_t *verdict,
                    mr_error_t *error) {
    const mr_workshop_t *shop = careful->mapper->shop;
    if (!careful->probe)
        careful->probe = mr_probe_new(shop->program, shop->limits, &shop->stop, careful->fate, error);
    if (!careful->probe)
        return -1;
    atomic_store(careful->timed, 0);
    return mr_probe_try(careful->probe, data, size, by_record, verdict, error);
}

static int map_text(mr_careful_t *careful, const mr_place_t *place, const char *data, size_t size, mr_result_t *result,
                    mr_error_t *error) {
    mr_place_t part = *place;
    part.data = data;
    part.offset += (uint64_t) (data - place->data);
    atomic_store(careful->timed, mr_clock_ms());
    return mr_mapper_map(careful->mapper, &part, size, result, error);
}

static const char *end_of_record(const char *record, const char *end) {
    return (const char *) memchr(record, '\n', (size_t) (end - record)) + 1;
}

static int map_records(mr_careful_t *careful, const mr_place_t *place, const char *from, const char *to,
                       mr_result_t *result, mr_error_t *error) {
    for (const char *end; from < to; from = end) {
        end = end_of_record(from, to);
        if (map_text(careful, place, from, (size_t) (end - from), result, error))
            return -1;
    }
    return 0;
}

static int leave_out(mr_careful_t *careful, const mr_place_t *place, const char *record, const char *deed,
                     mr_result_t *result, mr_error_t *error) {
    char reason[MR_DEED_SIZE + 8];
    uint64_t offset = mr_place_offset(place, record);
    if (!careful->mapper->shop->limits->skip_bad) {
        careful->blamed = true;
        return mr_error_set(error, MR_STATUS_JOB, "%s:%llu: this record %s; --skip-bad 1 skips it", place->path,
                            (unsigned long long) offset, deed);
    }
    snprintf(reason, sizeof reason, "it %s", deed);
    return mr_mapper_reject(careful->mapper, place->path, offset, reason, result, error);
}

static int map_by_record(mr_careful_t *careful, const mr_place_t *place, size_t size, mr_result_t *result,
                         mr_error_t *error) {
    const char *end = place->data + size;
    for (const char *from = place->data; from < end;) {
        mr_verdict_t verdict;
        if (try_text(careful, from, (size_t) (end - from), true, &verdict, error))
            return -1;
        const char *bad = verdict.harmless ? end : from + verdict.at;
        if (map_records(careful, place, from, bad, result, error))
            return -1;
        if (verdict.harmless)
            return 0;
        if (leave_out(careful, place, bad, verdict.deed, result, error))
            return -1;
        from = end_of_record(bad, end);
    }
    return 0;
}

int mr_careful_map(mr_careful_t *careful, const mr_place_t *place, size_t size, mr_result_t *result,
                   mr_error_t *error) {
    mr_verdict_t verdict;
    if (end_of_record(place->data, place->data + size) == place->data + size)
        return map_by_record(careful, place, size, result, error);
    if (try_text(careful, place->data, size, false, &verdict, error))
        return -1;
    return verdict.harmless ? map_text(careful, place, place->data, size, result, error)
                            : map_by_record(careful, place, size, result, error);
}
