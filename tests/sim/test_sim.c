/* test_sim.c - thousands of simulated clusters, each from a seed.
 *
 * MILLRACE_SIM_SEEDS=N  how many (default 10,000; 500 with a sanitizer)
 * MILLRACE_SIM_SEED=S   only this one
 * MILLRACE_SIM_WORKERS=N  in the largest cluster (default 10,000; 1,000 with a sanitizer) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "sim.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 500
#else
#define SEEDS 10000
#endif

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- faults ---- */

static void run_seed(uint64_t seed) {
    sim_config_t config = sim_draw(seed);
    sim_result_t result = sim_run(&config);
    if (result.violation[0])
        fail_msg("seed %" PRIu64 ": %s\n  again: MILLRACE_SIM_SEED=%" PRIu64 " test_sim", seed, result.violation, seed);
}

static void any_cluster_reduces_each_task_once(void **state) {
    (void) state;
    const char *only = getenv("MILLRACE_SIM_SEED");
    if (only && *only) {
        run_seed(number_from("MILLRACE_SIM_SEED", 0));
        return;
    }
    for (uint64_t seed = 0; seed < number_from("MILLRACE_SIM_SEEDS", SEEDS); seed++)
        run_seed(seed);
}

/* The clusters do have the trouble they are meant to have, and the same seed is the same history. */
static void clusters_have_trouble(void **state) {
    (void) state;
    uint64_t retries = 0, discarded = 0, stale = 0, failed = 0, lives = 0, helds = 0, asides = 0;
    uint64_t backups = 0, won = 0, adopted = 0, lost = 0, accounts = 0, revoked = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_config_t config = sim_draw(seed);
        sim_result_t result = sim_run(&config);
        retries += result.past.retries + result.stats.retries;
        discarded += result.past.discarded + result.stats.discarded;
        stale += result.past.stale + result.stats.stale;
        backups += result.past.backups + result.stats.backups;
        won += result.past.won + result.stats.won;
        adopted += result.past.adopted + result.stats.adopted;
        lost += result.past.lost + result.stats.lost;
        failed += result.failed;
        lives += result.lives;
        helds += result.helds;
        asides += result.asides;
        accounts += result.accounts;
        revoked += result.revoked;
    }
    print_message(
        "  200 clusters: %" PRIu64 " retries, %" PRIu64 " partials discarded, %" PRIu64 " backups, %" PRIu64
        " of them won, %" PRIu64 " restarts, %" PRIu64 " reports, %" PRIu64 " adopted, %" PRIu64 " lost, %" PRIu64
        " set aside, %" PRIu64 " asked, %" PRIu64 " commits not on disk, %" PRIu64 " jobs failed\n",
        retries, discarded, backups, won, lives - 200, helds, adopted, lost, asides, accounts, revoked, failed);
    assert_true(retries > 2000 && discarded > 500 && stale > 1000 && failed > 5);
    assert_true(backups > 100 && won > 50 && lives > 230 && helds > 500 && adopted > 100 && lost > 50 && asides > 20);
    assert_true(accounts > 20 && revoked > 10);
    sim_config_t config = sim_draw(7);
    sim_result_t first = sim_run(&config);
    sim_result_t second = sim_run(&config);
    assert_memory_equal(&first, &second, sizeof first);
}

static double short_us(uint64_t seed, uint32_t task) {
    return 500 + (double) (sim_mix(seed + task) % 1000);
}

static sim_config_t calm(uint32_t tasks, uint32_t workers, uint32_t threads) {
    sim_config_t config = {.seed = tasks, .workers = workers, .work_us = short_us, .latency_us = 50, .jitter_us = 50};
    config.scheduler = (mr_scheduler_config_t){
        .tasks = tasks, .lease_ms = 1000, .max_attempts = 4, .max_credit = 4096, .credit_ms = 50, .max_batch = 1024};
    for (uint32_t i = 0; i < workers; i++) {
        config.threads[i] = threads;
        config.speed[i] = 1;
    }
    return config;
}

/* A task that kills every worker that begins it fails the job by its own name, whoever ran beside it. */
static void poison_is_named(void **state) {
    (void) state;
    for (uint32_t seed = 0; seed < 200; seed++) {
        sim_config_t config = calm(200, 1 + seed % 5, 1 + seed % 7);
        config.seed = seed;
        config.poisoned = true;
        config.poison = (uint32_t) (sim_mix(seed) % 200);
        config.report_us = seed % 3 * 400;
        sim_result_t result = sim_run(&config);
        if (result.violation[0] || !result.failed || result.failed_task != config.poison)
            fail_msg("seed %u: poison %u, failed %d by task %u; %s", seed, config.poison, result.failed,
                     result.failed_task, result.violation);
    }
}

