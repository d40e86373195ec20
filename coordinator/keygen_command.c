/* `millrace keygen`: makes keys and says what to do with them. */
#include <getopt.h>

#include "commands.h"
#include "keygen.h"
#include "log.h"

static const char help[] =
    "Usage: millrace keygen DIR [--worker NAME]... [--client NAME]...\n"
    "\n"
    "  millrace keygen keys\n"
    "  millrace serve --listen tcp://10.0.0.1:5555 --keys keys/coordinator\n"
    "  millrace-worker --connect tcp://10.0.0.1:5555 --keys keys/worker\n"
    "\n"
    "Makes the keys of a coordinator, of workers (DIR/worker) and of clients (DIR/client); or, with\n"
    "options, further ones that the coordinator of DIR admits from then on. All workers may use the\n"
    "same keys; with keys of its own, one can be shut out: by removing its public key from\n"
    "DIR/coordinator/workers or clients.\n"
    "\n"
    "  --worker NAME        keys of a worker, in DIR/NAME\n"
    "  --client NAME        keys of a client (millrace submit, status, ...), in DIR/NAME\n"
    "  --help\n"
    "\n"
    "No key is ever overwritten, or printed. `man millrace` has the rest.\n";

static const struct option options[] = {{"worker", required_argument, NULL, 'w'},
                                        {"client", required_argument, NULL, 'c'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static int add_peer(const char *dir, mr_role_t role, const char *name, mr_error_t *error) {
    if (mr_keygen_peer(dir, role, name, error))
        return -1;
    printf("%s/%s\tkeys of a %s: take the folder to where it runs, and start it with --keys\n", dir, name,
           mr_role_name(role));
    return 0;
}

static int make_all(const char *dir, mr_error_t *error) {
    if (mr_keygen_coordinator(dir, error))
        return -1;
    printf("%s/coordinator\tkeys of the coordinator: start it with --keys\n", dir);
    return add_peer(dir, MR_ROLE_WORKER, "worker", error) || add_peer(dir, MR_ROLE_CLIENT, "client", error) ? -1 : 0;
}

/* The folder may stand anywhere among the options: getopt_long has moved it to the end. */
static int add_peers(int argc, char **argv, const char *dir, mr_error_t *error) {
    int failed = 0;
    optind = 0;
    for (int option; !failed && (option = getopt_long(argc, argv, "h", options, NULL)) != -1;)
        failed = add_peer(dir, option == 'w' ? MR_ROLE_WORKER : MR_ROLE_CLIENT, optarg, error);
    return failed;
}

static int check(int argc, char **argv, bool *peers, mr_error_t *error) {
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return 1;
        if (option == '?')
            return mr_error_set(error, MR_STATUS_USAGE,
                                "'%s': no such option, or its value is missing; see millrace keygen --help",
                                argv[optind - 1]);
        *peers = true;
    }
    if (argc - optind != 1)
        return mr_error_set(error, MR_STATUS_USAGE,
                            "keygen takes one folder to make keys in; see millrace keygen --help");
    return 0;
}

int mr_command_keygen(int argc, char **argv) {
    mr_error_t error = {0};
    bool peers = false;
    zsys_handler_set(NULL); /* signals are ours */
    int checked = check(argc, argv, &peers, &error);
    if (checked > 0)
        fputs(help, stdout);
    else if (!checked && peers)
        add_peers(argc, argv, argv[optind], &error);
    else if (!checked)
        make_all(argv[optind], &error);
    if (error.status)
        mr_log_error(&error);
    else if (fflush(stdout))
        return MR_STATUS_STORAGE;
    return (int) error.status;
}
