/* millrace-worker: computes the tasks of a coordinator. */
#include <czmq.h>
#include <getopt.h>
#include <sys/prctl.h>

#include "agent.h"
#include "cpu.h"
#include "log.h"
#include "probe.h"
#include "standard.h"
#include "units.h"

#define IDLE_TIMEOUT_MS 300000

static const char help[] =
    "Usage: millrace-worker --connect ENDPOINT [options]\n"
    "\n"
    "  millrace-worker --connect tcp://coordinator:5555\n"
    "\n"
    "Computes the tasks of the coordinator at ENDPOINT, and of the next one there when it is gone.\n"
    "SIGTERM makes it finish what it runs, hand in its results, give the rest back, and leave.\n"
    "\n"
    "  --connect ENDPOINT   the coordinator's control endpoint (tcp://HOST:PORT or ipc://PATH)\n"
    "  --threads N, -j N    threads to compute with (default: the processors this process may use)\n"
    "  --tmp DIR            where runs that outgrow memory are kept (default: $TMPDIR or /tmp)\n"
    "  --root DIR           open inputs beneath DIR only; the coordinator sends what is not there\n"
    "  --once               end with the first job; else wait for the next coordinator there\n"
    "  --idle-timeout TIME  end after so long without a coordinator (default: 5m; 0: never)\n"
    "  --keys DIR           the worker's keys (made by millrace keygen); also in MILLRACE_KEYS\n"
    "  --parent PID         end at once when process PID, the parent, ends\n"
    "  --log-level LEVEL    error, warning, info or debug (default: warning)\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 the work is done or drained, 2 usage, 6 refused (keys, version), 7 no coordinator.\n";

typedef struct arguments {
    mr_agent_config_t agent;
    const char *keys; /* folder; NULL: none */
    long parent;
    long probe; /* the socket to take records to try from; 0: this is a worker */
    int log_level;
    mr_root_t root;
} arguments_t;

static int take_number(const char *name, const char *text, long low, long high, long *number, mr_error_t *error) {
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    if (errno || *end || end == text || *number < low || *number > high)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is not a number from %ld to %ld", name, text, low, high);
    return 0;
}

static int take_time(const char *name, const char *text, int64_t *ms, mr_error_t *error) {
    uint64_t time = 0;
    if (mr_parse_time(name, text, 0, INT64_MAX, &time, error))
        return -1;
    *ms = (int64_t) time;
    return 0;
}

static int take_option(arguments_t *arguments, int option, const char *typed, mr_error_t *error) {
    long number = 0;
    switch (option) {
    case 'c':
        arguments->agent.connect = optarg;
        return 0;
    case 'j':
        if (take_number("--threads", optarg, 1, 1024, &number, error))
            return -1;
        arguments->agent.threads = (uint32_t) number;
        return 0;
    case 't':
        arguments->agent.tmp_dir = optarg;
        return 0;
    case 'r':
        mr_root_close(&arguments->root);
        return mr_root_open(&arguments->root, "--root", optarg, error);
    case 'o':
        arguments->agent.once = true;
        return 0;
    case 'i':
        return take_time("--idle-timeout", optarg, &arguments->agent.idle_timeout_ms, error);
    case 'k':
        arguments->keys = optarg;
        return 0;
    case 'p':
        return take_number("--parent", optarg, 1, INT_MAX, &arguments->parent, error);
    case 'P':
        return take_number("--probe", optarg, 3, INT_MAX, &arguments->probe, error);
    case 'l':
        arguments->log_level = mr_log_level_find(optarg);
        return arguments->log_level < 0
                   ? mr_error_set(error, MR_STATUS_USAGE, "--log-level: '%s' is none of error, warning, info, debug",
                                  optarg)
                   : 0;
    default:
        return mr_error_set(error, MR_STATUS_USAGE,
                            "'%s': no such option, or its value is missing; see millrace-worker --help", typed);
    }
}

