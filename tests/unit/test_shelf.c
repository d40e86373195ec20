/* The shelf over real sockets: small runs go at once, large ones one by one for a grant each, and partials stay until they are
 * settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "shelf.h"

#define EPOCH 5u
#define WORKER 6u
#define LARGE (MR_WIRE_INLINE_RUN + 1)

typedef struct desk {
    mr_link_t link;
    mr_shelf_t shelf;
    zsock_t *control;
    zsock_t *sink;
} desk_t;

static void set_up(desk_t *desk) {
    *desk = (desk_t){.control = zsock_new(ZMQ_ROUTER), .sink = zsock_new(ZMQ_PULL)};
    char control[64], sink[64];
    static int desks; /* a name is free again only when ZeroMQ has closed its socket behind us */
    snprintf(control, sizeof control, "inproc://control-%d", ++desks);
    snprintf(sink, sizeof sink, "inproc://sink-%d", desks);
    assert_true(zsock_bind(desk->control, "%s", control) >= 0 && zsock_bind(desk->sink, "%s", sink) >= 0);
    desk->link = (mr_link_t){.sockets = {zsock_new(ZMQ_DEALER), NULL, zsock_new(ZMQ_PUSH)}};
    assert_int_equal(zsock_connect(desk->link.sockets[MR_LINK_CONTROL], "%s", control), 0);
    assert_int_equal(zsock_connect(desk->link.sockets[MR_LINK_SINK], "%s", sink), 0);
    zsock_set_rcvtimeo(desk->control, 10000);
    zsock_set_rcvtimeo(desk->sink, 10000);
}

static void tear_down(desk_t *desk) {
    mr_link_close(&desk->link);
    zsock_destroy(&desk->control);
    zsock_destroy(&desk->sink);
    mr_shelf_close(&desk->shelf);
    mr_shelf_close(&desk->shelf);
}

static mr_partial_t *partial_of(uint64_t id, size_t runs, size_t size) {
    mr_error_t error = {0};
    mr_partial_t *partial = mr_partial_new(id);
    for (size_t i = 0; i < runs; i++) {
        mr_buffer_t run = {0};
        assert_int_equal(mr_buffer_reserve(&run, size), 0);
        memset(run.data, (int) id, size);
        run.size = size;
        assert_int_equal(mr_partial_add_run(partial, &run, NULL, &error), 0);
    }
    assert_int_equal(mr_partial_add_result(partial, &(mr_result_t){.task = (uint32_t) id}, &error), 0);
    return partial;
}

static void send_all(desk_t *desk) {
    mr_error_t error = {0};
    assert_int_equal(mr_shelf_send(&desk->shelf, &desk->link, EPOCH, WORKER, &error), 0);
}

/* The next message on a socket; of RUN, the size of the run goes to *size. */
static mr_message_t next(zsock_t *socket, size_t *size) {
    mr_error_t error = {0};
    mr_message_t message;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zsock_type(socket) == ZMQ_ROUTER)
        assert_true(zmq_msg_recv(&frame, zsock_resolve(socket), 0) > 0); /* the identity */
    assert_true(zmq_msg_recv(&frame, zsock_resolve(socket), 0) > 0);
    assert_int_equal(mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
    if (zmq_msg_more(&frame))
        *size = (size_t) zmq_msg_recv(&frame, zsock_resolve(socket), 0);
    zmq_msg_close(&frame);
    return message;
}

static void expect_run(desk_t *desk, uint64_t partial, size_t want) {
    size_t size = 0;
    mr_message_t message = next(desk->sink, &size);
    assert_int_equal(message.type, MR_RUN);
    assert_int_equal(message.run.partial, partial);
    assert_int_equal(size, want);
    mr_message_clear(&message);
}

static void expect_partial(desk_t *desk, uint64_t partial, uint32_t runs) {
    size_t size;
    mr_message_t message = next(desk->sink, &size);
    assert_int_equal(message.type, MR_PARTIAL);
    assert_int_equal(message.partial.partial, partial);
    assert_int_equal(message.partial.runs, runs);
    assert_int_equal(message.partial.results_count, 1);
    assert_int_equal(message.partial.results[0].task, partial);
    mr_message_clear(&message);
}

static void expect_offer(desk_t *desk, uint64_t size) {
    size_t ignored;
    mr_message_t message = next(desk->control, &ignored);
    assert_int_equal(message.type, MR_OFFER);
    assert_int_equal(message.offer.size, size);
    mr_message_clear(&message);
}

static void expect_nothing(zsock_t *socket) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_int_equal(zmq_msg_recv(&frame, zsock_resolve(socket), ZMQ_DONTWAIT), -1);
    zmq_msg_close(&frame);
}

/* `memory`: bytes the partial held; 0: there is none, or it held none. */
static void expect_settled(desk_t *desk, uint64_t id, size_t memory) {
    mr_partial_t *partial = mr_shelf_settle(&desk->shelf, id);
    assert_int_equal(partial ? partial->memory : 0, memory);
    mr_partial_destroy(&partial);
}

