/* chaos [--seed N | --seeds A-B] [--budget SECONDS] [--only KIND] [--build DIR] [--verbose]
 *
 * Plays a scene for each seed until the seeds or the seconds are used up. What fails is told with the command that repeats it, and its
 * folder is kept. The last line counts. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

#define MOST_FAILURES 5 /* then it ends: the rest will say no more */

char chaos_build[CHAOS_PATH] = "build/release";
char chaos_work[CHAOS_PATH];

typedef struct options {
    uint64_t first;
    uint64_t last;
    long budget; /* s */
    int only;    /* kind; -1: all in turn */
    bool verbose;
} options_t;

static int usage(void) {
    fputs("usage: chaos [--seed N | --seeds A-B] [--budget SECONDS] [--only kill|stop|reset|net|coordinator]\n"
          "             [--build DIR] [--verbose]\n",
          stderr);
    return 2;
}

static int find_kind(const char *name) {
    for (int i = 0; i < KIND_COUNT; i++)
        if (!strcmp(kind_name((kind_t) i), name))
            return i;
    return -1;
}

static bool take_seeds(options_t *options, const char *text) {
    unsigned long long first, last;
    int got = sscanf(text, "%llu-%llu", &first, &last);
    options->first = first;
    options->last = got == 2 ? last : first;
    return got >= 1 && options->first <= options->last;
}

static bool take_option(options_t *options, int option) {
    switch (option) {
    case 's':
        return take_seeds(options, optarg);
    case 'b':
        return (options->budget = atol(optarg)) > 0;
    case 'o':
        return (options->only = find_kind(optarg)) >= 0;
    case 'd':
        return snprintf(chaos_build, sizeof chaos_build, "%s", optarg) < (int) sizeof chaos_build;
    case 'v':
        return options->verbose = true;
    default:
        return false;
    }
}

static bool read_options(options_t *options, int argc, char **argv) {
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 's'},
                                          {"budget", required_argument, NULL, 'b'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"build", required_argument, NULL, 'd'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (!take_option(options, option))
            return false;
    return optind == argc;
}

static int open_work(void) {
    char build[CHAOS_PATH];
    const char *tmp = getenv("TMPDIR");
    if (!realpath(chaos_build, build)) {
        perror(chaos_build);
        return -1;
    }
    memcpy(chaos_build, build, sizeof build);
    snprintf(chaos_work, sizeof chaos_work, "%.500s/chaos-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(chaos_work) ? 0 : -1;
}

static void tell_failure(const plan_t *plan, const scene_t *scene) {
    printf("FAILED: %s\n", scene->problem);
    plan_print(plan);
    printf("  kept: %s\n  again: scripts/chaos.sh --seed %llu --only %s\n", scene->dir, (unsigned long long) plan->seed,
           kind_name(plan->kind));
    fflush(stdout);
}

static int play(const options_t *options, uint64_t seed, tally_t *tally) {
    static plan_t plan;
    static scene_t scene;
    kind_t kind = options->only >= 0 ? (kind_t) options->only : (kind_t) (seed % KIND_COUNT);
    if ((kind == KIND_RESET || kind == KIND_NET || kind == KIND_COORDINATOR) && net_open())
        return -1;
    plan_draw(&plan, seed, kind);
    if (options->verbose)
        plan_print(&plan);
    scene_play(&plan, tally, &scene);
    tally->scenes++;
    if (*scene.problem) {
        tally->failed++;
        tell_failure(&plan, &scene);
    }
    return 0;
}

static void report(const tally_t *tally, const options_t *options, uint64_t last, double seconds) {
    unsigned resets = 0;
    for (uint32_t i = 0; net_of(0) > 0 && i < MOST_WORKERS; i++)
        resets += atomic_load(&net_proxy(i)->resets);
    for (int i = 0; i < HARM_COUNT; i++)
        if (i == HARM_RESET ? resets : tally->harms[i])
            printf("%u %s, ", i == HARM_RESET ? resets : tally->harms[i], harm_name((harm_t) i));
    if (tally->weather[LOSSY] || tally->weather[NARROW])
        printf("%u runs with 5 %% loss, %u at 1 Mbit/s, ", tally->weather[LOSSY], tally->weather[NARROW]);
    if (tally->resumed)
        printf("%lu committed tasks taken up, ", tally->resumed);
    printf("in %u runs, %.0f s: seeds %llu-%llu%s%s\n%u passed, %u failed\n", tally->scenes, seconds,
           (unsigned long long) options->first, (unsigned long long) last, options->only >= 0 ? ", --only " : "",
           options->only >= 0 ? kind_name((kind_t) options->only) : "", tally->scenes - tally->failed, tally->failed);
}

static int prepare(void) {
    for (unsigned i = 0; i < oracle_jobs(); i++)
        if (oracle_prepare(i))
            return -1;
    return 0;
}

int main(int argc, char **argv) {
    options_t options = {.first = 1, .last = UINT64_MAX, .budget = 60, .only = -1};
    tally_t tally = {0};
    if (!read_options(&options, argc, argv))
        return usage();
    if (open_work() || prepare())
        return 1;
    int64_t started = now_ms();
    uint64_t last = options.first;
    for (uint64_t seed = options.first; tally.failed < MOST_FAILURES; seed++) {
        last = seed;
        if (play(&options, seed, &tally)) {
            tally.failed++;
            break;
        }
        if (seed == options.last || now_ms() - started > options.budget * 1000)
            break;
    }
    report(&tally, &options, last, (double) (now_ms() - started) / 1000);
    net_close();
    if (!tally.failed)
        run_quietly((const char *const[]){"rm", "-rf", chaos_work, NULL}, 0);
    return tally.failed || !tally.scenes;
}
