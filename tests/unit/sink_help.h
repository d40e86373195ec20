/* sink_help.h - for the tests of sink and output: runs made of rows, and what came out of a sink. */
#ifndef TEST_SINK_HELP_H
#define TEST_SINK_HELP_H

#include "rows.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sink.h"
#include "sink_store.h"

/* Runs handed to a sink and not yet released. */
static atomic_long live_runs;

static inline void release_run(void *hint) {
    atomic_fetch_sub(&live_runs, 1);
    free(hint);
}

/* Stages a copy of the bytes, exactly as large, so that a read past its end is seen by ASan. */
static inline int stage_bytes(mr_sink_t *sink, uint32_t worker, uint64_t partial, const void *data, size_t size,
                              mr_error_t *error) {
    char *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    atomic_fetch_add(&live_runs, 1);
    return mr_sink_stage(sink, worker, partial, copy, size, release_run, copy, error);
}

static inline mr_sink_t *new_sink(size_t memory, uint32_t reducers, const mr_op_t *ops, uint32_t ncells) {
    mr_error_t error = {0};
    mr_sink_config_t config = {.memory = memory, .tmp_dir = "/tmp", .reducers = reducers, .ops = ops, .ncells = ncells};
    mr_sink_t *sink = mr_sink_new(&config, &error);
    assert_non_null(sink);
    return sink;
}

/* A run of `count` rows with the keys first + step*i, as 12 digits, and cells of 1. */
static inline void number_run(mr_buffer_t *out, uint64_t first, uint64_t step, size_t count, uint32_t ncells) {
    const uint64_t ones[MR_MAX_CELLS] = {1, 1, 1, 1, 1, 1, 1, 1};
    mr_run_writer_t writer = {.out = out, .ncells = ncells};
    char key[12];
    int result = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t number = first + step * i;
        for (size_t at = sizeof key; at-- > 0; number /= 10)
            key[at] = (char) ('0' + number % 10);
        result |= mr_run_write(&writer, key, sizeof key, ones);
    }
    assert_int_equal(result, 0);
    mr_run_end_block(&writer);
}

/* Waits until the sink grants a reservation. */
static inline void reserve_room(mr_sink_t *sink, size_t size) {
    mr_error_t error = {0};
    while (!mr_sink_reserve(sink, size)) {
        struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 60000), 1);
        int result = mr_sink_check(sink, &error);
        assert_string_equal(error.text, "");
        assert_int_equal(result, 0);
    }
}

#endif
