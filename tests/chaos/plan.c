/* Draws a plan from a seed. */
#include <math.h>
#include <stdio.h>

#include "../sim/random.h"
#include "chaos.h"

static const char *const kinds[KIND_COUNT] = {"kill", "stop", "reset", "net", "coordinator"};
static const char *const harms[HARM_COUNT] = {
    "worker kills", "kills of all workers", "drains",           "interrupts", "stops", "stops past lease",
    "resets",       "partitions",           "coordinator kills"};

const char *kind_name(kind_t kind) {
    return kinds[kind];
}

const char *harm_name(harm_t harm) {
    return harms[harm];
}

/* Small and large are as likely. */
static int64_t of_any_size(uint64_t *random, int64_t low, int64_t high) {
    return (int64_t) ((double) low * pow((double) high / (double) low, sim_unit(random)));
}

static harm_t draw_harm(uint64_t *random, kind_t kind) {
    int64_t dice = sim_between(random, 1, 20);
    switch (kind) {
    case KIND_KILL:
        return dice == 1 ? HARM_INTERRUPT : dice <= 4 ? HARM_DRAIN : dice <= 8 ? HARM_KILL_ALL : HARM_KILL;
    case KIND_STOP:
        return dice <= 10 ? HARM_STOP : dice <= 17 ? HARM_STOP_LONG : HARM_KILL;
    case KIND_RESET:
        return dice <= 18 ? HARM_RESET : HARM_KILL;
    case KIND_NET:
        return HARM_PARTITION;
    default:
        return dice <= 17 ? HARM_COORDINATOR : HARM_KILL;
    }
}

static void draw_fault(plan_t *plan, fault_t *fault, uint64_t *random) {
    int64_t share = oracle_bytes(plan->job) / plan->workers;
    fault->harm = draw_harm(random, plan->kind);
    fault->victim = (uint32_t) sim_between(random, 0, 1000);
    /* Before it reads any input, in the middle, or when it has read all it will: while it sorts and sends. */
    fault->bytes = sim_chance(random, 0.1) ? 0 : sim_between(random, 0, share * 11 / 10);
    fault->part = (part_t) sim_between(random, 0, PART_COUNT - 1);
    fault->distance = of_any_size(random, 1, fault->part == PART_SINK ? 1000000 : 5000);
    bool longer = fault->harm == HARM_STOP_LONG || (fault->harm == HARM_PARTITION && sim_chance(random, 0.5));
    fault->hold_ms =
        longer ? plan->lease_ms + sim_between(random, 300, 1000) : sim_between(random, 1, plan->lease_ms / 3);
}

static void draw_shape(plan_t *plan, uint64_t *random) {
    static const char *const memories[] = {"1M", "4M", "64M", "1G"};
    static const char *const chunks[] = {"2K", "16K", "100K", "1M"};
    static const char *const flushes[] = {"1ms", "20ms", "100ms", "10s"};
    static const char *const blocks[] = {"1K", "16K", "256K"};
    plan->workers = (uint32_t) sim_between(random, 1, MOST_WORKERS);
    plan->threads = plan->workers * (uint32_t) sim_between(random, 1, 2);
    plan->memory = memories[sim_between(random, 0, 3)];
    plan->chunk = chunks[sim_between(random, 0, 3)];
    plan->flush = flushes[sim_between(random, 0, 3)];
    plan->block = blocks[sim_between(random, 0, 2)];
    plan->lease_ms = plan->kind == KIND_KILL ? 10000 : 1000;
    plan->once = sim_chance(random, 0.5);
}

/* A task is given up after it was lost with its worker four times; so no plan takes workers away more than three times. */
static unsigned draw_count(const plan_t *plan, uint64_t *random) {
    return plan->kind == KIND_RESET && plan->workers > 1 ? (unsigned) sim_between(random, 1, MOST_FAULTS)
                                                         : (unsigned) sim_between(random, 1, 3);
}

static void keep_to_three(plan_t *plan) {
    unsigned losses = 0;
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->faults[i].harm != HARM_RESET && ++losses > 3)
            plan->faults[i].harm = HARM_RESET;
}

void plan_draw(plan_t *plan, uint64_t seed, kind_t kind) {
    uint64_t random = seed * KIND_COUNT + kind;
    *plan = (plan_t){.seed = seed, .kind = kind};
    plan->job = (unsigned) sim_between(&random, 0, oracle_jobs() - 1);
    draw_shape(plan, &random);
    plan->remote = kind == KIND_RESET || kind == KIND_NET || (kind == KIND_COORDINATOR && sim_chance(&random, 0.7));
    plan->proxied = kind == KIND_RESET;
    plan->count = draw_count(plan, &random);
    for (unsigned i = 0; i < plan->count; i++)
        draw_fault(plan, &plan->faults[i], &random);
    keep_to_three(plan);
    if (kind == KIND_NET && sim_chance(&random, 0.5)) {
        plan->weather = sim_chance(&random, 0.7) ? LOSSY : NARROW;
        plan->count = 0;
        plan->lease_ms = 10000;
        plan->flush = "10s";
        plan->chunk = "1M"; /* what tells of thousands of tasks takes its time at 1 Mbit/s */
        while (plan->weather == NARROW && !oracle_is_narrow(plan->job))
            plan->job = (plan->job + 1) % oracle_jobs();
    }
}

void plan_print(const plan_t *plan) {
    static const char *const weathers[] = {"", ", 5 % of packets lost", ", 1 Mbit/s"};
    printf("seed %llu, %s: job %u, %u %s workers, %u threads, --memory %s --chunk %s --flush %s --block %s --lease "
           "%ums%s\n",
           (unsigned long long) plan->seed, kind_name(plan->kind), plan->job, plan->workers,
           plan->remote ? "remote" : "local", plan->threads, plan->memory, plan->chunk, plan->flush, plan->block,
           plan->lease_ms, weathers[plan->weather]);
    for (unsigned i = 0; i < plan->count; i++) {
        const fault_t *fault = &plan->faults[i];
        printf("  %s: worker %u, after %lld bytes, hold %lld ms, part %d, distance %lld\n", harm_name(fault->harm),
               fault->victim % plan->workers, (long long) fault->bytes, (long long) fault->hold_ms, (int) fault->part,
               (long long) fault->distance);
    }
    fflush(stdout);
}
