/* Inputs from the coordinator: the supply and what fetches from it, over a real socket, and a supply that plays badly: it loses, repeats and
 * answers late. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "router.h"
#include "scratch.h"
#include "sight.h"
#include "supply.h"

#define EPOCH 77u
#define SIZE ((size_t) 9 << 20) /* more than a window */

static mr_scratch_t scratch;
static char *text;
static mr_input_t items[2];
static mr_inputs_t inputs = {.items = items, .count = 2};
static mr_sight_t sight;
static mr_eye_t eye;
static atomic_bool stop;
static char endpoint[256];

static bool must_stop(void *context) {
    (void) context;
    return atomic_load(&stop);
}

static void plan(mr_input_t *input, const char *name, const char *data, size_t size) {
    struct stat status;
    assert_true(asprintf(&input->path, "%s/%s", scratch.dir, name) > 0);
    FILE *file = fopen(input->path, "we");
    assert_true(file && fwrite(data, 1, size, file) == size && !fclose(file));
    assert_int_equal(stat(input->path, &status), 0);
    input->name = name;
    input->size = size;
    input->mtime_ns = (int64_t) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    input->device = status.st_dev;
    input->inode = status.st_ino;
}

static int set_up(void **state) {
    mr_error_t error = {0};
    (void) state;
    atomic_store(&stop, false);
    text = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char) (i * 2654435761u >> 24);
    if (mr_scratch_make(&scratch, "/tmp", &error))
        return -1;
    plan(&items[0], "small", "0123456789", 10);
    plan(&items[1], "large", text, SIZE);
    snprintf(endpoint, sizeof endpoint, "ipc://%.200s/inputs", scratch.dir);
    mr_sight_init(&sight, NULL);
    mr_route_set(&sight.route, endpoint, EPOCH, 9000);
    mr_eye_init(&eye, &sight, must_stop, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void) state;
    mr_eye_close(&eye);
    mr_sight_close(&sight);
    for (int i = 0; i < 2; i++)
        free(items[i].path);
    free(text);
    mr_scratch_remove(&scratch);
    return 0;
}

static zsock_t *bound(const char *at) {
    zsock_t *socket = zsock_new(ZMQ_ROUTER);
    assert_true(socket && zsock_bind(socket, "%s", at) >= 0);
    return socket;
}

static mr_supply_t *serve(uint64_t epoch, const char *at) {
    mr_error_t error = {0};
    mr_supply_t *supply = mr_supply_new(&inputs, epoch, bound(at), &error);
    assert_non_null(supply);
    return supply;
}

/* A segment that no worker sees as a file. */
static mr_source_t source_of(uint32_t input, uint64_t start, uint64_t end) {
    return (mr_source_t){.segment = {.path = "/nonexistent/input",
                                     .file_size = items[input].size,
                                     .mtime_ns = items[input].mtime_ns,
                                     .start = start,
                                     .end = end,
                                     .input = input}};
}

static void open_source(mr_source_t *source) {
    mr_error_t error = {0};
    assert_int_equal(eye.access.open(eye.access.context, source, &error), 0);
}

/* Reads [from, to) in steps, and compares. */
static void expect_bytes(mr_source_t *source, uint64_t from, uint64_t to, size_t step) {
    mr_error_t error = {0};
    const char *wanted = source->segment.input ? text : "0123456789";
    char *into = malloc(step);
    for (uint64_t at = from; at < to; at += step) {
        size_t size = to - at < step ? (size_t) (to - at) : step;
        if (mr_source_read(source, into, size, at, &error))
            fail_msg("%s", error.text);
        assert_memory_equal(into, wanted + at, size);
    }
    free(into);
}

static void expect_failure(mr_source_t *source, uint64_t offset, mr_status_t status, const char *reason) {
    mr_error_t error = {0};
    char byte;
    assert_int_equal(mr_source_read(source, &byte, 1, offset, &error), -1);
    assert_int_equal(error.status, status);
    assert_string_equal(error.text, reason);
}

