/* Endpoints: what is read, who can reach it, and that nobody listens where another does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "endpoint.h"
#include "scratch.h"

static mr_status_t parse(const char *text, const char *ports, mr_endpoint_t *endpoint) {
    mr_error_t error = {0};
    int failed = mr_endpoint_parse(endpoint, text, ports, &error);
    assert_int_equal(failed != 0, error.status != MR_STATUS_OK);
    return error.status;
}

static void good_ones_are_read(void **state) {
    (void) state;
    mr_endpoint_t endpoint;
    assert_int_equal(parse("tcp://127.0.0.1:5555", "5600-5699", &endpoint), 0);
    assert_true(endpoint.tcp && endpoint.port == 5555 && endpoint.lane_low == 5600 && endpoint.lane_high == 5699);
    assert_string_equal(endpoint.host, "127.0.0.1");
    assert_int_equal(parse("tcp://[::1]:*", NULL, &endpoint), 0);
    assert_true(endpoint.port == 0 && endpoint.lane_low == 0);
    assert_string_equal(endpoint.host, "[::1]");
    assert_int_equal(parse("ipc:///tmp/x", NULL, &endpoint), 0);
    assert_string_equal(endpoint.path, "/tmp/x");
}

static void bad_ones_are_usage_errors(void **state) {
    (void) state;
    static const char *const texts[] = {"",        "tcp://",        "tcp://h",       "tcp://:5",    "tcp://h:0",
                                        "udp://h", "tcp://h:65534", "tcp://h:65536", "tcp://h:12a", "ipc://",
                                        "5555",    "tcp://h:",      "http://h:5"};
    static const char *const ranges[] = {"", "5", "5-", "-5", "9-5", "0-5", "5-70000", "a-b"};
    mr_endpoint_t endpoint;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(parse(texts[i], NULL, &endpoint), MR_STATUS_USAGE);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        assert_int_equal(parse("tcp://h:5", ranges[i], &endpoint), MR_STATUS_USAGE);
    char path[200] = "ipc:///";
    memset(path + 7, 'x', 120);
    assert_int_equal(parse(path, NULL, &endpoint), MR_STATUS_USAGE);
}

static void only_loopback_is_local(void **state) {
    (void) state;
    static const char *const local[] = {"tcp://127.0.0.1:5", "tcp://127.1.2.3:*", "tcp://localhost:5", "tcp://[::1]:5",
                                        "ipc:///tmp/x"};
    static const char *const open[] = {"tcp://*:5",    "tcp://0.0.0.0:5", "tcp://192.0.2.1:5",
                                       "tcp://[::]:5", "tcp://example:5", "tcp://eth0:5"};
    mr_endpoint_t endpoint;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_int_equal(parse(local[i], NULL, &endpoint), 0);
        assert_true(mr_endpoint_is_local(&endpoint));
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(parse(open[i], NULL, &endpoint), 0);
        assert_false(mr_endpoint_is_local(&endpoint));
    }
}

typedef struct pair {
    zsock_t *control;
    zsock_t *sink;
} pair_t;

static pair_t sockets(void) {
    return (pair_t){zsock_new(ZMQ_ROUTER), zsock_new(ZMQ_PULL)};
}

static void destroy(pair_t *pair) {
    zsock_destroy(&pair->control);
    zsock_destroy(&pair->sink);
}

/* The first one binds, the second is refused, and when the first is gone a third may. */
static void only_one_listens(const char *text) {
    mr_endpoint_t first, second;
    mr_error_t error = {0};
    pair_t one = sockets(), other = sockets();
    assert_int_equal(parse(text, NULL, &first), 0);
    assert_int_equal(mr_endpoint_bind(&first, one.control, one.sink, &error), 0);
    assert_int_equal(parse(first.control, NULL, &second), 0);
    assert_int_equal(mr_endpoint_bind(&second, other.control, other.sink, &error), -1);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_non_null(strstr(error.text, "another program listens there"));
    mr_endpoint_close(&second);
    destroy(&other);
    destroy(&one);
    mr_endpoint_close(&first);
    mr_endpoint_close(&first);
}

