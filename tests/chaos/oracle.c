/* The jobs with their inputs, what must come out of each, and whether it did. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../sim/random.h"
#include "chaos.h"

typedef struct job {
    const char *words[8]; /* of the command line, without inputs */
    const char *inputs[4];
    bool narrow;
    int64_t bytes;     /* of all inputs */
    long long records; /* by the serial run */
} job_t;

static job_t jobs[] = {
    {.words = {"ngrams"}, .inputs = {"a", "b", "c"}, .narrow = true},
    {.words = {"ngrams"}, .inputs = {"a.gz", "b.gz", "c.gz"}, .narrow = true},
    {.words = {"sum", "--key", "1", "--value", "2"}, .inputs = {"distinct"}},
    {.words = {"count", "--key", "1"}, .inputs = {"distinct", "a"}},
    {.words = {"wordcount", "--lower"}, .inputs = {"b", "c", "large"}, .narrow = true},
    {.words = {"ngrams"}, .inputs = {"large", "a.gz"}, .narrow = true},
};

unsigned oracle_jobs(void) {
    return sizeof jobs / sizeof *jobs;
}

bool oracle_is_narrow(unsigned job) {
    return jobs[job].narrow;
}

int64_t oracle_bytes(unsigned job) {
    return jobs[job].bytes;
}

/* ---- inputs ---- */

static void input_path(const char *name, char path[CHAOS_PATH]) {
    snprintf(path, CHAOS_PATH, "%.900s/inputs/%s", chaos_work, name);
}

/* Lines WORD TAB YEAR TAB COUNT TAB VOLUMES, grouped by word, as 1-grams are. */
static void write_grouped(FILE *file, uint64_t random, long bytes) {
    while (ftell(file) < bytes) {
        unsigned word = (unsigned) sim_between(&random, 0, 3000);
        for (int64_t years = sim_between(&random, 1, 60), year = 1950; years-- > 0; year++)
            fprintf(file, "w%06x_%u\t%lld\t%lld\t%lld\n", word * 7919, word % 9, (long long) year,
                    (long long) sim_between(&random, 1, 100000), (long long) sim_between(&random, 1, 900));
    }
}

static void write_distinct(FILE *file, uint64_t random, long bytes) {
    for (unsigned long i = 0; ftell(file) < bytes; i++)
        fprintf(file, "key-%llx-%lu\t%lld\n", (unsigned long long) (sim_random(&random) >> 40), i,
                (long long) sim_between(&random, 0, 1000000));
}

static int write_input(const char *name, uint64_t random, long bytes) {
    char path[CHAOS_PATH];
    input_path(name, path);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    if (!strcmp(name, "distinct"))
        write_distinct(file, random, bytes);
    else
        write_grouped(file, random, bytes);
    return fclose(file);
}

static int compress_input(const char *name) {
    char path[CHAOS_PATH];
    input_path(name, path);
    const char *arguments[] = {"gzip", "-1", "-k", "-f", path, NULL};
    return run_quietly(arguments, 0);
}

static int make_inputs(void) {
    static bool made;
    char dir[CHAOS_PATH];
    input_path("", dir);
    if (made)
        return 0;
    made = true;
    return (mkdir(dir, 0700) && errno != EEXIST) || write_input("a", 1, 2000000) || write_input("b", 2, 3000000) ||
                   write_input("c", 3, 1500000) || write_input("distinct", 4, 5000000) ||
                   write_input("large", 5, 20000000) || compress_input("a") || compress_input("b") ||
                   compress_input("c")
               ? -1
               : 0;
}

/* ---- the serial run ---- */

size_t oracle_command(unsigned job, const char **arguments, size_t at) {
    static char paths[4][CHAOS_PATH];
    for (size_t i = 0; jobs[job].words[i]; i++)
        arguments[at++] = jobs[job].words[i];
    for (size_t i = 0; i < 4 && jobs[job].inputs[i]; i++) {
        input_path(jobs[job].inputs[i], paths[i]);
        arguments[at++] = paths[i];
    }
    return at;
}

