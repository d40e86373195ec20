#include "client.h"

#include <errno.h>
#include <signal.h>

#include "clock.h"
#include "endpoint.h"
#include "greeting.h"
#include "wire.h"

#define ANSWER_MS 12000   /* for a word, be it that the coordinator is at it; then it is said that nobody is there */
#define ASK_AGAIN_MS 3000 /* what may have been lost */
#define LINGER_MS 500     /* for a request to get out when the command ends */

static volatile sig_atomic_t caught;

static void catch (int number) {
    caught = number;
}

void mr_client_catch_signals(void) {
    struct sigaction action = {.sa_handler = catch};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error to report, not a death */
}

int mr_client_open(mr_client_t *client, const char *endpoint, const char *keys, mr_error_t *error) {
    *client = (mr_client_t){0};
    if (mr_keys_load(&client->keys, MR_ROLE_CLIENT, keys, error))
        return -1;
    zsys_handler_set(NULL); /* signals are ours */
    snprintf(client->endpoint, sizeof client->endpoint, "%s", endpoint);
    client->socket = zsock_new(ZMQ_DEALER);
    client->monitor = client->socket ? mr_monitor_open(zsock_resolve(client->socket), MR_HANDSHAKE_EVENTS) : NULL;
    if (!client->monitor)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_endpoint_set_socket(client->socket, LINGER_MS);
    mr_handshake_limit(zsock_resolve(client->socket));
    mr_keys_connect(&client->keys, zsock_resolve(client->socket));
    zsock_set_ipv6(client->socket, strchr(endpoint, '[') != NULL);
    if ((strncmp(endpoint, "tcp://", 6) && strncmp(endpoint, "ipc://", 6)) ||
        zsock_connect(client->socket, "%s", endpoint))
        return mr_error_set(error, MR_STATUS_USAGE, "--connect: '%s' is no endpoint: tcp://HOST:PORT or ipc://PATH",
                            endpoint);
    return 0;
}

void mr_client_close(mr_client_t *client) {
    if (client->socket)
        zmq_socket_monitor(zsock_resolve(client->socket), NULL, 0);
    if (client->monitor)
        zmq_close(client->monitor);
    client->monitor = NULL;
    mr_keys_clear(&client->keys);
    zsock_destroy(&client->socket);
    mr_buffer_free(&client->out);
}

void mr_answer_free(mr_answer_t *answer) {
    json_decref(answer->body);
    mr_buffer_free(&answer->rows);
    *answer = (mr_answer_t){0};
}

/* ---- one question ---- */

typedef struct question {
    mr_client_t *client;
    const char *verb;
    char *body; /* owned */
    bool again; /* it may be asked again */
    int64_t deadline;
    int64_t asked_ms;
} question_t;

static int send_request(question_t *question, mr_error_t *error) {
    mr_client_t *client = question->client;
    mr_request_message_t request = {MR_PROTOCOL, MILLRACE_VERSION, client->asked, question->verb, question->body};
    client->out.size = 0;
    if (mr_message_encode(&(mr_message_t){.type = MR_REQUEST, .request = request}, &client->out))
        return mr_error_memory(error, "asking the coordinator");
    zmq_send(zsock_resolve(client->socket), client->out.data, client->out.size, ZMQ_DONTWAIT);
    question->asked_ms = mr_clock_ms();
    return 0;
}

static int nobody_answers(const question_t *question, mr_error_t *error) {
    const mr_client_t *client = question->client;
    if (!client->reached)
        return mr_error_set(error, MR_STATUS_NO_WORKERS,
                            "%s: no coordinator answers; is millrace serve running there? (--connect names another)%s",
                            client->endpoint, mr_handshake_hint(&client->handshake));
    return mr_error_set(error, MR_STATUS_NO_WORKERS, "%s: the coordinator does not answer any more%s", client->endpoint,
                        question->again ? "" : "; millrace status tells whether it has taken the job");
}

static int interrupted(mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_INTERRUPTED, "interrupted by signal %d", (int) caught);
}

