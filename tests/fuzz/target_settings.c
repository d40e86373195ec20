/* Settings from a file and a command line. A file is accepted exactly when a second reading of its lines accepts it, with the same
 * values, and an error names the file and the line. A command line either fails with a reason, asks for help, or gives values
 * that, written out again as --name=value, give the same values. */
#include <ctype.h>

#include "fuzz.h"
#include "jobs/registry.h"
#include "settings_private.h"

#define MOST_WORDS 16

/* ---- the file ---- */

static char *trim(char *text) {
    while (isspace((unsigned char) *text))
        text++;
    for (size_t size = strlen(text); size && isspace((unsigned char) text[size - 1]); size--)
        text[size - 1] = 0;
    return text;
}

/* One line into `values`. Returns false when it is to be refused. */
static bool refer_line(char *line, char *values[MR_SETTING_COUNT]) {
    char *name = trim(line), *value = strchr(name, '='), letter;
    bool has_value;
    if (!*name || *name == '#')
        return true;
    if (value)
        *value++ = 0;
    name = trim(name);
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        if (strcmp(name, mr_settings_name(i, &letter, &has_value)))
            continue;
        free(values[i]);
        values[i] = strdup(value ? trim(value) : "1");
        return value || !has_value;
    }
    return false;
}

/* Returns the number of the line that is to be refused, or 0. */
static unsigned refer(const char *text, size_t size, char *values[MR_SETTING_COUNT]) {
    unsigned number = 0;
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t length = newline ? (size_t) (newline - (text + at)) : size - at;
        char *line = make_string(text + at, length);
        bool good = refer_line(line, values);
        free(line);
        number++;
        if (!good)
            return number;
        at += length + 1;
    }
    return 0;
}

static const char *folder;

static void remove_folder(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/millrace/millrace.conf", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/millrace", folder);
    rmdir(path);
    rmdir(folder);
}

static void write_conf(const char *text, size_t size) {
    static char name[] = "/tmp/millrace-fuzz-XXXXXX";
    char path[128];
    if (!folder) {
        folder = mkdtemp(name);
        MUST(folder);
        snprintf(path, sizeof path, "%s/millrace", folder);
        MUST(mkdir(path, 0700) == 0 && setenv("XDG_CONFIG_HOME", folder, 1) == 0 && atexit(remove_folder) == 0);
    }
    snprintf(path, sizeof path, "%s/millrace/millrace.conf", folder);
    FILE *file = fopen(path, "wb");
    MUST(file && fwrite(text, 1, size, file) == size && fclose(file) == 0);
}

static void compare(char *const got[MR_SETTING_COUNT], char *const want[MR_SETTING_COUNT]) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++)
        MUST(got[i] && want[i] ? !strcmp(got[i], want[i]) : got[i] == want[i]);
}

static void check_file(const char *text, size_t size) {
    mr_settings_t settings = {0};
    mr_error_t error = {0};
    char *values[MR_SETTING_COUNT] = {0}, place[32];
    write_conf(text, size);
    unsigned bad = refer(text, size, values);
    bool accepted = mr_settings_load(&settings, &error) == 0;
    MUST(accepted == (bad == 0));
    snprintf(place, sizeof place, "millrace.conf:%u: ", bad);
    MUST(accepted || (error.status == MR_STATUS_USAGE && strstr(error.text, place)));
    if (accepted)
        compare(settings.values, values);
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++)
        free(values[i]);
    mr_settings_free(&settings);
}

/* ---- the command line ---- */

typedef struct line {
    mr_settings_t settings;
    mr_options_t *options;
    mr_error_t error;
    int first;
    int result;
} line_t;

static void parse(line_t *line, const mr_job_t *job, int count, char **words) {
    *line = (line_t){.options = mr_options_new(job)};
    MUST(line->options);
    line->result =
        mr_settings_parse(&line->settings, MR_USE_R, line->options, job, count, words, &line->first, &line->error);
    MUST(line->result == 0 || line->result == 1 || line->result == -1);
    MUST((line->result == -1) == (line->error.status == MR_STATUS_USAGE));
    MUST((line->result == -1) == (line->error.text[0] != 0));
    MUST(line->first >= 1 && line->first <= count);
}

static void end_line(line_t *line) {
    mr_settings_free(&line->settings);
    mr_options_destroy(&line->options);
}

/* All that was read, each as one word. */
static int write_out(const line_t *line, char **words) {
    int count = 0;
    words[count++] = strdup("run");
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        char letter;
        bool has_value;
        const char *name = mr_settings_name(i, &letter, &has_value), *value = line->settings.values[i];
        if (value)
            MUST(asprintf(&words[count++], has_value ? "--%s=%s" : "--%s", name, value) > 0);
    }
    for (size_t i = 0; i < mr_options_count(line->options); i++) {
        const char *name = mr_options_name(line->options, i);
        bool has_value = mr_options_known(line->options, name)->value != NULL;
        MUST(asprintf(&words[count++], has_value ? "--%s=%s" : "--%s", name, mr_options_value(line->options, i)) > 0);
    }
    return count;
}

static void check_again(const line_t *line, const mr_job_t *job) {
    char *words[MR_SETTING_COUNT + 16] = {0};
    line_t again;
    int count = write_out(line, words);
    parse(&again, job, count, words);
    MUST(again.result == 0 && again.first == count);
    compare(again.settings.values, line->settings.values);
    MUST(mr_options_count(again.options) == mr_options_count(line->options));
    for (size_t i = 0; i < mr_options_count(line->options); i++)
        MUST(!strcmp(mr_options_value(again.options, i), mr_options_value(line->options, i)));
    end_line(&again);
    for (int i = 0; i < count; i++)
        free(words[i]);
}

/* The job takes the options it was given, or says why not. */
static void check_job(const line_t *line, const mr_job_t *job) {
    mr_complaint_t complaint = {{0}};
    void *state = NULL;
    job = mr_job_variant(job, line->options);
    int failed = job->configure ? job->configure(line->options, &state, &complaint) : 0;
    MUST((failed != 0) == (complaint.text[0] != 0));
    if (!failed && job->destroy)
        job->destroy(state);
}

static void check_line(input_t *input, const mr_job_t *job) {
    char *words[MOST_WORDS + 1] = {strdup("run")}, *text = take_text(input, 1000), *rest = text;
    int count = 1;
    line_t line;
    for (char *word; count < MOST_WORDS && (word = strsep(&rest, "\n"));)
        words[count++] = strdup(word);
    parse(&line, job, count, words);
    if (line.result == 0) {
        check_again(&line, job);
        check_job(&line, job);
    }
    end_line(&line);
    for (int i = 0; i < count; i++)
        free(words[i]);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const jobs[] = {"sum", "count", "wordcount", "ngrams", "sum-range"};
    input_t input = {data, size};
    uint8_t kind = take_byte(&input);
    if (kind & 1)
        check_file((const char *) input.at, input.left);
    else
        check_line(&input, mr_job_find(jobs[kind / 2 % 5]));
    return 0;
}
