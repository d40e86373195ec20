#include "settings_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "units.h"

typedef struct definition {
    mr_use_t use;
    const char *name;
    char letter;
    const char *value;
    const char *default_value;
    const char *help;
} definition_t;

static const definition_t definitions[] = {
#define X(id, use, name, letter, value, default_value, help) {MR_USE_##use, name, letter, value, default_value, help},
    MR_SETTINGS(X)
#undef X
};

/* ---- for settings_parse.c ---- */

const char *mr_settings_name(unsigned setting, char *letter, bool *has_value) {
    *letter = definitions[setting].letter;
    *has_value = definitions[setting].value != NULL;
    return definitions[setting].name;
}

bool mr_settings_is_of(unsigned setting, mr_use_t use) {
    return definitions[setting].use & use;
}

int mr_settings_set(mr_settings_t *settings, unsigned setting, const char *source, const char *value,
                    mr_error_t *error) {
    char *copy = strdup(value ? value : "1");
    if (!copy)
        return mr_error_memory(error, "reading settings");
    free(settings->values[setting]);
    settings->values[setting] = copy;
    snprintf(settings->texts[setting], sizeof settings->texts[setting], "%s", source);
    settings->sources[setting] = settings->texts[setting];
    return 0;
}

/* ---- values ---- */

const char *mr_settings_text(const mr_settings_t *settings, mr_setting_t setting) {
    return settings->values[setting] ? settings->values[setting] : definitions[setting].default_value;
}

const char *mr_settings_source(const mr_settings_t *settings, mr_setting_t setting) {
    return settings->sources[setting] ? settings->sources[setting] : definitions[setting].name;
}

bool mr_settings_switch(const mr_settings_t *settings, mr_setting_t setting) {
    static const char *const off[] = {"0", "no", "off", "false"};
    const char *value = settings->values[setting];
    for (size_t i = 0; value && i < sizeof off / sizeof *off; i++)
        if (!strcasecmp(value, off[i]))
            return false;
    return value != NULL;
}

int mr_settings_size(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *size,
                     mr_error_t *error) {
    return mr_parse_size(mr_settings_source(settings, setting), mr_settings_text(settings, setting), low, high, size,
                         error);
}

int mr_settings_count(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *count,
                      mr_error_t *error) {
    return mr_parse_count(mr_settings_source(settings, setting), mr_settings_text(settings, setting), low, high, count,
                          error);
}

int mr_settings_time(const mr_settings_t *settings, mr_setting_t setting, uint64_t low, uint64_t high, uint64_t *ms,
                     mr_error_t *error) {
    return mr_parse_time(mr_settings_source(settings, setting), mr_settings_text(settings, setting), low, high, ms,
                         error);
}

int mr_settings_choice(const mr_settings_t *settings, mr_setting_t setting, const char *const *names, unsigned *choice,
                       mr_error_t *error) {
    const char *value = mr_settings_text(settings, setting);
    for (*choice = 0; names[*choice]; (*choice)++)
        if (!strcmp(value, names[*choice]))
            return 0;
    return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is none of %s", mr_settings_source(settings, setting), value,
                        definitions[setting].value);
}

void mr_settings_free(mr_settings_t *settings) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++)
        free(settings->values[i]);
    *settings = (mr_settings_t){0};
}

void mr_settings_help(FILE *stream, mr_use_t use) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        const definition_t *definition = &definitions[i];
        char name[64], letter[8] = "    ";
        if (!definition->help || !(definition->use & use))
            continue;
        if (definition->letter)
            snprintf(letter, sizeof letter, "-%c, ", definition->letter);
        snprintf(name, sizeof name, "--%s %s", definition->name, definition->value ? definition->value : "");
        fprintf(stream, "  %s%-28s %s", letter, name, definition->help);
        if (definition->default_value && strcmp(definition->default_value, "0"))
            fprintf(stream, " (%s)", definition->default_value);
        fputc('\n', stream);
    }
}

/* ---- environment and files ---- */

static int find_setting(const char *name) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++)
        if (!strcmp(name, definitions[i].name))
            return (int) i;
    return -1;
}

static char *trim(char *text) {
    while (isspace((unsigned char) *text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char) end[-1]))
        *--end = 0;
    return text;
}

static int take_line(mr_settings_t *settings, const char *path, unsigned number, char *line, mr_error_t *error) {
    char source[96];
    mr_nearest_t nearest = {0};
    snprintf(source, sizeof source, "%s:%u", path, number);
    char *name = trim(line);
    if (!*name || *name == '#')
        return 0;
    char *equals = strchr(name, '=');
    if (equals)
        *equals = 0;
    name = trim(name);
    int setting = find_setting(name);
    if (setting >= 0 && definitions[setting].value && !equals)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s needs a value (%s = %s)", source, name, name,
                            definitions[setting].value);
    if (setting >= 0)
        return mr_settings_set(settings, (unsigned) setting, source, equals ? trim(equals + 1) : NULL, error);
    nearest.typed = name;
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++)
        mr_nearest_offer(&nearest, definitions[i].name);
    return mr_error_set(error, MR_STATUS_USAGE, "%s: unknown setting '%s'%s%s%s", source, name,
                        nearest.best ? "; did you mean '" : "", nearest.best ? nearest.best : "",
                        nearest.best ? "'?" : "");
}

static int load_file(mr_settings_t *settings, const char *path, mr_error_t *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : mr_error_set(error, MR_STATUS_USAGE, "%s: cannot read: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    int failed = 0;
    for (unsigned number = 1; !failed && getline(&line, &capacity, file) >= 0; number++)
        failed = take_line(settings, path, number, line, error);
    if (!failed && ferror(file))
        failed = mr_error_set(error, MR_STATUS_USAGE, "%s: cannot read: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return failed;
}

static int load_environment(mr_settings_t *settings, mr_error_t *error) {
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        char name[64] = "MILLRACE_";
        for (size_t at = strlen(name), from = 0; definitions[i].name[from]; from++, at++)
            name[at] =
                definitions[i].name[from] == '-' ? '_' : (char) toupper((unsigned char) definitions[i].name[from]);
        const char *value = getenv(name);
        if (value && mr_settings_set(settings, i, name, value, error))
            return -1;
    }
    return 0;
}

int mr_settings_load(mr_settings_t *settings, mr_error_t *error) {
    char user[4096] = "";
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(user, sizeof user, "%s/millrace/millrace.conf", xdg);
    else if (home)
        snprintf(user, sizeof user, "%s/.config/millrace/millrace.conf", home);
    if (load_file(settings, "/etc/millrace.conf", error) || (*user && load_file(settings, user, error)) ||
        load_file(settings, "./millrace.conf", error))
        return -1;
    return load_environment(settings, error);
}
