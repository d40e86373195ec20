/* One name becomes one input, or several if it is a pattern or a directory. Each file is opened once, to see that it can be and to
 * tell its format by its first bytes. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/fingerprint.h"
#include "input/format.h"
#include "input/source.h"
#include "input/url.h"
#include "inputs_private.h"

int mr_collect_problem(mr_collector_t *collector, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    collector->problems++;
    mr_error_set_list(&collector->first, MR_STATUS_INPUT, format, arguments);
    va_end(arguments);
    return 0;
}

/* ---- a file ---- */

/* What a file's content tells. */
typedef struct mr_sniffed {
    mr_format_t format;
    uint64_t fingerprint;
} mr_sniffed_t;

static int reserve(mr_collector_t *collector) {
    mr_inputs_t *inputs = collector->inputs;
    if (inputs->count < collector->capacity)
        return 0;
    size_t capacity = collector->capacity ? collector->capacity + collector->capacity / 2 : 16;
    mr_input_t *items = realloc(inputs->items, capacity * sizeof *items);
    if (!items)
        return -1;
    inputs->items = items;
    collector->capacity = capacity;
    return 0;
}

int mr_collect_append(mr_collector_t *collector, const mr_input_t *input) {
    mr_inputs_t *inputs = collector->inputs;
    if (reserve(collector))
        return -1;
    inputs->items[inputs->count++] = *input;
    inputs->bytes += input->size;
    return 0;
}

static int append(mr_collector_t *collector, const char *name, const char *alias, const struct stat *status,
                  const mr_sniffed_t *sniffed) {
    mr_input_t input = {
        .size = (uint64_t) status->st_size,
        .mtime_ns = mr_mtime_ns(status),
        .device = status->st_dev,
        .inode = status->st_ino,
        .format = sniffed->format,
        .fingerprint = sniffed->fingerprint,
    };
    input.path = mr_collect_absolute(collector, name, &input.name);
    if (alias)
        input.name = alias;
    if (!input.path || mr_collect_append(collector, &input)) {
        free(input.path);
        return mr_error_memory(collector->fatal, "collecting inputs");
    }
    return 0;
}

static bool ends_in_gz(const char *name) {
    size_t size = strlen(name);
    return size >= 3 && strcmp(name + size - 3, ".gz") == 0;
}

/* What the first bytes say: NULL, or why the file is refused. They are read with one call, as there may be a million files. */
static const char *sniff(int fd, const char *name, const struct stat *status, bool fingerprint, mr_sniffed_t *sniffed) {
    char head[MR_FINGERPRINT_PART];
    ssize_t size = pread(fd, head, fingerprint ? sizeof head : MR_FORMAT_HEAD, 0);
    if (size < 0)
        return strerror(errno);
    if (size > 0 && status->st_size == 0) /* as under /proc */
        return "its size is not known (use - for stdin)";
    if (size == 0 && ends_in_gz(name))
        return "truncated gzip (the file is empty)";
    if (mr_format_utf16(head, (size_t) size))
        return MR_UTF16_REASON;
    sniffed->format = mr_format_of(head, (size_t) size);
    if (fingerprint && mr_fingerprint_rest(fd, head, (size_t) size, (uint64_t) status->st_size, &sniffed->fingerprint))
        return errno ? strerror(errno) : "it changes while it is read";
    return NULL;
}

static int check_open_file(mr_collector_t *collector, int fd, const char *name, const char *alias) {
    struct stat status;
    mr_sniffed_t sniffed = {0};
    const char *shown = alias ? alias : name;
    if (fstat(fd, &status))
        return mr_collect_problem(collector, "%s: %s", shown, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return mr_collect_problem(collector, "%s: not a regular file (use - for stdin)", shown);
    int fresh = collector->config->recursive ? mr_seen_add(&collector->seen, &status) : 1;
    if (fresh < 0)
        return mr_error_memory(collector->fatal, "collecting inputs");
    if (!fresh)
        return 0;
    const char *reason = sniff(fd, name, &status, collector->config->fingerprints, &sniffed);
    if (reason)
        return mr_collect_problem(collector, "%s: %s", shown, reason);
    return append(collector, name, alias, &status, &sniffed);
}

int mr_collect_file(mr_collector_t *collector, const char *name, const char *alias) {
    int fd = mr_collect_open(collector, name, MR_SOURCE_FLAGS);
    if (fd < 0)
        return mr_collect_problem(collector, "%s: %s", alias ? alias : name, mr_collect_reason(collector, errno));
    int result = check_open_file(collector, fd, name, alias);
    close(fd);
    return result;
}

/* ---- a name ---- */

static bool has_wildcards(const char *name) {
    return strpbrk(name, "*?[") != NULL;
}

/* A directory that is not there has nothing that matches; one that cannot be read may have. */
static int unreadable(const char *path, int reason) {
    (void) path;
    return reason != ENOENT && reason != ENOTDIR;
}

/* What matches a pattern exists, so it is not taken for a pattern again. */
static int collect_pattern(mr_collector_t *collector, const char *pattern) {
    glob_t matches = {0};
    if (collector->config->root && collector->config->root->path) /* it would look elsewhere too */
        return mr_collect_problem(collector, "%s: no file has this name (and with --root, patterns match none)",
                                  pattern);
    int result = glob(pattern, 0, unreadable, &matches);
    if (result == GLOB_NOSPACE)
        result = mr_error_memory(collector->fatal, "matching a pattern");
    else if (result == GLOB_NOMATCH)
        result = mr_collect_problem(collector, "%s: no file has this name or matches this pattern", pattern);
    else if (result)
        result = mr_collect_problem(collector, "%s: a directory of this pattern cannot be read", pattern);
    for (size_t i = 0; result == 0 && i < matches.gl_pathc; i++)
        result = mr_collect_name(collector, matches.gl_pathv[i], false);
    globfree(&matches);
    return result;
}

int mr_collect_name(mr_collector_t *collector, const char *name, bool pattern) {
    struct stat status;
    if (strcmp(name, "-") == 0)
        return mr_collect_stdin(collector);
    if (mr_url_is(name))
        return mr_collect_url(collector, name);
    if (!strncmp(name, "s3://", 5))
        return mr_collect_problem(collector, "%s: not read; a pre-signed URL is (aws s3 presign %s)", name, name);
    if (mr_collect_stat(collector, name, &status)) {
        int reason = errno;
        if (reason == ENOENT && pattern && has_wildcards(name))
            return collect_pattern(collector, name);
        return mr_collect_problem(collector, "%s: %s", *name ? name : "''", mr_collect_reason(collector, reason));
    }
    if (S_ISDIR(status.st_mode) && collector->config->recursive)
        return mr_collect_directory(collector, name, &status);
    if (S_ISDIR(status.st_mode))
        return mr_collect_problem(collector, "%s: is a directory (use --recursive)", name);
    if (!S_ISREG(status.st_mode)) /* not opened: to open a device can do something */
        return mr_collect_problem(collector, "%s: not a regular file (use - for stdin)", name);
    return mr_collect_file(collector, name, NULL);
}
