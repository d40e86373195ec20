/* Tasks that wait: in order, and freed when the last of their message is released, whichever thread does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "queue.h"

static mr_message_t decoded_tasks(uint32_t first, size_t count) {
    mr_spec_t specs[64] = {{0}};
    mr_buffer_t out = {0};
    mr_error_t error = {0};
    mr_message_t message;
    for (size_t i = 0; i < count; i++)
        specs[i] = (mr_spec_t){.task = first + (uint32_t) i, .attempt = 1, .payload = {"x", 1}};
    assert_int_equal(mr_message_encode(&(mr_message_t){.type = MR_TASKS, .tasks = {1, 0, specs, count}}, &out), 0);
    assert_int_equal(mr_message_decode(&message, out.data, out.size, &error), 0);
    mr_buffer_free(&out);
    return message;
}

static void put(mr_queue_t *queue, uint32_t first, size_t count) {
    mr_message_t message = decoded_tasks(first, count);
    assert_int_equal(mr_queue_put(queue, &message), 0);
    mr_message_clear(&message); /* also what an empty message kept */
}

static void first_in_first_out(void **state) {
    (void) state;
    mr_queue_t queue = {0};
    mr_ticket_t ticket;
    assert_false(mr_queue_take(&queue, &ticket));
    put(&queue, 0, 10);
    put(&queue, 10, 1);
    put(&queue, 0, 0);
    put(&queue, 11, 50);
    assert_int_equal(queue.size, 61);
    for (uint32_t i = 0; i < 61; i++) {
        assert_true(mr_queue_take(&queue, &ticket));
        assert_int_equal(ticket.spec->task, i);
        mr_ticket_release(&ticket);
        mr_ticket_release(&ticket); /* safe twice */
    }
    assert_false(mr_queue_take(&queue, &ticket));
    assert_int_equal(queue.size, 0);
    assert_int_equal(queue.received, 61);
    put(&queue, 0, 1);
    assert_true(mr_queue_take(&queue, &ticket));
    mr_ticket_release(&ticket);
}

/* A message lives as long as any of its tasks, in whatever order they end. */
static void tickets_outlive_the_queue(void **state) {
    (void) state;
    mr_queue_t queue = {0};
    mr_ticket_t tickets[20];
    put(&queue, 0, 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_true(mr_queue_take(&queue, &tickets[i]));
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t which = i * 7 % 20;
        assert_int_equal(tickets[which].spec->task, which);
        assert_memory_equal(tickets[which].spec->payload.data, "x", 1);
        mr_ticket_release(&tickets[which]);
    }
}

static void *release_all(void *argument) {
    mr_ticket_t *tickets = argument;
    for (int i = 0; i < 32; i++)
        mr_ticket_release(&tickets[i]);
    return NULL;
}

static void released_from_two_threads(void **state) {
    (void) state;
    for (int round = 0; round < 200; round++) {
        mr_queue_t queue = {0};
        mr_ticket_t tickets[64];
        pthread_t thread;
        put(&queue, 0, 64);
        for (int i = 0; i < 64; i++)
            assert_true(mr_queue_take(&queue, &tickets[i]));
        assert_int_equal(pthread_create(&thread, NULL, release_all, tickets + 32), 0);
        release_all(tickets);
        pthread_join(thread, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(tickets_outlive_the_queue),
        cmocka_unit_test(released_from_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
