/* What `millrace doctor` finds at the coordinator and its workers: ports are listened at for a moment where nobody does, all workers are asked to reach
 * them and to look at the inputs, and what they say is sent together. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "clock.h"
#include "descriptors.h"
#include "input/fingerprint.h"
#include "input/root.h"
#include "serve_requests.h"

#define PATIENCE_MS 6000 /* for the workers' answers */
#define MOST_INPUTS 100
#define PORTS_OF_A_JOB 3

struct mr_doctor {
    mr_asker_t asker;
    uint64_t ask; /* of CHECK */
    int64_t deadline;
    zsock_t *listener;          /* at the ports where nobody listened */
    mr_buffer_t findings;       /* of this machine */
    mr_buffer_t endpoint_texts; /* 256 bytes each */
    json_t *workers;            /* those that have answered */
    json_t *paths;              /* of the inputs */
    mr_segment_t inputs[MOST_INPUTS];
    size_t input_count;
    mr_wire_option_t endpoints[PORTS_OF_A_JOB + 4];
    size_t endpoint_count;
    size_t asked; /* workers */
};

static json_t *text_of(const mr_buffer_t *findings) {
    json_t *text = json_stringn(findings->data ? findings->data : "", findings->size);
    return text ? text : json_string("");
}

/* ---- this machine ---- */

/* Beyond the server's --root nothing is opened, nor told to be there. */
static int open_input(const mr_root_t *root, const char *path) {
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    return root->path ? mr_root_open_file(root, path, flags) : open(path, flags);
}

static void look_at_input(mr_doctor_t *doctor, const mr_root_t *root, const char *path) {
    mr_segment_t *segment = &doctor->inputs[doctor->input_count];
    struct stat status;
    int fd = open_input(root, path), reason = errno;
    bool good = fd >= 0 && !fstat(fd, &status) && S_ISREG(status.st_mode);
    if (!good)
        mr_check_note(&doctor->findings, MR_LEVEL_FAIL, "input",
                      "put it where the coordinator sees it at that path, or name a URL", "%s: %s", path,
                      fd >= 0                         ? "is not a regular file"
                      : root->path && reason == EXDEV ? "not beneath --root"
                                                      : strerror(reason));
    *segment = (mr_segment_t){.path = path, .url = ""};
    if (good) {
        segment->file_size = segment->end = (uint64_t) status.st_size;
        segment->mtime_ns = (int64_t) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
        mr_fingerprint(fd, segment->file_size, &segment->fingerprint);
        doctor->input_count++;
        mr_check_note(&doctor->findings, MR_LEVEL_OK, "input", NULL, "%s: is seen here", path);
    }
    if (fd >= 0)
        close(fd);
}

static void look_at_inputs(const mr_serve_t *serve, mr_doctor_t *doctor) {
    size_t index;
    json_t *path;
    mr_root_t root = {0};
    mr_error_t error = {0};
    if (serve->config->root && mr_root_open(&root, "--root", serve->config->root, &error)) {
        mr_check_note(&doctor->findings, MR_LEVEL_FAIL, "input", "give serve another --root", "%s", error.text);
        return;
    }
    json_array_foreach(doctor->paths, index, path) {
        if (json_is_string(path) && doctor->input_count < MOST_INPUTS)
            look_at_input(doctor, &root, json_string_value(path));
    }
    mr_root_close(&root);
}

static void look_here(mr_serve_t *serve, mr_doctor_t *doctor) {
    mr_check_descriptors(&doctor->findings, 4 * (uint64_t) serve->roll.count + 1024);
    mr_check_directory(&doctor->findings, "state", serve->config->state);
    mr_check_directory(&doctor->findings, "scratch", serve->config->tmp_dir);
    mr_check_note(&doctor->findings, serve->roll.count ? MR_LEVEL_OK : MR_LEVEL_FAIL, "workers",
                  serve->roll.count ? NULL : "start one: millrace-worker --connect ENDPOINT", "%zu are here",
                  serve->roll.count);
    look_at_inputs(serve, doctor);
}

/* ---- ports ---- */

/* Where somebody listens already, a job's coordinator most likely does. */
static void add_port(mr_serve_t *serve, mr_doctor_t *doctor, const char *what, const char *port) {
    const mr_endpoint_t *listen = &serve->listen;
    char *text = doctor->endpoint_texts.data + 256 * doctor->endpoint_count;
    snprintf(text, 256, "tcp://%s:%s", listen->host, port);
    if (zmq_bind(zsock_resolve(doctor->listener), text) == 0) {
        size_t size = 256;
        zmq_getsockopt(zsock_resolve(doctor->listener), ZMQ_LAST_ENDPOINT, text, &size);
    } else if (zmq_errno() != EADDRINUSE) {
        mr_check_note(&doctor->findings, MR_LEVEL_FAIL, what, "give another --listen or --lane-ports",
                      "%s: cannot listen there: %s", text, zmq_strerror(zmq_errno()));
        return;
    }
    mr_endpoint_for_workers(serve->config->advertise, text);
    doctor->endpoints[doctor->endpoint_count++] = (mr_wire_option_t){what, text};
}

