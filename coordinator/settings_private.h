/* settings_private.h - what settings.c gives to settings_parse.c. */
#ifndef MR_SETTINGS_PRIVATE_H
#define MR_SETTINGS_PRIVATE_H

#include "settings.h"

/* The name, letter (0: none) and kind of a setting. */
const char *mr_settings_name(unsigned setting, char *letter, bool *has_value);

/* Whether it is of any of these uses. */
bool mr_settings_is_of(unsigned setting, mr_use_t use);

/* Sets a value (copied; NULL is a switch turned on), and where it came from. */
int mr_settings_set(mr_settings_t *settings, unsigned setting, const char *source, const char *value,
                    mr_error_t *error);

#endif
