/* What clients ask for, and what they are answered. */
#include "serve_requests.h"

#include "greeting.h"
#include "log.h"
#include "serve_describe.h"

/* ---- answers ---- */

void mr_serve_answer(mr_serve_t *serve, const mr_asker_t *to, json_t *body, const mr_buffer_t *rows) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    mr_reply_message_t reply = {.protocol = MR_PROTOCOL,
                                .version = MILLRACE_VERSION,
                                .ask = to->ask,
                                .status = text ? MR_STATUS_OK : MR_STATUS_JOB,
                                .body = text ? text : "{\"error\":\"out of memory in the coordinator\"}"};
    if (rows)
        reply.rows = (mr_bytes_t){rows->data, rows->size};
    mr_serve_send(serve, &to->sender, &(mr_message_t){.type = MR_REPLY, .reply = reply});
    free(text);
}

void mr_serve_answer_error(mr_serve_t *serve, const mr_asker_t *to, const mr_error_t *error) {
    json_t *body = json_pack("{s:s}", "error", error->text);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    mr_reply_message_t reply = {.protocol = MR_PROTOCOL,
                                .version = MILLRACE_VERSION,
                                .ask = to->ask,
                                .status = error->status,
                                .body = text ? text : "{\"error\":\"refused\"}"};
    mr_serve_send(serve, &to->sender, &(mr_message_t){.type = MR_REPLY, .reply = reply});
    json_decref(body);
    free(text);
}

/* ---- verbs ---- */

static uint64_t id_of(const json_t *body) {
    json_int_t id = json_integer_value(json_object_get(body, "id"));
    return id > 0 ? (uint64_t) id : 0;
}

static void take_status(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body) {
    mr_error_t error = {0};
    json_t *answer = mr_serve_describe(serve, id_of(body), &error);
    if (error.status)
        mr_serve_answer_error(serve, asker, &error);
    else
        mr_serve_answer(serve, asker, answer, NULL);
}

static void take_cancel(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body) {
    mr_error_t error = {0};
    if (mr_serve_cancel(serve, id_of(body), &error))
        mr_serve_answer_error(serve, asker, &error);
    else
        mr_serve_answer(serve, asker, json_object(), NULL);
}

typedef struct verb {
    const char *name;
    void (*take)(mr_serve_t *serve, const mr_asker_t *asker, const json_t *body);
} verb_t;

static const verb_t verbs[] = {{"submit", mr_serve_check},
                               {"watch", mr_serve_watch},
                               {"status", take_status},
                               {"cancel", take_cancel},
                               {"doctor", mr_serve_doctor}};

static void take_request(mr_serve_t *serve, const mr_asker_t *asker, const mr_request_message_t *request) {
    mr_error_t error = {0};
    json_t *body = json_loads(request->body, 0, NULL);
    const verb_t *verb = NULL;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(request->verb, verbs[i].name))
            verb = &verbs[i];
    if (verb && json_is_object(body)) {
        verb->take(serve, asker, body);
    } else {
        mr_error_set(&error, MR_STATUS_USAGE, verb ? "the body of %s is not a JSON object" : "unknown verb '%s'",
                     request->verb);
        mr_serve_answer_error(serve, asker, &error);
    }
    json_decref(body);
}

int mr_serve_request(mr_serve_t *serve, const mr_sender_t *sender, const mr_message_t *message) {
    const mr_request_message_t *request = &message->request;
    if (message->type != MR_REQUEST) {
        mr_log(MR_LOG_DEBUG, "%s: not for a coordinator that stays", mr_message_name(message->type));
        return 0;
    }
    if (request->protocol != MR_PROTOCOL || strcmp(request->version, MILLRACE_VERSION)) {
        mr_message_t refusal = mr_greeting_refusal("install the same version of Millrace on both");
        mr_log(MR_LOG_WARNING, "a client has version %s (protocol %u), this coordinator %s (protocol %u): refused",
               request->version, request->protocol, MILLRACE_VERSION, MR_PROTOCOL);
        mr_serve_send(serve, sender, &refusal);
        return 0;
    }
    mr_asker_t asker = {*sender, request->ask};
    take_request(serve, &asker, request);
    return serve->over ? -1 : 0;
}

/* ---- life ---- */

int mr_serve_open_requests(mr_serve_t *serve, mr_error_t *error) {
    serve->requests = calloc(1, sizeof *serve->requests);
    return serve->requests ? 0 : mr_error_memory(error, "starting");
}

void mr_serve_check_requests(mr_serve_t *serve, int64_t now) {
    mr_serve_end_checks(serve, now);
    mr_serve_end_doctor(serve, now);
    mr_serve_answer_watches(serve, now);
}

void mr_serve_close_requests(mr_serve_t *serve) {
    if (serve->requests) {
        mr_serve_free_checks(serve);
        mr_serve_free_doctor(serve);
    }
    free(serve->requests);
    serve->requests = NULL;
}
