#include "timeline.h"

#include <time.h>

#include "log.h"

void mr_timeline(const char *what) {
    struct timespec now;
    if (!mr_log_shows(MR_LOG_DEBUG))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    mr_log(MR_LOG_DEBUG, "timeline: %lld.%06ld: %s", (long long) now.tv_sec, now.tv_nsec / 1000, what);
}
