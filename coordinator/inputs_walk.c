/* A directory becomes the files under it, in the order of their names' bytes, links followed. Each file and directory is
 * visited once, so that a walk ends whatever links there are. What is neither is passed over; a link that leads nowhere or to
 * itself is a problem. A directory is closed before those in it are opened. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs_private.h"

/* ---- the set ---- */

static size_t slot_of(const mr_seen_t *seen, dev_t device, ino_t inode) {
    uint64_t hash = ((uint64_t) inode ^ (uint64_t) device << 40) * 0x9e3779b97f4a7c15u;
    size_t mask = seen->capacity - 1, slot = (size_t) (hash >> 20) & mask;
    while (seen->items[slot].used && (seen->items[slot].device != device || seen->items[slot].inode != inode))
        slot = (slot + 1) & mask;
    return slot;
}

static int grow(mr_seen_t *seen) {
    mr_seen_t larger = {.capacity = seen->capacity ? 2 * seen->capacity : 64, .count = seen->count};
    larger.items = calloc(larger.capacity, sizeof *larger.items);
    if (!larger.items)
        return -1;
    for (size_t i = 0; i < seen->capacity; i++)
        if (seen->items[i].used)
            larger.items[slot_of(&larger, seen->items[i].device, seen->items[i].inode)] = seen->items[i];
    free(seen->items);
    *seen = larger;
    return 0;
}

int mr_seen_add(mr_seen_t *seen, const struct stat *status) {
    if (2 * seen->count >= seen->capacity && grow(seen))
        return -1;
    struct mr_identity *item = &seen->items[slot_of(seen, status->st_dev, status->st_ino)];
    if (item->used)
        return 0;
    *item = (struct mr_identity){.device = status->st_dev, .inode = status->st_ino, .used = true};
    seen->count++;
    return 1;
}

/* ---- the walk ---- */

static int not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static char *join(const char *directory, const char *name) {
    size_t size = strlen(directory);
    char *path;
    const char *slash = size > 0 && directory[size - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", directory, slash, name) < 0 ? NULL : path;
}

static int collect_found(mr_collector_t *collector, const char *path, unsigned char type) {
    struct stat status;
    if (type == DT_REG)
        return mr_collect_file(collector, path, NULL);
    if (mr_collect_stat(collector, path, &status))
        return mr_collect_problem(collector, "%s: %s%s", path, mr_collect_reason(collector, errno),
                                  type == DT_LNK && errno != EXDEV ? " (a symbolic link that leads nowhere)" : "");
    if (S_ISDIR(status.st_mode))
        return mr_collect_directory(collector, path, &status);
    return S_ISREG(status.st_mode) ? mr_collect_file(collector, path, NULL) : 0;
}

static int collect_entry(mr_collector_t *collector, const char *directory, const struct dirent *entry) {
    char *path = join(directory, entry->d_name);
    if (!path)
        return mr_error_memory(collector->fatal, "walking a directory");
    int result = collect_found(collector, path, entry->d_type);
    free(path);
    return result;
}

int mr_collect_directory(mr_collector_t *collector, const char *name, const struct stat *status) {
    struct dirent **entries;
    int fresh = mr_seen_add(&collector->seen, status);
    if (fresh < 0)
        return mr_error_memory(collector->fatal, "walking a directory");
    if (!fresh)
        return 0;
    int fd = mr_collect_open(collector, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd < 0 ? -1 : scandirat(fd, ".", &entries, not_dots, by_name);
    if (count < 0)
        mr_collect_problem(collector, "%s: %s", name, mr_collect_reason(collector, errno));
    if (fd >= 0)
        close(fd);
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = collect_entry(collector, name, entries[i]);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return result;
}
