/* replay.c - a target without libFuzzer: judges each file named, or each file of a folder named, once. It aborts like libFuzzer
 * would; the last line of what is printed before names the input. */
#include <dirent.h>

#include "fuzz.h"

static size_t count;

static void replay_file(const char *path) {
    struct stat status;
    FILE *file = fopen(path, "rb");
    MUST(file && fstat(fileno(file), &status) == 0);
    size_t size = (size_t) status.st_size;
    uint8_t *data = malloc(size ? size : 1); /* exactly as large, so that ASan sees who reads further */
    MUST(data && fread(data, 1, size, file) == size);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    count++;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void replay_folder(const char *path) {
    struct dirent **entries;
    int names = scandir(path, &entries, visible, alphasort);
    MUST(names >= 0);
    for (int i = 0; i < names; i++) {
        char *name;
        MUST(asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0);
        replay_file(name);
        free(name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct stat status;
        MUST(stat(argv[i], &status) == 0);
        if (S_ISDIR(status.st_mode))
            replay_folder(argv[i]);
        else
            replay_file(argv[i]);
    }
    MUST(count > 0);
    printf("[       OK ] %zu inputs\n", count);
    return 0;
}
