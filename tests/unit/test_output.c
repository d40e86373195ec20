/* The output: rows as text, and a file that appears whole or not at all. */
#include "output_help.h"

/* ---- text ---- */

static void decimals(void **state) {
    (void) state;
    random_start("decimals");
    char got[32], want[32];
    for (int i = 0; i < 100000; i++) {
        uint64_t value = i < 1000 ? (uint64_t) i : random_next() >> random_below(64);
        value = i == 1000 ? UINT64_MAX : value;
        *mr_put_decimal(got, value) = '\0';
        snprintf(want, sizeof want, "%llu", (unsigned long long) value);
        assert_string_equal(got, want);
    }
}

static void json_numbers(void **state) {
    (void) state;
    static const char *const good[] = {"0",   "-0",   "7",     "18446744073709551615", "-12.5", "0.0001",
                                       "1e9", "1E-9", "3.5e+7"};
    static const char *const bad[] = {"",  "-",  "01", "-01", "1.",   ".5",  "1e",  "1e+", "0x1",
                                      "a", "1 ", " 1", "+1",  "1.5.", "--1", "1,5", "nan", "1.e5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(mr_is_json_number(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mr_is_json_number(bad[i], strlen(bad[i])));
}

static void base64(void **state) {
    (void) state;
    static const char *const pairs[] = {"",       "",        "f",        "Zg==",  "fo",       "Zm8=",         "foo",
                                        "Zm9v",   "foob",    "Zm9vYg==", "fooba", "Zm9vYmE=", "\xff\xfe\xfd", "//79",
                                        "foobar", "Zm9vYmFy"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i += 2) {
        mr_buffer_t text = {0};
        assert_int_equal(mr_put_base64(&text, pairs[i], strlen(pairs[i])), 0);
        assert_int_equal(text.size, strlen(pairs[i + 1]));
        assert_memory_equal(text.data ? text.data : "", pairs[i + 1], text.size);
        mr_buffer_free(&text);
    }
}

static size_t print_two(const void *state, const uint64_t *cells, char *buffer) {
    return (size_t) sprintf(buffer, "%llu.5\t%s-%llu\"", (unsigned long long) cells[0], (const char *) state,
                            (unsigned long long) cells[1]);
}

static const mr_job_t two_job = {.abi = MR_JOB_ABI,
                                 .name = "two",
                                 .ncells = 2,
                                 .ops = {MR_SUM, MR_SUM},
                                 .print = print_two,
                                 .columns = "mean\tnote,x"};
static const mr_job_t cells_job = {.abi = MR_JOB_ABI, .name = "cells", .ncells = 2, .ops = {MR_SUM, MR_SUM}};

static void expect_text(mr_row_format_t format, const mr_job_t *job, const char *want) {
    mr_output_config_t config = config_for(in_dir("out"));
    config.overwrite = true;
    config.format = format;
    config.job = job;
    config.state = "s";
    mr_output_t *output = open_output(&config);
    put_row(output, "", 0, 0, 1);
    put_row(output, "a\tb\\c\nd", 7, 1, 2);
    put_row(output, "back\\slash", 10, 99, 3);
    put_row(output, "caf\xc3\xa9, \"x\"", 10, UINT64_MAX, 4);
    put_row(output, "\xff\x01\xed\xa0\x80\r", 6, 100, 5);
    put_row(output, "nul\0here!", 9, 9007199254740993u, 6);
    commit_output(&output);
    mr_buffer_t got = read_file(in_dir("out"));
    for (size_t i = 0; i < got.size; i++)
        got.data[i] = got.data[i] ? got.data[i] : '@'; /* so that it can be shown as a string */
    assert_string_equal(got.data, want);
    mr_buffer_free(&got);
}

static void tsv_rows(void **state) {
    (void) state;
    expect_text(MR_ROW_TSV, &plain_job,
                "\t0\na\\tb\\\\c\\nd\t1\nback\\slash\t99\ncaf\xc3\xa9, \"x\"\t18446744073709551615\n"
                "\xff\x01\xed\xa0\x80\r\t100\nnul@here!\t9007199254740993\n");
    expect_text(MR_ROW_TSV, &cells_job,
                "\t0\t1\na\\tb\\\\c\\nd\t1\t2\nback\\slash\t99\t3\ncaf\xc3\xa9, \"x\"\t18446744073709551615\t4\n"
                "\xff\x01\xed\xa0\x80\r\t100\t5\nnul@here!\t9007199254740993\t6\n");
}

static void csv_rows(void **state) {
    (void) state;
    expect_text(MR_ROW_CSV, &two_job,
                "key,mean,\"note,x\"\n\"\",0.5,\"s-1\"\"\"\n\"a\tb\\c\nd\",1.5,\"s-2\"\"\"\n"
                "back\\slash,99.5,\"s-3\"\"\"\n\"caf\xc3\xa9, \"\"x\"\"\",18446744073709551615.5,\"s-4\"\"\"\n"
                "\"\xff\x01\xed\xa0\x80\r\",100.5,\"s-5\"\"\"\nnul@here!,9007199254740993.5,\"s-6\"\"\"\n");
}

static void json_rows(void **state) {
    (void) state;
    expect_text(MR_ROW_JSON, &two_job,
                "{\"key\":\"\",\"mean\":0.5,\"note,x\":\"s-1\\\"\"}\n"
                "{\"key\":\"a\\tb\\\\c\\nd\",\"mean\":1.5,\"note,x\":\"s-2\\\"\"}\n"
                "{\"key\":\"back\\\\slash\",\"mean\":99.5,\"note,x\":\"s-3\\\"\"}\n"
                "{\"key\":\"caf\xc3\xa9, \\\"x\\\"\",\"mean\":18446744073709551615.5,\"note,x\":\"s-4\\\"\"}\n"
                "{\"key\":\"\xef\xbf\xbd\\u0001\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\r\",\"key_base64\":\"/wHtoIAN\","
                "\"mean\":100.5,\"note,x\":\"s-5\\\"\"}\n"
                "{\"key\":\"nul\\u0000here!\",\"mean\":9007199254740993.5,\"note,x\":\"s-6\\\"\"}\n");
}

static void default_column_names(void **state) {
    (void) state;
    mr_output_config_t config = config_for(in_dir("out"));
    config.format = MR_ROW_CSV;
    config.job = &cells_job;
    mr_output_t *output = open_output(&config);
    commit_output(&output);
    expect_file(in_dir("out"), "key,value,value2\n"); /* also without rows */
}

/* ---- the file ---- */

static void file_appears_at_commit(void **state) {
    (void) state;
    mr_output_config_t config = config_for(in_dir("out.tsv"));
    mode_t mask = umask(027);
    mr_output_t *output = open_output(&config);
    umask(mask);
    dev_t device;
    ino_t inode;
    assert_false(mr_output_identity(output, &device, &inode));
    put_row(output, "word", 4, 5, 0);
    assert_int_equal(access(config.path, F_OK), -1);
    assert_in_range(count_names(""), 0, 1); /* where there are no files without a name, it has one */
    commit_output(&output);
    assert_int_equal(count_names(""), 1);
    expect_file(config.path, "word\t5\n");
    struct stat at;
    assert_int_equal(stat(config.path, &at), 0);
    assert_int_equal(at.st_mode & 07777, 0640);
}

static void uncommitted_leaves_nothing(void **state) {
    (void) state;
    mr_output_config_t config = config_for(in_dir("out"));
    mr_output_t *output = open_output(&config);
    put_row(output, "word", 4, 5, 0);
    mr_output_destroy(&output);
    mr_output_destroy(&output);
    assert_int_equal(count_names(""), 0);
}

static mr_error_t refused(const mr_output_config_t *config) {
    mr_error_t error = {0};
    assert_null(mr_output_open(config, &error));
    assert_int_equal(count_names("millrace-"), 0);
    assert_non_null(strstr(error.text, config->path));
    return error;
}

static void existing_file_needs_overwrite(void **state) {
    (void) state;
    mr_output_config_t config = config_for(in_dir("out"));
    put_file(config.path, "old", 0604);
    mr_error_t error = refused(&config);
    assert_int_equal(error.status, MR_STATUS_USAGE);
    assert_non_null(strstr(error.text, "--overwrite"));

    config.overwrite = true;
    mr_output_t *output = open_output(&config);
    struct stat at;
    dev_t device;
    ino_t inode;
    assert_int_equal(stat(config.path, &at), 0);
    assert_true(mr_output_identity(output, &device, &inode));
    assert_true(device == at.st_dev && inode == at.st_ino);
    put_row(output, "new", 3, 1, 0);
    expect_file(config.path, "old");
    commit_output(&output);
    expect_file(config.path, "new\t1\n");
    assert_int_equal(stat(config.path, &at), 0);
    assert_int_equal(at.st_mode & 07777, 0604);
}

static void bad_places(void **state) {
    (void) state;
    mr_output_config_t config = config_for(test_dir);
    assert_int_equal(refused(&config).status, MR_STATUS_USAGE);
    config.path = in_dir("missing/out");
    assert_int_equal(refused(&config).status, MR_STATUS_STORAGE);
    put_file(in_dir("file"), "", 0600);
    config.path = in_dir("file/out");
    assert_int_equal(refused(&config).status, MR_STATUS_STORAGE);
    config.path = in_dir("loop");
    assert_int_equal(symlink("loop", config.path), 0);
    assert_int_equal(refused(&config).status, MR_STATUS_STORAGE);
    char name[300];
    memset(name, 'n', sizeof name);
    snprintf(name, sizeof name, "%s/", test_dir);
    name[strlen(name)] = 'n';
    name[sizeof name - 1] = '\0';
    config.path = name;
    assert_int_equal(refused(&config).status, MR_STATUS_STORAGE);
}

static void file_that_appears_meanwhile_is_left(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_output_config_t config = config_for(in_dir("out"));
    mr_output_t *output = open_output(&config);
    put_row(output, "mine", 4, 1, 0);
    put_file(config.path, "theirs", 0600);
    assert_int_equal(mr_output_commit(output, &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "--overwrite"));
    mr_output_destroy(&output);
    expect_file(config.path, "theirs");
    assert_int_equal(count_names(""), 1);
}

static void symlinks_are_followed(void **state) {
    (void) state;
    put_file(in_dir("target"), "old", 0600);
    assert_int_equal(symlink("target", in_dir("link")), 0);
    assert_int_equal(symlink("link", in_dir("link2")), 0);
    assert_int_equal(symlink("new", in_dir("dangling")), 0);
    mr_output_config_t config = config_for(in_dir("link2"));
    config.overwrite = true;
    mr_output_t *output = open_output(&config);
    put_row(output, "a", 1, 1, 0);
    commit_output(&output);
    expect_file(in_dir("target"), "a\t1\n");
    config = config_for(in_dir("dangling"));
    output = open_output(&config);
    put_row(output, "b", 1, 2, 0);
    commit_output(&output);
    expect_file(in_dir("new"), "b\t2\n");
    struct stat at;
    assert_int_equal(lstat(in_dir("link2"), &at), 0);
    assert_true(S_ISLNK(at.st_mode));
    assert_int_equal(lstat(in_dir("dangling"), &at), 0);
    assert_true(S_ISLNK(at.st_mode));
}

static void special_files_are_written_as_they_are(void **state) {
    (void) state;
    mr_output_config_t config = config_for("/dev/null");
    mr_output_t *output = open_output(&config);
    put_row(output, "a", 1, 1, 0);
    commit_output(&output);
    struct stat at;
    assert_int_equal(stat("/dev/null", &at), 0);
    assert_true(S_ISCHR(at.st_mode));

    config.path = in_dir("fifo");
    assert_int_equal(mkfifo(config.path, 0600), 0);
    int reader = open(config.path, O_RDONLY | O_NONBLOCK);
    output = open_output(&config);
    put_row(output, "a", 1, 1, 0);
    commit_output(&output);
    char text[8] = {0};
    assert_int_equal(read(reader, text, sizeof text), 4);
    assert_string_equal(text, "a\t1\n");
    close(reader);
}

/* A file may not grow past the limit: as a full disk, at a place of one's choice. */
static void full_disk_leaves_the_old_file(void **state) {
    (void) state;
    mr_error_t error = {0};
    struct rlimit old;
    mr_output_config_t config = config_for(in_dir("out"));
    config.overwrite = true;
    put_file(config.path, "old", 0600);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max});
    mr_output_t *output = open_output(&config);
    mr_row_t row = {.key = "0123456789", .key_size = 10, .cells = {7}};
    int written = 0;
    while (mr_output_row(output, &row, &error) == 0)
        written++;
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(written, 1000 / 13);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, config.path));
    mr_output_destroy(&output);
    expect_file(config.path, "old");
    assert_int_equal(count_names(""), 1);
}

