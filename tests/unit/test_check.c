/* What doctor looks at: findings as lines, inputs that are others, endpoints that nobody listens at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "input/fingerprint.h"

static char path[] = "/tmp/millrace-test-check-XXXXXX";

static int make_file(void **state) {
    (void) state;
    int fd = mkstemp(path);
    return fd < 0 || write(fd, "some text\n", 10) != 10 || close(fd);
}

static int remove_file(void **state) {
    (void) state;
    return unlink(path);
}

static mr_segment_t planned(void) {
    struct stat status;
    mr_segment_t segment = {.path = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &status), 0);
    segment.file_size = (uint64_t) status.st_size;
    segment.mtime_ns = (int64_t) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    assert_int_equal(mr_fingerprint(fd, segment.file_size, &segment.fingerprint), 0);
    close(fd);
    return segment;
}

/* The findings about one segment, as a text that the next call replaces. */
static const char *look(const mr_segment_t *segment) {
    static char text[4096];
    mr_buffer_t findings = {0};
    mr_check_input(&findings, segment);
    assert_true(findings.size < sizeof text);
    memcpy(text, findings.data, findings.size);
    text[findings.size] = 0;
    mr_buffer_free(&findings);
    return text;
}

static void inputs_that_are_others_are_told(void **state) {
    (void) state;
    mr_segment_t segment = planned();
    assert_int_equal(strncmp(look(&segment), "ok\tinput\t", 9), 0);
    segment.fingerprint++;
    assert_non_null(strstr(look(&segment), "another content"));
    segment.mtime_ns++;
    assert_non_null(strstr(look(&segment), "another time"));
    segment.file_size++;
    assert_non_null(strstr(look(&segment), "another size"));
    segment.path = "/nowhere/at all";
    assert_non_null(strstr(look(&segment), "No such file"));
    assert_int_equal(strncmp(look(&segment), "warn\t", 5), 0);
}

static void findings_are_lines_of_four_fields(void **state) {
    (void) state;
    mr_buffer_t findings = {0};
    mr_check_note(&findings, MR_LEVEL_FAIL, "a", "b\tc", "x\ny %d", 5);
    mr_check_note(&findings, MR_LEVEL_OK, "a", NULL, "z");
    static const char wanted[] = "fail\ta\tx y 5\tb c\nok\ta\tz\t\n";
    assert_int_equal(findings.size, sizeof wanted - 1);
    assert_memory_equal(findings.data, wanted, sizeof wanted - 1);
    mr_buffer_free(&findings);
}

static void an_endpoint_where_nobody_listens_has_a_fix(void **state) {
    (void) state;
    mr_buffer_t findings = {0};
    mr_check_reach(&findings, "sink", "tcp://127.0.0.1:1", 1000);
    mr_check_reach(&findings, "control", "ipc:///nowhere/at-all", 1000);
    assert_int_equal(mr_buffer_append(&findings, "", 1), 0);
    assert_non_null(strstr(findings.data, "fail\tsink\ttcp://127.0.0.1:1 (127.0.0.1): Connection refused\tstart"));
    assert_non_null(strstr(findings.data, "fail\tcontrol\t"));
    mr_buffer_free(&findings);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(inputs_that_are_others_are_told),
                                       cmocka_unit_test(findings_are_lines_of_four_fields),
                                       cmocka_unit_test(an_endpoint_where_nobody_listens_has_a_fix)};
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
