/* Settings: flags over the environment over files, and errors that say where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/registry.h"
#include "settings.h"

#define MANY_WORDS 16

typedef struct line {
    mr_settings_t settings;
    mr_options_t *options;
    mr_error_t error;
    char *words[MANY_WORDS]; /* argv, ended by NULL */
    int first;
} line_t;

/* Parses the words of `text`, split at blanks. */
static int parse(line_t *line, const char *job, const char *text) {
    static char copy[1024];
    int count = 0;
    snprintf(copy, sizeof copy, "%s %s", job, text);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        line->words[count++] = word;
    line->words[count] = NULL;
    line->options = mr_options_new(mr_job_find(job));
    return mr_settings_parse(&line->settings, MR_USE_R, line->options, mr_job_find(job), count, line->words,
                             &line->first, &line->error);
}

static void close_line(line_t *line) {
    mr_options_destroy(&line->options);
    mr_settings_free(&line->settings);
    mr_settings_free(&line->settings);
}

static void expect_wrong(const char *text, const char *want) {
    line_t line = {0};
    assert_int_equal(parse(&line, "sum", text), -1);
    assert_int_equal(line.error.status, MR_STATUS_USAGE);
    if (!strstr(line.error.text, want))
        fail_msg("'%s' is not in '%s'", want, line.error.text);
    close_line(&line);
}

static void flags(void **state) {
    (void) state;
    line_t line = {0};
    uint64_t chunk;
    assert_int_equal(parse(&line, "sum", "a --chunk 4M -q b -o out --key 3 -- --c"), 0);
    assert_int_equal(mr_settings_size(&line.settings, MR_SETTING_CHUNK, 0, UINT64_MAX, &chunk, &line.error), 0);
    assert_int_equal(chunk, 4 << 20);
    assert_true(mr_settings_switch(&line.settings, MR_SETTING_QUIET));
    assert_false(mr_settings_switch(&line.settings, MR_SETTING_OVERWRITE));
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_OUTPUT), "out");
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_FORMAT), "tsv");
    assert_null(mr_settings_text(&line.settings, MR_SETTING_ONLY));
    assert_string_equal(mr_option_get(line.options, "key"), "3");
    assert_string_equal(line.words[line.first], "a");
    assert_string_equal(line.words[line.first + 1], "b");
    assert_string_equal(line.words[line.first + 2], "--c");
    close_line(&line);
}

static void help_and_stdin(void **state) {
    (void) state;
    line_t line = {0};
    assert_int_equal(parse(&line, "sum", "--help --nonsense"), 1);
    close_line(&line);
    line = (line_t){0};
    assert_int_equal(parse(&line, "sum", "-q -"), 0);
    assert_string_equal(line.words[line.first], "-");
    close_line(&line);
}

static void wrong_flags(void **state) {
    (void) state;
    expect_wrong("--chnk 4M", "did you mean --chunk");
    expect_wrong("--kye 3", "did you mean --key");
    expect_wrong("--utterly-unknown", "see millrace run sum --help");
    expect_wrong("-x", "'-x'");
    expect_wrong("-qx", "'-x'");
    expect_wrong("-o", "-o needs a value");
    expect_wrong("-qo", "-o needs a value");
    expect_wrong("a --memory", "--memory needs a value");
    expect_wrong("--quiet=3", "--quiet=3");
}

static void wrong_values(void **state) {
    (void) state;
    line_t line = {0};
    uint64_t value;
    unsigned choice;
    static const char *const formats[] = {"tsv", "csv", "json", NULL};
    assert_int_equal(parse(&line, "sum", "--memory lots --format xml --flush 5x --top -1"), 0);
    assert_int_equal(mr_settings_size(&line.settings, MR_SETTING_MEMORY, 0, UINT64_MAX, &value, &line.error), -1);
    assert_string_equal(line.error.text, "--memory: 'lots' is not a size (as 4096, 64K, 1.5G)");
    line.error = (mr_error_t){0};
    assert_int_equal(mr_settings_choice(&line.settings, MR_SETTING_FORMAT, formats, &choice, &line.error), -1);
    assert_string_equal(line.error.text, "--format: 'xml' is none of tsv|csv|json");
    line.error = (mr_error_t){0};
    assert_int_equal(mr_settings_time(&line.settings, MR_SETTING_FLUSH, 0, UINT64_MAX, &value, &line.error), -1);
    assert_int_equal(mr_settings_count(&line.settings, MR_SETTING_TOP, 0, UINT64_MAX, &value, &line.error), -1);
    close_line(&line);
}