/* The closing line: `N files, SIZE, R records = A reduced + B rejected, ...`. */
static bool read_summary(const char *log, long long numbers[4], unsigned *resumed) {
    char line[4096], *mark;
    bool found = false;
    *resumed = 0;
    FILE *file = fopen(log, "r");
    while (file && fgets(line, sizeof line, file)) {
        if ((mark = strstr(line, "; resumed: ")))
            *resumed = (unsigned) strtoul(mark + strlen("; resumed: "), NULL, 10);
        found |= sscanf(line, "millrace: %lld files, %*[^,], %lld records = %lld reduced + %lld rejected,", &numbers[0],
                        &numbers[1], &numbers[2], &numbers[3]) == 4;
    }
    if (file)
        fclose(file);
    return found;
}

static int run_serially(unsigned job, const char *log, const char *rows) {
    char program[CHAOS_PATH + 32];
    const char *arguments[MOST_ARGUMENTS] = {program, "run"};
    snprintf(program, sizeof program, "%s/coordinator/millrace", chaos_build);
    size_t at = oracle_command(job, arguments, 2);
    const char *serial[] = {"--workers", "1", "--threads", "1", "--chunk", "1G", "--reducers", "1", NULL};
    memcpy(arguments + at, serial, sizeof serial);
    process_t process = {.pid = launch(arguments, log, rows, 0)};
    return process.pid > 0 && await_end(&process, 120000) ? process.status : -1;
}

int oracle_prepare(unsigned job) {
    char log[CHAOS_PATH + 32], rows[CHAOS_PATH + 32], path[CHAOS_PATH];
    long long numbers[4];
    unsigned resumed;
    struct stat status;
    if (jobs[job].records)
        return 0;
    snprintf(log, sizeof log, "%s/serial-%u.err", chaos_work, job);
    snprintf(rows, sizeof rows, "%s/serial-%u", chaos_work, job);
    if (make_inputs() || run_serially(job, log, rows) != 0 || !read_summary(log, numbers, &resumed)) {
        fprintf(stderr, "chaos: the serial run of job %u failed; see %s\n", job, log);
        return -1;
    }
    jobs[job].records = numbers[1];
    for (size_t i = 0; i < 4 && jobs[job].inputs[i]; i++) {
        input_path(jobs[job].inputs[i], path);
        jobs[job].bytes += stat(path, &status) ? 0 : status.st_size;
    }
    return 0;
}

/* ---- judging ---- */

static bool same_bytes(const char *one, const char *other) {
    const char *arguments[] = {"cmp", "-s", one, other, NULL};
    return run_quietly(arguments, 0) == 0;
}

/* In bad weather everyone is alive. */
static void judge_deaths(scene_t *scene, const char *log) {
    char line[4096];
    FILE *file = fopen(log, "r");
    while (file && fgets(line, sizeof line, file))
        if (strstr(line, "queued again"))
            scene_problem(scene, "a worker that lives was given up: %.3000s", line);
    if (file)
        fclose(file);
}

static void judge_ledger(scene_t *scene, const char *log) {
    const job_t *job = &jobs[scene->plan->job];
    long long numbers[4] = {0}, files = 0;
    unsigned resumed;
    while (files < 4 && job->inputs[files])
        files++;
    if (!read_summary(log, numbers, &resumed))
        scene_problem(scene, "no closing summary");
    else if (numbers[0] != files || numbers[1] != job->records || numbers[2] + numbers[3] != numbers[1])
        scene_problem(scene,
                      "the ledger is wrong: %lld files, %lld records = %lld + %lld; of the serial run %lld records",
                      numbers[0], numbers[1], numbers[2], numbers[3], job->records);
    else if (resumed != scene->committed)
        scene_problem(scene, "%u tasks were committed, but %u were taken up", scene->committed, resumed);
}

void oracle_judge(scene_t *scene, int status) {
    char log[CHAOS_PATH + 32], rows[CHAOS_PATH + 32], wanted[CHAOS_PATH + 32];
    snprintf(log, sizeof log, "%s/err", scene->dir);
    snprintf(rows, sizeof rows, "%s/out/rows", scene->dir);
    snprintf(wanted, sizeof wanted, "%s/serial-%u", chaos_work, scene->plan->job);
    if (scene->interrupted && status == 130) {
        if (!access(rows, F_OK))
            scene_problem(scene, "interrupted, but there is an output");
        return;
    }
    if (status != 0 && !scene->complete)
        scene_problem(scene, "exit status %d", status);
    else if (!same_bytes(rows, wanted))
        scene_problem(scene, "the rows are not those of the serial run");
    else if (!scene->complete) /* it may not have come to print its summary */
        judge_ledger(scene, log);
    if (scene->plan->weather)
        judge_deaths(scene, log);
}
