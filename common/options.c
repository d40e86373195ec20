#include "options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/number.h"

typedef struct mr_setting {
    const mr_option_t *option; /* borrowed from the job */
    char *value;               /* owned */
} mr_setting_t;

struct mr_options {
    const mr_job_t *job;    /* borrowed */
    mr_setting_t *settings; /* owned; in the order first set */
    size_t count;
};

mr_options_t *mr_options_new(const mr_job_t *job) {
    mr_options_t *options = calloc(1, sizeof *options);
    if (options)
        options->job = job;
    return options;
}

void mr_options_destroy(mr_options_t **options) {
    if (!options || !*options)
        return;
    for (size_t i = 0; i < (*options)->count; i++)
        free((*options)->settings[i].value);
    free((*options)->settings);
    free(*options);
    *options = NULL;
}

const mr_option_t *mr_options_known(const mr_options_t *options, const char *name) {
    for (const mr_option_t *option = options->job->options; option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static int refuse_unknown(const mr_options_t *options, const char *name, mr_error_t *error) {
    mr_nearest_t nearest = {.typed = name};
    for (const mr_option_t *option = options->job->options; option && option->name; option++)
        mr_nearest_offer(&nearest, option->name);
    if (nearest.best)
        return mr_error_set(error, MR_STATUS_USAGE, "--%s: job %s has no such option; did you mean --%s?", name,
                            options->job->name, nearest.best);
    return mr_error_set(error, MR_STATUS_USAGE, "--%s: job %s has no such option", name, options->job->name);
}

static mr_setting_t *find_setting(const mr_options_t *options, const mr_option_t *option) {
    for (size_t i = 0; i < options->count; i++)
        if (options->settings[i].option == option)
            return &options->settings[i];
    return NULL;
}

static mr_setting_t *add_setting(mr_options_t *options, const mr_option_t *option) {
    mr_setting_t *settings = realloc(options->settings, (options->count + 1) * sizeof *settings);
    if (!settings)
        return NULL;
    options->settings = settings;
    settings[options->count] = (mr_setting_t){.option = option};
    return &settings[options->count++];
}

/* A switch's value is "1" when options are sent on, so that is accepted too. */
static int check_value(const mr_option_t *option, const char *value, mr_error_t *error) {
    if (option->value && !value)
        return mr_error_set(error, MR_STATUS_USAGE, "--%s: needs a value (%s)", option->name, option->value);
    if (!option->value && value && strcmp(value, "1") != 0)
        return mr_error_set(error, MR_STATUS_USAGE, "--%s: takes no value", option->name);
    return 0;
}

int mr_options_set(mr_options_t *options, const char *name, const char *value, mr_error_t *error) {
    const mr_option_t *option = mr_options_known(options, name);
    if (!option)
        return refuse_unknown(options, name, error);
    if (check_value(option, value, error))
        return -1;
    char *copy = strdup(value ? value : "1");
    mr_setting_t *setting = copy ? find_setting(options, option) : NULL;
    if (copy && !setting)
        setting = add_setting(options, option);
    if (!setting) {
        free(copy);
        return mr_error_memory(error, "reading options");
    }
    free(setting->value);
    setting->value = copy;
    return 0;
}

size_t mr_options_count(const mr_options_t *options) {
    return options->count;
}

const char *mr_options_name(const mr_options_t *options, size_t index) {
    return options->settings[index].option->name;
}

const char *mr_options_value(const mr_options_t *options, size_t index) {
    return options->settings[index].value;
}

const char *mr_option_get(const mr_options_t *options, const char *name) {
    const mr_option_t *option = mr_options_known(options, name);
    const mr_setting_t *setting = option ? find_setting(options, option) : NULL;
    return setting ? setting->value : option ? option->default_value : NULL;
}

int mr_option_number(const mr_options_t *options, const char *name, uint64_t low, uint64_t high, uint64_t *number,
                     mr_complaint_t *complaint) {
    const char *text = mr_option_get(options, name);
    if (!text)
        return 0;
    uint64_t read;
    if (mr_number_parse(text, strlen(text), &read) || read < low || read > high)
        return mr_complain(complaint, "--%s %s: must be a whole number from %" PRIu64 " to %" PRIu64, name, text, low,
                           high);
    *number = read;
    return 0;
}

int mr_complain(mr_complaint_t *complaint, const char *format, ...) {
    if (complaint && !complaint->text[0]) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(complaint->text, sizeof complaint->text, format, arguments);
        va_end(arguments);
    }
    return -1;
}
