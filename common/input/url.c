#include "input/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool mr_url_is(const char *name) {
    return !strncasecmp(name, "http://", 7) || !strncasecmp(name, "https://", 8);
}

char *mr_url_shown(const char *url) {
    const char *host = strstr(url, "://") + 3;
    const char *end = url + strcspn(url, "?#");
    size_t authority = strcspn(host, "/?#");
    const char *user = memrchr(host, '@', authority);
    char *shown = malloc((size_t) (end - url) + 1);
    if (!shown)
        return NULL;
    size_t scheme = (size_t) (host - url);
    memcpy(shown, url, scheme);
    host = user ? user + 1 : host;
    memcpy(shown + scheme, host, (size_t) (end - host));
    shown[scheme + (size_t) (end - host)] = 0;
    return shown;
}