/* -1: the coordinator will not let it in. */
static int check_handshake(mr_client_t *client, int64_t now, mr_error_t *error) {
    mr_monitored_t event;
    while (mr_monitor_next(client->monitor, &event))
        mr_handshake_take(&client->handshake, &event, now);
    if (mr_handshake_check(&client->handshake, client->endpoint, &client->keys, now, error))
        return -1;
    mr_handshake_retry(&client->handshake, zsock_resolve(client->socket), client->endpoint, now);
    return 0;
}

/* Waits for one to read. 1; 0: not yet. */
static int wait_for_answer(question_t *question, mr_error_t *error) {
    zmq_pollitem_t item = {zsock_resolve(question->client->socket), 0, ZMQ_POLLIN, 0};
    int ready = zmq_poll(&item, 1, 200);
    if (caught)
        return interrupted(error);
    if (ready < 0 && zmq_errno() != EINTR)
        return mr_error_set(error, MR_STATUS_JOB, "cannot poll: %s", zmq_strerror(zmq_errno()));
    if (ready > 0)
        return 1;
    int64_t now = mr_clock_ms();
    if (check_handshake(question->client, now, error))
        return -1;
    if (now >= question->deadline)
        return nobody_answers(question, error);
    return question->again && now - question->asked_ms >= ASK_AGAIN_MS ? send_request(question, error) : 0;
}

static int take_refused(const mr_refused_message_t *refused, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_REFUSED,
                        "the coordinator (version %s, protocol %u) refused this client (version %s, protocol %u): %s",
                        refused->version, refused->protocol, MILLRACE_VERSION, MR_PROTOCOL, refused->reason);
}

mr_status_t mr_client_status(int64_t told) {
    return told > 0 && told < 256 ? (mr_status_t) told : MR_STATUS_JOB;
}

/* 1: that was the answer; 0: it was not, or not yet. */
static int take_reply(question_t *question, const mr_reply_message_t *reply, mr_answer_t *answer, mr_error_t *error) {
    if (reply->ask != question->client->asked)
        return 0; /* to what was asked before */
    json_error_t where;
    json_t *body = json_loads(reply->body, 0, &where);
    if (!body)
        return mr_error_set(error, MR_STATUS_REFUSED, "the coordinator's answer is not JSON: %s", where.text);
    if (reply->status) {
        const char *text = json_string_value(json_object_get(body, "error"));
        mr_error_set(error, mr_client_status(reply->status), "%s", text ? text : "refused");
        json_decref(body);
        return -1;
    }
    if (json_is_true(json_object_get(body, "checking"))) {
        question->deadline = mr_clock_ms() + ANSWER_MS; /* it says so again and again */
        json_decref(body);
        return 0;
    }
    mr_answer_free(answer);
    answer->body = body;
    return mr_buffer_append(&answer->rows, reply->rows.data, reply->rows.size) ? mr_error_memory(error, "reading rows")
                                                                               : 1;
}

static int read_answer(question_t *question, mr_answer_t *answer, mr_error_t *error) {
    zmq_msg_t frame;
    mr_message_t message;
    zmq_msg_init(&frame);
    int got = 0;
    if (zmq_msg_recv(&frame, zsock_resolve(question->client->socket), ZMQ_DONTWAIT) >= 0 &&
        (got = mr_message_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), error)) == 0) {
        question->client->reached = true;
        got = message.type == MR_REPLY     ? take_reply(question, &message.reply, answer, error)
              : message.type == MR_REFUSED ? take_refused(&message.refused, error)
                                           : 0;
        mr_message_clear(&message);
    }
    zmq_msg_close(&frame);
    return got;
}

int mr_client_ask(mr_client_t *client, const char *verb, const json_t *body, mr_answer_t *answer, mr_error_t *error) {
    question_t question = {.client = client,
                           .verb = verb,
                           .body = json_dumps(body, JSON_COMPACT),
                           .again = strcmp(verb, "submit") != 0,
                           .deadline = mr_clock_ms() + ANSWER_MS};
    client->asked++;
    int got = question.body ? send_request(&question, error) : mr_error_memory(error, "asking the coordinator");
    while (!got) {
        got = wait_for_answer(&question, error);
        if (got > 0)
            got = read_answer(&question, answer, error);
    }
    free(question.body);
    return got > 0 ? 0 : -1;
}