static int read_arguments(arguments_t *arguments, int argc, char **argv, mr_error_t *error) {
    static const struct option options[] = {{"connect", required_argument, NULL, 'c'},
                                            {"threads", required_argument, NULL, 'j'},
                                            {"tmp", required_argument, NULL, 't'},
                                            {"parent", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"log-level", required_argument, NULL, 'l'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"root", required_argument, NULL, 'r'},
                                            {"idle-timeout", required_argument, NULL, 'i'},
                                            {"probe", required_argument, NULL, 'P'},
                                            {"keys", required_argument, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "j:hV", options, NULL)) != -1;) {
        if (option == 'h' || option == 'V') {
            fputs(option == 'h' ? help : "millrace-worker " MILLRACE_VERSION "\n", stdout);
            exit(fflush(stdout) ? MR_STATUS_STORAGE : 0);
        }
        if (take_option(arguments, option, argv[optind - 1], error))
            return -1;
    }
    if (optind < argc)
        return mr_error_set(error, MR_STATUS_USAGE, "unexpected argument '%s'", argv[optind]);
    if (!arguments->agent.connect && !arguments->probe)
        return mr_error_set(error, MR_STATUS_USAGE, "--connect ENDPOINT is missing; see millrace-worker --help");
    return 0;
}

/* ---- one process after another ---- */

/* The identity is for the process that follows in this one's place, not for those that it starts: its number is in front. */
#define IDENTITY "MILLRACE_WORKER_IDENTITY"

static int recall_identity(uint8_t identity[MR_LINK_IDENTITY]) {
    const char *left = getenv(IDENTITY);
    char *at;
    if (!left || strtol(left, &at, 10) != (long) getpid() || *at++ != ' ' || strlen(at) != 2 * MR_LINK_IDENTITY)
        return mr_link_draw_identity(identity);
    for (size_t i = 0; i < MR_LINK_IDENTITY; i++)
        if (sscanf(at + 2 * i, "%2hhx", &identity[i]) != 1)
            return mr_link_draw_identity(identity);
    return 0;
}

static void leave_identity(const uint8_t identity[MR_LINK_IDENTITY]) {
    char text[32 + 2 * MR_LINK_IDENTITY];
    int used = snprintf(text, sizeof text, "%ld ", (long) getpid());
    for (size_t i = 0; i < MR_LINK_IDENTITY; i++)
        used += snprintf(text + used, sizeof text - (size_t) used, "%02x", identity[i]);
    setenv(IDENTITY, text, 1);
}

/* Threads and memory of the last job end with the old program; the process, and who waits for it, stay. */
static void execute_anew(char **argv, mr_error_t *error) {
    execv("/proc/self/exe", argv);
    mr_error_set(error, MR_STATUS_JOB, "cannot execute itself for the next job: %s", strerror(errno));
}

/* What a coordinator has started was told all it needs; that one's own environment is not meant for it. */
static int load_keys(const arguments_t *arguments, mr_keys_t *keys, mr_error_t *error) {
    const char *dir = arguments->keys || arguments->parent ? arguments->keys : getenv("MILLRACE_KEYS");
    return mr_keys_load(keys, MR_ROLE_WORKER, dir, error);
}

static void work(arguments_t *arguments, char **argv, mr_error_t *error) {
    mr_keys_t keys;
    if (load_keys(arguments, &keys, error))
        return;
    arguments->agent.keys = &keys;
    if (recall_identity(arguments->agent.identity)) {
        mr_error_set(error, MR_STATUS_JOB, "cannot draw random numbers: %s", strerror(errno));
        return;
    }
    unsetenv(IDENTITY);
    int ended = mr_agent_run(&arguments->agent, error);
    mr_keys_clear(&keys);
    if (ended == MR_AGENT_SAME)
        leave_identity(arguments->agent.identity);
    if (ended > 0)
        execute_anew(argv, error);
}

int main(int argc, char **argv) {
    const char *tmp = getenv("TMPDIR");
    arguments_t arguments = {
        .agent = {.threads = mr_cpu_count(), .tmp_dir = tmp && *tmp ? tmp : "/tmp", .idle_timeout_ms = IDLE_TIMEOUT_MS},
        .log_level = MR_LOG_WARNING};
    mr_error_t error = {0};
    prctl(PR_SET_NAME, "millrace-worker"); /* it is "exe" when it was executed anew */
    mr_standard_streams();
    zsys_handler_set(NULL); /* signals are the agent's */
    mr_log_init("millrace-worker", MR_LOG_WARNING);
    if (!read_arguments(&arguments, argc, argv, &error)) {
        mr_log_init("millrace-worker", (mr_log_level_t) arguments.log_level);
        if (arguments.parent)
            mr_follow_parent((pid_t) arguments.parent);
        arguments.agent.root = &arguments.root;
        arguments.agent.owned = arguments.parent != 0;
        if (arguments.probe)
            mr_probe_serve((int) arguments.probe, &error);
        else
            work(&arguments, argv, &error);
    }
    mr_root_close(&arguments.root);
    if (error.status)
        mr_log_error(&error);
    return (int) error.status;
}
