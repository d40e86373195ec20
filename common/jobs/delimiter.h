/* jobs/delimiter.h - the option --delimiter. */
#ifndef MR_DELIMITER_H
#define MR_DELIMITER_H

#include "millrace/job.h"

/* Reads --delimiter: tab, comma, space, semicolon, or one byte that is not a newline. Returns 0, or -1 after mr_complain. */
int mr_delimiter_option(const mr_options_t *options, char *delimiter, mr_complaint_t *complaint);

#endif