static void nobody_listens_twice(void **state) {
    (void) state;
    mr_scratch_t scratch;
    mr_error_t error = {0};
    char text[256];
    only_one_listens("tcp://127.0.0.1:*");
    assert_int_equal(mr_scratch_make(&scratch, "/tmp", &error), 0);
    assert_true(snprintf(text, sizeof text, "ipc://%.200s/c", scratch.dir) > 0);
    only_one_listens(text);
    only_one_listens(text);
    mr_scratch_remove(&scratch);
}

static void lanes_take_the_ports_given(void **state) {
    (void) state;
    mr_endpoint_t any, endpoint;
    mr_error_t error = {0};
    char text[256], range[32];
    pair_t pair = sockets();
    zsock_t *lanes[2] = {zsock_new(ZMQ_PUSH), zsock_new(ZMQ_PUSH)};
    assert_int_equal(parse("tcp://127.0.0.1:*", NULL, &any), 0);
    assert_int_equal(mr_endpoint_bind(&any, pair.control, pair.sink, &error), 0);
    assert_int_equal(strncmp(any.sink, "tcp://*:", 8), 0);
    assert_int_equal(mr_endpoint_bind_lane(&any, lanes[0], 0, text, &error), 0);
    /* A range of one port, which a socket of this test holds: the first lane is refused, then takes it. */
    const char *port = strrchr(text, ':') + 1;
    snprintf(range, sizeof range, "%s-%s", port, port);
    assert_int_equal(parse("tcp://127.0.0.1:*", range, &endpoint), 0);
    assert_int_equal(mr_endpoint_bind_lane(&endpoint, lanes[1], 1, text, &error), -1);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    zsock_destroy(&lanes[0]);
    for (int i = 0; i < 2000 && mr_endpoint_bind_lane(&endpoint, lanes[1], 1, text, &error); i++)
        zclock_sleep(5); /* ZeroMQ closes the port behind us */
    assert_string_equal(strrchr(text, ':') + 1, strtok(range, "-"));
    zsock_destroy(&lanes[1]);
    destroy(&pair);
}

static void workers_are_told_the_host_that_is_advertised(void **state) {
    (void) state;
    static const char *const bad[] = {"", "a:1", "tcp://a", "[::1]:5555"};
    mr_endpoint_t endpoint;
    mr_error_t error = {0};
    char text[256];
    pair_t pair = sockets();
    zsock_t *lane = zsock_new(ZMQ_PUSH);
    assert_int_equal(parse("tcp://127.0.0.1:*", NULL, &endpoint), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(mr_endpoint_advertise(&endpoint, bad[i], &error), -1);
        assert_int_equal(error.status, MR_STATUS_USAGE);
        error = (mr_error_t){0};
    }
    assert_int_equal(mr_endpoint_advertise(&endpoint, "[fd00::1]", &error), 0);
    assert_int_equal(mr_endpoint_advertise(&endpoint, "outside.example", &error), 0);
    assert_int_equal(mr_endpoint_bind(&endpoint, pair.control, pair.sink, &error), 0);
    assert_int_equal(mr_endpoint_bind_lane(&endpoint, lane, 0, text, &error), 0);
    assert_int_equal(strncmp(endpoint.sink, "tcp://outside.example:", 22), 0);
    assert_int_equal(strncmp(text, "tcp://outside.example:", 22), 0);
    zsock_destroy(&lane);
    destroy(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_told_the_host_that_is_advertised),
        cmocka_unit_test(good_ones_are_read),
        cmocka_unit_test(bad_ones_are_usage_errors),
        cmocka_unit_test(only_loopback_is_local),
        cmocka_unit_test(nobody_listens_twice),
        cmocka_unit_test(lanes_take_the_ports_given),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