static void segments_are_fetched(void **state) {
    (void) state;
    mr_supply_t *supply = serve(EPOCH, endpoint);
    const size_t steps[] = {1000003, 131072, (size_t) 5 << 20};
    for (size_t i = 0; i < 3; i++) {
        mr_source_t source = source_of(1, 0, SIZE);
        open_source(&source);
        expect_bytes(&source, 0, SIZE, steps[i]);
        assert_int_equal(mr_source_verify(&source, NULL), 0);
        mr_source_close(&source);
    }
    mr_source_t small = source_of(0, 0, 10), part = source_of(1, 1000000, 3000000);
    open_source(&small);
    expect_bytes(&small, 0, 10, 3);
    mr_source_close(&small);
    uint64_t before = mr_supply_bytes(supply);
    open_source(&part);
    expect_bytes(&part, 999999, 3000000, 70000);
    assert_true(mr_supply_bytes(supply) - before == 2000001 + MR_SOURCE_LOOKAHEAD); /* no more than was asked for */
    expect_bytes(&part, 3000000, 3600000, 70000); /* a long line: past what was announced */
    mr_source_close(&part);
    mr_supply_destroy(&supply);
}

/* One that is left in its middle, with pieces on their way, does not disturb the next. */
static void a_segment_may_be_left(void **state) {
    (void) state;
    mr_supply_t *supply = serve(EPOCH, endpoint);
    for (uint64_t i = 0; i < 40; i++) {
        mr_source_t source = source_of(1, i * 100000, SIZE - i);
        open_source(&source);
        expect_bytes(&source, i * 100000, i * 100000 + 5, 5);
        mr_source_close(&source);
    }
    mr_source_t whole = source_of(1, 0, SIZE);
    open_source(&whole);
    expect_bytes(&whole, 0, SIZE, 100000);
    mr_source_close(&whole);
    mr_supply_destroy(&supply);
}

static void what_changed_is_not_sent(void **state) {
    (void) state;
    mr_supply_t *supply = serve(EPOCH, endpoint);
    struct timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
    mr_source_t source = source_of(1, 0, SIZE), small = source_of(0, 0, 10);
    open_source(&source);
    expect_bytes(&source, 0, 10, 10);
    assert_int_equal(utimensat(AT_FDCWD, items[1].path, times, 0), 0);
    mr_source_close(&source);
    open_source(&source);
    expect_failure(&source, 0, MR_STATUS_INPUT, "/nonexistent/input: changed during the job");
    mr_source_close(&source);
    assert_int_equal(unlink(items[0].path), 0);
    open_source(&small);
    expect_failure(&small, 0, MR_STATUS_INPUT, "/nonexistent/input: No such file or directory");
    mr_source_close(&small);
    FILE *another = fopen(items[0].path, "we"); /* of the same name and size */
    assert_true(another && fputs("0123456789", another) >= 0 && !fclose(another));
    open_source(&small);
    expect_failure(&small, 0, MR_STATUS_INPUT, "/nonexistent/input: changed during the job");
    mr_source_close(&small);
    mr_supply_destroy(&supply);
}

static void *stop_soon(void *argument) {
    (void) argument;
    zclock_sleep(50);
    atomic_store(&stop, true);
    return NULL;
}

static void a_thread_that_waits_can_be_stopped(void **state) {
    (void) state;
    pthread_t thread;
    mr_source_t source = source_of(1, 0, SIZE);
    open_source(&source);
    int64_t began = mr_clock_ms();
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    expect_failure(&source, 0, MR_STATUS_INTERRUPTED, "stopped");
    assert_true(mr_clock_ms() - began < 1500);
    pthread_join(thread, NULL);
    mr_source_close(&source);
}

/* ---- the next coordinator ---- */

