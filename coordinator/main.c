/* millrace: the coordinator, and the commands that people type. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "options.h"
#include "standard.h"

static const char help[] =
    "Usage: millrace COMMAND ...\n"
    "\n"
    "  millrace run ngrams googlebooks-eng-all-1gram-20120701-a.gz -o totals.tsv\n"
    "\n"
    "Commands:\n"
    "  run JOB [options] INPUT...   run one job here, with local worker processes\n"
    "  serve [options]              a coordinator that stays: takes jobs, and workers from elsewhere\n"
    "  submit JOB [options] INPUT...  the same as run, by a coordinator that stays\n"
    "  status [ID]                  what runs there, where, how far, and why not\n"
    "  wait ID...                   wait for jobs that were submitted, and print their rows\n"
    "  cancel ID...                 end such jobs\n"
    "  doctor [INPUT...]            what usually goes wrong, looked at from all ends, and the fix\n"
    "  jobs                         the kinds of job there are\n"
    "  keygen DIR                   makes keys, for a cluster that takes nobody else\n"
    "  help, --help                 this text; `millrace run JOB --help` for the options\n"
    "  --version\n";

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} command_t;

static int print_text(const char *text) {
    fputs(text, stdout);
    return fflush(stdout) ? MR_STATUS_STORAGE : MR_STATUS_OK;
}

static int command_help(int argc, char **argv) {
    (void) argc;
    (void) argv;
    return print_text(help);
}

static int command_version(int argc, char **argv) {
    (void) argc;
    (void) argv;
    return print_text("millrace " MILLRACE_VERSION "\n");
}

static const command_t commands[] = {
    {"run", mr_command_run},        {"serve", mr_command_serve}, {"submit", mr_command_submit},
    {"status", mr_command_status},  {"wait", mr_command_wait},   {"cancel", mr_command_cancel},
    {"doctor", mr_command_doctor},  {"jobs", mr_command_jobs},   {"keygen", mr_command_keygen},
    {"help", command_help},         {"--help", command_help},    {"-h", command_help},
    {"--version", command_version}, {"-V", command_version},     {NULL, NULL}};

int main(int argc, char **argv) {
    mr_error_t error = {0};
    mr_standard_streams();
    mr_log_init("millrace", MR_LOG_WARNING);
    if (argc < 2) {
        fputs(help, stderr);
        return MR_STATUS_USAGE;
    }
    mr_nearest_t nearest = {.typed = argv[1]};
    for (const command_t *command = commands; command->name; command++) {
        if (!strcmp(argv[1], command->name))
            return command->run(argc - 1, argv + 1);
        mr_nearest_offer(&nearest, command->name);
    }
    mr_error_set(&error, MR_STATUS_USAGE, "unknown command '%s'%s%s%s; see millrace --help", argv[1],
                 nearest.best ? "; did you mean '" : "", nearest.best ? nearest.best : "", nearest.best ? "'?" : "");
    mr_log_error(&error);
    return MR_STATUS_USAGE;
}
