/* The command line of `millrace run JOB`, `serve`, `submit JOB` and so on: the settings' and the job's options in one getopt_long table. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "settings_private.h"

#define JOB_OPTION 1000 /* getopt values: a letter, SETTING_OPTION + setting, JOB_OPTION + index, or HELP_OPTION */
#define SETTING_OPTION 500
#define HELP_OPTION 499

typedef struct table {
    mr_use_t use;
    const mr_job_t *job;  /* NULL: none */
    struct option *longs; /* owned; ended by zeros */
    size_t count;
    char letters[MR_SETTING_COUNT * 2 + 4];
} table_t;

static void add_long(table_t *table, const char *name, bool has_value, int value) {
    table->longs[table->count++] = (struct option){name, has_value ? required_argument : no_argument, NULL, value};
}

static void add_letter(table_t *table, char letter, bool has_value) {
    size_t length = strlen(table->letters);
    snprintf(table->letters + length, sizeof table->letters - length, "%c%s", letter, has_value ? ":" : "");
}

static size_t count_options(const mr_job_t *job) {
    size_t count = 0;
    while (job && job->options && job->options[count].name)
        count++;
    return count;
}

static int build_table(table_t *table, mr_use_t use, const mr_job_t *job, mr_error_t *error) {
    size_t own = count_options(job);
    *table = (table_t){
        .use = use, .job = job, .longs = calloc(MR_SETTING_COUNT + own + 2, sizeof *table->longs), .letters = ":h"};
    if (!table->longs)
        return mr_error_memory(error, "reading options");
    add_long(table, "help", false, HELP_OPTION);
    for (size_t i = 0; i < own; i++)
        add_long(table, job->options[i].name, job->options[i].value != NULL, JOB_OPTION + (int) i);
    for (unsigned i = 0; i < MR_SETTING_COUNT; i++) {
        char letter;
        bool has_value;
        const char *name = mr_settings_name(i, &letter, &has_value);
        if (!mr_settings_is_of(i, use))
            continue;
        add_long(table, name, has_value, SETTING_OPTION + (int) i);
        if (letter)
            add_letter(table, letter, has_value);
    }
    return 0;
}

static int setting_of_letter(int letter) {
    for (unsigned i = 0; letter && i < MR_SETTING_COUNT; i++) {
        char own;
        bool has_value;
        mr_settings_name(i, &own, &has_value);
        if (own == letter)
            return (int) i;
    }
    return -1;
}

/* With a space behind it where a job's name follows. */
static const char *command_of(mr_use_t use) {
    return use & MR_USE_S   ? "serve"
           : use & MR_USE_P ? "submit "
           : use & MR_USE_F ? "wait"
           : use & MR_USE_Q ? "status"
           : use & MR_USE_C ? "cancel"
                            : "run ";
}

static int complain(const table_t *table, const char *typed, int got, mr_error_t *error) {
    const char *command = command_of(table->use), *job = table->job ? table->job->name : "";
    mr_nearest_t nearest = {0};
    char name[128];
    if (got == ':')
        return mr_error_set(error, MR_STATUS_USAGE, "%s needs a value; see millrace %s%s --help", typed, command, job);
    snprintf(name, sizeof name, "%s", typed + strspn(typed, "-"));
    name[strcspn(name, "=")] = 0;
    nearest.typed = name;
    for (size_t i = 0; i < table->count; i++)
        mr_nearest_offer(&nearest, table->longs[i].name);
    if (nearest.best)
        return mr_error_set(error, MR_STATUS_USAGE, "unknown option '%s'; did you mean --%s?", typed, nearest.best);
    return mr_error_set(error, MR_STATUS_USAGE, "unknown option '%s'; see millrace %s%s --help", typed, command, job);
}

static int take_option(mr_settings_t *settings, mr_options_t *options, const table_t *table, int got,
                       mr_error_t *error) {
    char source[96], letter;
    bool has_value;
    if (got >= JOB_OPTION && table->job)
        return mr_options_set(options, table->job->options[got - JOB_OPTION].name, optarg, error);
    unsigned setting = (unsigned) (got >= SETTING_OPTION ? got - SETTING_OPTION : setting_of_letter(got));
    snprintf(source, sizeof source, "--%s", mr_settings_name(setting, &letter, &has_value));
    if (settings->values[MR_SETTING_SUBMITTED] && !mr_settings_is_of(setting, MR_USE_J))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: that is for the coordinator to say; leave it out", source);
    return mr_settings_set(settings, setting, source, optarg, error);
}

/* What was typed where getopt_long stopped. Among letters (-qx) it has not moved on yet: then it is the letter. */
static const char *typed_option(char **argv, char letter[3]) {
    if (optopt <= 0 || optopt >= HELP_OPTION)
        return argv[optind - 1];
    snprintf(letter, 3, "-%c", optopt);
    return letter;
}

int mr_settings_parse(mr_settings_t *settings, mr_use_t use, mr_options_t *options, const mr_job_t *job, int argc,
                      char **argv, int *first, mr_error_t *error) {
    table_t table;
    char letter[3];
    int failed = build_table(&table, use, job, error);
    optind = 0; /* for glibc: begin anew, also after a parse that ended early */
    opterr = 0;
    for (int got; !failed && (got = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1;) {
        if (got == HELP_OPTION || got == 'h')
            failed = 1;
        else if (got == '?' || got == ':')
            failed = complain(&table, typed_option(argv, letter), got, error);
        else
            failed = take_option(settings, options, &table, got, error);
    }
    *first = optind;
    free(table.longs);
    return failed;
}