/* ---- the checks can fail ---- */

typedef struct sabotage_case {
    sim_sabotage_t sabotage;
    const char *name;
    unsigned percent; /* of the clusters in which it was done, at least, that are caught */
} sabotage_case_t;

static void check_sabotage(const sabotage_case_t *test) {
    unsigned done = 0, caught = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_config_t config = sim_draw(seed);
        config.sabotage = test->sabotage;
        config.account &= test->sabotage != SABOTAGE_KEEP_QUIET; /* which it heals */
        sim_result_t result = sim_run(&config);
        done += result.sabotaged > 0;
        caught += result.sabotaged > 0 && result.violation[0];
        if (!result.sabotaged && result.violation[0])
            fail_msg("%s: seed %" PRIu64 " was not sabotaged: %s", test->name, seed, result.violation);
    }
    print_message("  %s: done in %u of 300 clusters, caught in %u\n", test->name, done, caught);
    assert_true(done >= 20 && caught * 100 >= done * test->percent);
}

static void sabotage_is_caught(void **state) {
    (void) state;
    static const sabotage_case_t cases[] = {
        {SABOTAGE_COMMIT_STALE, "a stale partial is reduced", 100},
        {SABOTAGE_DISCARD_GOOD, "a committed partial is not reduced", 100},
        {SABOTAGE_HALF, "half of a partial is reduced", 100},
        {SABOTAGE_FREE_EARLY, "a partial is freed before its verdict", 90},
        /* A death that is noticed, or a worker that flushes by itself, heals these: not every cluster can show them. */
        {SABOTAGE_NO_FLUSH, "FLUSH is never sent", 40},
        {SABOTAGE_NO_LEASE, "leases never run out", 5},
        {SABOTAGE_FORGET, "a new coordinator forgets what was committed", 90},
        {SABOTAGE_TRUST, "what came back is reduced whatever the verdict", 60},
        {SABOTAGE_SHARE, "backups share a partial", 30},
        {SABOTAGE_NO_HELD, "what a worker holds is not heard", 8},
        {SABOTAGE_NO_RESEND, "partials are not sent again", 40},
        {SABOTAGE_KEEP_QUIET, "a discarded partial is not given back", 2},
        /* A coordinator must die just then. */
        {SABOTAGE_ANSWER_EARLY, "a commit is answered before it is on disk", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_sabotage(&cases[i]);
}

/* Tasks of a discarded partial that nobody gives back are found by asking. */
static void asking_heals(void **state) {
    (void) state;
    uint64_t accounts = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_config_t config = sim_draw(seed);
        config.account = true;
        config.sabotage = SABOTAGE_KEEP_QUIET;
        sim_result_t result = sim_run(&config);
        accounts += result.accounts;
        if (result.violation[0])
            fail_msg("seed %" PRIu64 ": %s", seed, result.violation);
    }
    print_message("  300 clusters: %" PRIu64 " times asked\n", accounts);
    assert_true(accounts > 50);
}

/* ---- speed ---- */

static double zipf_us(uint64_t seed, uint32_t task) {
    uint32_t rank = (uint32_t) (sim_mix(seed * 7 + task) % 4000); /* a draw with repetition: sizes in random order */
    return 2000000.0 / (rank + 10);
}

static double same_us(uint64_t seed, uint32_t task) {
    (void) seed, (void) task;
    return 2000;
}

static double long_us(uint64_t seed, uint32_t task) {
    (void) seed, (void) task;
    return 300000;
}

static double tiny_us(uint64_t seed, uint32_t task) {
    (void) seed, (void) task;
    return 2;
}

static double largest(const sim_config_t *config) {
    double most = 0;
    for (uint32_t i = 0; i < config->scheduler.tasks; i++) {
        double work = config->work_us(config->seed, i);
        most = work > most ? work : most;
    }
    return most;
}

/* Runs a cluster without faults and says how far from ideal it was: all work over all speed, and one task on the slowest. */
static sim_result_t measure(const char *name, const sim_config_t *config, double bound) {
    sim_result_t result = sim_run(config);
    assert_string_equal(result.violation, "");
    double slowest = config->speed[0];
    for (uint32_t i = 0; i < config->workers; i++)
        slowest = config->speed[i] < slowest ? config->speed[i] : slowest;
    double granule = largest(config) / slowest;
    double ratio = (double) result.makespan_us / result.ideal_us;
    print_message("  %-34s makespan %.0f ms, /ideal %.3f (one task on the slowest: %.3f of it), %.1f tasks a message\n",
                  name, (double) result.makespan_us / 1000, ratio, granule / result.ideal_us,
                  config->scheduler.tasks / (double) result.messages);
    assert_true((double) result.makespan_us <= bound * result.ideal_us + granule);
    return result;
}

static void tail_is_short(void **state) {
    (void) state;
    sim_config_t config = calm(4000, 4, 1);
    config.work_us = same_us;
    measure("uniform, 4 workers", &config, 1.05);
    config.speed[2] = 0.1;
    measure("one of 4 ten times slower", &config, 1.05);
    config = calm(4000, 4, 2);
    config.work_us = zipf_us;
    measure("Zipf-like, 4 workers of 2 threads", &config, 1.05);
    config.speed[0] = 0.1;
    measure("Zipf-like, one ten times slower", &config, 1.05);
    config = calm(10000, 48, 4);
    config.work_us = same_us;
    measure("uniform, 48 workers of 4", &config, 1.05);
}

static void long_tasks_go_out_by_ones(void **state) {
    (void) state;
    sim_config_t config = calm(100, 4, 1);
    config.work_us = long_us;
    sim_result_t result = measure("300 ms tasks", &config, 1.05);
    assert_true(result.messages >= 50);
}

static void tiny_tasks_go_out_by_hundreds(void **state) {
    (void) state;
    sim_config_t config = calm(200000, 2, 1);
    config.work_us = tiny_us;
    config.report_us = 100;
    sim_result_t result = measure("200,000 tasks of 2 us, 2 workers", &config, 1.05);
    assert_true(result.messages <= 200000 / 200);
}

/* Equal workers that start some time apart end together. */
static void staggered_start_ends_together(void **state) {
    (void) state;
    static double (*const works[])(uint64_t, uint32_t) = {tiny_us, short_us, same_us};
    static const uint32_t tasks[] = {100000, 1000, 400};
    for (size_t i = 0; i < 3; i++) {
        sim_config_t config = calm(tasks[i], 4, 1);
        config.work_us = works[i];
        config.report_us = 100;
        for (uint32_t w = 0; w < 4; w++)
            config.join_us[w] = (int64_t) w * 20000;
        sim_result_t result = sim_run(&config);
        assert_string_equal(result.violation, "");
        int64_t first = INT64_MAX, last = 0;
        for (uint32_t w = 0; w < 4; w++) {
            first = result.ended_us[w] < first ? result.ended_us[w] : first;
            last = result.ended_us[w] > last ? result.ended_us[w] : last;
        }
        print_message("  started 20 ms apart, %u tasks: ended at %.1f .. %.1f ms\n", tasks[i], (double) first / 1000,
                      (double) last / 1000);
        assert_true((double) last <= 1.3 * (double) first);
    }
}

/* ---- very many workers ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 1000
#else
#define MANY 10000
#endif

static uint32_t many(void) {
    return (uint32_t) number_from("MILLRACE_SIM_WORKERS", MANY);
}

static double about_100_ms(uint64_t seed, uint32_t task) {
    return 95000 + (double) (sim_mix(seed + task) % 10000);
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static sim_config_t crowded(uint32_t workers, uint32_t tasks_each) {
    sim_config_t config = calm(workers * tasks_each, SIM_PROFILES, 1);
    config.workers = workers;
    config.work_us = about_100_ms;
    config.flush_us = 500000;
    config.scheduler.lease_ms = 9000;
    config.scheduler.backup_floor_ms = 1000;
    for (uint32_t i = 0; i < SIM_PROFILES; i++)
        config.host[i] = i;
    return config;
}

/* Returns microseconds of processor an event. */
static double run_crowd(const char *name, const sim_config_t *config, double unfair) {
    double start = cpu_seconds();
    sim_result_t result = sim_run(config);
    double spent = cpu_seconds() - start, each = spent * 1e6 / (double) result.events;
    double fair = (double) result.most_tasks / result.least_tasks;
    print_message("  %6u workers, %s: %.2f s of CPU, %" PRIu64
                  " events, %.2f us each; makespan /ideal %.3f; most / least tasks %.2f\n",
                  config->workers, name, spent, result.events, each, (double) result.makespan_us / result.ideal_us,
                  fair);
    assert_string_equal(result.violation, "");
    assert_int_equal(result.stats.committed, config->scheduler.tasks);
    if (unfair > 0)
        assert_true(result.least_tasks && fair <= unfair);
    return each;
}

/* What an event costs does not grow with the cluster: a hundred times the workers, and as much work for each. Memory is slower when there is more of it,
 * hence the factor; a walk over all workers for each event would be a factor of a hundred. */
static void a_large_cluster_costs_no_more_an_event(void **state) {
    (void) state;
    double of_few = 0, of_many = 1;
    for (int round = 0; round < 3 && of_many > 8 * of_few; round++) { /* others use the machine too */
        sim_config_t config = crowded(many() / 100, 1000);
        of_few = run_crowd("calm", &config, 1.3);
        config = crowded(many(), 10);
        of_many = run_crowd("calm", &config, 1.3);
    }
    assert_true(of_many <= 8 * of_few);
}

static void a_large_cluster_that_starts_slowly_is_fair(void **state) {
    (void) state;
    sim_config_t config = crowded(many() / 4, 20);
    config.join_every_us = 40; /* the last after a twentieth of the job */
    run_crowd("staggered", &config, 1.3);
}

/* A fifth of the workers stop for good, others break down and come back, connections break, tasks fail. */
static void a_large_cluster_survives_trouble(void **state) {
    (void) state;
    sim_config_t config = crowded(many() / 4, 10);
    for (uint32_t i = 1; i < SIM_PROFILES; i += 5)
        config.stop_us[i] = 300000 + i;
    config.fault_every_us = 5000000;
    config.fault_until_us = 1500000;
    config.broken = 0.5;
    config.task_fails = 0.001;
    for (config.seed = 1; config.seed <= 2; config.seed++)
        run_crowd("trouble", &config, 0);
}

/* ---- stragglers ---- */

static double twenty_ms(uint64_t seed, uint32_t task) {
    return 10000 + (double) (sim_mix(seed + task) % 20000);
}

static sim_config_t backed_up(uint32_t tasks, uint32_t workers) {
    sim_config_t config = calm(tasks, workers, 2);
    config.work_us = twenty_ms;
    config.flush_us = 2000000;
    config.scheduler.lease_ms = 10000;
    config.scheduler.backup_floor_ms = 100;
    config.scheduler.silent_ms = 2500;
    return config;
}

/* One of four workers stops for good in the middle of the job, with all it has done since its last flush. */
static void a_stopped_worker_costs_little(void **state) {
    (void) state;
    for (uint32_t tasks = 1500; tasks <= 12000; tasks *= 2) {
        sim_config_t three = backed_up(tasks, 3);
        sim_result_t alone = sim_run(&three);
        sim_config_t config = backed_up(tasks, 4);
        config.stop_us[3] = alone.makespan_us * 3 / 8; /* half of what four take */
        sim_result_t result = sim_run(&config);
        config.scheduler.backup_floor_ms = 0;
        sim_result_t without = sim_run(&config);
        assert_string_equal(result.violation, "");
        double ratio = (double) result.makespan_us / (double) alone.makespan_us;
        print_message(
            "  three workers alone %.1f s; one of four stopped %.1f s (%.2f of that), without backups %.1f s; "
            "%" PRIu64 " backups\n",
            (double) alone.makespan_us / 1e6, (double) result.makespan_us / 1e6, ratio,
            (double) without.makespan_us / 1e6, result.stats.backups);
        assert_true(ratio <= 1.6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cluster_reduces_each_task_once),
        cmocka_unit_test(clusters_have_trouble),
        cmocka_unit_test(poison_is_named),
        cmocka_unit_test(sabotage_is_caught),
        cmocka_unit_test(asking_heals),
        cmocka_unit_test(a_stopped_worker_costs_little),
        cmocka_unit_test(tail_is_short),
        cmocka_unit_test(long_tasks_go_out_by_ones),
        cmocka_unit_test(tiny_tasks_go_out_by_hundreds),
        cmocka_unit_test(staggered_start_ends_together),
        cmocka_unit_test(a_large_cluster_costs_no_more_an_event),
        cmocka_unit_test(a_large_cluster_that_starts_slowly_is_fair),
        cmocka_unit_test(a_large_cluster_survives_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
