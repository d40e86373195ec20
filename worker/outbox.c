#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mr_outbox_init(mr_outbox_t *outbox, mr_error_t *error) {
    *outbox = (mr_outbox_t){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (outbox->fd < 0)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make an eventfd: %s", strerror(errno));
    pthread_mutex_init(&outbox->lock, NULL);
    return 0;
}

void mr_outbox_close(mr_outbox_t *outbox) {
    if (outbox->fd < 0)
        return;
    mr_mail_free(&outbox->mail);
    close(outbox->fd);
    pthread_mutex_destroy(&outbox->lock);
    outbox->fd = -1;
}

int mr_attempts_add(mr_attempts_t *attempts, mr_attempt_t attempt) {
    if (attempts->count == attempts->capacity) {
        size_t capacity = attempts->capacity ? 2 * attempts->capacity : 64;
        mr_attempt_t *items = realloc(attempts->items, capacity * sizeof *items);
        if (!items)
            return -1;
        attempts->items = items;
        attempts->capacity = capacity;
    }
    attempts->items[attempts->count++] = attempt;
    return 0;
}

void mr_attempts_free(mr_attempts_t *attempts) {
    free(attempts->items);
    *attempts = (mr_attempts_t){0};
}

static bool is_empty(const mr_mail_t *mail) {
    return !mail->done.count && !mail->returned.count && !mail->failures && !mail->first;
}

/* The owner of the sockets is woken only by the first piece of mail: it takes all at once. */
static bool lock(mr_outbox_t *outbox) {
    pthread_mutex_lock(&outbox->lock);
    return is_empty(&outbox->mail);
}

static void unlock(mr_outbox_t *outbox, bool was_empty) {
    bool wake = was_empty && !is_empty(&outbox->mail);
    pthread_mutex_unlock(&outbox->lock);
    if (wake)
        eventfd_write(outbox->fd, 1);
}

void mr_outbox_break(mr_outbox_t *outbox, const mr_error_t *error) {
    pthread_mutex_lock(&outbox->lock);
    if (!outbox->broken.status)
        outbox->broken = *error;
    pthread_mutex_unlock(&outbox->lock);
    eventfd_write(outbox->fd, 1);
}

static void out_of_memory(mr_outbox_t *outbox) {
    mr_error_t error = {0};
    mr_error_memory(&error, "reporting a task");
    mr_outbox_break(outbox, &error);
}

void mr_outbox_done(mr_outbox_t *outbox, mr_attempt_t attempt) {
    bool was_empty = lock(outbox);
    int failed = mr_attempts_add(&outbox->mail.done, attempt);
    unlock(outbox, was_empty);
    if (failed)
        out_of_memory(outbox);
}

void mr_outbox_returned(mr_outbox_t *outbox, mr_attempt_t attempt) {
    bool was_empty = lock(outbox);
    int failed = mr_attempts_add(&outbox->mail.returned, attempt);
    unlock(outbox, was_empty);
    if (failed)
        out_of_memory(outbox);
}

void mr_outbox_failed(mr_outbox_t *outbox, mr_attempt_t attempt, bool retry, const mr_error_t *error) {
    mr_failure_t *failure = malloc(sizeof *failure);
    if (!failure) {
        out_of_memory(outbox);
        return;
    }
    *failure = (mr_failure_t){attempt, retry, *error, NULL};
    bool was_empty = lock(outbox);
    failure->next = outbox->mail.failures;
    outbox->mail.failures = failure;
    unlock(outbox, was_empty);
}

void mr_outbox_partial(mr_outbox_t *outbox, mr_partial_t *partial) {
    bool was_empty = lock(outbox);
    partial->next = NULL;
    if (outbox->mail.last)
        outbox->mail.last->next = partial;
    else
        outbox->mail.first = partial;
    outbox->mail.last = partial;
    unlock(outbox, was_empty);
}

int mr_outbox_take(mr_outbox_t *outbox, mr_mail_t *mail, mr_error_t *error) {
    eventfd_t ignored;
    pthread_mutex_lock(&outbox->lock);
    *mail = outbox->mail;
    outbox->mail = (mr_mail_t){0};
    eventfd_read(outbox->fd, &ignored);
    bool broken = outbox->broken.status != MR_STATUS_OK;
    if (broken)
        *error = outbox->broken;
    pthread_mutex_unlock(&outbox->lock);
    return broken ? -1 : 0;
}

void mr_mail_free(mr_mail_t *mail) {
    mr_attempts_free(&mail->done);
    mr_attempts_free(&mail->returned);
    for (mr_failure_t *next; mail->failures; mail->failures = next) {
        next = mail->failures->next;
        free(mail->failures);
    }
    for (mr_partial_t *next; mail->first; mail->first = next) {
        next = mail->first->next;
        mr_partial_destroy(&mail->first);
    }
    *mail = (mr_mail_t){0};
}
