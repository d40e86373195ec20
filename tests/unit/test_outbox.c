/* Mail from the pool's threads: all of it arrives, once, and the fd says when there is some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "outbox.h"

#define THREADS 4
#define EACH 5000u

static bool is_readable(const mr_outbox_t *outbox) {
    struct pollfd item = {outbox->fd, POLLIN, 0};
    return poll(&item, 1, 0) == 1;
}

static void mail_is_taken_once(void **state) {
    (void) state;
    mr_outbox_t outbox;
    mr_mail_t mail;
    mr_error_t error = {0}, failure = {0};
    assert_int_equal(mr_outbox_init(&outbox, &error), 0);
    assert_false(is_readable(&outbox));
    mr_error_set(&failure, MR_STATUS_INPUT, "file: gone");
    mr_outbox_done(&outbox, (mr_attempt_t){1, 2});
    mr_outbox_done(&outbox, (mr_attempt_t){3, 4});
    mr_outbox_returned(&outbox, (mr_attempt_t){5, 6});
    mr_outbox_failed(&outbox, (mr_attempt_t){7, 8}, true, &failure);
    mr_outbox_partial(&outbox, mr_partial_new(9));
    mr_outbox_partial(&outbox, mr_partial_new(10));
    assert_true(is_readable(&outbox));
    assert_int_equal(mr_outbox_take(&outbox, &mail, &error), 0);
    assert_false(is_readable(&outbox));
    assert_int_equal(mail.done.count, 2);
    assert_int_equal(mail.done.items[1].task, 3);
    assert_int_equal(mail.returned.count, 1);
    assert_true(mail.failures->retry && !mail.failures->next);
    assert_string_equal(mail.failures->error.text, "file: gone");
    assert_int_equal(mail.first->id, 9);
    assert_int_equal(mail.last->id, 10);
    mr_mail_free(&mail);
    mr_mail_free(&mail);
    assert_int_equal(mr_outbox_take(&outbox, &mail, &error), 0);
    assert_true(!mail.done.count && !mail.first && !mail.failures);
    mr_outbox_done(&outbox, (mr_attempt_t){1, 1});
    mr_outbox_partial(&outbox, mr_partial_new(1));
    mr_outbox_close(&outbox); /* frees what was never taken */
    mr_outbox_close(&outbox);
}

/* A process that cannot go on says so, after what it had to say before. */
static void broken_for_good(void **state) {
    (void) state;
    mr_outbox_t outbox;
    mr_mail_t mail;
    mr_error_t error = {0}, first = {0}, second = {0};
    assert_int_equal(mr_outbox_init(&outbox, &error), 0);
    mr_error_memory(&first, "sorting a run");
    mr_error_memory(&second, "doing something else");
    mr_outbox_done(&outbox, (mr_attempt_t){1, 1});
    mr_outbox_break(&outbox, &first);
    mr_outbox_break(&outbox, &second);
    assert_true(is_readable(&outbox));
    assert_int_equal(mr_outbox_take(&outbox, &mail, &error), -1);
    assert_int_equal(mail.done.count, 1);
    assert_string_equal(error.text, first.text);
    mr_mail_free(&mail);
    assert_int_equal(mr_outbox_take(&outbox, &mail, &error), -1); /* and again */
    assert_int_equal(mail.done.count, 0);
    mr_mail_free(&mail);
    mr_outbox_close(&outbox);
}

static void *write_letters(void *argument) {
    mr_outbox_t *outbox = argument;
    for (uint32_t i = 0; i < EACH; i++)
        mr_outbox_done(outbox, (mr_attempt_t){i, 1});
    return NULL;
}

/* No wakeup is lost: the reader sleeps on the fd alone. */
static void many_writers_one_reader(void **state) {
    (void) state;
    mr_outbox_t outbox;
    mr_error_t error = {0};
    pthread_t threads[THREADS];
    static uint32_t seen[EACH];
    memset(seen, 0, sizeof seen);
    assert_int_equal(mr_outbox_init(&outbox, &error), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_letters, &outbox), 0);
    for (size_t got = 0; got < THREADS * EACH;) {
        struct pollfd item = {outbox.fd, POLLIN, 0};
        assert_int_equal(poll(&item, 1, 20000), 1);
        mr_mail_t mail;
        assert_int_equal(mr_outbox_take(&outbox, &mail, &error), 0);
        for (size_t i = 0; i < mail.done.count; i++)
            seen[mail.done.items[i].task]++;
        got += mail.done.count;
        mr_mail_free(&mail);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < EACH; i++)
        assert_int_equal(seen[i], THREADS);
    mr_outbox_close(&outbox);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_taken_once),
        cmocka_unit_test(broken_for_good),
        cmocka_unit_test(many_writers_one_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
