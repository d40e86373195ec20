/* The ledger reconciles or says what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ledger.h"

static mr_ledger_t good(void) {
    mr_ledger_t ledger = {.files = 2, .input_bytes = 30, .rows = 4, .tasks = {.tasks = 2, .committed = 2}};
    const mr_result_t results[] = {{0, 1, 10, 5, 1, 0}, {1, 3, 20, 7, 0, 2}};
    mr_ledger_commit(&ledger, results, 2);
    return ledger;
}

static void sums(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_ledger_t ledger = good();
    assert_true(ledger.bytes == 30 && ledger.records == 12 && ledger.rejected == 1 && ledger.crlf == 2);
    assert_int_equal(mr_ledger_reconcile(&ledger, &error), 0);
    mr_ledger_commit(&ledger, NULL, 0);
    assert_int_equal(ledger.bytes, 30);
}

static void expect_refused(const mr_ledger_t *ledger, const char *word) {
    mr_error_t error = {0};
    assert_int_equal(mr_ledger_reconcile(ledger, &error), -1);
    assert_int_equal(error.status, MR_STATUS_LEDGER);
    assert_non_null(strstr(error.text, word));
}

static void what_does_not_reconcile(void **state) {
    (void) state;
    mr_ledger_t ledger = good();
    ledger.tasks.committed = 1;
    expect_refused(&ledger, "1 of 2 tasks");
    ledger = good();
    ledger.bytes--;
    expect_refused(&ledger, "29 of 30 bytes");
    ledger = good();
    ledger.bytes++;
    expect_refused(&ledger, "31 of 30 bytes");
    ledger = good();
    ledger.rejected = 13;
    expect_refused(&ledger, "13 rejected");
}

static void summary(void **state) {
    (void) state;
    char text[512], little[20];
    mr_ledger_t ledger = good();
    mr_ledger_summary(&ledger, 2, text, sizeof text);
    assert_non_null(strstr(text, "12 records = 11 reduced + 1 rejected"));
    assert_non_null(strstr(text, "; 2 lines ended in CR LF"));
    assert_null(strstr(text, "spilled"));
    assert_null(strstr(text, "stale"));
    ledger.stale = 3;
    mr_ledger_summary(&ledger, 0, text, sizeof text);
    assert_non_null(strstr(text, "; 3 stale messages dropped"));
    ledger.spilled = 1500000;
    mr_ledger_summary(&ledger, 0, text, sizeof text);
    assert_non_null(strstr(text, "; 1.50 MB spilled"));
    memset(&ledger, 0xff, sizeof ledger);
    mr_ledger_summary(&ledger, 1e-9, text, sizeof text);
    assert_true(strlen(text) < sizeof text);
    mr_ledger_summary(&ledger, 1, little, sizeof little);
    assert_true(strlen(little) < sizeof little);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(what_does_not_reconcile),
        cmocka_unit_test(summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
