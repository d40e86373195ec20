/* Tasks by number: of files and of arguments; specs, sizes, groups and what messages call them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "work.h"

static char paths[3][16] = {"/data/a", "/data/b", "/data/c"};

/* Three files of 100, 20 and 30 bytes; the first in two tasks, the others together in one. */
static void of_files(mr_work_t *work) {
    *work = (mr_work_t){0};
    work->inputs.items = calloc(3, sizeof *work->inputs.items);
    work->inputs.count = 3;
    work->inputs.bytes = 150;
    for (int i = 0; i < 3; i++) {
        work->inputs.items[i] = (mr_input_t){.path = strdup(paths[i]), .mtime_ns = 7, .format = MR_FORMAT_PLAIN};
        work->inputs.items[i].name = work->inputs.items[i].path + 6;
        work->inputs.items[i].size = i == 0 ? 100 : 10 + 10 * (uint64_t) i;
    }
    work->splits.items = calloc(3, sizeof *work->splits.items);
    work->splits.count = 3;
    work->splits.items[0] = (mr_split_t){0, 1, 0, 60};
    work->splits.items[1] = (mr_split_t){0, 1, 60, 100};
    work->splits.items[2] = (mr_split_t){1, 2, 0, 0};
}

static void tasks_over_files(void **state) {
    (void) state;
    mr_work_t work;
    char text[64];
    uint32_t groups;
    of_files(&work);
    assert_int_equal(mr_work_tasks(&work), 3);
    assert_int_equal(mr_work_bytes(&work), 150);
    assert_int_equal(mr_work_task_bytes(&work, 0), 60);
    assert_int_equal(mr_work_task_bytes(&work, 1), 40);
    assert_int_equal(mr_work_task_bytes(&work, 2), 50);
    mr_work_describe(&work, 1, text, sizeof text);
    assert_string_equal(text, "a:60");
    uint32_t *sizes = mr_work_group_sizes(&work, &groups);
    assert_int_equal(groups, 1);
    assert_int_equal(sizes[0], 3);
    free(sizes);
    mr_work_free(&work);
    mr_work_free(&work);
}

static void specs_of_files(void **state) {
    (void) state;
    mr_work_t work;
    mr_spec_t spec;
    mr_buffer_t segments = {0};
    of_files(&work);
    assert_int_equal(mr_work_spec(&work, 1, 4, &spec, &segments), 0);
    assert_true(spec.task == 1 && spec.attempt == 4 && spec.segment_count == 1 && !spec.payload.size);
    assert_int_equal(mr_work_spec(&work, 2, 1, &spec, &segments), 0);
    assert_int_equal(spec.segment_count, 2);
    const mr_segment_t *at = (const mr_segment_t *) (const void *) segments.data;
    assert_int_equal(segments.size, 3 * sizeof *at);
    assert_true(at[0].start == 60 && at[0].end == 100 && at[0].file_size == 100 && at[0].mtime_ns == 7);
    assert_true(at[2].start == 0 && at[2].end == 30);
    assert_string_equal(at[2].path, "/data/c");
    mr_buffer_free(&segments);
    mr_work_free(&work);
}

/* What a worker says of a path is told with the name the user gave. */
static void names_in_messages(void **state) {
    (void) state;
    mr_work_t work;
    of_files(&work);
    const char *text = "/data/c:17: bad record";
    assert_string_equal(mr_work_name(&work, 2, &text), "c");
    assert_string_equal(text, ":17: bad record");
    text = "/data/a: is of another task";
    assert_string_equal(mr_work_name(&work, 2, &text), "");
    assert_string_equal(text, "/data/a: is of another task");
    text = "/data/c";
    assert_string_equal(mr_work_name(&work, 99, &text), "");
    mr_work_free(&work);
}

static void tasks_of_arguments(void **state) {
    (void) state;
    mr_work_t work = {.planned = true};
    mr_spec_t spec;
    mr_buffer_t segments = {0};
    uint32_t groups;
    char text[64];
    for (uint32_t i = 0; i < 1000; i++) {
        int size = snprintf(text, sizeof text, "piece %u\n", i);
        assert_int_equal(mr_plan_add(&work.plan, i % 3 * 2, text, (size_t) size), 0);
    }
    assert_int_equal(mr_work_tasks(&work), 1000);
    assert_int_equal(mr_work_spec(&work, 999, 2, &spec, &segments), 0);
    assert_int_equal(spec.payload.size, 10);
    assert_memory_equal(spec.payload.data, "piece 999\n", 10);
    assert_true(spec.group == 0 && spec.segment_count == 0 && segments.size == 0);
    assert_int_equal(mr_work_task_bytes(&work, 999), 10);
    assert_int_equal(mr_work_group(&work, 998), 4);
    uint32_t *sizes = mr_work_group_sizes(&work, &groups);
    assert_int_equal(groups, 5);
    assert_true(sizes[0] == 334 && sizes[1] == 0 && sizes[2] == 333 && sizes[3] == 0 && sizes[4] == 333);
    free(sizes);
    mr_work_describe(&work, 5, text, sizeof text);
    assert_string_equal(text, "task 5");
    mr_work_free(&work);
}

static void nothing_planned(void **state) {
    (void) state;
    mr_work_t work = {.planned = true};
    uint32_t groups;
    assert_int_equal(mr_work_tasks(&work), 0);
    assert_int_equal(mr_work_bytes(&work), 0);
    uint32_t *sizes = mr_work_group_sizes(&work, &groups);
    assert_true(groups == 1 && sizes[0] == 0);
    free(sizes);
    mr_work_free(&work);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_over_files),   cmocka_unit_test(specs_of_files),  cmocka_unit_test(names_in_messages),
        cmocka_unit_test(tasks_of_arguments), cmocka_unit_test(nothing_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
