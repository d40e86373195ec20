#include "log.h"

#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *program_name = "millrace";
static mr_log_level_t last_level = MR_LOG_WARNING;

void mr_log_init(const char *program, mr_log_level_t level) {
    program_name = program;
    last_level = level;
}

bool mr_log_shows(mr_log_level_t level) {
    return level <= last_level;
}

int mr_log_level_find(const char *name) {
    for (int i = 0; i <= MR_LOG_DEBUG; i++)
        if (!strcmp(name, level_names[i]))
            return i;
    return -1;
}

/* A stream takes memory; that there is none must be told without. */
static void write_plain(char *line, size_t size, mr_log_level_t level, const char *text) {
    int used = snprintf(line, size, "%s: %s: %s", program_name, level_names[level], text);
    for (char *at = line; *at; at++)
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
    line[used] = '\n';
    if (write(STDERR_FILENO, line, (size_t) used + 1) < 0)
        return;
}

static void write_line(mr_log_level_t level, const char *text) {
    char line[4096 + 128];
    FILE *stream = fmemopen(line, sizeof line, "w");
    if (!stream) {
        write_plain(line, sizeof line, level, text);
        return;
    }
    fprintf(stream, "%s: %s: ", program_name, level_names[level]);
    mr_print_escaped(stream, text, strlen(text));
    fputc('\n', stream);
    long size = ftell(stream);
    fclose(stream);
    if (size > 0 && write(STDERR_FILENO, line, (size_t) size) < 0)
        return; /* stderr is gone: there is nobody left to tell */
}

void mr_log(mr_log_level_t level, const char *format, ...) {
    if (!mr_log_shows(level))
        return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    mr_format_message(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, text);
}

void mr_log_error(const mr_error_t *error) {
    write_line(MR_LOG_ERROR, error->text);
}
