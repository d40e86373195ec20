#include "link.h"

#include "log.h"

/* Credit bounds what lies in a lane, grants what goes to the sink; a high-water mark would only add a way to block. */
static zsock_t *connect_socket(int type, const char *endpoint, mr_error_t *error) {
    zsock_t *socket = zsock_new(type);
    if (!socket) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_rcvhwm(socket, 0);
    zsock_set_sndhwm(socket, 0);
    zsock_set_linger(socket, 0);
    if (zsock_connect(socket, "%s", endpoint)) {
        mr_error_set(error, MR_STATUS_USAGE, "%s: cannot connect: %s", endpoint, zmq_strerror(zmq_errno()));
        zsock_destroy(&socket);
    }
    return socket;
}

int mr_link_open(mr_link_t *link, const char *endpoint, mr_error_t *error) {
    *link = (mr_link_t){.control = connect_socket(ZMQ_DEALER, endpoint, error)};
    return link->control ? 0 : -1;
}

int mr_link_welcome(mr_link_t *link, const mr_welcome_message_t *welcome, mr_error_t *error) {
    link->sink = connect_socket(ZMQ_PUSH, welcome->sink, error);
    link->lane = link->sink ? connect_socket(ZMQ_PULL, welcome->lane, error) : NULL;
    return link->lane ? 0 : -1;
}

void mr_link_close(mr_link_t *link) {
    zsock_destroy(&link->lane);
    zsock_destroy(&link->sink);
    zsock_destroy(&link->control);
    mr_buffer_free(&link->out);
}

static void send_message(mr_link_t *link, zsock_t *socket, const mr_message_t *message, int flags) {
    link->out.size = 0;
    if (mr_message_encode(message, &link->out))
        link->failed = true;
    else if (zmq_send(zsock_resolve(socket), link->out.data, link->out.size, flags | ZMQ_DONTWAIT) < 0)
        mr_log(MR_LOG_DEBUG, "%s not sent: %s", mr_message_name(message->type), zmq_strerror(zmq_errno()));
}

void mr_link_control(mr_link_t *link, const mr_message_t *message) {
    send_message(link, link->control, message, 0);
}

void mr_link_partial(mr_link_t *link, const mr_message_t *message) {
    send_message(link, link->sink, message, 0);
}

void mr_link_run(mr_link_t *link, const mr_message_t *header, mr_run_bytes_t *bytes, size_t size) {
    zmq_msg_t frame;
    send_message(link, link->sink, header, ZMQ_SNDMORE);
    if (zmq_msg_init_data(&frame, bytes->data, size, mr_run_bytes_release, bytes)) {
        mr_run_bytes_release(NULL, bytes);
        zmq_msg_init(&frame); /* an empty run: refused there, and the partial with it */
    }
    if (zmq_msg_send(&frame, zsock_resolve(link->sink), ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&frame);
}

/* Messages have one frame on these sockets; further ones are dropped. */
static void drop_rest(void *socket, zmq_msg_t *frame) {
    while (zmq_msg_more(frame) && zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) >= 0)
        ;
}

int mr_link_receive(zsock_t *zsock, mr_message_t *message) {
    void *socket = zsock_resolve(zsock);
    mr_error_t error = {0};
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int got = 0;
    if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0) {
        got = mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), &error) ? -1 : 1;
        drop_rest(socket, &frame);
    }
    if (got < 0)
        mr_log(MR_LOG_WARNING, "message dropped: %s", error.text);
    zmq_msg_close(&frame);
    return got;
}
