/* Networks: this process moves into one of its own, and each remote worker gets another, kept by a process that does nothing else.
 * 10.9.N.1 is this end of the pair, 10.9.N.2 the worker's. The kernel removes networks with the last process in them. */
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

static struct {
    pid_t keeper; /* 0: none */
    pid_t proxy;
} nets[MOST_WORKERS];

static proxy_control_t *controls; /* shared with the proxies; NULL: nothing is open */

/* Runs one command line, without quotes in it, in the network of `network` (0: this one). */
static int command(pid_t network, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int command(pid_t network, const char *format, ...) {
    char text[512];
    const char *arguments[MOST_ARGUMENTS] = {0};
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    size_t count = 0;
    for (char *rest, *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    return run_quietly(arguments, network);
}

/* Starts the process that keeps a network; returns when it is in it. */
static pid_t keep_network(void) {
    int ready[2];
    char byte = 0;
    if (pipe(ready))
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = unshare(CLONE_NEWNET) == 0;
        (void) !write(ready[1], &byte, 1);
        for (;;)
            pause();
    }
    (void) !read(ready[0], &byte, 1);
    close(ready[0]);
    close(ready[1]);
    return byte ? pid : -1;
}

static pid_t start_proxy(uint32_t worker) {
    char host[32];
    snprintf(host, sizeof host, "10.9.%u.1", worker);
    fflush(NULL);
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int) nets[worker].keeper);
    FILE *file = fopen(path, "r");
    if (!file || setns(fileno(file), CLONE_NEWNET))
        _exit(125);
    fclose(file);
    proxy_run(host, &controls[worker]);
}

static int open_one(uint32_t worker) {
    pid_t keeper = nets[worker].keeper = keep_network();
    if (keeper < 0 || command(0, "ip link add c%u type veth peer name w%u netns %d", worker, worker, (int) keeper) ||
        command(0, "ip addr add 10.9.%u.1/24 dev c%u", worker, worker) ||
        command(keeper, "ip addr add 10.9.%u.2/24 dev w%u", worker, worker) ||
        command(0, "ip link set c%u up", worker) || command(keeper, "ip link set w%u up", worker) ||
        command(keeper, "ip link set lo up"))
        return -1;
    nets[worker].proxy = start_proxy(worker);
    return nets[worker].proxy > 0 ? 0 : -1;
}

int net_open(void) {
    if (controls)
        return 0;
    controls = mmap(NULL, MOST_WORKERS * sizeof *controls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int failed = controls == MAP_FAILED || unshare(CLONE_NEWNET) || command(0, "ip link set lo up");
    for (uint32_t i = 0; !failed && i < MOST_WORKERS; i++)
        failed = open_one(i);
    if (failed)
        fprintf(stderr, "chaos: network namespaces cannot be made here (root, iproute2 and nftables are needed)\n");
    return failed ? -1 : 0;
}

static void end(pid_t pid) {
    if (pid > 0 && !kill(pid, SIGKILL))
        waitpid(pid, NULL, 0);
}

void net_close(void) {
    for (uint32_t i = 0; i < MOST_WORKERS; i++) {
        end(nets[i].proxy);
        end(nets[i].keeper);
    }
}

pid_t net_of(uint32_t worker) {
    return nets[worker].keeper;
}

void net_endpoint(uint32_t worker, bool proxied, char text[64]) {
    snprintf(text, 64, proxied ? "tcp://127.0.0.1:%d" : "tcp://10.9.%2$u.1:%1$d", NET_PORT, worker);
}

proxy_control_t *net_proxy(uint32_t worker) {
    return &controls[worker];
}

void net_cut(uint32_t worker, bool cut) {
    command(0, "ip link set c%u %s", worker, cut ? "down" : "up");
}

/* Each way, at each worker's end and at this. */
static void spoil(pid_t network, char side, uint32_t worker, weather_t weather) {
    if (weather == NARROW)
        command(network, "tc qdisc add dev %c%u root tbf rate 1mbit burst 32kbit latency 400ms", side, worker);
    else if (side == 'w')
        command(network,
                "nft add table inet chaos { chain in { type filter hook input priority 0 ; iifname w%u numgen "
                "random mod 100 < 5 drop ; } ; chain out { type filter hook output priority 0 ; oifname w%u "
                "numgen random mod 100 < 5 drop ; } ; }",
                worker, worker);
}

static void mend(pid_t network, char side, uint32_t worker) {
    command(network, "tc qdisc del dev %c%u root", side, worker);
    if (side == 'w')
        command(network, "nft delete table inet chaos");
}

void net_weather(weather_t weather) {
    for (uint32_t i = 0; i < MOST_WORKERS; i++) {
        mend(0, 'c', i);
        mend(nets[i].keeper, 'w', i);
        if (weather) {
            spoil(0, 'c', i, weather);
            spoil(nets[i].keeper, 'w', i, weather);
        }
    }
}
