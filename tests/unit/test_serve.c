/* The real `millrace serve` process, and workers that the test plays to it. */
#include "cluster_help.h"
#include "job_queue.h"
#include "tree.h"

typedef struct house {
    char dir[64]; /* of all it has */
    char endpoint[128];
    pid_t server;
} house_t;

static void set_up_house(house_t *house) {
    alarm(120);
    snprintf(house->dir, sizeof house->dir, "/tmp/millrace-serve-XXXXXX");
    assert_non_null(mkdtemp(house->dir));
    snprintf(house->endpoint, sizeof house->endpoint, "ipc://%s/s", house->dir);
    house->server = 0;
}

/* Queues a job that never ends without a worker; the server does not run yet. */
static void queue_job(const house_t *house, int64_t priority) {
    char state[128];
    char *words[] = {(char *) "sum-range", (char *) "100", NULL};
    mr_error_t error = {0};
    mr_queued_t job = {.priority = priority,
                       .words = words,
                       .word_count = 2,
                       .directory = (char *) "/",
                       .user = (char *) "me",
                       .host = (char *) "here"};
    snprintf(state, sizeof state, "%s/state", house->dir);
    mr_job_queue_t *queue = mr_job_queue_open(state, &error);
    assert_non_null(queue);
    assert_int_equal(mr_job_queue_add(queue, &job, &error), 0);
    mr_job_queue_close(&queue);
}

static void start_server(house_t *house, const char *at_once) {
    char own[4096], program[4200], state[128];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../coordinator/millrace", own);
    snprintf(state, sizeof state, "%s/state", house->dir);
    const char *arguments[] = {program,   "serve", "--listen",  house->endpoint, "--state",
                               state,     "--tmp", house->dir,  "--workers",     "0",
                               "--lease", "1s",    "--at-once", at_once,         NULL};
    assert_int_equal(posix_spawn(&house->server, program, NULL, NULL, (char *const *) (uintptr_t) arguments, environ),
                     0);
}

static void open_house(house_t *house) {
    set_up_house(house);
    start_server(house, "1");
}

static int end_server(house_t *house, int signal) {
    int status;
    kill(house->server, signal);
    assert_int_equal(waitpid(house->server, &status, 0), house->server);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void close_house(house_t *house) {
    assert_int_equal(end_server(house, SIGTERM), 0);
    assert_int_equal(mr_tree_remove(house->dir), 0);
}

static void say_hello_as(zsock_t *worker, const char *version, uint32_t threads, uint64_t job) {
    send_message(worker,
                 &(mr_message_t){.type = MR_HELLO, .hello = {MR_PROTOCOL, version, "fake", 1, threads, "", job}});
}

/* The next PLACE: for which job, and whether its coordinator's endpoint is told. */
static uint64_t placed(zsock_t *worker, bool *where) {
    mr_message_t message;
    expect(worker, MR_PLACE, &message);
    uint64_t job = message.place.job;
    *where = *message.place.endpoint != 0;
    mr_message_clear(&message);
    return job;
}

static zsock_t *worker_in(const house_t *house) {
    zsock_t *worker = dial(ZMQ_DEALER, house->endpoint);
    say_hello_as(worker, MILLRACE_VERSION, 1, 0);
    return worker;
}

/* Hears PLACE until it is for a job whose coordinator listens. */
static uint64_t placed_at_last(zsock_t *worker) {
    for (;;) {
        bool where;
        uint64_t job = placed(worker, &where);
        if (job && where)
            return job;
    }
}

static void hello_is_answered_by_place(void **state) {
    (void) state;
    house_t house;
    bool where;
    open_house(&house);
    zsock_t *worker = worker_in(&house);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(placed(worker, &where), 0);
        assert_false(where);
        say_hello_as(worker, MILLRACE_VERSION, 1, 0);
    }
    zsock_destroy(&worker);
    close_house(&house);
}

static void another_version_is_refused(void **state) {
    (void) state;
    static const unsigned char short_hello[] = {0x93, 0x01, 0x07, 0xa1, 'x'};
    house_t house;
    mr_message_t message;
    open_house(&house);
    zsock_t *worker = dial(ZMQ_DEALER, house.endpoint);
    say_hello_as(worker, "0.0.0", 1, 0);
    expect(worker, MR_REFUSED, &message);
    assert_string_equal(message.refused.version, MILLRACE_VERSION);
    assert_non_null(strstr(message.refused.reason, "same version"));
    mr_message_clear(&message);
    send_frame(worker, short_hello, sizeof short_hello, 0);
    expect_and_forget(worker, MR_REFUSED);
    zsock_destroy(&worker);
    close_house(&house);
}

/* They are looked at in processes, a few at a time; the others wait for their turn. */
static void many_submissions_at_once(void **state) {
    (void) state;
    enum { JOBS = 60 };
    const char body[] = "{\"words\":[\"sum-range\",\"5\"],\"directory\":\"/\"}";
    house_t house;
    unsigned taken = 0;
    open_house(&house);
    zsock_t *client = dial(ZMQ_DEALER, house.endpoint);
    for (uint64_t i = 0; i < JOBS; i++)
        send_message(
            client, &(mr_message_t){.type = MR_REQUEST, .request = {MR_PROTOCOL, MILLRACE_VERSION, i, "submit", body}});
    while (taken < JOBS) {
        mr_message_t message;
        expect(client, MR_REPLY, &message);
        assert_int_equal(message.reply.status, 0);
        taken += strstr(message.reply.body, "\"id\":") != NULL;
        mr_message_clear(&message);
    }
    zsock_destroy(&client);
    close_house(&house);
}

