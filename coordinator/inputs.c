/* The list of inputs: collecting goes through the arguments and lists name by name, notes problems without stopping, and fails at the
 * end if there were any. What a name can be is in inputs_name.c, inputs_walk.c, inputs_list.c and inputs_stdin.c; cutting into
 * tasks in inputs_split.c. */
#include "inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/source.h"
#include "inputs_private.h"

static int begin(mr_collector_t *collector) {
    char *cwd = getcwd(NULL, 0);
    if (!cwd)
        return mr_error_set(collector->fatal, MR_STATUS_INPUT, "the current directory: %s", strerror(errno));
    size_t size = strlen(cwd);
    collector->cwd = realloc(cwd, size + 2);
    if (!collector->cwd) {
        free(cwd);
        return mr_error_memory(collector->fatal, "collecting inputs");
    }
    strcpy(collector->cwd + size, size > 1 ? "/" : "");
    return 0;
}

static int collect_all(mr_collector_t *collector, int count, char *const *arguments) {
    const mr_inputs_config_t *config = collector->config;
    for (int i = 0; i < count; i++)
        if (mr_collect_name(collector, arguments[i], true))
            return -1;
    if (config->files_from && mr_collect_list(collector, config->files_from, '\n'))
        return -1;
    if (config->files0_from && mr_collect_list(collector, config->files0_from, '\0'))
        return -1;
    return 0;
}

/* What the problems come to. */
static int conclude(const mr_collector_t *collector, mr_error_t *error) {
    const char *text = collector->first.text;
    if (collector->problems == 1)
        return mr_error_set(error, collector->first.status, "%s", text);
    if (collector->problems > 1)
        return mr_error_set(error, collector->first.status, "%s (and %zu more input problem%s)", text,
                            collector->problems - 1, collector->problems > 2 ? "s" : "");
    if (collector->inputs->count == 0)
        return mr_error_set(error, MR_STATUS_INPUT, "no input: what was named holds no files");
    return 0;
}

int mr_inputs_collect(mr_inputs_t *inputs, const mr_inputs_config_t *config, int count, char *const *arguments,
                      mr_error_t *error) {
    *inputs = (mr_inputs_t){0};
    if (count == 0 && !config->files_from && !config->files0_from)
        return mr_error_set(error, MR_STATUS_USAGE, "no input: name a file, or - for stdin");
    mr_collector_t collector = {.inputs = inputs, .config = config, .fatal = error};
    int result = begin(&collector);
    if (result == 0)
        result = collect_all(&collector, count, arguments);
    if (result == 0)
        result = conclude(&collector, error);
    free(collector.seen.items);
    free(collector.cwd);
    mr_http_destroy(&collector.http);
    if (result)
        mr_inputs_free(inputs);
    return result;
}

void mr_inputs_free(mr_inputs_t *inputs) {
    for (size_t i = 0; i < inputs->count; i++) {
        free(inputs->items[i].path);
        free(inputs->items[i].url);
    }
    free(inputs->items);
    *inputs = (mr_inputs_t){0};
}

static bool unchanged(const mr_input_t *input) {
    struct stat status;
    return stat(input->path, &status) == 0 && S_ISREG(status.st_mode) && status.st_dev == input->device &&
           status.st_ino == input->inode && (uint64_t) status.st_size == input->size &&
           mr_mtime_ns(&status) == input->mtime_ns;
}

int mr_inputs_verify(const mr_inputs_t *inputs, mr_error_t *error) {
    mr_http_t *http = NULL;
    int failed = 0;
    for (size_t i = 0; i < inputs->count && !failed; i++) {
        const mr_input_t *input = &inputs->items[i];
        if (input->url)
            failed = mr_inputs_http(&http, error) || mr_inputs_verify_url(http, input, error) ? -1 : 0;
        else if (!unchanged(input))
            failed = mr_error_set(error, MR_STATUS_INPUT, "%s: changed during the job", input->name);
    }
    mr_http_destroy(&http);
    return failed;
}

bool mr_inputs_have_url(const mr_inputs_t *inputs) {
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->items[i].url)
            return true;
    return false;
}

bool mr_inputs_contain(const mr_inputs_t *inputs, dev_t device, ino_t inode) {
    for (size_t i = 0; i < inputs->count; i++)
        if (!inputs->items[i].url && inputs->items[i].device == device && inputs->items[i].inode == inode)
            return true;
    return false;
}
