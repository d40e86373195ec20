#include "router.h"

int mr_router_receive(zsock_t *socket, mr_sender_t *sender, mr_message_t *message, mr_error_t *error) {
    void *handle = zsock_resolve(socket);
    zmq_msg_t identity, frame;
    zmq_msg_init(&identity);
    zmq_msg_init(&frame);
    int got = 0;
    sender->socket = socket;
    if (zmq_msg_recv(&identity, handle, ZMQ_DONTWAIT) >= 0) {
        sender->size = zmq_msg_size(&identity) <= MR_IDENTITY_MAX ? zmq_msg_size(&identity) : 0;
        memcpy(sender->identity, zmq_msg_data(&identity), sender->size);
        got = zmq_msg_more(&identity) && zmq_msg_recv(&frame, handle, ZMQ_DONTWAIT) >= 0 &&
                      !mr_message_decode(message, zmq_msg_data(&frame), zmq_msg_size(&frame), error)
                  ? 1
                  : -1;
        mr_peer_of(&frame, &sender->peer);
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, handle, ZMQ_DONTWAIT) >= 0)
            ;
    }
    zmq_msg_close(&identity);
    zmq_msg_close(&frame);
    return got;
}

int mr_router_send(zsock_t *socket, const void *identity, size_t size, const mr_message_t *message, mr_buffer_t *out) {
    void *handle = zsock_resolve(socket);
    out->size = 0;
    if (mr_message_encode(message, out))
        return -1;
    if (zmq_send(handle, identity, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(handle, out->data, out->size, ZMQ_DONTWAIT);
    return 0;
}
