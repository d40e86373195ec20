/* One run of a plan: its folder, its processes, and what must be gone when it is over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

#define PATIENCE_MS 60000 /* for a run, beyond the time it is held up */
#define NARROW_MS 240000  /* the same at 1 Mbit/s */
#define CLEANUP_MS 10000  /* for processes to go */

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first problem is the one that tells most. */
void scene_problem(scene_t *scene, const char *format, ...) {
    va_list arguments;
    if (*scene->problem)
        return;
    va_start(arguments, format);
    vsnprintf(scene->problem, sizeof scene->problem, format, arguments);
    va_end(arguments);
}

/* ---- processes ---- */

static void redirect(const char *path, int onto) {
    int fd = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, onto) < 0)
        _exit(126);
}

static void enter_network(pid_t network) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int) network);
    int fd = network ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (network && (fd < 0 || setns(fd, CLONE_NEWNET)))
        _exit(125);
}

/* Dies with this program, so that nothing is left of a test that is killed. */
pid_t launch(const char *const *arguments, const char *log, const char *rows, pid_t network) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL); /* a shell makes what it starts in the background deaf to it */
    enter_network(network);
    redirect(rows, STDOUT_FILENO);
    redirect(log, STDERR_FILENO);
    execvp(arguments[0], (char *const *) (uintptr_t) arguments);
    _exit(127);
}

static int exit_status(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool reap(process_t *process) {
    int status;
    if (process->pid > 0 && waitpid(process->pid, &status, WNOHANG) == process->pid)
        *process = (process_t){.status = exit_status(status)};
    return process->pid <= 0;
}

bool await_end(process_t *process, int64_t ms) {
    for (int64_t end = now_ms() + ms; !reap(process); usleep(200))
        if (now_ms() > end)
            return false;
    return true;
}

int run_quietly(const char *const *arguments, pid_t network) {
    process_t process = {.pid = launch(arguments, NULL, NULL, network)};
    return process.pid > 0 && await_end(&process, 60000) ? process.status : -1;
}

static void end_at_once(process_t *process) {
    if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        kill(process->pid, SIGCONT);
        await_end(process, CLEANUP_MS);
    }
}

/* ---- the cluster ---- */

/* Returns the new count. */
static size_t add_words(const char **arguments, size_t at, const char *const *words) {
    while (*words)
        arguments[at++] = *words++;
    return at;
}

int start_coordinator(scene_t *scene) {
    const plan_t *plan = scene->plan;
    char program[CHAOS_PATH + 32], rows[CHAOS_PATH + 32], log[CHAOS_PATH + 32], journal[CHAOS_PATH + 32];
    char workers[16], threads[16], lease[16], listen[64], lanes[32];
    snprintf(program, sizeof program, "%s/coordinator/millrace", chaos_build);
    snprintf(rows, sizeof rows, "%s/out/rows", scene->dir);
    snprintf(log, sizeof log, "%s/err", scene->dir);
    snprintf(journal, sizeof journal, "%s/journal", scene->dir);
    snprintf(workers, sizeof workers, "%u", plan->remote ? 0 : plan->workers);
    snprintf(threads, sizeof threads, "%u", plan->threads);
    snprintf(lease, sizeof lease, "%ums", plan->lease_ms);
    snprintf(listen, sizeof listen, "tcp://*:%d", NET_PORT);
    snprintf(lanes, sizeof lanes, "%d-%d", NET_PORT + 2, NET_PORT + 1 + NET_LANES);
    const char *arguments[MOST_ARGUMENTS] = {program, "run"};
    size_t at = oracle_command(plan->job, arguments, 2);
    at = add_words(arguments, at, (const char *const[]){"-o", rows, "--workers", workers, "--threads", threads, NULL});
    at = add_words(arguments, at,
                   (const char *const[]){"--lease", lease, "--memory", plan->memory, "--chunk", plan->chunk, NULL});
    at = add_words(arguments, at,
                   (const char *const[]){"--flush", plan->flush, "--block", plan->block, "--log-level", "info", NULL});
    if (plan->remote)
        at = add_words(arguments, at,
                       (const char *const[]){"--insecure", "--listen", listen, "--lane-ports", lanes, NULL});
    if (plan->kind == KIND_COORDINATOR)
        add_words(arguments, at, (const char *const[]){"--journal", journal, scene->lives ? "--resume" : NULL, NULL});
    scene->lives++;
    scene->coordinator.pid = launch(arguments, log, NULL, 0);
    return scene->coordinator.pid > 0 ? 0 : -1;
}

static void start_worker(scene_t *scene, uint32_t index) {
    const plan_t *plan = scene->plan;
    char program[CHAOS_PATH + 32], log[CHAOS_PATH + 32], tmp[CHAOS_PATH + 32], endpoint[64], threads[16];
    snprintf(program, sizeof program, "%s/worker/millrace-worker", chaos_build);
    snprintf(log, sizeof log, "%s/worker-%u.err", scene->dir, index);
    snprintf(tmp, sizeof tmp, "%s/tmp", scene->dir);
    snprintf(threads, sizeof threads, "%u", plan->threads / plan->workers);
    net_endpoint(index, plan->proxied, endpoint);
    const char *arguments[] = {program, "--connect", endpoint,      "--threads", threads,
                               "--tmp", tmp,         "--log-level", "info",      plan->once ? "--once" : NULL,
                               NULL};
    scene->workers[index].pid = launch(arguments, log, NULL, net_of(index));
}

/* As whoever runs workers would: one that has died is started again. */
static void keep_workers(scene_t *scene) {
    for (uint32_t i = 0; scene->plan->remote && i < scene->plan->workers; i++)
        if (reap(&scene->workers[i]))
            start_worker(scene, i);
}

