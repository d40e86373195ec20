#include "delimiter.h"

#include <string.h>

static const struct {
    const char *name;
    char byte;
} names[] = {{"tab", '\t'}, {"comma", ','}, {"space", ' '}, {"semicolon", ';'}};

int mr_delimiter_option(const mr_options_t *options, char *delimiter, mr_complaint_t *complaint) {
    const char *text = mr_option_get(options, "delimiter");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0) {
            *delimiter = names[i].byte;
            return 0;
        }
    if (strlen(text) != 1 || *text == '\n')
        return mr_complain(complaint, "--delimiter '%s': must be tab, comma, space, semicolon or a single byte", text);
    *delimiter = *text;
    return 0;
}
