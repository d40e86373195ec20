/* A run goes out whole or not at all, also when memory is out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link.h"

static bool memory_is_out;

/* In place of libzmq's, for the code under test too: the same but for the failure, and the frame is a copy. */
int zmq_msg_init_data(zmq_msg_t *frame, void *data, size_t size, zmq_free_fn *release, void *hint) {
    if (memory_is_out) {
        errno = ENOMEM;
        return -1;
    }
    int failed = zmq_msg_init_size(frame, size);
    if (!failed) {
        memcpy(zmq_msg_data(frame), data, size);
        release(data, hint);
    }
    return failed;
}

static mr_run_bytes_t *make_bytes(void) {
    mr_run_bytes_t *bytes = malloc(sizeof *bytes);
    assert_non_null(bytes);
    atomic_init(&bytes->references, 1);
    bytes->data = strdup("rows");
    return bytes;
}

static const mr_message_t header = {.type = MR_RUN, .run = {7, 1, 1, 0}};

static void run_is_lost_as_a_whole(void **state) {
    (void) state;
    zsock_t *pull = zsock_new_pull("@inproc://link");
    mr_link_t link = {.sockets = {[MR_LINK_SINK] = zsock_new_push(">inproc://link")}};
    char text[64];
    memory_is_out = true;
    mr_link_run(&link, &header, make_bytes(), 4);
    assert_true(link.failed);
    assert_int_equal(zmq_recv(zsock_resolve(pull), text, sizeof text, ZMQ_DONTWAIT), -1);
    memory_is_out = false;
    mr_link_run(&link, &header, make_bytes(), 4);
    assert_true(zmq_recv(zsock_resolve(pull), text, sizeof text, 0) > 0);
    assert_int_equal(zmq_recv(zsock_resolve(pull), text, sizeof text, 0), 4);
    assert_memory_equal(text, "rows", 4);
    mr_link_close(&link);
    zsock_destroy(&pull);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_is_lost_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
