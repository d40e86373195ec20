#include "out.h"

#include <string.h>

void mr_out_begin(mr_out_t *out) {
    out->rejected = 0;
}

size_t mr_out_rejects(const mr_out_t *out) {
    return out->rejected < MR_OUT_REJECTS ? (size_t) out->rejected : MR_OUT_REJECTS;
}

void mr_emit(mr_out_t *out, const char *key, size_t len, const uint64_t *cells) {
    if (out->only && (len != out->only_size || (len && memcmp(key, out->only, len) != 0)))
        return;
    mr_table_add(out->table, key, len, cells); /* its error is sticky and ends the task after map */
}

void mr_reject(mr_out_t *out, const char *record, const char *reason) {
    if (out->rejected < MR_OUT_REJECTS)
        out->rejects[out->rejected] = (mr_rejected_t){.record = record, .reason = reason};
    out->rejected++;
}