/* Else who waits could not tell it from a server that was killed meanwhile. */
static void a_look_that_takes_long_is_spoken_of(void **state) {
    (void) state;
    house_t house;
    mr_message_t message;
    char list[128], body[512];
    open_house(&house);
    snprintf(list, sizeof list, "%s/list", house.dir);
    snprintf(body, sizeof body, "{\"words\":[\"count\",\"--files-from=%s\"],\"directory\":\"/\"}", list);
    assert_int_equal(mkfifo(list, 0600), 0);
    zsock_t *client = dial(ZMQ_DEALER, house.endpoint);
    send_message(client,
                 &(mr_message_t){.type = MR_REQUEST, .request = {MR_PROTOCOL, MILLRACE_VERSION, 7, "submit", body}});
    for (int i = 0; i < 3; i++) {
        expect(client, MR_REPLY, &message);
        assert_int_equal(message.reply.ask, 7);
        assert_string_equal(message.reply.body, "{\"checking\":true}");
        mr_message_clear(&message);
    }
    int end = open(list, O_WRONLY); /* it has its reader: the job that is looked at */
    assert_int_equal(write(end, "/no/such\n", 9), 9);
    close(end);
    uint32_t status = MR_STATUS_OK;
    while (status == MR_STATUS_OK) {
        expect(client, MR_REPLY, &message);
        status = message.reply.status;
        mr_message_clear(&message);
    }
    assert_int_equal(status, MR_STATUS_INPUT);
    zsock_destroy(&client);
    close_house(&house);
}

/* What a coordinator that stays has no use for does it no harm. */
static void messages_out_of_place(void **state) {
    (void) state;
    house_t house;
    bool where;
    open_house(&house);
    zsock_t *worker = dial(ZMQ_DEALER, house.endpoint);
    const mr_message_t messages[] = {
        {.type = MR_BYE, .bye = {0, 0, "who am I?"}},
        {.type = MR_HEARTBEAT, .heartbeat = {1, 1, 0, NULL, 0}},
        {.type = MR_PLACE, .place = {1, "tcp://*:1", ""}},
        {.type = MR_SHUTDOWN, .shutdown = {0, "end"}},
        {.type = MR_RUN, .run = {1, 1, 1, 0}},
        {.type = MR_REFUSED, .refused = {MR_PROTOCOL, "0.1.0", "no"}},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        send_message(worker, &messages[i]);
    send_frame(worker, "", 0, 0);
    send_frame(worker, "\xdd\xff\xff\xff\xff", 5, ZMQ_SNDMORE);
    send_frame(worker, "more", 4, 0);
    say_hello_as(worker, MILLRACE_VERSION, 0, 99);
    assert_int_equal(placed(worker, &where), 0);
    zsock_destroy(&worker);
    close_house(&house);
}

/* A job begins when a worker comes; that is told where, unasked, when its coordinator listens. */
static void a_job_waits_for_a_worker(void **state) {
    (void) state;
    house_t house;
    set_up_house(&house);
    queue_job(&house, 0);
    start_server(&house, "1");
    zsock_t *worker = worker_in(&house);
    assert_int_equal(placed_at_last(worker), 1);
    zsock_destroy(&worker);
    close_house(&house);
}

/* Where the worker is placed now, or was when it was last told. */
static uint64_t ask(zsock_t *worker) {
    bool where;
    say_hello_as(worker, MILLRACE_VERSION, 1, 0);
    return placed(worker, &where);
}

static void two_jobs_two_workers(void **state) {
    (void) state;
    house_t house;
    set_up_house(&house);
    queue_job(&house, 0);
    queue_job(&house, 5);
    queue_job(&house, 0);
    start_server(&house, "2");
    zsock_t *one = worker_in(&house), *two = worker_in(&house);
    uint64_t first, second;
    do { /* both may be placed with the one that listens first, until the other does */
        first = ask(one);
        second = ask(two);
    } while (first + second != 3 || !first || !second);
    zsock_destroy(&one); /* it falls silent, and is struck off */
    zsock_destroy(&two);
    close_house(&house);
}

/* After a server that was killed, the workers say for which job they work, and are left there. */
static void who_works_is_left(void **state) {
    (void) state;
    house_t house;
    bool where;
    set_up_house(&house);
    queue_job(&house, 0);
    queue_job(&house, 9);
    start_server(&house, "1");
    zsock_t *worker = worker_in(&house);
    assert_int_equal(placed_at_last(worker), 2);
    assert_int_equal(end_server(&house, SIGKILL), -SIGKILL);
    zsock_destroy(&worker);
    start_server(&house, "1");
    worker = dial(ZMQ_DEALER, house.endpoint);
    say_hello_as(worker, MILLRACE_VERSION, 1, 2);
    assert_int_equal(placed(worker, &where), 2);
    if (!where)
        assert_int_equal(placed_at_last(worker), 2);
    zsock_destroy(&worker);
    close_house(&house);
}

static void a_crowd(void **state) {
    (void) state;
    enum { CROWD = 400 };
    house_t house;
    bool where;
    zsock_t *workers[CROWD];
    open_house(&house);
    for (int i = 0; i < CROWD; i++)
        workers[i] = worker_in(&house);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(placed(workers[i], &where), 0);
    for (int i = 0; i < CROWD; i++)
        zsock_destroy(&workers[i]);
    close_house(&house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_answered_by_place),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(many_submissions_at_once),
        cmocka_unit_test(messages_out_of_place),
        cmocka_unit_test(a_job_waits_for_a_worker),
        cmocka_unit_test(two_jobs_two_workers),
        cmocka_unit_test(who_works_is_left),
        cmocka_unit_test(a_crowd),
        cmocka_unit_test(a_look_that_takes_long_is_spoken_of),
    };
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
