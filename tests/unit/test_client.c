/* The real `millrace submit`, `wait`, `status` and `cancel`, and a coordinator that the test plays to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <czmq.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "tree.h"
#include "wire.h"

#define DEADLINE_MS 20000

extern char **environ;

typedef struct desk {
    char dir[64];
    char endpoint[128];
    zsock_t *socket; /* ROUTER */
    pid_t client;
    zmq_msg_t who;    /* asked last */
    uint64_t ask;     /* its number */
    json_t *question; /* its body, owned */
    char verb[16];
} desk_t;

static void open_desk(desk_t *desk) {
    alarm(120);
    *desk = (desk_t){0};
    snprintf(desk->dir, sizeof desk->dir, "/tmp/millrace-client-XXXXXX");
    assert_non_null(mkdtemp(desk->dir));
    snprintf(desk->endpoint, sizeof desk->endpoint, "ipc://%s/s", desk->dir);
    desk->socket = zsock_new(ZMQ_ROUTER);
    assert_int_equal(zsock_bind(desk->socket, "%s", desk->endpoint), 0);
    zmq_msg_init(&desk->who);
}

/* Starts millrace with these words, ended by NULL; its stdout and stderr go to files. */
static void start(desk_t *desk, const char *const *words) {
    char own[4096], program[4200], path[128];
    const char *arguments[16] = {program};
    posix_spawn_file_actions_t actions;
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    *strrchr(own, '/') = 0;
    snprintf(program, sizeof program, "%s/../coordinator/millrace", own);
    for (size_t i = 0; words[i]; i++)
        arguments[i + 1] = words[i];
    setenv("MILLRACE_CONNECT", desk->endpoint, 1);
    posix_spawn_file_actions_init(&actions);
    snprintf(path, sizeof path, "%s/out", desk->dir);
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    snprintf(path, sizeof path, "%s/err", desk->dir);
    posix_spawn_file_actions_addopen(&actions, 2, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(
        posix_spawn(&desk->client, program, &actions, NULL, (char *const *) (uintptr_t) arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
}

#define START(desk, ...) start(desk, (const char *const[]){__VA_ARGS__, NULL})

/* Receives the next request, which must be of that verb; its body is kept. */
static void hear(desk_t *desk, const char *verb) {
    zmq_pollitem_t item = {zsock_resolve(desk->socket), 0, ZMQ_POLLIN, 0};
    zmq_msg_t frame;
    mr_message_t message;
    mr_error_t error = {0};
    assert_int_equal(zmq_poll(&item, 1, DEADLINE_MS), 1);
    assert_true(zmq_msg_recv(&desk->who, zsock_resolve(desk->socket), 0) > 0);
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, zsock_resolve(desk->socket), 0) > 0);
    assert_int_equal(mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error), 0);
    assert_int_equal(message.type, MR_REQUEST);
    assert_int_equal(message.request.protocol, MR_PROTOCOL);
    assert_string_equal(message.request.version, MILLRACE_VERSION);
    assert_string_equal(message.request.verb, verb);
    desk->ask = message.request.ask;
    json_decref(desk->question);
    desk->question = json_loads(message.request.body, 0, NULL);
    assert_non_null(desk->question);
    mr_message_clear(&message);
    zmq_msg_close(&frame);
}

static json_int_t asked(const desk_t *desk, const char *name) {
    return json_integer_value(json_object_get(desk->question, name));
}

static void say(desk_t *desk, const mr_message_t *message) {
    mr_buffer_t out = {0};
    zmq_msg_t who;
    zmq_msg_init(&who);
    zmq_msg_copy(&who, &desk->who);
    assert_int_equal(mr_message_encode(message, &out), 0);
    assert_true(zmq_msg_send(&who, zsock_resolve(desk->socket), ZMQ_SNDMORE) > 0);
    assert_true(zmq_send(zsock_resolve(desk->socket), out.data, out.size, 0) > 0);
    mr_buffer_free(&out);
}

static void answer_ask(desk_t *desk, uint64_t ask, uint32_t status, const char *body, const char *rows) {
    mr_reply_message_t reply = {MR_PROTOCOL, MILLRACE_VERSION, ask, status, body, {rows, strlen(rows)}};
    say(desk, &(mr_message_t){.type = MR_REPLY, .reply = reply});
}

static void answer(desk_t *desk, uint32_t status, const char *body, const char *rows) {
    answer_ask(desk, desk->ask, status, body, rows);
}

