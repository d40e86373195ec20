/* `millrace doctor`: what usually goes wrong, looked at from here, from the coordinator and from its workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "client_command.h"
#include "clock.h"
#include "commands.h"
#include "keys.h"
#include "request.h"

#define REACH_MS 5000

static const char help[] =
    "Usage: millrace doctor [options] [INPUT...]\n"
    "\n"
    "  millrace doctor --connect tcp://coordinator:5555 /data/1gram-a.gz\n"
    "\n"
    "Looks at what usually goes wrong: from here, from the coordinator (millrace serve), and from each of\n"
    "its workers: names, ports, keys, versions, clocks, descriptors, disks, and who sees the inputs. Each\n"
    "line that is not ok says what to do. Exit status 0: nothing failed; else 1, or that of the failure\n"
    "to reach the coordinator (6: keys or version, 7: nobody there).\n"
    "\n"
    "Options:\n";

/* ---- printing ---- */

/* One field of a finding, up to a tab or the end of the line. */
static const char *put_field(const char *at, const char *end, const char *before) {
    const char *stop = at;
    while (stop < end && *stop != '\t')
        stop++;
    if (stop > at) {
        fputs(before, stdout);
        mr_print_escaped(stdout, at, (size_t) (stop - at));
    }
    return stop < end ? stop + 1 : end;
}

/* Returns how many of the findings are failures. */
static unsigned print_findings(const char *where, const char *findings) {
    unsigned failures = 0;
    for (const char *line = findings, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        const char *subject = memchr(line, '\t', (size_t) (end - line));
        bool failed = !strncmp(line, "fail\t", 5);
        if (!subject)
            continue;
        failures += failed;
        printf("%-4s  ", failed ? "FAIL" : !strncmp(line, "warn\t", 5) ? "warn" : "ok");
        mr_print_escaped(stdout, where, strlen(where));
        const char *finding = put_field(subject + 1, end, "  ");
        const char *fix = put_field(finding, end, ": ");
        put_field(fix, end, "\n      -> ");
        putchar('\n');
    }
    return failures;
}

static unsigned print_buffer(const char *where, mr_buffer_t *findings) {
    unsigned failures = mr_buffer_append(findings, "", 1) ? 1 : print_findings(where, findings->data);
    mr_buffer_free(findings);
    return failures;
}

/* ---- looking ---- */

/* The folder is there, its keys are a client's, and nobody else can read the secret. */
static void check_keys(mr_buffer_t *findings, const char *dir) {
    mr_keys_t keys;
    mr_error_t error = {0};
    if (!dir || !*dir)
        return;
    if (mr_keys_load(&keys, MR_ROLE_CLIENT, dir, &error))
        mr_check_note(findings, MR_LEVEL_FAIL, "keys",
                      "give --keys a client's folder as millrace keygen made it, its secret of mode 0600", "%s",
                      error.text);
    else
        mr_check_note(findings, MR_LEVEL_OK, "keys", NULL, "%s: a client's", keys.dir);
    mr_keys_clear(&keys);
}

static unsigned look_here(const mr_client_command_t *command) {
    mr_buffer_t findings = {0};
    mr_check_note(&findings, MR_LEVEL_OK, "version", NULL, "%s", MILLRACE_VERSION);
    mr_check_directory(&findings, "scratch", mr_request_tmp(&command->settings));
    check_keys(&findings, mr_settings_text(&command->settings, MR_SETTING_KEYS));
    mr_check_reach(&findings, "coordinator", mr_settings_text(&command->settings, MR_SETTING_CONNECT), REACH_MS);
    return print_buffer("here", &findings);
}

static unsigned compare_clocks(int64_t asked_ms, int64_t theirs) {
    mr_buffer_t findings = {0};
    int64_t apart = mr_clock_wall_ms() - theirs, took = mr_clock_wall_ms() - asked_ms;
    bool near = apart > -2000 - took && apart < 2000 + took;
    mr_check_note(&findings, near ? MR_LEVEL_OK : MR_LEVEL_WARN, "clock", near ? NULL : "set the clocks (NTP)",
                  "%lld ms from the coordinator's", (long long) apart);
    return print_buffer("here", &findings);
}

static unsigned print_answer(const json_t *body, int64_t asked_ms) {
    char where[300];
    size_t index;
    json_t *worker;
    const char *own = json_string_value(json_object_get(body, "findings"));
    unsigned failures = compare_clocks(asked_ms, json_integer_value(json_object_get(body, "time_ms")));
    failures += print_findings("coordinator", own ? own : "");
    json_array_foreach(json_object_get(body, "workers"), index, worker) {
        const char *findings = json_string_value(json_object_get(worker, "findings"));
        const char *host = json_string_value(json_object_get(worker, "host"));
        snprintf(where, sizeof where, "worker %s:%lld", host ? host : "?",
                 (long long) json_integer_value(json_object_get(worker, "pid")));
        failures += print_findings(where, findings ? findings : "");
    }
    long long silent = json_integer_value(json_object_get(body, "silent"));
    if (silent)
        printf(
            "FAIL  workers: %lld have not answered\n      -> look at their logs; a disk or name server that hangs?\n",
            silent);
    return failures + (silent > 0);
}

static json_t *whole_paths(int count, char **paths) {
    json_t *list = json_array();
    char *here = realpath(".", NULL), *path = NULL;
    for (int i = 0; list && i < count; i++) {
        if (asprintf(&path, "%s%s%s",
                     *paths[i] == '/' ? ""
                     : here           ? here
                                      : "",
                     *paths[i] == '/' ? "" : "/", paths[i]) < 0)
            break;
        json_array_append_new(list, json_string(path));
        free(path);
    }
    free(here);
    return list;
}

static void ask(mr_client_command_t *command, int count, char **paths, mr_error_t *error) {
    mr_answer_t answer = {0};
    unsigned failures = look_here(command);
    int64_t asked_ms = mr_clock_wall_ms();
    json_t *body = json_pack("{s:o}", "inputs", whole_paths(count, paths));
    if (!body)
        mr_error_memory(error, "asking the coordinator");
    else if (!mr_client_connect(command, error) && !mr_client_ask(&command->client, "doctor", body, &answer, error))
        failures += print_answer(answer.body, asked_ms);
    json_decref(body);
    mr_answer_free(&answer);
    if (fflush(stdout))
        mr_error_set(error, MR_STATUS_STORAGE, "standard output: cannot write");
    if (failures)
        mr_error_set(error, MR_STATUS_JOB, "%u checks failed: see above what to do", failures);
}

int mr_command_doctor(int argc, char **argv) {
    mr_error_t error = {0};
    mr_client_command_t command = {0};
    if (!mr_client_settings(&command, MR_USE_C, help, argc, argv, &error))
        ask(&command, argc - command.first, argv + command.first, &error);
    return mr_client_leave(&command, &error);
}
