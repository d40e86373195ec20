#include "submission.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request.h"
#include "settings_private.h"

#define MOST_PRIORITY 100

/* ---- words ---- */

/* JSON holds UTF-8 only; a name that is not travels in --files0-from. */
static int add_word(json_t *words, const char *word, mr_error_t *error) {
    json_t *text = json_string(word);
    if (!text)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "%s: is not UTF-8, and so cannot be sent; name it in a file for --files0-from", word);
    return json_array_append_new(words, text) ? mr_error_memory(error, "submitting a job") : 0;
}

static int add_option(json_t *words, const char *name, const char *value, mr_error_t *error) {
    char *word = NULL;
    if (asprintf(&word, value ? "--%s=%s" : "--%s", name, value) < 0)
        return mr_error_memory(error, "submitting a job");
    int failed = add_word(words, word, error);
    free(word);
    return failed;
}

/* Settings that the job's coordinator is to have, wherever they were set on this side. */
static int add_settings(json_t *words, const mr_settings_t *settings, mr_error_t *error) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        char letter;
        bool has_value;
        const char *name = mr_settings_name(i, &letter, &has_value);
        if (!settings->values[i] || !mr_settings_is_of(i, MR_USE_J) ||
            (!has_value && !mr_settings_switch(settings, (mr_setting_t) i)))
            continue;
        if (add_option(words, name, has_value ? settings->values[i] : NULL, error))
            return -1;
    }
    return 0;
}

static int add_job_options(json_t *words, const mr_options_t *options, mr_error_t *error) {
    for (size_t i = 0; i < mr_options_count(options); i++) {
        const char *name = mr_options_name(options, i);
        bool has_value = mr_options_known(options, name)->value != NULL;
        if (add_option(words, name, has_value ? mr_options_value(options, i) : NULL, error))
            return -1;
    }
    return 0;
}

static int refuse_stdin(const char *what, mr_error_t *error) {
    return mr_error_set(
        error, MR_STATUS_USAGE,
        "%s: the coordinator cannot read this command's standard input; write it to a file that it sees", what);
}

static int add_operands(const mr_submission_t *submission, int count, char **operands, mr_error_t *error) {
    bool files = !(submission->job->flags & MR_JOB_ARGUMENTS);
    if (add_word(submission->words, "--", error))
        return -1;
    for (int i = 0; i < count; i++)
        if ((files && !strcmp(operands[i], "-") && refuse_stdin("-", error)) ||
            add_word(submission->words, operands[i], error))
            return -1;
    return 0;
}

static int check_settings(mr_submission_t *submission, const mr_settings_t *settings, mr_error_t *error) {
    static const mr_setting_t lists[] = {MR_SETTING_FILES_FROM, MR_SETTING_FILES0_FROM};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *name = mr_settings_text(settings, lists[i]);
        if (name && !strcmp(name, "-"))
            return refuse_stdin(mr_settings_source(settings, lists[i]), error);
    }
    return mr_settings_count(settings, MR_SETTING_PRIORITY, 0, MOST_PRIORITY, &submission->priority, error);
}

int mr_submission_read(mr_submission_t *submission, mr_settings_t *settings, int argc, char **argv, mr_error_t *error) {
    int first;
    if (mr_request_job(argv[0], &submission->job, &submission->options, error) || mr_settings_load(settings, error))
        return -1;
    int parsed =
        mr_settings_parse(settings, MR_USE_SUBMIT, submission->options, submission->job, argc, argv, &first, error);
    if (parsed > 0)
        mr_request_help(submission->job, "submit", MR_USE_SUBMIT);
    if (parsed)
        return parsed;
    submission->words = json_array();
    if (!submission->words)
        return mr_error_memory(error, "submitting a job");
    return add_word(submission->words, argv[0], error) || check_settings(submission, settings, error) ||
                   add_settings(submission->words, settings, error) ||
                   add_job_options(submission->words, submission->options, error) ||
                   add_operands(submission, argc - first, argv + first, error)
               ? -1
               : 0;
}

void mr_submission_free(mr_submission_t *submission) {
    json_decref(submission->words);
    mr_options_destroy(&submission->options);
}

/* ---- the request ---- */

json_t *mr_submission_body(const mr_submission_t *submission, mr_error_t *error) {
    char host[256] = "?";
    const struct passwd *entry = getpwuid(getuid());
    char *directory = realpath(".", NULL);
    gethostname(host, sizeof host - 1);
    json_t *body =
        json_pack("{s:O,s:s,s:I,s:s,s:s}", "words", submission->words, "directory", directory ? directory : "/",
                  "priority", (json_int_t) submission->priority, "user", entry ? entry->pw_name : "?", "host", host);
    free(directory);
    if (!body)
        mr_error_set(error, MR_STATUS_USAGE, "the working directory's name is not UTF-8; submit from another");
    return body;
}