static bool is_worker(pid_t pid) {
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int) pid);
    FILE *file = fopen(path, "r");
    bool is = file && fgets(name, sizeof name, file) && !strcmp(name, "millrace-worker\n");
    if (file)
        fclose(file);
    return is;
}

static size_t list_children(pid_t parent, pid_t pids[MOST_WORKERS]) {
    char path[64];
    int child;
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int) parent, (int) parent);
    FILE *file = fopen(path, "r");
    while (file && count < MOST_WORKERS && fscanf(file, "%d", &child) == 1)
        if (is_worker(child))
            pids[count++] = child;
    if (file)
        fclose(file);
    return count;
}

size_t list_workers(const scene_t *scene, pid_t pids[MOST_WORKERS]) {
    size_t count = 0;
    if (!scene->plan->remote)
        return list_children(scene->coordinator.pid, pids);
    for (uint32_t i = 0; i < scene->plan->workers; i++)
        if (scene->workers[i].pid > 0)
            pids[count++] = scene->workers[i].pid;
    return count;
}

/* ---- what must be gone ---- */

static bool names_us(const char *pid, const char *dir) {
    char path[300], text[8192];
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    return size > 0 && memmem(text, (size_t) size, dir, strlen(dir));
}

/* The pid of a process that names the scene's folder on its command line; 0: there is none. */
static pid_t find_process(const char *dir) {
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && !found && (entry = readdir(proc));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && names_us(entry->d_name, dir))
            found = (pid_t) atoi(entry->d_name);
    if (proc)
        closedir(proc);
    return found;
}

/* Entries of a folder but `allowed`; the first of them in `name`. */
static unsigned count_entries(const char *dir, const char *allowed, char name[256]) {
    unsigned count = 0;
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, allowed) && !count++)
            snprintf(name, 256, "%s", entry->d_name);
    if (folder)
        closedir(folder);
    return count;
}

/* A coordinator that was killed leaves its folder and the beginning of its output. */
static void check_files(scene_t *scene) {
    char path[CHAOS_PATH + 32], name[256];
    unsigned left;
    snprintf(path, sizeof path, "%s/tmp", scene->dir);
    if ((left = count_entries(path, "", name)) >= scene->lives)
        scene_problem(scene, "left in TMPDIR: %s", name);
    snprintf(path, sizeof path, "%s/out", scene->dir);
    if ((left = count_entries(path, "rows", name)) >= scene->lives)
        scene_problem(scene, "left beside the output: %s", name);
}

static void check_processes(scene_t *scene) {
    pid_t left;
    for (int64_t end = now_ms() + CLEANUP_MS; (left = find_process(scene->dir)); usleep(1000))
        if (now_ms() > end) {
            scene_problem(scene, "process %d is left", (int) left);
            return;
        }
}

/* ---- one scene ---- */

/* The workers that stay are told to leave, and must. */
static void end_workers(scene_t *scene) {
    faults_let_go(scene);
    for (uint32_t i = 0; i < MOST_WORKERS; i++)
        if (!reap(&scene->workers[i]))
            kill(scene->workers[i].pid, SIGTERM);
    for (uint32_t i = 0; i < MOST_WORKERS; i++)
        if (!await_end(&scene->workers[i], CLEANUP_MS)) {
            scene_problem(scene, "remote worker %u did not leave on SIGTERM", i);
            end_at_once(&scene->workers[i]);
        }
}

static int open_scene(scene_t *scene) {
    char path[CHAOS_PATH + 32];
    snprintf(scene->dir, sizeof scene->dir, "%.900s/scene-%llu", chaos_work, (unsigned long long) scene->plan->seed);
    if (mkdir(scene->dir, 0700))
        return -1;
    for (const char *const *name = (const char *const[]){"tmp", "out", "journal", NULL}; *name; name++) {
        snprintf(path, sizeof path, "%s/%s", scene->dir, *name);
        if (mkdir(path, 0700))
            return -1;
    }
    snprintf(path, sizeof path, "%s/tmp", scene->dir);
    return setenv("TMPDIR", path, 1);
}

static void act(scene_t *scene) {
    while (!reap(&scene->coordinator)) {
        keep_workers(scene);
        faults_turn(scene);
        if (now_ms() > scene->deadline) {
            scene_problem(scene, "it hangs: no end within its bound");
            break;
        }
        usleep(100);
    }
}

static void close_scene(scene_t *scene) {
    int status = scene->coordinator.status;
    faults_let_go(scene);
    end_at_once(&scene->coordinator);
    end_workers(scene);
    check_processes(scene);
    check_files(scene);
    oracle_judge(scene, status);
    if (scene->plan->weather)
        net_weather(FAIR);
    if (*scene->problem)
        return;
    const char *arguments[] = {"rm", "-rf", scene->dir, NULL};
    run_quietly(arguments, 0);
}

void scene_play(const plan_t *plan, tally_t *tally, scene_t *scene) {
    *scene = (scene_t){.plan = plan, .tally = tally};
    scene->deadline = now_ms() + (plan->weather == NARROW ? NARROW_MS : PATIENCE_MS);
    for (unsigned i = 0; i < plan->count; i++)
        scene->deadline += plan->faults[i].hold_ms;
    if (plan->weather)
        net_weather(plan->weather);
    tally->weather[plan->weather]++;
    if (open_scene(scene) || start_coordinator(scene)) {
        scene_problem(scene, "cannot start: %s", strerror(errno));
        return;
    }
    act(scene);
    close_scene(scene);
}