static void enter_a_new_directory(char dir[64]) {
    snprintf(dir, 64, "/tmp/millrace-settings-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", dir, 1), 0);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void remove_directory(const char *dir) {
    unsetenv("XDG_CONFIG_HOME");
    unlink("millrace.conf");
    unlink("millrace/millrace.conf");
    rmdir("millrace");
    assert_int_equal(chdir("/"), 0);
    rmdir(dir);
}

static void ranks(void **state) {
    (void) state;
    char dir[64];
    line_t line = {0};
    uint64_t value;
    enter_a_new_directory(dir);
    assert_int_equal(mkdir("millrace", 0700), 0);
    write_file("millrace/millrace.conf", "chunk = 1K\nmemory = 2K\nlease=3s\n");
    write_file("millrace.conf", "# mine\n\n  memory=4K  \nquiet\noverwrite = off\nlease = 5x");
    setenv("MILLRACE_LEASE", "6s", 1);
    setenv("MILLRACE_WORKER_TIMEOUT", "7s", 1);
    assert_int_equal(mr_settings_load(&line.settings, &line.error), 0);
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_CHUNK), "1K");
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_MEMORY), "4K");
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_LEASE), "6s");
    assert_string_equal(mr_settings_text(&line.settings, MR_SETTING_WORKER_TIMEOUT), "7s");
    assert_true(mr_settings_switch(&line.settings, MR_SETTING_QUIET));
    assert_false(mr_settings_switch(&line.settings, MR_SETTING_OVERWRITE));
    assert_int_equal(parse(&line, "sum", "--lease 8s"), 0);
    assert_int_equal(mr_settings_time(&line.settings, MR_SETTING_LEASE, 0, 100000, &value, &line.error), 0);
    assert_int_equal(value, 8000);
    unsetenv("MILLRACE_LEASE");
    unsetenv("MILLRACE_WORKER_TIMEOUT");
    close_line(&line);
    remove_directory(dir);
}

static void errors_in_files_and_environment_say_where(void **state) {
    (void) state;
    char dir[64];
    line_t line = {0};
    uint64_t value;
    enter_a_new_directory(dir);
    write_file("millrace.conf", "chunk = 1K\nmemroy = 2K\n");
    assert_int_equal(mr_settings_load(&line.settings, &line.error), -1);
    assert_string_equal(line.error.text, "./millrace.conf:2: unknown setting 'memroy'; did you mean 'memory'?");
    close_line(&line);
    line = (line_t){0};
    write_file("millrace.conf", "\n\nchunk = much\n");
    setenv("MILLRACE_MEMORY", "more", 1);
    assert_int_equal(mr_settings_load(&line.settings, &line.error), 0);
    assert_int_equal(mr_settings_size(&line.settings, MR_SETTING_CHUNK, 0, 1, &value, &line.error), -1);
    assert_non_null(strstr(line.error.text, "./millrace.conf:3: 'much'"));
    line.error = (mr_error_t){0};
    assert_int_equal(mr_settings_size(&line.settings, MR_SETTING_MEMORY, 0, 1, &value, &line.error), -1);
    assert_non_null(strstr(line.error.text, "MILLRACE_MEMORY: 'more'"));
    unsetenv("MILLRACE_MEMORY");
    close_line(&line);
    remove_directory(dir);
}

/* Every default is a value that its setting takes. */
static void defaults_are_valid(void **state) {
    (void) state;
    mr_settings_t settings = {0};
    mr_error_t error = {0};
    uint64_t value;
    assert_int_equal(mr_settings_size(&settings, MR_SETTING_MEMORY, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_size(&settings, MR_SETTING_CHUNK, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_size(&settings, MR_SETTING_MAX_RECORD, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_size(&settings, MR_SETTING_BLOCK, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_time(&settings, MR_SETTING_LEASE, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_time(&settings, MR_SETTING_FLUSH, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_time(&settings, MR_SETTING_WORKER_TIMEOUT, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(mr_settings_time(&settings, MR_SETTING_BACKUP, 0, UINT64_MAX, &value, &error), 0);
    assert_int_equal(error.status, MR_STATUS_OK);
    mr_settings_free(&settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags),
        cmocka_unit_test(help_and_stdin),
        cmocka_unit_test(wrong_flags),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(ranks),
        cmocka_unit_test(errors_in_files_and_environment_say_where),
        cmocka_unit_test(defaults_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
