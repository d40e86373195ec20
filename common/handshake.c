#include "handshake.h"

#include <czmq.h>
#include <stdatomic.h>

#define HANDSHAKE_MS 5000
#define SILENT_MS 4000   /* a failure so long after the connection: the other side has said nothing */
#define PATIENCE_MS 2000 /* handshakes that are broken off again and again for so long will go on to be */
#define FEW_FAILURES 2
#define RETRY_MS 250

/* ---- monitors ---- */

void *mr_monitor_open(void *handle, int events) {
    static atomic_uint opened;
    char name[64];
    snprintf(name, sizeof name, "inproc://millrace-monitor-%u", atomic_fetch_add(&opened, 1));
    if (zmq_socket_monitor(handle, name, events))
        return NULL;
    void *monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (monitor && zmq_connect(monitor, name)) {
        zmq_close(monitor);
        monitor = NULL;
    }
    return monitor;
}

/* An event is two frames: u16 number and u32 value; the address. */
bool mr_monitor_next(void *monitor, mr_monitored_t *next) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool got = zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0 &&
               zmq_msg_size(&frame) >= sizeof next->event + sizeof next->value;
    if (got) {
        const char *data = zmq_msg_data(&frame);
        memcpy(&next->event, data, sizeof next->event);
        memcpy(&next->value, data + sizeof next->event, sizeof next->value);
    }
    while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(&frame);
    return got;
}

/* ---- judgement ---- */

void mr_handshake_limit(void *handle) {
    const int most = HANDSHAKE_MS;
    zmq_setsockopt(handle, ZMQ_HANDSHAKE_IVL, &most, sizeof most);
}

/* It is told of by an event of its own, or only by the end of the connection. */
static void fail(mr_handshake_t *handshake, int64_t now) {
    if (!handshake->connected_at)
        return;
    handshake->failing_since = handshake->failing_since ? handshake->failing_since : now;
    if (now - handshake->connected_at >= SILENT_MS)
        handshake->silences++;
    else
        handshake->failures++;
    handshake->connected_at = 0;
    handshake->retry_at = now + RETRY_MS;
    if (!handshake->ask_at && handshake->failures >= FEW_FAILURES && !handshake->admitted)
        handshake->ask_at = now + RETRY_MS;
}

void mr_handshake_take(mr_handshake_t *handshake, const mr_monitored_t *event, int64_t now) {
    switch (event->event) {
    case ZMQ_EVENT_CONNECTED:
        handshake->connected_at = now;
        handshake->retry_at = 0;
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        *handshake = (mr_handshake_t){.admitted = true};
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        handshake->refused = true;
        break;
    default:
        fail(handshake, now);
        break;
    }
}

/* Failures of whose reason nothing is known may be the coordinator's own end; so it is asked only when they go on. */
void mr_handshake_retry(mr_handshake_t *handshake, void *handle, const char *endpoint, int64_t now) {
    if (handshake->ask_at && now >= handshake->ask_at) { /* also while ZeroMQ tries on by itself */
        handshake->ask_at = 0;
        handshake->speaks = mr_handshake_ask(endpoint);
    }
    if (!handshake->retry_at || now < handshake->retry_at)
        return;
    handshake->retry_at = 0;
    zmq_disconnect(handle, endpoint);
    zmq_connect(handle, endpoint);
}

static int refuse_mechanism(const mr_handshake_t *handshake, const char *endpoint, const mr_keys_t *keys,
                            mr_error_t *error) {
    bool keyed = mr_keys_given(keys);
    if (keyed && handshake->speaks == MR_SPEAKS_CURVE)
        return mr_error_set(error, MR_STATUS_REFUSED,
                            "%s: what listens there is not the coordinator whose public key is in %s/coordinator.pub",
                            endpoint, keys->dir);
    if (keyed && handshake->speaks == MR_SPEAKS_NULL)
        return mr_error_set(error, MR_STATUS_REFUSED,
                            "%s: the coordinator there has no keys, and is not trusted; start it with --keys, or leave "
                            "--keys out here",
                            endpoint);
    if (!keyed && handshake->speaks == MR_SPEAKS_CURVE)
        return mr_error_set(error, MR_STATUS_REFUSED,
                            "%s: the coordinator there admits only who has keys; give them with --keys DIR", endpoint);
    return 0;
}

int mr_handshake_check(const mr_handshake_t *handshake, const char *endpoint, const mr_keys_t *keys, int64_t now,
                       mr_error_t *error) {
    bool keyed = mr_keys_given(keys);
    if (handshake->refused)
        return mr_error_set(
            error, MR_STATUS_REFUSED,
            "%s: the coordinator does not admit the key in %s: its public key must be among those in the "
            "coordinator's folder, for what is asked for here (public key: %s)",
            endpoint, keyed ? keys->dir : "(none)", keyed ? keys->public_key : "none");
    if (!handshake->admitted && handshake->failures > FEW_FAILURES && now - handshake->failing_since >= PATIENCE_MS)
        return refuse_mechanism(handshake, endpoint, keys, error);
    return 0;
}

const char *mr_handshake_hint(const mr_handshake_t *handshake) {
    if (handshake->silences)
        return "; something listens there, but says nothing: is it the right port?";
    if (handshake->failures && handshake->speaks <= MR_SPEAKS_OTHER)
        return "; something listens there, but does not speak as Millrace does: is it the right port?";
    return "";
}