static void small_runs_go_at_once(void **state) {
    (void) state;
    desk_t desk;
    set_up(&desk);
    mr_partial_t *first = partial_of(1, 2, 100), *last = partial_of(2, 0, 0);
    first->next = last;
    mr_shelf_put(&desk.shelf, first, last);
    send_all(&desk);
    expect_run(&desk, 1, 100);
    expect_run(&desk, 1, 100);
    expect_partial(&desk, 1, 2);
    expect_partial(&desk, 2, 0);
    assert_false(mr_shelf_empty(&desk.shelf));
    expect_settled(&desk, 3, 0);
    expect_settled(&desk, 1, 200);
    expect_settled(&desk, 1, 0);
    expect_settled(&desk, 2, 0);
    assert_true(mr_shelf_empty(&desk.shelf));
    tear_down(&desk);
}

/* One offer, one grant, one run; nothing overtakes the run that waits. */
static void large_runs_wait_for_a_grant_each(void **state) {
    (void) state;
    desk_t desk;
    set_up(&desk);
    mr_partial_t *first = partial_of(1, 2, LARGE), *last = partial_of(2, 1, 10);
    first->next = last;
    mr_shelf_put(&desk.shelf, first, last);
    mr_shelf_grant(&desk.shelf); /* for nothing: no offer is out */
    send_all(&desk);
    send_all(&desk);
    expect_offer(&desk, LARGE);
    expect_nothing(desk.control);
    expect_nothing(desk.sink);
    expect_settled(&desk, 1, 0); /* not sent, so not settled */
    mr_shelf_grant(&desk.shelf);
    send_all(&desk);
    expect_run(&desk, 1, LARGE);
    expect_nothing(desk.sink);
    expect_offer(&desk, LARGE);
    mr_shelf_grant(&desk.shelf);
    send_all(&desk);
    expect_run(&desk, 1, LARGE);
    expect_partial(&desk, 1, 2);
    expect_run(&desk, 2, 10);
    expect_partial(&desk, 2, 1);
    expect_settled(&desk, 2, 10);
    expect_settled(&desk, 1, 2 * LARGE);
    assert_true(mr_shelf_empty(&desk.shelf));
    tear_down(&desk);
}

static void put_after_all_is_sent(void **state) {
    (void) state;
    desk_t desk;
    set_up(&desk);
    for (uint64_t id = 1; id < 4; id++) {
        mr_partial_t *partial = partial_of(id, 1, 10);
        mr_shelf_put(&desk.shelf, partial, partial);
        mr_shelf_put(&desk.shelf, NULL, NULL);
        send_all(&desk);
        expect_run(&desk, id, 10);
        expect_partial(&desk, id, 1);
    }
    mr_partial_t *left = partial_of(9, 1, LARGE);
    mr_shelf_put(&desk.shelf, left, left);
    send_all(&desk);
    tear_down(&desk); /* frees what was sent and what was not */
}

/* All that was not answered, in the old order, each from its first run on. */
static void what_may_be_lost_is_sent_again(void **state) {
    (void) state;
    desk_t desk;
    set_up(&desk);
    for (uint64_t id = 1; id < 4; id++) {
        mr_partial_t *partial = partial_of(id, 1, 10);
        mr_shelf_put(&desk.shelf, partial, partial);
    }
    mr_partial_t *large = partial_of(4, 2, LARGE);
    mr_shelf_put(&desk.shelf, large, large);
    send_all(&desk);
    for (uint64_t id = 1; id < 4; id++) {
        expect_run(&desk, id, 10);
        expect_partial(&desk, id, 1);
    }
    expect_offer(&desk, LARGE);
    mr_shelf_grant(&desk.shelf);
    send_all(&desk);
    expect_run(&desk, 4, LARGE);
    expect_offer(&desk, LARGE);
    expect_settled(&desk, 2, 10);
    mr_shelf_resend(&desk.shelf);
    mr_shelf_grant(&desk.shelf);  /* of before: void */
    expect_settled(&desk, 3, 10); /* the answer to what was sent at first */
    send_all(&desk);
    expect_run(&desk, 1, 10);
    expect_partial(&desk, 1, 1);
    expect_offer(&desk, LARGE);
    expect_settled(&desk, 4, 0); /* on its way once more */
    for (int i = 0; i < 2; i++) {
        mr_shelf_grant(&desk.shelf);
        send_all(&desk);
        expect_run(&desk, 4, LARGE);
        if (i == 0)
            expect_offer(&desk, LARGE);
    }
    expect_partial(&desk, 4, 2);
    expect_settled(&desk, 4, 2 * LARGE);
    expect_settled(&desk, 1, 10);
    assert_true(mr_shelf_empty(&desk.shelf));
    mr_partial_t *later = partial_of(5, 1, 10);
    mr_shelf_put(&desk.shelf, later, later);
    send_all(&desk);
    expect_run(&desk, 5, 10);
    expect_partial(&desk, 5, 1);
    tear_down(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_runs_go_at_once),
        cmocka_unit_test(large_runs_wait_for_a_grant_each),
        cmocka_unit_test(put_after_all_is_sent),
        cmocka_unit_test(what_may_be_lost_is_sent_again),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