/* The exit status. */
static int end_client(desk_t *desk) {
    int status;
    assert_int_equal(waitpid(desk->client, &status, 0), desk->client);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *text(const desk_t *desk, const char *name) {
    static char bytes[8192];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", desk->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    assert_true(size >= 0);
    bytes[size] = 0;
    return bytes;
}

static void close_desk(desk_t *desk) {
    json_decref(desk->question);
    zmq_msg_close(&desk->who);
    zsock_destroy(&desk->socket);
    assert_int_equal(mr_tree_remove(desk->dir), 0);
}

#define RUNS "{\"job\":{\"state\":\"running\",\"grows\":true},\"messages\":[],\"messages_end\":0,\"more\":false}"

/* ---- what goes out ---- */

static void a_submission(void **state) {
    (void) state;
    desk_t desk;
    char here[4096];
    open_desk(&desk);
    setenv("MILLRACE_CHUNK", "1M", 1); /* the client's environment counts */
    START(&desk, "submit", "ngrams", "--top", "3", "-q", "-o", "rows", "--priority", "7", "--detach", "in put");
    unsetenv("MILLRACE_CHUNK");
    assert_int_equal(end_client(&desk), 2); /* --detach and -o */
    START(&desk, "submit", "sum", "--value=2", "--key", "1", "--top", "3", "-q", "--priority", "7", "-d", "in put");
    hear(&desk, "submit");
    assert_int_equal(asked(&desk, "priority"), 7);
    assert_non_null(realpath(".", here));
    assert_string_equal(json_string_value(json_object_get(desk.question, "directory")), here);
    char *words = json_dumps(json_object_get(desk.question, "words"), JSON_COMPACT);
    assert_non_null(strstr(words, "[\"sum\","));
    assert_non_null(strstr(words, "\"--top=3\""));
    assert_non_null(strstr(words, "\"--key=1\""));
    assert_non_null(strstr(words, "\"--\",\"in put\"]"));
    assert_null(strstr(words, "priority")); /* what is the client's own, or for the server to know */
    assert_null(strstr(words, "detach"));
    assert_null(strstr(words, "quiet"));
    assert_null(strstr(words, "connect"));
    free(words);
    answer(&desk, 0, "{\"checking\":true}", "");
    answer(&desk, 0, "{\"id\":12}", "");
    assert_int_equal(end_client(&desk), 0);
    assert_string_equal(text(&desk, "out"), "12\n");
    close_desk(&desk);
}

/* ---- what comes in ---- */

static void rows_are_asked_for_from_where_they_end(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    START(&desk, "wait", "5", "-q");
    hear(&desk, "watch");
    assert_int_equal(asked(&desk, "id"), 5);
    assert_int_equal(asked(&desk, "rows"), 0);
    answer_ask(&desk, desk.ask + 1, 0, "{}", "to another question\n");
    answer_ask(&desk, desk.ask - 1, 1, "{}", "");
    answer(&desk, 0, RUNS, "a\t1\nb");
    hear(&desk, "watch");
    assert_int_equal(asked(&desk, "rows"), 5);
    assert_string_equal(json_string_value(json_object_get(desk.question, "state")), "running");
    hear(&desk, "watch"); /* no answer: it is asked again */
    assert_int_equal(asked(&desk, "rows"), 5);
    answer(&desk, 0, "{\"job\":{\"state\":\"done\"},\"messages\":[],\"messages_end\":9,\"more\":true}", "\t2\n");
    hear(&desk, "watch");
    assert_int_equal(asked(&desk, "rows"), 8);
    assert_int_equal(asked(&desk, "messages"), 9);
    answer(&desk, 0, "{\"job\":{\"state\":\"done\"},\"more\":false}", "c\t3\n");
    assert_int_equal(end_client(&desk), 0);
    assert_string_equal(text(&desk, "out"), "a\t1\nb\t2\nc\t3\n");
    assert_string_equal(text(&desk, "err"), "");
    close_desk(&desk);
}

static void another_version_says_both(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    START(&desk, "status");
    hear(&desk, "status");
    say(&desk, &(mr_message_t){.type = MR_REFUSED,
                               .refused = {MR_PROTOCOL + 1, "9.9.9", "install the same version of Millrace on both"}});
    assert_int_equal(end_client(&desk), 6);
    assert_non_null(strstr(text(&desk, "err"), "9.9.9"));
    assert_non_null(strstr(text(&desk, "err"), "version " MILLRACE_VERSION));
    assert_non_null(strstr(text(&desk, "err"), "install the same version"));
    close_desk(&desk);
}

/* The exit status of a client that gets this answer to its first question. */
static int end_by(desk_t *desk, const char *command, const char *verb, uint32_t status, const char *body) {
    START(desk, command, "1");
    hear(desk, verb);
    answer(desk, status, body, "");
    return end_client(desk);
}

static void what_a_coordinator_says_against_it_is_never_success(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    assert_int_equal(end_by(&desk, "cancel", "cancel", 2, "{\"error\":\"there is no job 1\\u001b[31m\"}"), 2);
    assert_non_null(strstr(text(&desk, "err"), "there is no job 1\\x1b[31m\n"));
    assert_int_equal(end_by(&desk, "cancel", "cancel", 256, "{\"error\":\"x\"}"), 1);
    assert_int_equal(end_by(&desk, "cancel", "cancel", UINT32_MAX, "[]"), 1);
    assert_int_equal(end_by(&desk, "cancel", "cancel", 0, "no JSON"), 6);
    assert_int_equal(end_by(&desk, "wait", "watch", 0, "{}"), 6);
    assert_int_equal(end_by(&desk, "wait", "watch", 0, "{\"job\":{\"state\":\"failed\",\"status\":512}}"), 1);
    assert_int_equal(end_by(&desk, "wait", "watch", 0, "{\"job\":{\"state\":\"failed\",\"status\":5}}"), 5);
    assert_int_equal(end_by(&desk, "wait", "watch", 0, "{\"job\":{\"state\":\"cancelled\",\"status\":0}}"), 1);
    START(&desk, "submit", "sum-range", "5", "-d");
    hear(&desk, "submit");
    answer(&desk, 0, "{}", "");
    assert_int_equal(end_client(&desk), 6);
    assert_string_equal(text(&desk, "out"), "");
    close_desk(&desk);
}

static void who_is_interrupted_is_told_how_to_go_on(void **state) {
    (void) state;
    desk_t desk;
    open_desk(&desk);
    START(&desk, "submit", "sum-range", "5");
    hear(&desk, "submit");
    answer(&desk, 0, "{\"id\":3}", "");
    hear(&desk, "watch");
    answer(&desk, 0, RUNS, "");
    hear(&desk, "watch");
    kill(desk.client, SIGINT);
    assert_int_equal(end_client(&desk), 130);
    assert_non_null(strstr(text(&desk, "err"), "job 3 goes on; millrace wait 3 waits for it, millrace cancel 3 ends"));
    close_desk(&desk);
}

/* Whether somebody asks before the client has ended. */
static bool asks_again(desk_t *desk) {
    zmq_pollitem_t item = {zsock_resolve(desk->socket), 0, ZMQ_POLLIN, 0};
    return zmq_poll(&item, 1, 0) > 0;
}

static void a_coordinator_that_is_silent_from_now_on(void **state) {
    (void) state;
    desk_t watched, submitted;
    open_desk(&watched);
    open_desk(&submitted);
    START(&watched, "submit", "sum-range", "5");
    START(&submitted, "submit", "sum-range", "5");
    hear(&submitted, "submit");
    answer(&submitted, 0, "{\"checking\":true}", ""); /* it was killed while it looked at the job */
    hear(&watched, "submit");
    answer(&watched, 0, "{\"id\":3}", "");
    hear(&watched, "watch");
    answer(&watched, 0, RUNS, "");
    int64_t before = mr_clock_ms();
    assert_int_equal(end_client(&watched), 7);
    assert_in_range(mr_clock_ms() - before, 11000, 15000 + DEADLINE_MS);
    assert_true(asks_again(&watched));
    assert_non_null(strstr(text(&watched, "err"), "does not answer any more"));
    assert_non_null(strstr(text(&watched, "err"), "millrace wait 3 waits for it")); /* else its number would be lost */
    assert_int_equal(end_client(&submitted), 7);
    assert_false(asks_again(&submitted)); /* else the job might be taken twice */
    close_desk(&watched);
    close_desk(&submitted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission),
        cmocka_unit_test(rows_are_asked_for_from_where_they_end),
        cmocka_unit_test(another_version_says_both),
        cmocka_unit_test(what_a_coordinator_says_against_it_is_never_success),
        cmocka_unit_test(who_is_interrupted_is_told_how_to_go_on),
        cmocka_unit_test(a_coordinator_that_is_silent_from_now_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
