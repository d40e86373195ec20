/* sink_speed - milliseconds of the sink's final merge into a file, and the memory it takes to reduce more than fits.
 *
 * usage: sink_speed finish [ROWS [RUNS [REDUCERS [tsv|csv|json [key|value|top [FILE]]]]]]
 *        sink_speed memory [MEMORY_MB [INPUT_MB [REDUCERS]]]
 * `finish`: each run has every word, as partials of workers do; best of ROUNDS rounds. `memory`: runs of distinct keys; the figure
 * to look at is the process's largest resident size less what it was before. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

#define ROUNDS 7

static const mr_op_t sum[] = {MR_SUM};
static const mr_job_t job = {.abi = MR_JOB_ABI, .name = "bench", .ncells = 1, .ops = {MR_SUM}};

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

static double cpu_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

static void must(int result, const mr_error_t *error) {
    if (result == 0)
        return;
    fprintf(stderr, "sink_speed: %s\n", error->text);
    exit(1);
}

static uint64_t mix(uint64_t z) {
    z = (z + 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* `rows` rows whose keys ascend; each key is 6 to 14 bytes. */
static void word_run(mr_buffer_t *run, size_t rows, size_t first, size_t step) {
    mr_run_writer_t writer = {.out = run, .ncells = 1};
    for (size_t i = 0; i < rows; i++) {
        char key[32];
        size_t number = first + i * step;
        uint64_t cell = mix(number) >> (20 + mix(number + 7) % 43);
        for (size_t at = 6, left = number; at-- > 0; left /= 26)
            key[at] = (char) ('a' + left % 26);
        memcpy(key + 6, "qzxwvuts", 8);
        if (mr_run_write(&writer, key, 6 + mix(number) % 9, &cell))
            abort();
    }
    mr_run_end_block(&writer);
}

static void give(mr_sink_t *sink, const mr_buffer_t *run, uint64_t partial) {
    mr_error_t error = {0};
    while (!mr_sink_reserve(sink, run->size)) {
        struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
        poll(&ready, 1, -1);
        must(mr_sink_check(sink, &error), &error);
    }
    char *copy = malloc(run->size);
    memcpy(copy, run->data, run->size);
    must(mr_sink_stage(sink, 1, partial, copy, run->size, free, copy, &error), &error);
    must(mr_sink_commit(sink, 1, partial, &error), &error);
}

static mr_sink_t *new_sink(size_t memory, uint32_t reducers) {
    mr_error_t error = {0};
    mr_sink_config_t config = {.memory = memory, .tmp_dir = "/tmp", .reducers = reducers, .ops = sum, .ncells = 1};
    mr_sink_t *sink = mr_sink_new(&config, &error);
    must(sink ? 0 : -1, &error);
    return sink;
}

typedef struct plan {
    size_t rows, runs;
    mr_output_config_t output;
} plan_t;

static void round_of(const plan_t *plan, const mr_buffer_t *run, double *merge, double *cpu, double *commit) {
    mr_error_t error = {0};
    uint64_t rows;
    mr_sink_t *sink = new_sink((size_t) 1 << 30, plan->output.reducers);
    for (size_t i = 0; i < plan->runs; i++)
        give(sink, run, i);
    mr_output_t *output = mr_output_open(&plan->output, &error);
    must(output ? 0 : -1, &error);
    double start = now_ms(), cpu_start = cpu_ms();
    must(mr_output_sink(output, sink, &rows, &error), &error);
    *merge = now_ms() - start;
    *cpu = cpu_ms() - cpu_start;
    start = now_ms();
    must(mr_output_commit(output, &error), &error);
    *commit = now_ms() - start;
    mr_output_destroy(&output);
    mr_sink_destroy(&sink);
}

