/* output_help.h - for the tests of the output: a directory of their own, files read back, rows put in. */
#ifndef TEST_OUTPUT_HELP_H
#define TEST_OUTPUT_HELP_H

#include "sink_help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "output_private.h"

static const mr_op_t one_sum[] = {MR_SUM};
static const mr_job_t plain_job = {.abi = MR_JOB_ABI, .name = "plain", .ncells = 1, .ops = {MR_SUM}};

static char test_dir[64];

static inline int make_dir(void **state) {
    (void) state;
    strcpy(test_dir, "/tmp/millrace-test-XXXXXX");
    return mkdtemp(test_dir) ? 0 : -1;
}

/* A path in the test's directory; valid until the fourth call after this. */
static inline const char *in_dir(const char *name) {
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir, name);
    return path;
}

/* How many names there are in the directory; with `part` in them. */
static inline size_t count_names(const char *part) {
    size_t count = 0;
    DIR *dir = opendir(test_dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.' && strstr(entry->d_name, part);
    closedir(dir);
    return count;
}

static inline int remove_dir(void **state) {
    (void) state;
    DIR *dir = opendir(test_dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rmdir(test_dir);
}

static inline void put_file(const char *path, const char *text, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* The file's text, ended by a NUL. The caller frees it. */
static inline mr_buffer_t read_file(const char *path) {
    mr_buffer_t text = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = 1;
    while (got > 0) {
        assert_int_equal(mr_buffer_reserve(&text, 65536), 0);
        got = read(fd, text.data + text.size, 65535);
        assert_true(got >= 0);
        text.size += (size_t) got;
    }
    text.data[text.size] = '\0';
    close(fd);
    return text;
}

static inline void expect_file(const char *path, const char *want) {
    mr_buffer_t text = read_file(path);
    assert_string_equal(text.data, want);
    mr_buffer_free(&text);
}

static inline mr_output_config_t config_for(const char *path) {
    return (mr_output_config_t){
        .path = path, .job = &plain_job, .memory = (size_t) 64 << 20, .tmp_dir = "/tmp", .reducers = 2};
}

static inline mr_output_t *open_output(const mr_output_config_t *config) {
    mr_error_t error = {0};
    mr_output_t *output = mr_output_open(config, &error);
    assert_string_equal(error.text, "");
    assert_non_null(output);
    return output;
}

static inline void put_row(mr_output_t *output, const char *key, size_t size, uint64_t a, uint64_t b) {
    mr_error_t error = {0};
    mr_row_t row = {.key = key, .key_size = size, .cells = {a, b}};
    int result = mr_output_row(output, &row, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
}

static inline void commit_output(mr_output_t **output) {
    mr_error_t error = {0};
    int result = mr_output_commit(*output, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
    mr_output_destroy(output);
}

#endif