/* Puts another descriptor in stdout's place for a while. */
static int swap_stdout(int fd) {
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
    return saved;
}

static void closed_stdout_is_an_error(void **state) {
    (void) state;
    mr_error_t error = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    signal(SIGPIPE, SIG_IGN);
    int saved = swap_stdout(ends[1]);
    mr_output_config_t config = config_for(NULL);
    mr_output_t *output = mr_output_open(&config, &error);
    mr_row_t row = {.key = "a", .key_size = 1, .cells = {1}};
    int first = mr_output_row(output, &row, &error);
    char text[8] = {0};
    ssize_t got = read(ends[0], text, sizeof text); /* it is there at once */
    close(ends[0]);
    int second = mr_output_row(output, &row, &error);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    mr_output_destroy(&output);
    assert_int_equal(first, 0);
    assert_int_equal(got, 4);
    assert_int_equal(second, -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_string_equal(error.text, "standard output: closed");
}

/* -o /dev/stdout > FILE: written where the shell put it, not renamed onto. */
static void path_that_is_stdout(void **state) {
    (void) state;
    mr_error_t error = {0};
    int fd = open(in_dir("redirected"), O_WRONLY | O_CREAT, 0600);
    int saved = swap_stdout(fd);
    mr_output_config_t config = config_for("/dev/stdout");
    mr_output_t *output = mr_output_open(&config, &error);
    mr_row_t row = {.key = "a", .key_size = 1, .cells = {1}};
    int result = output ? mr_output_row(output, &row, &error) : -1;
    result = result ? result : mr_output_commit(output, &error);
    mr_output_destroy(&output);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
    expect_file(in_dir("redirected"), "a\t1\n");
    assert_int_equal(count_names(""), 1);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals),
        cmocka_unit_test(json_numbers),
        cmocka_unit_test(base64),
        IN_DIR(tsv_rows),
        IN_DIR(csv_rows),
        IN_DIR(json_rows),
        IN_DIR(default_column_names),
        IN_DIR(file_appears_at_commit),
        IN_DIR(uncommitted_leaves_nothing),
        IN_DIR(existing_file_needs_overwrite),
        IN_DIR(bad_places),
        IN_DIR(file_that_appears_meanwhile_is_left),
        IN_DIR(symlinks_are_followed),
        IN_DIR(special_files_are_written_as_they_are),
        IN_DIR(full_disk_leaves_the_old_file),
        IN_DIR(closed_stdout_is_an_error),
        IN_DIR(path_that_is_stdout),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