static void *serve_elsewhere(void *argument) {
    char *next = argument;
    zclock_sleep(50);
    snprintf(next, 256, "ipc://%.200s/inputs-2", scratch.dir);
    mr_supply_t *supply = serve(EPOCH + 1, next);
    mr_route_set(&sight.route, next, EPOCH + 1, 9000);
    return supply;
}

static void the_next_coordinator_is_asked(void **state) {
    (void) state;
    char next[256];
    void *second;
    pthread_t thread;
    mr_supply_t *first = serve(EPOCH, endpoint);
    mr_source_t source = source_of(1, 0, SIZE);
    open_source(&source);
    expect_bytes(&source, 0, 1000, 1000);
    mr_supply_destroy(&first);
    assert_int_equal(pthread_create(&thread, NULL, serve_elsewhere, next), 0);
    expect_bytes(&source, 1000, SIZE, 100000);
    mr_source_close(&source);
    pthread_join(thread, &second);
    first = second;
    mr_supply_destroy(&first);
}

/* ---- a supply that plays badly ---- */

typedef struct poor {
    zsock_t *socket;
    atomic_bool over;
    unsigned lost;
} poor_t;

static void poor_answer(poor_t *poor, const mr_sender_t *sender, const mr_fetch_message_t *fetch, uint64_t epoch,
                        size_t size) {
    mr_buffer_t out = {0};
    mr_message_t data = {.type = MR_DATA, .data = {epoch, fetch->input, fetch->offset, 0, ""}};
    void *handle = zsock_resolve(poor->socket);
    assert_int_equal(mr_message_encode(&data, &out), 0);
    zmq_send(handle, sender->identity, sender->size, ZMQ_SNDMORE);
    zmq_send(handle, out.data, out.size, ZMQ_SNDMORE);
    zmq_send(handle, text + fetch->offset, size, 0);
    mr_buffer_free(&out);
}

/* Each third request is lost the first time; the others are answered with what is void, and twice. */
static void *play_badly(void *argument) {
    poor_t *poor = argument;
    unsigned heard = 0;
    while (!atomic_load(&poor->over)) {
        mr_sender_t sender;
        mr_message_t message;
        mr_error_t error = {0};
        zmq_pollitem_t item = {zsock_resolve(poor->socket), 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 10);
        if (mr_router_receive(poor->socket, &sender, &message, &error) <= 0)
            continue;
        size_t size = (size_t) message.fetch.size;
        if (++heard % 3 == 0 && poor->lost < 5) {
            poor->lost++;
        } else {
            poor_answer(poor, &sender, &message.fetch, EPOCH + 5, size);
            poor_answer(poor, &sender, &message.fetch, EPOCH, size - 1);
            poor_answer(poor, &sender, &message.fetch, EPOCH, size);
            poor_answer(poor, &sender, &message.fetch, EPOCH, size);
        }
        zmq_send(zsock_resolve(poor->socket), sender.identity, sender.size, ZMQ_SNDMORE);
        zmq_send(zsock_resolve(poor->socket), "?", 1, 0);
        mr_message_clear(&message);
    }
    return NULL;
}

static void what_is_lost_is_asked_for_again(void **state) {
    (void) state;
    pthread_t thread;
    poor_t poor = {.socket = bound(endpoint)};
    mr_source_t source = source_of(1, 0, SIZE);
    assert_int_equal(pthread_create(&thread, NULL, play_badly, &poor), 0);
    open_source(&source);
    expect_bytes(&source, 0, SIZE, 200000);
    mr_source_close(&source);
    atomic_store(&poor.over, true);
    pthread_join(thread, NULL);
    assert_int_equal(poor.lost, 5);
    zsock_destroy(&poor.socket);
}

/* ---- peers that ask for what they may not have ---- */

typedef struct asker {
    zsock_t *socket;
    mr_buffer_t out;
} asker_t;

