/* input/url.h - inputs that are named by a URL. */
#ifndef MR_URL_H
#define MR_URL_H

#include <stdbool.h>

/* http:// or https://; a file of that name is ./http:... */
bool mr_url_is(const char *name);

/* The URL without what may be secret: user and password, query (the signature of a pre-signed one) and fragment. The caller frees it; NULL when
 * memory is out. */
char *mr_url_shown(const char *url);

#endif