static void bench_finish(int count, char **arguments) {
    plan_t plan = {.rows = count > 0 ? strtoul(arguments[0], NULL, 10) : 1040000,
                   .runs = count > 1 ? strtoul(arguments[1], NULL, 10) : 2};
    plan.output = (mr_output_config_t){.path = count > 5 ? arguments[5] : "/tmp/sink_speed.out",
                                       .overwrite = true,
                                       .job = &job,
                                       .memory = (size_t) 1 << 30,
                                       .tmp_dir = "/tmp",
                                       .reducers = count > 2 ? (uint32_t) atoi(arguments[2]) : 2};
    const char *format = count > 3 ? arguments[3] : "tsv", *order = count > 4 ? arguments[4] : "key";
    plan.output.format = *format == 'c' ? MR_ROW_CSV : *format == 'j' ? MR_ROW_JSON : MR_ROW_TSV;
    plan.output.sort = *order == 'v' ? MR_SORT_VALUE : MR_SORT_KEY;
    plan.output.top = *order == 't' ? 20 : 0;
    mr_buffer_t run = {0};
    word_run(&run, plan.rows, 0, 308915776 / (plan.rows + 1));
    double best_merge = 1e9, best_cpu = 1e9, best_commit = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double merge, cpu, commit;
        round_of(&plan, &run, &merge, &cpu, &commit);
        best_merge = merge < best_merge ? merge : best_merge;
        best_cpu = cpu < best_cpu ? cpu : best_cpu;
        best_commit = commit < best_commit ? commit : best_commit;
    }
    printf("%zu runs of %zu rows, %zu bytes each; %u reducers; %s by %s: merge %.1f ms (cpu %.1f), commit %.1f ms\n",
           plan.runs, plan.rows, run.size, plan.output.reducers, format, order, best_merge, best_cpu, best_commit);
    if (count <= 5)
        unlink(plan.output.path);
    mr_buffer_free(&run);
}

static size_t resident_kb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t) usage.ru_maxrss;
}

static void bench_memory(int count, char **arguments) {
    size_t memory = (size_t) (count > 0 ? atoi(arguments[0]) : 32) << 20;
    size_t input = (size_t) (count > 1 ? atoi(arguments[1]) : 200) << 20;
    mr_sink_t *sink = new_sink(memory, count > 2 ? (uint32_t) atoi(arguments[2]) : 2);
    mr_buffer_t run = {0};
    word_run(&run, 50000, 0, 1);
    size_t runs = input / run.size, before = resident_kb();
    double start = now_ms();
    for (size_t i = 0; i < runs; i++) {
        run.size = 0;
        word_run(&run, 50000, i, runs);
        give(sink, &run, i);
    }
    double fed = now_ms() - start;
    mr_error_t error = {0};
    mr_output_config_t config = {
        .path = "/tmp/sink_speed.out", .overwrite = true, .job = &job, .memory = memory, .tmp_dir = "/tmp"};
    mr_output_t *output = mr_output_open(&config, &error);
    must(output ? 0 : -1, &error);
    uint64_t rows;
    size_t middle = resident_kb();
    start = now_ms();
    must(mr_output_sink(output, sink, &rows, &error), &error);
    mr_sink_stats_t stats = mr_sink_stats(sink);
    printf(
        "memory %zu MiB, input %zu MiB in %zu runs, %llu rows: fed in %.0f ms, finished in %.0f ms\n"
        "%llu merges, %llu MiB spilled; accounted peak %.1f MiB, resident peak less start %.1f MiB (%.1f when fed)\n",
        memory >> 20, input >> 20, runs, (unsigned long long) rows, fed, now_ms() - start,
        (unsigned long long) stats.merges, (unsigned long long) stats.spilled_bytes >> 20,
        (double) stats.peak_memory / 1048576, (double) (resident_kb() - before) / 1024,
        (double) (middle - before) / 1024);
    mr_output_destroy(&output);
    mr_sink_destroy(&sink);
    mr_buffer_free(&run);
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "memory") == 0)
        bench_memory(count - 2, arguments + 2);
    else
        bench_finish(count > 1 ? count - 2 : 0, arguments + 2);
    return 0;
}
