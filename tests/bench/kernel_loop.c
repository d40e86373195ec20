/* kernel_loop.c - the yardstick of the engine: the same kernel, over the same files, in one process.
 *
 *   kernel_loop [-j THREADS] [--job NAME] [--chunk MIB] [--block KIB] FILE...
 *
 * Threads take chunks of plain files in turn from a counter, read them block by block and map each into their own table. No
 * network, no sort, no merge, no output but one line: rows (of all tables together), records, seconds. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "input/reader.h"
#include "jobs/registry.h"
#include "options.h"
#include "out.h"

typedef struct loop {
    const mr_job_t *job;
    void *state;
    mr_segment_t *chunks; /* owned */
    size_t count;
    size_t block;
    atomic_size_t next; /* chunk to take */
} loop_t;

typedef struct looper {
    pthread_t thread;
    loop_t *loop;
    size_t rows;
    uint64_t records;
} looper_t;

static void die(const char *what) {
    fprintf(stderr, "kernel_loop: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

static void cut_file(loop_t *loop, const char *path, uint64_t chunk) {
    struct stat status;
    if (stat(path, &status))
        die(path);
    uint64_t size = (uint64_t) status.st_size;
    for (uint64_t start = 0; start < size; start += chunk) {
        loop->chunks = realloc(loop->chunks, (loop->count + 1) * sizeof *loop->chunks);
        if (!loop->chunks)
            die("out of memory");
        loop->chunks[loop->count++] = (mr_segment_t){
            .path = path,
            .file_size = size,
            .mtime_ns = (int64_t) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
            .start = start,
            .end = start + chunk < size ? start + chunk : size,
            .format = MR_FORMAT_PLAIN,
        };
    }
}

static void map_chunk(looper_t *looper, mr_reader_t *reader, const mr_segment_t *chunk, mr_out_t *out) {
    mr_error_t error = {0};
    mr_block_t block;
    if (mr_reader_open(reader, chunk, &error))
        die(error.text);
    int more;
    while ((more = mr_reader_next(reader, &block, &error)) > 0) {
        if (block.bad)
            die(block.bad);
        mr_out_begin(out);
        looper->records += looper->loop->job->map(looper->loop->state, block.data, block.size, out).records;
        if (out->rejected)
            die(out->rejects[0].reason);
    }
    if (more < 0)
        die(error.text);
    mr_reader_close(reader);
}

static void *run(void *argument) {
    looper_t *looper = argument;
    loop_t *loop = looper->loop;
    mr_out_t out = {.table = mr_table_new(loop->job->ops, loop->job->ncells)};
    mr_reader_t *reader = mr_reader_new(loop->block, (size_t) 64 << 20);
    if (!out.table || !reader)
        die("out of memory");
    for (size_t chunk; (chunk = atomic_fetch_add(&loop->next, 1)) < loop->count;)
        map_chunk(looper, reader, &loop->chunks[chunk], &out);
    if (mr_table_error(out.table))
        die(mr_table_error(out.table)->text);
    looper->rows = mr_table_rows(out.table);
    mr_reader_destroy(&reader);
    mr_table_destroy(&out.table);
    return NULL;
}

static void run_threads(loop_t *loop, size_t threads) {
    looper_t loopers[64] = {0};
    double start = now();
    for (size_t i = 0; i < threads; i++) {
        loopers[i].loop = loop;
        if (pthread_create(&loopers[i].thread, NULL, run, &loopers[i]))
            die("no thread");
    }
    size_t rows = 0;
    uint64_t records = 0;
    for (size_t i = 0; i < threads; i++) {
        pthread_join(loopers[i].thread, NULL);
        rows += loopers[i].rows;
        records += loopers[i].records;
    }
    printf("%zu rows %" PRIu64 " records %.3f seconds\n", rows, records, now() - start);
}

/* The job's default options. */
static void set_up(loop_t *loop, const char *name) {
    loop->job = mr_job_find(name);
    if (!loop->job || loop->job->flags & MR_JOB_ARGUMENTS)
        die("no such job on files");
    mr_options_t *options = mr_options_new(loop->job);
    mr_complaint_t complaint = {{0}};
    if (!options || loop->job->configure(options, &loop->state, &complaint))
        die(complaint.text);
    mr_options_destroy(&options);
}

int main(int argc, char **argv) {
    static const struct option known[] = {
        {"job", 1, NULL, 'J'}, {"chunk", 1, NULL, 'c'}, {"block", 1, NULL, 'b'}, {NULL, 0, NULL, 0}};
    loop_t loop = {.block = 256 << 10};
    const char *name = "ngrams";
    size_t threads = 1, chunk = 4;
    for (int option; (option = getopt_long(argc, argv, "j:", known, NULL)) != -1;)
        switch (option) {
        case 'j':
            threads = strtoul(optarg, NULL, 10);
            break;
        case 'J':
            name = optarg;
            break;
        case 'c':
            chunk = strtoul(optarg, NULL, 10);
            break;
        case 'b':
            loop.block = strtoul(optarg, NULL, 10) << 10;
            break;
        default:
            return 2;
        }
    if (optind == argc || threads < 1 || threads > 64 || !chunk || !loop.block)
        die("usage: kernel_loop [-j THREADS] [--job NAME] [--chunk MIB] [--block KIB] FILE...");
    set_up(&loop, name);
    for (int i = optind; i < argc; i++)
        cut_file(&loop, argv[i], (uint64_t) chunk << 20);
    run_threads(&loop, threads);
    free(loop.chunks);
    if (loop.job->destroy)
        loop.job->destroy(loop.state);
    return 0;
}
