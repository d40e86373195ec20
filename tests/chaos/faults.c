/* Waits for the moment of each fault of a plan, one after the other, and does it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"

static int64_t bytes_read(pid_t pid) {
    char path[64];
    long long bytes = -1;
    snprintf(path, sizeof path, "/proc/%d/io", (int) pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "rchar: %lld", &bytes) != 1)
        bytes = -1;
    if (file)
        fclose(file);
    return bytes;
}

/* ---- the harm ---- */

static void count(scene_t *scene, harm_t harm, unsigned times) {
    scene->tally->harms[harm] += times;
}

/* By pid: its number among the remote workers. */
static uint32_t number_of(const scene_t *scene, pid_t pid) {
    uint32_t i = 0;
    while (i + 1 < MOST_WORKERS && scene->workers[i].pid != pid)
        i++;
    return i;
}

static void kill_all(scene_t *scene) {
    pid_t pids[MOST_WORKERS];
    size_t workers = list_workers(scene, pids);
    for (size_t i = 0; i < workers; i++)
        kill(pids[i], SIGKILL);
    count(scene, HARM_KILL, (unsigned) workers);
}

/* One place holds one thing at a time: a worker that is still stopped is not stopped again. */
static void hold(scene_t *scene, const fault_t *fault, pid_t pid) {
    bool cut = fault->harm == HARM_PARTITION;
    uint32_t place = cut ? number_of(scene, pid) : fault->victim % MOST_WORKERS;
    if (scene->resume_at[place])
        return;
    if (cut)
        net_cut(place, true);
    else if (kill(pid, SIGSTOP))
        return;
    scene->stopped[place] = cut ? 0 : pid;
    scene->resume_at[place] = now_ms() + fault->hold_ms;
    count(scene, fault->harm, 1);
}

static void let_go(scene_t *scene, uint32_t place) {
    if (scene->stopped[place])
        kill(scene->stopped[place], SIGCONT);
    else
        net_cut(place, false);
    scene->resume_at[place] = 0;
}

static void plan_reset(scene_t *scene, const fault_t *fault, pid_t pid) {
    proxy_control_t *proxy = net_proxy(number_of(scene, pid));
    atomic_store(&proxy->part, (int) fault->part);
    atomic_store(&proxy->distance, fault->distance);
}

/* A committed task must stay so, and never be committed again. */
static void check_journal(scene_t *scene) {
    char path[CHAOS_PATH + 32];
    unsigned twice;
    snprintf(path, sizeof path, "%s/journal/journal", scene->dir);
    unsigned committed = journal_committed(path, &twice);
    if (twice)
        scene_problem(scene, "%u tasks are committed twice", twice);
    if (committed < scene->committed)
        scene_problem(scene, "%u tasks were committed, and now %u are", scene->committed, committed);
    scene->tally->resumed += committed - scene->committed;
    scene->committed = committed;
}

/* Nothing is left to do for another: it was killed on its way out. */
static bool was_complete(const scene_t *scene) {
    char journal[CHAOS_PATH + 32], rows[CHAOS_PATH + 32];
    snprintf(journal, sizeof journal, "%s/journal/journal", scene->dir);
    snprintf(rows, sizeof rows, "%s/out/rows", scene->dir);
    return access(journal, F_OK) && !access(rows, F_OK);
}

static void kill_coordinator(scene_t *scene) {
    kill(scene->coordinator.pid, SIGKILL);
    if (!await_end(&scene->coordinator, 10000) || scene->coordinator.status != 128 + SIGKILL)
        return;
    count(scene, HARM_COORDINATOR, 1);
    if (was_complete(scene)) {
        scene->complete = true;
        return;
    }
    check_journal(scene);
    if (start_coordinator(scene))
        scene_problem(scene, "cannot start the coordinator again");
}

static void interrupt(scene_t *scene) {
    scene->interrupted = true;
    count(scene, HARM_INTERRUPT, kill(scene->coordinator.pid, SIGINT) == 0);
}

static void carry_out(scene_t *scene, const fault_t *fault, pid_t victim) {
    switch (fault->harm) {
    case HARM_KILL:
        count(scene, HARM_KILL, kill(victim, SIGKILL) == 0);
        return;
    case HARM_KILL_ALL:
        count(scene, HARM_KILL_ALL, 1);
        kill_all(scene);
        return;
    case HARM_DRAIN:
        count(scene, HARM_DRAIN, kill(victim, SIGTERM) == 0);
        return;
    case HARM_INTERRUPT:
        interrupt(scene);
        return;
    case HARM_RESET:
        plan_reset(scene, fault, victim);
        return;
    case HARM_COORDINATOR:
        kill_coordinator(scene);
        return;
    default:
        hold(scene, fault, victim);
    }
}

/* ---- the moment ---- */

static void release_due(scene_t *scene) {
    int64_t now = now_ms();
    for (uint32_t i = 0; i < MOST_WORKERS; i++)
        if (scene->resume_at[i] && now >= scene->resume_at[i])
            let_go(scene, i);
}

void faults_let_go(scene_t *scene) {
    for (uint32_t i = 0; i < MOST_WORKERS; i++)
        if (scene->resume_at[i])
            let_go(scene, i);
}

static pid_t choose(const scene_t *scene, const fault_t *fault) {
    pid_t pids[MOST_WORKERS];
    size_t workers = list_workers(scene, pids);
    return workers ? pids[fault->victim % workers] : 0;
}

void faults_turn(scene_t *scene) {
    release_due(scene);
    if (scene->next >= scene->plan->count)
        return;
    const fault_t *fault = &scene->plan->faults[scene->next];
    int64_t bytes = scene->victim ? bytes_read(scene->victim) : -1;
    if (bytes < 0)
        scene->victim = choose(scene, fault);
    else if (bytes >= fault->bytes) {
        carry_out(scene, fault, scene->victim);
        scene->next++;
        scene->victim = 0;
    }
}
