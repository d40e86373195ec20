/* handshake.h - why a connecting socket is not let in: what its monitor tells, judged.
 *
 * ZeroMQ tries again for ever and says nothing; and after some failures it does not even try again, and says nothing. Some failures will not go away by that: the coordinator does not admit the key; one side has keys and
 * the other none; or, with keys, whatever listens there breaks each handshake off (the coordinator's key is another's, or it is no coordinator). A
 * coordinator that is not there yet is no failure. */
#ifndef MR_HANDSHAKE_H
#define MR_HANDSHAKE_H

#include "keys.h"

/* What is spoken where this connects to. */
typedef enum mr_speaks {
    MR_SPEAKS_UNKNOWN, /* nobody is there, or says nothing */
    MR_SPEAKS_OTHER,   /* not ZeroMQ */
    MR_SPEAKS_NULL,    /* without keys */
    MR_SPEAKS_CURVE    /* with keys */
} mr_speaks_t;

typedef struct mr_handshake {
    int64_t connected_at; /* the last connection, whose handshake is not over; 0: none */
    int64_t retry_at;     /* ZeroMQ may have given up; 0: not so */
    int64_t failing_since;
    unsigned failures;  /* since then: broken off by the other side */
    unsigned silences;  /* since then: the other side said nothing */
    int64_t ask_at;     /* when to ask what is spoken there; 0: not yet, or not again */
    mr_speaks_t speaks; /* as it was asked when they went on */
    bool admitted;      /* a handshake has succeeded: keys are right */
    bool refused;       /* the key is */
} mr_handshake_t;

/* What the monitor shall tell (zmq_socket_monitor). */
#define MR_HANDSHAKE_EVENTS                                                                                            \
    (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |                                    \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

typedef struct mr_monitored {
    uint16_t event;
    uint32_t value;
} mr_monitored_t;

/* Watches a socket for those events (and others) under a name of its own; before it connects or binds. NULL: zmq_errno says why. The monitor is to be
 * closed (zmq_close) after zmq_socket_monitor(socket, NULL, 0) or the socket's end. */
void *mr_monitor_open(void *handle, int events);

/* The next event, without waiting. False: none. */
bool mr_monitor_next(void *monitor, mr_monitored_t *next);

/* Before connecting: a handshake takes so long at most. */
void mr_handshake_limit(void *handle);

void mr_handshake_take(mr_handshake_t *handshake, const mr_monitored_t *event, int64_t now);

/* -1, status REFUSED: there is no use in trying on, and why. */
int mr_handshake_check(const mr_handshake_t *handshake, const char *endpoint, const mr_keys_t *keys, int64_t now,
                       mr_error_t *error);

/* Asks what is spoken at an endpoint. Takes a second at most, where names are found at once. */
mr_speaks_t mr_handshake_ask(const char *endpoint);

/* Connects again where ZeroMQ does not: after a handshake that it could make nothing of. */
void mr_handshake_retry(mr_handshake_t *handshake, void *handle, const char *endpoint, int64_t now);

/* What is known of why nobody answers, to stand behind a message; "" or "; ...". */
const char *mr_handshake_hint(const mr_handshake_t *handshake);

#endif
