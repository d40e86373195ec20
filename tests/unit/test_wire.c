/* The codec: every message comes back as it went out, and nothing that is not a message does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

#define LONGEST_LIST 5
#define LONGEST_TEXT 300

/* ---- random messages, made from the same lists as the structs ---- */

static unsigned seed;

static uint64_t random_u64(void) {
    uint64_t value = 0;
    for (int i = 0; i < 5; i++)
        value = value << 15 ^ (uint64_t) rand_r(&seed);
    return value >> rand_r(&seed) % 64; /* of every length on the wire */
}

static size_t random_below(size_t bound) {
    return (size_t) rand_r(&seed) % bound;
}

/* What a random message points into, until the next one is made. */
static char pool[1 << 20];
static size_t pool_used;

static void *take(size_t size) {
    pool_used = (pool_used + 15) / 16 * 16;
    void *at = pool + pool_used;
    pool_used += size;
    assert_true(pool_used <= sizeof pool);
    return at;
}

static const char *random_text(void) {
    size_t size = random_below(LONGEST_TEXT);
    char *text = take(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = (char) (1 + random_below(255));
    text[size] = 0;
    return text;
}

static mr_bytes_t random_bytes(void) {
    size_t size = random_below(LONGEST_TEXT);
    char *data = take(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (char) rand_r(&seed);
    return (mr_bytes_t){data, size};
}

static mr_attempt_t random_attempt(void) {
    return (mr_attempt_t){(uint32_t) random_u64(), (uint32_t) random_u64()};
}

static mr_wire_option_t random_option(void) {
    return (mr_wire_option_t){random_text(), random_text()};
}

static mr_result_t random_result(void) {
    return (mr_result_t){
        (uint32_t) random_u64(), (uint32_t) random_u64(), random_u64(), random_u64(), random_u64(), random_u64()};
}

static mr_running_t random_running(void) {
    return (mr_running_t){(uint32_t) random_u64(), (uint32_t) random_u64(), random_u64(), random_u64()};
}

static mr_segment_t random_segment(void) {
    uint64_t start = random_u64() / 2;
    return (mr_segment_t){.path = random_text(),
                          .file_size = random_u64(),
                          .mtime_ns = (int64_t) random_u64() * (random_below(2) ? 1 : -1),
                          .start = start,
                          .end = start + random_u64() / 2,
                          .format = random_below(2) ? MR_FORMAT_GZIP : MR_FORMAT_PLAIN,
                          .input = (uint32_t) random_u64(),
                          .fingerprint = random_u64(),
                          .url = random_text()};
}

#define RANDOM_LIST(pointer, number, item)                                                                             \
    do {                                                                                                               \
        number = random_below(LONGEST_LIST);                                                                           \
        pointer = take(LONGEST_LIST * sizeof *pointer);                                                                \
        for (size_t each = 0; each < number; each++)                                                                   \
            pointer[each] = item();                                                                                    \
    } while (0)

static mr_spec_t random_spec(void) {
    mr_spec_t spec = {.task = (uint32_t) random_u64(), .attempt = (uint32_t) random_u64(), .payload = random_bytes()};
    spec.group = (uint32_t) random_u64();
    spec.flags = (uint32_t) random_u64();
    RANDOM_LIST(spec.segments, spec.segment_count, random_segment);
    return spec;
}

#define FILL_U32(name) at->name = (uint32_t) random_u64();
#define FILL_U64(name) at->name = random_u64();
#define FILL_TEXT(name) at->name = random_text();
#define FILL_BYTES(name) at->name = random_bytes();
#define FILL_ATTEMPTS(name) RANDOM_LIST(at->name, at->name##_count, random_attempt);
#define FILL_OPTIONS(name) RANDOM_LIST(at->name, at->name##_count, random_option);
#define FILL_RUNNING(name) RANDOM_LIST(at->name, at->name##_count, random_running);
#define FILL_RESULTS(name) RANDOM_LIST(at->name, at->name##_count, random_result);
#define FILL_SPECS(name) RANDOM_LIST(at->name, at->name##_count, random_spec);
#define FILL(kind, name) FILL_##kind(name)

#define X(NAME, member, number)                                                                                        \
    static void fill_##member(mr_message_t *message) {                                                                 \
        mr_##member##_message_t *at = &message->member;                                                                \
        *message = (mr_message_t){.type = MR_##NAME};                                                                  \
        MR_FIELDS_##NAME(FILL)                                                                                         \
    }
MR_MESSAGES(X)
#undef X

typedef void fill_t(mr_message_t *message);
static fill_t *const fills[] = {
#define X(NAME, member, number) fill_##member,
    MR_MESSAGES(X)
#undef X
};
#define FILLS (sizeof fills / sizeof *fills)

/* ---- comparing ---- */

static void same_bytes(mr_bytes_t a, mr_bytes_t b) {
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

static void same_attempt(const mr_attempt_t *a, const mr_attempt_t *b) {
    assert_memory_equal(a, b, sizeof *a);
}

static void same_option(const mr_wire_option_t *a, const mr_wire_option_t *b) {
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->value, b->value);
}

static void same_running(const mr_running_t *a, const mr_running_t *b) {
    assert_memory_equal(a, b, sizeof *a);
}

static void same_result(const mr_result_t *a, const mr_result_t *b) {
    assert_memory_equal(a, b, sizeof *a);
}

static void same_segment(const mr_segment_t *a, const mr_segment_t *b) {
    assert_string_equal(a->path, b->path);
    assert_true(a->file_size == b->file_size && a->mtime_ns == b->mtime_ns && a->start == b->start);
    assert_true(a->end == b->end && a->format == b->format);
    assert_true(a->input == b->input && a->fingerprint == b->fingerprint);
    assert_string_equal(a->url, b->url);
}

static void same_spec(const mr_spec_t *a, const mr_spec_t *b) {
    assert_true(a->task == b->task && a->attempt == b->attempt && a->group == b->group && a->flags == b->flags);
    same_bytes(a->payload, b->payload);
    assert_int_equal(a->segment_count, b->segment_count);
    for (size_t i = 0; i < a->segment_count; i++)
        same_segment(&a->segments[i], &b->segments[i]);
}

#define SAME_LIST(name, same_item)                                                                                     \
    assert_int_equal(a->name##_count, b->name##_count);                                                                \
    for (size_t each = 0; each < a->name##_count; each++)                                                              \
        same_item(&a->name[each], &b->name[each]);
#define SAME_U32(name) assert_true(a->name == b->name);
#define SAME_U64(name) assert_true(a->name == b->name);
#define SAME_TEXT(name) assert_string_equal(a->name, b->name);
#define SAME_BYTES(name) same_bytes(a->name, b->name);
#define SAME_ATTEMPTS(name) SAME_LIST(name, same_attempt)
#define SAME_OPTIONS(name) SAME_LIST(name, same_option)
#define SAME_RUNNING(name) SAME_LIST(name, same_running)
#define SAME_RESULTS(name) SAME_LIST(name, same_result)
#define SAME_SPECS(name) SAME_LIST(name, same_spec)
#define SAME(kind, name) SAME_##kind(name)

static void expect_same(const mr_message_t *one, const mr_message_t *other) {
    assert_int_equal(one->type, other->type);
    switch (one->type) {
#define X(NAME, member, number)                                                                                        \
    case MR_##NAME: {                                                                                                  \
        const mr_##member##_message_t *a = &one->member, *b = &other->member;                                          \
        MR_FIELDS_##NAME(SAME) break;                                                                                  \
    }
        MR_MESSAGES(X)
#undef X
    }
}

/* ---- helpers ---- */

static void random_message(mr_message_t *message, mr_buffer_t *out) {
    pool_used = 0;
    fills[random_below(FILLS)](message);
    out->size = 0;
    assert_int_equal(mr_message_encode(message, out), 0);
}

/* Decodes a copy of exactly `size` bytes, so that a read past the end is seen by ASan. */
static int decode(mr_message_t *message, const void *data, size_t size) {
    mr_error_t error = {0};
    char *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    int failed = mr_message_decode(message, copy, size, &error);
    assert_int_equal(error.status, failed ? MR_STATUS_REFUSED : MR_STATUS_OK);
    free(copy);
    return failed;
}

static int try_decode(const void *data, size_t size) {
    mr_message_t message;
    int failed = decode(&message, data, size);
    if (!failed)
        mr_message_clear(&message);
    return failed;
}

#define BYTES(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})

/* ---- the tests ---- */

static void every_message_comes_back(void **state) {
    (void) state;
    mr_buffer_t out = {0};
    for (int round = 0; round < 5000; round++) {
        mr_message_t message, back;
        random_message(&message, &out);
        assert_int_equal(decode(&back, out.data, out.size), 0);
        expect_same(&message, &back);
        mr_message_clear(&back);
        mr_message_clear(&back);
    }
    mr_buffer_free(&out);
}

static void no_truncation_is_a_message(void **state) {
    (void) state;
    mr_buffer_t out = {0};
    for (size_t i = 0; i < FILLS; i++) {
        mr_message_t message;
        pool_used = 0;
        fills[i](&message);
        out.size = 0;
        assert_int_equal(mr_message_encode(&message, &out), 0);
        for (size_t size = 0; size < out.size; size++)
            assert_int_equal(try_decode(out.data, size), -1);
        assert_int_equal(mr_buffer_append(&out, "", 1), 0);
        assert_int_equal(try_decode(out.data, out.size), -1); /* nor is more */
    }
    mr_buffer_free(&out);
}

/* Whatever a flipped bit makes of it: it is refused, or read without harm, and takes no more memory than its size warrants. */
static void no_flipped_bit_does_harm(void **state) {
    (void) state;
    mr_buffer_t out = {0};
    for (int round = 0; round < 40; round++) {
        mr_message_t message;
        random_message(&message, &out);
        for (size_t bit = 0; bit < 8 * out.size && bit < 8 * 600; bit++) {
            out.data[bit / 8] ^= (char) (1 << bit % 8);
            size_t before = mallinfo2().uordblks;
            mr_message_t back;
            if (!decode(&back, out.data, out.size)) {
                assert_true(mallinfo2().uordblks < before + 100 * out.size + 65536);
                mr_message_clear(&back);
            }
            out.data[bit / 8] ^= (char) (1 << bit % 8);
        }
    }
    mr_buffer_free(&out);
}

static void random_bytes_do_no_harm(void **state) {
    (void) state;
    for (int round = 0; round < 200000; round++) {
        char bytes[40];
        size_t size = random_below(sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char) rand_r(&seed);
        if (size && random_below(2))
            bytes[0] = (char) (0x90 + random_below(8)); /* an array, as a message is */
        if (size > 1 && random_below(2))
            bytes[1] = (char) random_below(64);
        try_decode(bytes, size);
    }
}

static void lengths_are_not_believed(void **state) {
    (void) state;
    assert_int_equal(try_decode(BYTES(0xdd, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0xdf, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0xdb, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0xc6, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0xc9, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0x94, 0x03, 0x01, 0x01, 0xdd, 0xff, 0xff, 0xff, 0xff)), -1);
    assert_int_equal(try_decode(BYTES(0x92, 0x18, 0xdb, 0x00, 0x00, 0x00, 0x02, 'a')), -1);
    assert_int_equal(try_decode(BYTES(0x92, 0x18, 0xc1)), -1);
}

/* As many values as there are bytes: refused past a million of them, for each takes 24 bytes when unpacked. */
static void too_many_values(void **state) {
    (void) state;
    size_t size = (size_t) 2 << 20;
    unsigned char *bytes = calloc(1, size);
    unsigned char head[] = {0xdd, 0x00, 0x1f, 0xff, 0xfb};
    memcpy(bytes, head, sizeof head);
    assert_int_equal(mr_wire_check(bytes, size, 5), -1);
    unsigned char less[] = {0xdd, 0x00, 0x08, 0x00, 0x00};
    memcpy(bytes, less, sizeof less);
    assert_int_equal(mr_wire_check(bytes, sizeof less + 0x80000, 5), 0);
    free(bytes);
}

static void too_large_a_header(void **state) {
    (void) state;
    size_t size = MR_WIRE_MAX_HEADER + 1;
    unsigned char *bytes = calloc(1, size);
    uint32_t length = (uint32_t) size - 5;
    unsigned char head[] = {0xc6, (unsigned char) (length >> 24), (unsigned char) (length >> 16),
                            (unsigned char) (length >> 8), (unsigned char) length};
    memcpy(bytes, head, sizeof head);
    assert_int_equal(mr_wire_check(bytes, size, 5), -1);
    head[4]--;
    memcpy(bytes, head, sizeof head);
    assert_int_equal(mr_wire_check(bytes, size - 1, 5), 0);
    free(bytes);
}

static void depth_is_bounded(void **state) {
    (void) state;
    unsigned char nested[100000];
    memset(nested, 0x91, sizeof nested);
    nested[sizeof nested - 1] = 0x00;
    assert_int_equal(mr_wire_check(nested, sizeof nested, 5), -1);
    assert_int_equal(mr_wire_check(nested + sizeof nested - 6, 6, 5), 0);
    assert_int_equal(mr_wire_check(nested + sizeof nested - 7, 7, 5), -1);
    assert_int_equal(try_decode(nested, sizeof nested), -1);
}

static void unknown_types_are_refused(void **state) {
    (void) state;
    assert_int_equal(try_decode(BYTES(0x91, 0x63)), -1);
    assert_int_equal(try_decode(BYTES(0x91, 0xcf, 0, 0, 0, 1, 0, 0, 0, 1)), -1); /* 2^32 + 1 is not HELLO */
    assert_int_equal(try_decode(BYTES(0x91, 0xa1, 'x')), -1);
    assert_int_equal(try_decode(BYTES(0x90)), -1);
    assert_int_equal(try_decode(BYTES(0x80)), -1);
    assert_int_equal(try_decode(BYTES(0xc0)), -1);
}

static void elements_of_a_later_version_are_ignored(void **state) {
    (void) state;
    mr_message_t message;
    assert_int_equal(decode(&message, BYTES(0x94, 0x17, 0x05, 0xa3, 'n', 'e', 'w', 0x90)), 0);
    assert_int_equal(message.type, MR_DRAIN);
    assert_int_equal(message.drain.epoch, 5);
    mr_message_clear(&message);
}

/* Two versions must understand each other well enough to say so. */
static void hello_and_refused_of_another_protocol_may_differ(void **state) {
    (void) state;
    mr_message_t message;
    assert_int_equal(decode(&message, BYTES(0x93, 0x01, 0x02, 0xa1, '2')), 0);
    assert_int_equal(message.hello.protocol, 2);
    assert_string_equal(message.hello.version, "2");
    assert_string_equal(message.hello.host, "");
    mr_message_clear(&message);
    assert_int_equal(decode(&message, BYTES(0x95, 0x01, 0x02, 0xa1, '2', 0x80, 0xc0)), 0);
    assert_string_equal(message.hello.host, "");
    mr_message_clear(&message);
    assert_int_equal(decode(&message, BYTES(0x93, 0x11, 0x02, 0xa1, '2')), 0);
    assert_string_equal(message.refused.reason, "");
    mr_message_clear(&message);
    assert_int_equal(try_decode(BYTES(0x93, 0x01, 0x01, 0xa1, '1')), -1); /* of our protocol it must be whole */
    assert_int_equal(try_decode(BYTES(0x92, 0x01, 0x02)), -1);
}

static void texts_have_no_nul(void **state) {
    (void) state;
    assert_int_equal(try_decode(BYTES(0x93, 0x18, 0x00, 0xa3, 'a', 0x00, 'b')), -1);
    assert_int_equal(try_decode(BYTES(0x93, 0x18, 0x00, 0xa3, 'a', 'x', 'b')), 0);
}

static void numbers_must_fit(void **state) {
    (void) state;
    assert_int_equal(try_decode(BYTES(0x93, 0x05, 0x01, 0x02)), -1); /* too short */
    assert_int_equal(try_decode(BYTES(0x94, 0x05, 0x01, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0x01)),
                     -1);                                                  /* worker is 32 bits */
    assert_int_equal(try_decode(BYTES(0x94, 0x05, 0xff, 0x01, 0x01)), -1); /* below 0 */
    assert_int_equal(try_decode(BYTES(0x94, 0x05, 0x01, 0x01, 0x01)), 0);
}

/* The largest that a coordinator sends, the packed small files of one task, passes. */
static void largest_task_passes(void **state) {
    (void) state;
    static char path[4096];
    memset(path, 'p', sizeof path - 1);
    mr_segment_t *segments = calloc(4096, sizeof *segments);
    for (size_t i = 0; i < 4096; i++)
        segments[i] = (mr_segment_t){.path = path, .file_size = 1, .end = 1};
    mr_spec_t spec = {.task = 1, .attempt = 1, .segments = segments, .segment_count = 4096};
    mr_message_t message = {.type = MR_TASKS, .tasks = {1, 0, &spec, 1}};
    mr_buffer_t out = {0};
    assert_int_equal(mr_message_encode(&message, &out), 0);
    assert_int_equal(try_decode(out.data, out.size), 0);
    mr_buffer_free(&out);
    free(segments);
}

static void names(void **state) {
    (void) state;
    assert_string_equal(mr_message_name(MR_HELLO), "HELLO");
    assert_string_equal(mr_message_name((mr_message_type_t) 99), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back),
        cmocka_unit_test(no_truncation_is_a_message),
        cmocka_unit_test(no_flipped_bit_does_harm),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(lengths_are_not_believed),
        cmocka_unit_test(too_many_values),
        cmocka_unit_test(too_large_a_header),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(unknown_types_are_refused),
        cmocka_unit_test(elements_of_a_later_version_are_ignored),
        cmocka_unit_test(hello_and_refused_of_another_protocol_may_differ),
        cmocka_unit_test(texts_have_no_nul),
        cmocka_unit_test(numbers_must_fit),
        cmocka_unit_test(largest_task_passes),
        cmocka_unit_test(names),
    };
    seed = getenv("SEED") ? (unsigned) strtoul(getenv("SEED"), NULL, 10) : (unsigned) time(NULL);
    print_message("SEED=%u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
