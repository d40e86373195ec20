/* A URL as an input: what it leads to is asked for once, with its first bytes. */
#include <stdlib.h>
#include <string.h>

#include "input/format.h"
#include "input/url.h"
#include "inputs_private.h"

#define TRIES 3u /* somebody waits for the plan */

int mr_inputs_http(mr_http_t **http, mr_error_t *error) {
    if (!*http)
        *http = mr_http_new(TRIES, NULL, NULL, error);
    return *http ? 0 : -1;
}

static int append(mr_collector_t *collector, const char *url, char *shown, const mr_http_info_t *info) {
    mr_input_t input = {.path = shown,
                        .name = shown,
                        .url = strdup(url),
                        .size = info->size,
                        .mtime_ns = info->version,
                        .whole = info->whole,
                        .format = mr_format_of(info->head, info->head_size)};
    if (input.url && !mr_collect_append(collector, &input))
        return 0;
    free(input.url);
    free(shown);
    return mr_error_memory(collector->fatal, "collecting inputs");
}

/* Takes `shown` over. */
static int probe(mr_collector_t *collector, const char *url, char *shown) {
    mr_http_info_t info;
    mr_error_t error = {0};
    if (mr_inputs_http(&collector->http, &error) || mr_http_probe(collector->http, url, shown, &info, &error))
        mr_collect_problem(collector, "%s", error.text);
    else if (mr_format_utf16(info.head, info.head_size))
        mr_collect_problem(collector, "%s: %s", shown, MR_UTF16_REASON);
    else
        return append(collector, url, shown, &info);
    free(shown);
    return 0;
}

int mr_collect_url(mr_collector_t *collector, const char *url) {
    char *shown = mr_url_shown(url);
    return shown ? probe(collector, url, shown) : mr_error_memory(collector->fatal, "collecting inputs");
}

int mr_inputs_verify_url(mr_http_t *http, const mr_input_t *input, mr_error_t *error) {
    mr_http_info_t info;
    if (mr_http_probe(http, input->url, input->name, &info, error))
        return -1;
    if (info.size == input->size && info.version == input->mtime_ns)
        return 0;
    return mr_error_set(error, MR_STATUS_INPUT, "%s: changed during the job", input->name);
}
