/* input/curl.h - libcurl, loaded when the first URL is read: to be linked with it costs each process 6 ms of processor time at its start, and the
 * least of them read a URL. */
#ifndef MR_CURL_H
#define MR_CURL_H

#include <curl/curl.h>

#include "error.h"

#define MR_CURL_FUNCTIONS(X)                                                                                           \
    X(global_init)                                                                                                     \
    X(easy_init)                                                                                                       \
    X(easy_setopt)                                                                                                     \
    X(easy_getinfo)                                                                                                    \
    X(easy_pause)                                                                                                      \
    X(easy_strerror)                                                                                                   \
    X(easy_cleanup)                                                                                                    \
    X(multi_init)                                                                                                      \
    X(multi_add_handle)                                                                                                \
    X(multi_remove_handle) X(multi_perform) X(multi_poll) X(multi_info_read) X(multi_cleanup)

typedef struct mr_curl {
#define X(name) __typeof__(curl_##name) *name;
    MR_CURL_FUNCTIONS(X)
#undef X
} mr_curl_t;

/* Any thread may call it. NULL: it is not installed, or too old. */
const mr_curl_t *mr_curl(mr_error_t *error);

#endif
