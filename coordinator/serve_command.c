/* `millrace serve`: reads the settings and serves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "log.h"
#include "request.h"
#include "roll.h"
#include "serve.h"

#define LISTEN "tcp://127.0.0.1:5555"

static const char help[] =
    "Usage: millrace serve [options]\n"
    "\n"
    "  millrace serve --listen tcp://10.0.0.1:5555 --keys keys/coordinator\n"
    "\n"
    "A coordinator that stays: it takes jobs (millrace submit) and workers (millrace-worker --connect\n"
    "ENDPOINT) at one endpoint (" LISTEN "), and runs the jobs in turn. What it has accepted\n"
    "survives it: started again, it goes on.\n"
    "\n"
    "Options:\n";

static int print_help(void) {
    fputs(help, stdout);
    mr_settings_help(stdout, MR_USE_S);
    puts("\nEach option may also stand in the environment (MILLRACE_LISTEN) or in ./millrace.conf.\n"
         "`man millrace` has the rest.");
    return fflush(stdout) ? MR_STATUS_STORAGE : MR_STATUS_OK;
}

/* Where the XDG base directories say that what a program keeps belongs. Made as far as it is missing, but for the last part. */
static int default_state(char path[4096], mr_error_t *error) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/')
        snprintf(path, 4096, "%s/millrace", state);
    else if (home && *home)
        snprintf(path, 4096, "%s/.local/state/millrace", home);
    else
        return mr_error_set(error, MR_STATUS_USAGE, "there is no HOME: say where to keep the queue with --state DIR");
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700); /* what cannot be made is told of when it is used */
        *slash = '/';
    }
    return 0;
}

static int read_state(const mr_settings_t *settings, char path[4096], mr_error_t *error) {
    const char *given = mr_settings_text(settings, MR_SETTING_STATE);
    if (!given)
        return default_state(path, error);
    char *whole = *given == '/' ? NULL : realpath(".", NULL); /* jobs work elsewhere */
    snprintf(path, 4096, "%s%s%s", whole ? whole : "", whole ? "/" : "", given);
    free(whole);
    return 0;
}

static int read_times(const mr_settings_t *settings, mr_serve_config_t *config, mr_error_t *error) {
    uint64_t at_once, keep, lease;
    if (mr_settings_count(settings, MR_SETTING_AT_ONCE, 1, MR_ROLL_MOST_JOBS, &at_once, error) ||
        mr_settings_time(settings, MR_SETTING_KEEP, 0, INT64_MAX, &keep, error) ||
        mr_settings_time(settings, MR_SETTING_LEASE, 200, 86400000, &lease, error))
        return -1;
    config->at_once = (uint32_t) at_once;
    config->keep_ms = (int64_t) keep;
    config->lease_ms = (int64_t) lease;
    return 0;
}

static int read_config(const mr_settings_t *settings, mr_serve_config_t *config, mr_keys_t *keys, char state[4096],
                       mr_root_t *root, mr_error_t *error) {
    const char *listen = mr_settings_text(settings, MR_SETTING_LISTEN),
               *top = mr_settings_text(settings, MR_SETTING_ROOT);
    if (top && mr_root_open(root, "--root", top, error))
        return -1;
    config->listen = listen ? listen : LISTEN;
    config->lane_ports = mr_settings_text(settings, MR_SETTING_LANE_PORTS);
    config->advertise = mr_settings_text(settings, MR_SETTING_ADVERTISE);
    config->keys = keys;
    config->insecure = mr_settings_switch(settings, MR_SETTING_INSECURE);
    config->tmp_dir = mr_request_tmp(settings);
    config->state = state;
    config->root = root->path;
    return mr_request_log_level(settings, &config->log_level, error) || read_times(settings, config, error) ||
                   mr_request_local(settings, 0, &config->processes, &config->threads, error) ||
                   mr_request_check_listen(settings, config->listen, error) || mr_request_keys(settings, keys, error) ||
                   read_state(settings, state, error)
               ? -1
               : 0;
}

int mr_command_serve(int argc, char **argv) {
    mr_error_t error = {0};
    mr_settings_t settings = {0};
    mr_serve_config_t config = {0};
    mr_root_t root = {0};
    mr_keys_t keys = {0};
    char state[4096];
    umask(S_IRWXG | S_IRWXO); /* inputs and rows are for who submitted the job, by way of this process */
    int first = argc, parsed = mr_settings_load(&settings, &error);
    if (!parsed)
        parsed = mr_settings_parse(&settings, MR_USE_S, NULL, NULL, argc, argv, &first, &error);
    if (!parsed && first < argc)
        parsed =
            mr_error_set(&error, MR_STATUS_USAGE, "unexpected argument '%s'; see millrace serve --help", argv[first]);
    if (!parsed && !read_config(&settings, &config, &keys, state, &root, &error))
        mr_serve_run(&config, &error);
    mr_root_close(&root);
    mr_settings_free(&settings);
    mr_keys_clear(&keys);
    if (parsed > 0)
        return print_help();
    if (error.status)
        mr_log_error(&error);
    return (int) error.status;
}
