#include "ledger.h"

#include "units.h"

void mr_ledger_commit(mr_ledger_t *ledger, const mr_result_t *results, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ledger->bytes += results[i].bytes;
        ledger->records += results[i].records;
        ledger->rejected += results[i].rejected;
        ledger->crlf += results[i].crlf;
    }
}

int mr_ledger_reconcile(const mr_ledger_t *ledger, mr_error_t *error) {
    if (ledger->tasks.committed != ledger->tasks.tasks)
        return mr_error_set(error, MR_STATUS_LEDGER, "ledger: %u of %u tasks reduced", ledger->tasks.committed,
                            ledger->tasks.tasks);
    if (ledger->bytes != ledger->input_bytes)
        return mr_error_set(error, MR_STATUS_LEDGER, "ledger: %llu of %llu bytes of input read",
                            (unsigned long long) ledger->bytes, (unsigned long long) ledger->input_bytes);
    if (ledger->rejected > ledger->records)
        return mr_error_set(error, MR_STATUS_LEDGER, "ledger: %llu records, but %llu rejected",
                            (unsigned long long) ledger->records, (unsigned long long) ledger->rejected);
    return 0;
}

void mr_ledger_summary(const mr_ledger_t *ledger, double seconds, char *text, size_t size) {
    char bytes[32], rate[32];
    mr_format_size(bytes, (double) ledger->bytes);
    mr_format_size(rate, seconds > 0 ? (double) ledger->bytes / seconds : 0);
    int used =
        snprintf(text, size,
                 "%llu files, %s, %llu records = %llu reduced + %llu rejected, %llu rows; "
                 "%u tasks, %llu retries, %llu duplicates discarded; %.2f s, %s/s",
                 (unsigned long long) ledger->files, bytes, (unsigned long long) ledger->records,
                 (unsigned long long) (ledger->records - ledger->rejected), (unsigned long long) ledger->rejected,
                 (unsigned long long) ledger->rows, ledger->tasks.tasks, (unsigned long long) ledger->tasks.retries,
                 (unsigned long long) ledger->tasks.discarded, seconds, rate);
    if (ledger->crlf && used > 0 && (size_t) used < size)
        used += snprintf(text + used, size - (size_t) used, "; %llu lines ended in CR LF",
                         (unsigned long long) ledger->crlf);
    if (ledger->tasks.restored && used > 0 && (size_t) used < size)
        used += snprintf(text + used, size - (size_t) used, "; resumed: %u tasks were committed before",
                         ledger->tasks.restored);
    if (ledger->stale && used > 0 && (size_t) used < size)
        used += snprintf(text + used, size - (size_t) used, "; %llu stale messages dropped",
                         (unsigned long long) ledger->stale);
    if (ledger->spilled && used > 0 && (size_t) used < size) {
        mr_format_size(bytes, (double) ledger->spilled);
        snprintf(text + used, size - (size_t) used, "; %s spilled", bytes);
    }
}
