/* report.c - the figures, one a line: a name, a number, what it is. */
#include "crowd.h"

static double seconds(int64_t from_us, int64_t to_us) {
    return (double) (to_us - from_us) / 1e6;
}

static double per(double amount, uint64_t count) {
    return count ? amount / (double) count : 0;
}

void report_joined(const crowd_t *crowd) {
    const sample_t *before = &crowd->before, *joined = &crowd->joined;
    printf("workers       %u\n", crowd->count);
    printf("welcomed      %.3f s (the last of them)\n", seconds(crowd->began_us, crowd->welcomed_us));
    printf("joined        %.3f s (all were sent tasks)\n", seconds(crowd->began_us, joined->at_us));
    if (!crowd->subject.pid)
        return;
    printf("join-cpu      %.1f us of the coordinator a worker\n", per((joined->cpu - before->cpu) * 1e6, crowd->count));
    printf("memory        %.1f KiB of the coordinator a worker\n",
           per((double) joined->memory - (double) before->memory, crowd->count) / 1024);
    printf("descriptors   %.2f of the coordinator a worker\n",
           per((double) joined->files - (double) before->files, crowd->count));
}

static void report_messages(const crowd_t *crowd) {
    printf("messages     ");
    for (int i = 0; i < CROWD_TYPES; i++)
        if (crowd->sent[i] + crowd->got[i])
            printf(" %s %llu", mr_message_name((mr_message_type_t) i),
                   (unsigned long long) (crowd->sent[i] + crowd->got[i]));
    printf("\n");
}

static void report_fairness(const crowd_t *crowd, uint64_t tasks) {
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < crowd->count; i++) {
        least = crowd->players[i].tasks < least ? crowd->players[i].tasks : least;
        most = crowd->players[i].tasks > most ? crowd->players[i].tasks : most;
    }
    printf("fairness      %.3f most / least tasks of a worker (%llu, %llu; mean %.1f)\n", per((double) most, least),
           (unsigned long long) most, (unsigned long long) least, per((double) tasks, crowd->count));
}

static void report_cpu(const crowd_t *crowd, uint64_t tasks) {
    const sample_t *joined = &crowd->joined, *after = &crowd->after;
    double cpu = after->cpu - joined->cpu;
    uint64_t lanes = after->lanes - joined->lanes, all = after->all - joined->all;
    printf("cpu           %.3f s of the coordinator, %.3f s of the crowd\n", cpu, after->own_cpu - joined->own_cpu);
    printf("cpu-task      %.3f us a task\n", per(cpu * 1e6, tasks));
    printf("cpu-lane      %.2f us a lane message (%.1f tasks in each)\n", per(cpu * 1e6, lanes),
           per((double) tasks, lanes));
    printf("cpu-message   %.2f us a message of any kind (%.0f%% of them heartbeats and answers)\n", per(cpu * 1e6, all),
           per(100.0 * (double) (after->heard - joined->heard), all));
    printf("peak          %.1f MiB\n", (double) after->peak / 1048576);
}

void report_job(const crowd_t *crowd) {
    const sample_t *joined = &crowd->joined, *after = &crowd->after;
    uint64_t tasks = 0;
    for (uint32_t i = 0; i < crowd->count; i++)
        tasks += crowd->players[i].tasks;
    double took = seconds(joined->at_us, after->at_us);
    printf("job           %.3f s (%llu tasks, %.0f a second)\n", took, (unsigned long long) tasks,
           took > 0 ? (double) tasks / took : 0);
    if (crowd->subject.pid)
        report_cpu(crowd, tasks);
    report_fairness(crowd, tasks);
    report_messages(crowd);
}
