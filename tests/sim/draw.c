/* draw.c - clusters with all kinds of trouble, drawn from a seed. */
#include "sim_cluster.h"

/* Mostly alike, one in thirty ten times as long. */
static double uneven_us(uint64_t seed, uint32_t task) {
    uint64_t draw = sim_mix(seed * 31 + task);
    double base = 200 + (double) (draw % 4000);
    return (draw >> 32) % 30 == 0 ? base * 10 : base;
}

static double pick(uint64_t *random, double probability, double value) {
    return sim_chance(random, probability) ? value : 0;
}

static void draw_workers(sim_config_t *config, uint64_t *random) {
    uint32_t hosts = (uint32_t) sim_between(random, 1, sim_chance(random, 0.5) ? 1 : 6);
    bool many = sim_chance(random, 0.1);
    config->workers = (uint32_t) sim_between(random, 1, many ? 50 : 8);
    for (uint32_t i = 0; i < config->workers; i++) {
        config->threads[i] = (uint32_t) sim_between(random, 1, sim_chance(random, 0.2) ? 16 : 4);
        config->speed[i] = sim_chance(random, 0.2) ? 0.1 : 0.5 + sim_unit(random);
        config->join_us[i] = sim_chance(random, 0.5) ? 0 : sim_between(random, 0, 100000);
        config->host[i] = (uint32_t) sim_random(random) % hosts;
    }
    if (hosts > 1 && sim_chance(random, 0.3))
        config->black_hole = (uint32_t) sim_between(random, 2, hosts);
    config->host[0] = 0; /* the good one */
}

static void draw_faults(sim_config_t *config, uint64_t *random) {
    config->fault_every_us = sim_between(random, 20000, 400000);
    config->fault_until_us = sim_between(random, 50000, 1000000);
    config->task_fails = pick(random, 0.3, 0.05);
    config->twice = pick(random, 0.5, 0.2);
    config->damaged = pick(random, 0.3, 0.2);
    config->forged = pick(random, 0.3, 0.2);
    config->broken = sim_unit(random);
    config->crash_every_us = sim_chance(random, 0.3) ? sim_between(random, 20000, 400000) : 0;
    config->crash_at_commit = pick(random, 0.2, 0.05);
}

sim_config_t sim_draw(uint64_t seed) {
    uint64_t random = sim_mix(seed + 1);
    sim_config_t config = {.seed = seed, .work_us = uneven_us};
    bool hard = sim_chance(&random, 0.2); /* the job may fail, as it should */
    config.scheduler = (mr_scheduler_config_t){
        .tasks = (uint32_t) sim_between(&random, 0, sim_chance(&random, 0.1) ? 600 : 120),
        .lease_ms = sim_between(&random, 10, 100),
        .backup_floor_ms = sim_chance(&random, 0.7) ? sim_between(&random, 1, 50) : 0,
        .max_attempts = hard ? (uint32_t) sim_between(&random, 1, 5) : 1000,
        .max_credit = (uint32_t) sim_between(&random, 1, sim_chance(&random, 0.5) ? 8 : 1000),
        .credit_ms = sim_between(&random, 1, 50),
        .max_batch = (uint32_t) sim_between(&random, 1, sim_chance(&random, 0.5) ? 4 : 200),
    };
    config.scheduler.silent_ms = config.scheduler.lease_ms / 4;
    draw_workers(&config, &random);
    config.latency_us = sim_between(&random, 1, 500);
    config.jitter_us = sim_chance(&random, 0.5) ? sim_between(&random, 1, 5000) : 0;
    config.report_us = sim_chance(&random, 0.5) ? sim_between(&random, 1, 3000) : 0;
    config.flush_us = sim_chance(&random, 0.5) ? sim_between(&random, 1000, 100000) : 0;
    config.poisoned = hard && config.scheduler.tasks && sim_chance(&random, 0.3);
    config.poison = config.poisoned ? (uint32_t) sim_random(&random) % config.scheduler.tasks : 0;
    config.flush_at_once = sim_chance(&random, 0.5);
    draw_faults(&config, &random);
    config.account = sim_chance(&random, 0.5);
    config.journal_us = sim_chance(&random, 0.5) ? sim_between(&random, 1, 50000) : 0;
    return config;
}