static void add_ports(mr_serve_t *serve, mr_doctor_t *doctor) {
    static const char *const names[PORTS_OF_A_JOB] = {"control", "sink", "inputs"};
    const mr_endpoint_t *listen = &serve->listen;
    char port[16];
    if (!listen->tcp)
        return;
    for (uint32_t i = 0; i < PORTS_OF_A_JOB; i++) {
        snprintf(port, sizeof port, listen->port ? "%u" : "*", listen->port + 1 + i);
        add_port(serve, doctor, names[i], port);
    }
    snprintf(port, sizeof port, listen->lane_low ? "%u" : "*", listen->lane_low);
    add_port(serve, doctor, "lane", port);
    snprintf(port, sizeof port, "%u", listen->lane_high);
    if (listen->lane_high != listen->lane_low)
        add_port(serve, doctor, "lane", port);
}

/* ---- asking the workers ---- */

static void ask_workers(mr_serve_t *serve, mr_doctor_t *doctor) {
    mr_spec_t inputs = {.segments = doctor->inputs, .segment_count = doctor->input_count};
    mr_check_message_t check = {.ask = doctor->ask,
                                .time_ms = (uint64_t) mr_clock_wall_ms(),
                                .endpoints = doctor->endpoints,
                                .endpoints_count = doctor->endpoint_count,
                                .inputs = &inputs,
                                .inputs_count = 1};
    for (size_t i = 0; i < serve->roll.count; i++)
        mr_serve_send(serve, &serve->roll.items[i]->sender, &(mr_message_t){.type = MR_CHECK, .check = check});
    doctor->asked = serve->roll.count;
}

static json_t *worker_of(const mr_roll_worker_t *worker, const char *findings) {
    return json_pack("{s:s,s:I,s:s}", "host", worker->host, "pid", (json_int_t) worker->pid, "findings", findings);
}

void mr_serve_checked(mr_serve_t *serve, const mr_sender_t *sender, const mr_checked_message_t *checked) {
    mr_doctor_t *doctor = serve->requests->doctor;
    const mr_roll_worker_t *worker = mr_roll_find(&serve->roll, sender);
    if (!doctor || !worker || checked->ask != doctor->ask)
        return;
    json_array_append_new(doctor->workers, worker_of(worker, checked->findings));
    if (json_array_size(doctor->workers) >= doctor->asked)
        doctor->deadline = 0;
}

/* ---- life ---- */

void mr_serve_free_doctor(mr_serve_t *serve) {
    mr_doctor_t *doctor = serve->requests->doctor;
    serve->requests->doctor = NULL;
    if (!doctor)
        return;
    zsock_destroy(&doctor->listener);
    mr_buffer_free(&doctor->findings);
    mr_buffer_free(&doctor->endpoint_texts);
    json_decref(doctor->workers);
    json_decref(doctor->paths);
    free(doctor);
}

void mr_serve_end_doctor(mr_serve_t *serve, int64_t now) {
    mr_doctor_t *doctor = serve->requests->doctor;
    if (!doctor || now < doctor->deadline)
        return;
    json_t *body = json_pack("{s:o,s:I,s:O,s:I}", "findings", text_of(&doctor->findings), "time_ms",
                             (json_int_t) mr_clock_wall_ms(), "workers", doctor->workers, "silent",
                             (json_int_t) (doctor->asked - json_array_size(doctor->workers)));
    mr_serve_answer(serve, &doctor->asker, body, NULL);
    mr_serve_free_doctor(serve);
}

static mr_doctor_t *new_doctor(const mr_asker_t *asker, const json_t *body) {
    mr_doctor_t *doctor = calloc(1, sizeof *doctor);
    if (!doctor)
        return NULL;
    doctor->asker = *asker;
    doctor->ask = (uint64_t) mr_clock_ms();
    doctor->workers = json_array();
    doctor->paths = json_incref(json_object_get(body, "inputs"));
    doctor->listener = zsock_new(ZMQ_PULL);
    if (!doctor->workers || !doctor->listener ||
        mr_buffer_reserve(&doctor->endpoint_texts, sizeof doctor->endpoints / sizeof *doctor->endpoints * 256)) {
        zsock_destroy(&doctor->listener);
        json_decref(doctor->workers);
        json_decref(doctor->paths);
        free(doctor);
        return NULL;
    }
    zsock_set_maxmsgsize(doctor->listener, 1); /* whoever connects has nothing to say */
    zsock_set_rcvhwm(doctor->listener, 1);
    zsock_set_linger(doctor->listener, 0);
    return doctor;
}

void mr_serve_doctor(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body) {
    mr_error_t error = {0};
    if (serve->requests->doctor) {
        mr_error_set(&error, MR_STATUS_JOB, "another millrace doctor is at work here; try again in a moment");
        mr_serve_answer_error(serve, asker, &error);
        return;
    }
    mr_doctor_t *doctor = serve->requests->doctor = new_doctor(asker, body);
    if (!doctor) {
        mr_error_memory(&error, "looking at this machine");
        mr_serve_answer_error(serve, asker, &error);
        return;
    }
    mr_serve_answer(serve, asker, json_pack("{s:b}", "checking", 1), NULL);
    doctor->deadline = mr_clock_ms() + PATIENCE_MS;
    look_here(serve, doctor);
    add_ports(serve, doctor);
    ask_workers(serve, doctor);
    if (!doctor->asked)
        doctor->deadline = 0;
}