static void ask(asker_t *asker, uint64_t epoch, uint32_t input, uint64_t offset, uint64_t size) {
    mr_message_t message = {.type = MR_FETCH, .fetch = {epoch, input, offset, size}};
    asker->out.size = 0;
    assert_int_equal(mr_message_encode(&message, &asker->out), 0);
    zmq_send(zsock_resolve(asker->socket), asker->out.data, asker->out.size, 0);
}

/* What is wrong, and floods, are passed over; what is right is answered behind it. */
static void only_inputs_of_the_job_are_served(void **state) {
    (void) state;
    static const struct {
        uint64_t epoch, input, offset, size;
    } bad[] = {{EPOCH + 1, 0, 0, 1},     {EPOCH, 2, 0, 1}, {EPOCH, UINT32_MAX, 0, 1},        {EPOCH, 0, 10, 1},
               {EPOCH, 0, 0, 11},        {EPOCH, 0, 0, 0}, {EPOCH, 1, 0, MR_WIRE_PIECE + 1}, {EPOCH, 0, 9, UINT64_MAX},
               {EPOCH, 0, UINT64_MAX, 2}};
    mr_supply_t *supply = serve(EPOCH, endpoint);
    asker_t asker = {.socket = zsock_new(ZMQ_DEALER)};
    assert_int_equal(zsock_connect(asker.socket, "%s", endpoint), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ask(&asker, bad[i].epoch, (uint32_t) bad[i].input, bad[i].offset, bad[i].size);
    zmq_send(zsock_resolve(asker.socket), "\xc1", 1, 0);
    zmq_send(zsock_resolve(asker.socket), "", 0, 0);
    ask(&asker, EPOCH, 0, 3, 4);
    zsock_set_rcvtimeo(asker.socket, 30000);
    zmsg_t *answer = zmsg_recv(asker.socket);
    assert_non_null(answer);
    assert_int_equal(zmsg_size(answer), 2);
    assert_true(zframe_size(zmsg_last(answer)) == 4 && !memcmp(zframe_data(zmsg_last(answer)), "3456", 4));
    zmsg_destroy(&answer);
    zsock_destroy(&asker.socket);
    mr_buffer_free(&asker.out);
    mr_supply_destroy(&supply);
}

/* One that asks for much and reads nothing has a few pieces made for it, and others are served all the same. */
static void a_peer_that_does_not_read_gets_little(void **state) {
    (void) state;
    mr_supply_t *supply = serve(EPOCH, endpoint);
    asker_t asker = {.socket = zsock_new(ZMQ_DEALER)};
    zsock_set_rcvhwm(asker.socket, 1);
    assert_int_equal(zsock_connect(asker.socket, "%s", endpoint), 0);
    for (int turn = 0; turn < 50; turn++) {
        for (uint64_t i = 0; i < 30; i++)
            ask(&asker, EPOCH, 1, i * MR_WIRE_PIECE, MR_WIRE_PIECE);
        mr_source_t source = source_of(1, 0, SIZE);
        open_source(&source);
        expect_bytes(&source, 0, 1000, 1000);
        mr_source_close(&source);
    }
    mr_source_t source = source_of(1, 0, SIZE);
    open_source(&source);
    expect_bytes(&source, 0, SIZE, 1000000);
    mr_source_close(&source);
    /* The reader's own: up to a window for each time it opened, and once all. The rest went to the one that does not read. */
    uint64_t most = (uint64_t) 50 * MR_FETCH_WINDOW * MR_WIRE_PIECE + SIZE;
    assert_true(mr_supply_bytes(supply) <= most + 40 * MR_WIRE_PIECE);
    zsock_destroy(&asker.socket);
    mr_buffer_free(&asker.out);
    mr_supply_destroy(&supply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments_are_fetched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_may_be_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changed_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_waits_can_be_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_coordinator_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_lost_is_asked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_inputs_of_the_job_are_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_does_not_read_gets_little, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
