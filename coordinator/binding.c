/* The binding's lines: a name, a space, a value; \ and newline in a value are \\ and \n.
 *
 * The number of an input's device is left out: after a reboot the same file may have another. Options of the output are left out too: they
 * change only what is done with rows after all are reduced, so they may differ when a job is gone on with. */
#include "binding.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static int put(mr_buffer_t *text, const char *bytes) {
    return mr_buffer_append(text, bytes, strlen(bytes));
}

static int put_escaped(mr_buffer_t *text, const char *value) {
    for (size_t plain; *value; value += plain) {
        plain = strcspn(value, "\\\n");
        if (mr_buffer_append(text, value, plain) || (value[plain] && put(text, value[plain] == '\n' ? "\\n" : "\\\\")))
            return -1;
        plain += value[plain] != 0;
    }
    return 0;
}

static int put_line(mr_buffer_t *text, const char *name, const char *value) {
    return put(text, name) || put(text, " ") || put_escaped(text, value) || put(text, "\n") ? -1 : 0;
}

static int put_number(mr_buffer_t *text, const char *name, uint64_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    return put_line(text, name, digits);
}

static int put_options(mr_buffer_t *text, const mr_request_t *request) {
    for (const mr_option_t *option = request->job->options; option && option->name; option++) {
        const char *value = mr_option_get(request->options, option->name);
        if (value && (put(text, "--") || put_line(text, option->name, value)))
            return -1;
    }
    return (request->cluster.only && put_line(text, "--only", request->cluster.only)) ||
                   put_number(text, "--max-record", request->cluster.max_record)
               ? -1
               : 0;
}

static int put_inputs(mr_buffer_t *text, const mr_inputs_t *inputs) {
    for (size_t i = 0; i < inputs->count; i++) {
        const mr_input_t *input = &inputs->items[i];
        char numbers[96];
        snprintf(numbers, sizeof numbers, "input %" PRIu64 " %" PRId64 " %" PRIu64, input->size, input->mtime_ns,
                 (uint64_t) input->inode);
        if (put_line(text, numbers, input->path))
            return -1;
    }
    return 0;
}

static int put_arguments(mr_buffer_t *text, const mr_request_t *request) {
    for (int i = 0; i < request->operand_count; i++)
        if (put_line(text, "argument", request->operands[i]))
            return -1;
    return 0;
}

int mr_binding_make(const mr_request_t *request, const mr_work_t *work, uint64_t chunk, mr_buffer_t *text) {
    if (put_line(text, "version", MILLRACE_VERSION) || put_line(text, "job", request->job->name) ||
        put_options(text, request) || put_number(text, "chunk", chunk) ||
        put_number(text, "tasks", mr_work_tasks(work)))
        return -1;
    return work->planned ? put_arguments(text, request) : put_inputs(text, &work->inputs);
}

/* ---- reading ---- */

/* One line of a binding. */
typedef struct line {
    const char *text; /* NULL: there are no more */
    int size;
} line_t;

static line_t next_line(const char **at, const char *end) {
    const char *begin = *at, *stop = begin < end ? memchr(begin, '\n', (size_t) (end - begin)) : NULL;
    if (!stop)
        return (line_t){0};
    *at = stop + 1;
    return (line_t){begin, (int) (stop - begin)};
}

static bool same(line_t a, line_t b) {
    return a.text && b.text && a.size == b.size && !memcmp(a.text, b.text, (size_t) a.size);
}

/* The value of a line of that name, or NULL. It ends with the line. */
static const char *value_of(line_t line, const char *name) {
    size_t size = strlen(name);
    return line.text && (size_t) line.size > size && !memcmp(line.text, name, size) && line.text[size] == ' '
               ? line.text + size + 1
               : NULL;
}

uint64_t mr_binding_chunk(const char *text, size_t size) {
    const char *end = text + size;
    for (line_t line; (line = next_line(&text, end)).text;) {
        const char *value = value_of(line, "chunk");
        if (value)
            return strtoull(value, NULL, 10); /* the line's end stops it */
    }
    return 0;
}

/* ---- comparing ---- */

/* An input's line, taken apart. */
typedef struct bound_input {
    unsigned long long size, mtime, inode;
    const char *path; /* escaped; ends with the line */
    int path_size;
} bound_input_t;

static bool read_input(line_t line, bound_input_t *input) {
    const char *at = value_of(line, "input"), *end = line.text + line.size;
    unsigned long long *numbers[] = {&input->size, &input->mtime, &input->inode};
    for (size_t i = 0; at && i < 3; i++) {
        char *stop;
        *numbers[i] = strtoull(at, &stop, 10);
        at = stop < end && *stop == ' ' ? stop + 1 : NULL;
    }
    input->path = at;
    input->path_size = at ? (int) (end - at) : 0;
    return at != NULL;
}

static int refuse_input(const bound_input_t *was, const bound_input_t *is, const char *name, const char *journal,
                        mr_error_t *error) {
    char how[96] = "it is another file of that name";
    if (was->size != is->size)
        snprintf(how, sizeof how, "it had %llu bytes and has %llu", was->size, is->size);
    else if (was->mtime != is->mtime)
        snprintf(how, sizeof how, "it was modified");
    return mr_error_set(error, MR_STATUS_INPUT, "%s: changed since the job was begun (%s); to do it anew, remove %s",
                        name, how, journal);
}

/* A line that only one side has, or that says something else on each. */
static int refuse_line(line_t was, line_t is, const char *journal, mr_error_t *error) {
    if (!is.text)
        is = (line_t){"nothing of the kind", 19};
    if (!was.text)
        was = (line_t){"nothing of the kind", 19};
    return mr_error_set(
        error, MR_STATUS_USAGE,
        "%s: it is of another job: that one has '%.*s', this one '%.*s'; name another directory, or run "
        "the command it was begun with",
        journal, was.size, was.text, is.size, is.text);
}

int mr_binding_compare(const char *then, size_t then_size, const mr_buffer_t *now, const mr_work_t *work,
                       const char *journal, mr_error_t *error) {
    const char *then_end = then + then_size, *at = now->data, *end = now->data + now->size;
    size_t inputs = 0;
    for (;;) {
        line_t was = next_line(&then, then_end), is = next_line(&at, end);
        bound_input_t before, after;
        if (!was.text && !is.text)
            return 0;
        bool both = read_input(was, &before) && read_input(is, &after);
        if (!same(was, is) && both && before.path_size == after.path_size &&
            !memcmp(before.path, after.path, (size_t) after.path_size))
            return refuse_input(&before, &after, work->inputs.items[inputs].name, journal, error);
        if (!same(was, is))
            return refuse_line(was, is, journal, error);
        inputs += both;
    }
}
