#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "input/fingerprint.h"
#include "units.h"

#define LEAST_ROOM ((uint64_t) 1 << 30) /* bytes that should be free where runs are spilled */

static void append(mr_buffer_t *findings, const char *text, char end) {
    size_t from = findings->size;
    if (mr_buffer_append(findings, text, strlen(text)) || mr_buffer_append(findings, &end, 1))
        return;
    for (size_t i = from; i + 1 < findings->size; i++)
        if (findings->data[i] == '\t' || findings->data[i] == '\n')
            findings->data[i] = ' ';
}

void mr_check_note(mr_buffer_t *findings, mr_level_t level, const char *subject, const char *fix, const char *format,
                   ...) {
    static const char *const levels[] = {"ok", "warn", "fail"};
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    append(findings, levels[level], '\t');
    append(findings, subject, '\t');
    append(findings, text, '\t');
    append(findings, fix ? fix : "", '\n');
}

void mr_check_descriptors(mr_buffer_t *findings, uint64_t needed) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    bool enough = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed;
    mr_check_note(findings, enough ? MR_LEVEL_OK : MR_LEVEL_WARN, "descriptors",
                  enough ? NULL : "raise the hard limit: ulimit -Hn, LimitNOFILE= of systemd, --ulimit of docker",
                  "%llu may be open, %llu are asked for", (unsigned long long) limit.rlim_max,
                  (unsigned long long) needed);
}

void mr_check_directory(mr_buffer_t *findings, const char *what, const char *path) {
    struct statvfs room;
    char size[32];
    if (access(path, W_OK | X_OK) || statvfs(path, &room)) {
        mr_check_note(findings, MR_LEVEL_FAIL, what, "make it, or name another directory with --tmp", "%s: %s", path,
                      strerror(errno));
        return;
    }
    uint64_t free = (uint64_t) room.f_bavail * room.f_frsize;
    mr_format_size(size, (double) free);
    mr_check_note(findings, free >= LEAST_ROOM ? MR_LEVEL_OK : MR_LEVEL_WARN, what,
                  free >= LEAST_ROOM ? NULL : "free some, or name another directory with --tmp", "%s: %s are free",
                  path, size);
}

/* ---- reachability ---- */

/* 0, or errno. */
static int connect_within(const struct sockaddr *address, socklen_t size, int64_t patience_ms) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int reason = 0;
    if (fd < 0)
        return errno;
    if (connect(fd, address, size)) {
        struct pollfd item = {fd, POLLOUT, 0};
        socklen_t length = sizeof reason;
        reason = errno;
        if (reason == EINPROGRESS)
            reason = poll(&item, 1, (int) patience_ms) <= 0                   ? ETIMEDOUT
                     : getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length) ? errno
                                                                              : reason;
    }
    close(fd);
    return reason;
}

static const char *fix_for(int reason) {
    return reason == ECONNREFUSED ? "start the coordinator there, or connect to the port it listens at"
           : reason == ETIMEDOUT  ? "open the port in the firewalls between, or publish it (containers)"
                                  : "check the network and the routes to that host";
}

static void note_reach(mr_buffer_t *findings, const char *what, const char *endpoint, const char *address, int reason,
                       int64_t took_ms) {
    if (reason)
        mr_check_note(findings, MR_LEVEL_FAIL, what, fix_for(reason), "%s (%s): %s", endpoint, address,
                      reason == ETIMEDOUT ? "no answer" : strerror(reason));
    else
        mr_check_note(findings, MR_LEVEL_OK, what, NULL, "%s (%s): reached in %lld ms", endpoint, address,
                      (long long) took_ms);
}

static void reach_tcp(mr_buffer_t *findings, const char *what, const char *endpoint, int64_t patience_ms) {
    char host[256], text[256] = "";
    const char *from = endpoint + strlen("tcp://"), *colon = strrchr(from, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    snprintf(host, sizeof host, "%.*s", colon ? (int) (colon - from) : 0, from);
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    if (bracketed)
        host[length - 1] = 0;
    int failed = getaddrinfo(host + bracketed, colon ? colon + 1 : "", &hints, &list);
    if (failed) {
        mr_check_note(findings, MR_LEVEL_FAIL, what, "mend the name (DNS, /etc/hosts), or use an address",
                      "%s: the name cannot be resolved: %s", endpoint, gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        int64_t began = mr_clock_ms();
        getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        int reason = connect_within(one->ai_addr, one->ai_addrlen, patience_ms);
        if (reason && one->ai_next)
            continue; /* as one connects by any of them, only the last failure counts */
        note_reach(findings, what, endpoint, text, reason, mr_clock_ms() - began);
        break;
    }
    freeaddrinfo(list);
}

void mr_check_reach(mr_buffer_t *findings, const char *what, const char *endpoint, int64_t patience_ms) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!strncmp(endpoint, "tcp://", 6)) {
        reach_tcp(findings, what, endpoint, patience_ms);
        return;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + (strncmp(endpoint, "ipc://", 6) ? 0 : 6));
    note_reach(findings, what, endpoint, "this machine",
               connect_within((const struct sockaddr *) &address, sizeof address, patience_ms), 0);
}

/* ---- inputs ---- */

static const char *difference(int fd, const mr_segment_t *segment) {
    struct stat status;
    uint64_t fingerprint;
    if (fstat(fd, &status))
        return strerror(errno);
    if ((uint64_t) status.st_size != segment->file_size)
        return "it has another size here";
    if ((int64_t) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec != segment->mtime_ns)
        return "it was changed at another time here (copy files with their times: cp -p, rsync -t)";
    if (segment->fingerprint &&
        (mr_fingerprint(fd, segment->file_size, &fingerprint) || fingerprint != segment->fingerprint))
        return "it has another content here";
    return NULL;
}

void mr_check_input(mr_buffer_t *findings, const mr_segment_t *segment) {
    int fd = open(segment->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *why = fd < 0 ? strerror(errno) : difference(fd, segment);
    if (why)
        mr_check_note(findings, MR_LEVEL_WARN, "input",
                      "none is needed: the coordinator sends it; to spare the network, mount or copy it here", "%s: %s",
                      segment->path, why);
    else
        mr_check_note(findings, MR_LEVEL_OK, "input", NULL, "%s: is seen here", segment->path);
    if (fd >= 0)
        close(fd);
}
