/* --files-from and --files0-from: a list of names, taken as they are: no patterns, no comments, no quotes. The last name need not be
 * ended. An empty name, or a NUL in a list of lines, is a problem that names the list and the line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs_private.h"

typedef struct list {
    const char *name; /* for messages */
    FILE *stream;
    char delimiter;
    size_t line; /* of the name read last, from 1 */
    char *text;  /* owned; the name read last */
    size_t capacity;
} list_t;

/* Returns the length of the next name, or -1 at the end or on failure. */
static ssize_t next_name(list_t *list) {
    ssize_t size = getdelim(&list->text, &list->capacity, list->delimiter, list->stream);
    if (size > 0 && list->text[size - 1] == list->delimiter)
        list->text[--size] = '\0';
    list->line++;
    return size;
}

static int collect_listed(mr_collector_t *collector, const list_t *list, size_t size) {
    if (size == 0)
        return mr_collect_problem(collector, "%s:%zu: an empty file name", list->name, list->line);
    if (strlen(list->text) != size)
        return mr_collect_problem(collector, "%s:%zu: a NUL in a file name (use --files0-from)", list->name,
                                  list->line);
    return mr_collect_name(collector, list->text, false);
}

static int collect_names(mr_collector_t *collector, list_t *list) {
    ssize_t size;
    int result = 0;
    errno = 0;
    while (result == 0 && (size = next_name(list)) >= 0) {
        result = collect_listed(collector, list, (size_t) size);
        errno = 0;
    }
    if (result == 0 && !feof(list->stream))
        mr_collect_problem(collector, "%s: %s", list->name, strerror(errno));
    free(list->text);
    return result;
}

int mr_collect_list(mr_collector_t *collector, const char *name, char delimiter) {
    list_t list = {.name = name, .stream = stdin, .delimiter = delimiter};
    if (strcmp(name, "-") == 0) {
        list.name = "standard input";
        return mr_collect_take_stdin(collector) ? -1 : collect_names(collector, &list);
    }
    int fd = mr_collect_open(collector, name, O_RDONLY | O_CLOEXEC);
    list.stream = fd < 0 ? NULL : fdopen(fd, "r");
    if (!list.stream)
        return mr_collect_problem(collector, "%s: %s", name, mr_collect_reason(collector, errno));
    int result = collect_names(collector, &list);
    fclose(list.stream);
    return result;
}
