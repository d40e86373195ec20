#include "input/curl.h"

#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libcurl.so.4"

static mr_curl_t functions;
static bool loaded;

static bool find_all(void *library) {
#define X(name)                                                                                                        \
    *(void **) &functions.name = dlsym(library, "curl_" #name);                                                        \
    if (!functions.name)                                                                                               \
        return false;
    MR_CURL_FUNCTIONS(X)
#undef X
    return true;
}

/* It stays loaded. */
static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    loaded = library && find_all(library) && !functions.global_init(CURL_GLOBAL_ALL);
}

const mr_curl_t *mr_curl(mr_error_t *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!loaded)
        mr_error_set(error, MR_STATUS_INPUT,
                     "URLs are read by " LIBRARY " (7.85 or newer), which is not here: install it (Debian: libcurl4)");
    return loaded ? &functions : NULL;
}
