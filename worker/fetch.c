#include "fetch.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "link.h"
#include "log.h"

#define LOOK_MS 100               /* so often a thread that waits looks whether it is to give up */
#define PATIENCE_MS INT64_C(2000) /* doubles up to a lease, as a slow connection is not made faster by asking */
#define MOST_MESSAGE (INT64_C(1) << 20)

/* ---- pieces ---- */

static mr_fetch_piece_t *piece_at(mr_fetch_t *fetch, unsigned index) {
    return &fetch->pieces[(fetch->first + index) % MR_FETCH_WINDOW];
}

static void drop_first(mr_fetch_t *fetch) {
    mr_fetch_piece_t *piece = piece_at(fetch, 0);
    if (piece->here)
        zmq_msg_close(&piece->frame);
    fetch->first = (fetch->first + 1) % MR_FETCH_WINDOW;
    fetch->count--;
}

static void drop_all(mr_fetch_t *fetch) {
    while (fetch->count)
        drop_first(fetch);
}

/* ---- asking ---- */

/* A lost message is asked for again, so nothing is made of one that cannot be sent. */
static void ask(mr_fetch_t *fetch, uint32_t input, const mr_fetch_piece_t *piece) {
    mr_message_t message = {.type = MR_FETCH, .fetch = {fetch->where.epoch, input, piece->offset, piece->size}};
    fetch->out.size = 0;
    if (fetch->socket && !mr_message_encode(&message, &fetch->out))
        zmq_send(fetch->socket, fetch->out.data, fetch->out.size, ZMQ_DONTWAIT);
}

static void ask_again(mr_fetch_t *fetch, uint32_t input) {
    for (unsigned i = 0; i < fetch->count; i++)
        if (!piece_at(fetch, i)->here)
            ask(fetch, input, piece_at(fetch, i));
    fetch->moved_at = mr_clock_ms();
}

/* Asks for what fits into the window, up to `need` at least if there is room. */
static void ask_ahead(mr_fetch_t *fetch, uint32_t input, uint64_t need) {
    uint64_t until = need > fetch->until ? need : fetch->until;
    if (!fetch->count)
        fetch->moved_at = mr_clock_ms();
    while (fetch->count < MR_FETCH_WINDOW && fetch->asked < until) {
        uint64_t size = until - fetch->asked;
        mr_fetch_piece_t *piece = piece_at(fetch, fetch->count++);
        *piece = (mr_fetch_piece_t){.offset = fetch->asked, .size = size < MR_WIRE_PIECE ? size : MR_WIRE_PIECE};
        fetch->asked += piece->size;
        ask(fetch, input, piece);
    }
}

/* ---- the connection ---- */

static void disconnect(mr_fetch_t *fetch) {
    if (fetch->socket)
        zmq_close(fetch->socket);
    fetch->socket = NULL;
}

static int connect_socket(mr_fetch_t *fetch, mr_error_t *error) {
    const int64_t most = MOST_MESSAGE;
    void *context = mr_route_context(fetch->route);
    disconnect(fetch);
    fetch->socket = context ? zmq_socket(context, ZMQ_DEALER) : NULL;
    if (!fetch->socket)
        return mr_error_set(error, MR_STATUS_JOB, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    mr_link_set_socket(fetch->socket, fetch->where.endpoint, fetch->route->keys);
    zmq_setsockopt(fetch->socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (zmq_connect(fetch->socket, fetch->where.endpoint))
        return mr_error_set(error, MR_STATUS_JOB, "%s: cannot connect: %s", fetch->where.endpoint,
                            zmq_strerror(zmq_errno()));
    return 0;
}

/* Where inputs are served may have changed: then nothing that was asked will come. */
static int follow(mr_fetch_t *fetch, uint32_t input, mr_error_t *error) {
    if (!mr_route_look(fetch->route, &fetch->where) && fetch->socket)
        return 0;
    if (connect_socket(fetch, error))
        return -1;
    fetch->patience_ms = PATIENCE_MS;
    ask_again(fetch, input);
    return 0;
}

/* ---- what comes ---- */

static int take_piece(mr_fetch_t *fetch, const mr_source_t *source, const mr_data_message_t *data, zmq_msg_t *frame,
                      mr_error_t *error) {
    mr_fetch_piece_t *piece = NULL;
    for (unsigned i = 0; i < fetch->count && !piece; i++)
        if (piece_at(fetch, i)->offset == data->offset && !piece_at(fetch, i)->here)
            piece = piece_at(fetch, i);
    if (!piece || data->epoch != fetch->where.epoch || data->input != source->segment.input)
        return 0; /* of another segment, or it came twice */
    fetch->moved_at = mr_clock_ms();
    fetch->patience_ms = PATIENCE_MS;
    if (data->status)
        return mr_error_set(error, MR_STATUS_INPUT, "%s: %s", source->segment.path, data->text);
    if (zmq_msg_size(frame) != piece->size)
        return 0; /* of a segment before, which ended elsewhere */
    piece->here = true;
    zmq_msg_init(&piece->frame);
    zmq_msg_move(&piece->frame, frame);
    return 0;
}

/* One message of two frames. 1: there was one. */
static int receive(mr_fetch_t *fetch, const mr_source_t *source, mr_error_t *error) {
    mr_message_t message = {0};
    mr_error_t malformed = {0};
    zmq_msg_t header, frame;
    zmq_msg_init(&header);
    zmq_msg_init(&frame);
    int got = zmq_msg_recv(&header, fetch->socket, ZMQ_DONTWAIT) >= 0;
    if (got && zmq_msg_more(&header) && zmq_msg_recv(&frame, fetch->socket, ZMQ_DONTWAIT) >= 0 &&
        !mr_message_decode(&message, zmq_msg_data(&header), zmq_msg_size(&header), &malformed)) {
        if (message.type == MR_DATA && take_piece(fetch, source, &message.data, &frame, error))
            got = -1;
        mr_message_clear(&message);
    }
    zmq_msg_close(&header);
    zmq_msg_close(&frame);
    return got;
}

static int receive_all(mr_fetch_t *fetch, const mr_source_t *source, mr_error_t *error) {
    int got;
    while ((got = receive(fetch, source, error)) > 0)
        ;
    return got;
}

static void lose_patience(mr_fetch_t *fetch, uint32_t input) {
    if (mr_clock_ms() - fetch->moved_at < fetch->patience_ms)
        return;
    mr_log(MR_LOG_DEBUG, "an input does not come; asking again");
    ask_again(fetch, input);
    if (fetch->patience_ms < fetch->where.lease_ms)
        fetch->patience_ms *= 2;
}

/* Waits for the first piece. */
static int await(mr_fetch_t *fetch, const mr_source_t *source, mr_error_t *error) {
    uint32_t input = source->segment.input;
    while (!piece_at(fetch, 0)->here) {
        if (fetch->stopped(fetch->context))
            return mr_error_set(error, MR_STATUS_INTERRUPTED, "stopped");
        if (follow(fetch, input, error))
            return -1;
        zmq_pollitem_t item = {fetch->socket, 0, ZMQ_POLLIN, 0};
        if (zmq_poll(&item, 1, LOOK_MS) < 0 && zmq_errno() != EINTR)
            return mr_error_set(error, MR_STATUS_JOB, "cannot poll: %s", zmq_strerror(zmq_errno()));
        if (receive_all(fetch, source, error))
            return -1;
        lose_patience(fetch, input);
    }
    return 0;
}

/* ---- the source ---- */

/* The coordinator compares each piece with what was planned. */
static int verify(const mr_source_t *source, mr_error_t *error) {
    (void) source;
    (void) error;
    return 0;
}

/* What lies before `offset` is not needed any more. */
static void move_to(mr_fetch_t *fetch, uint64_t offset) {
    while (fetch->count && piece_at(fetch, 0)->offset + piece_at(fetch, 0)->size <= offset)
        drop_first(fetch);
    if (!fetch->count && fetch->asked < offset)
        fetch->asked = offset;
}

static int read_fetched(mr_source_t *source, void *into, size_t size, uint64_t offset, mr_error_t *error) {
    mr_fetch_t *fetch = source->state;
    char *to = into;
    while (size) {
        move_to(fetch, offset);
        ask_ahead(fetch, source->segment.input, offset + size);
        if (await(fetch, source, error))
            return -1;
        mr_fetch_piece_t *piece = piece_at(fetch, 0);
        size_t skip = (size_t) (offset - piece->offset), part = piece->size - skip < size ? piece->size - skip : size;
        memcpy(to, (const char *) zmq_msg_data(&piece->frame) + skip, part);
        to += part;
        offset += part;
        size -= part;
    }
    move_to(fetch, offset);
    ask_ahead(fetch, source->segment.input, offset);
    return 0;
}

static void close_fetched(mr_source_t *source) {
    drop_all(source->state);
}

bool mr_fetch_can(mr_fetch_t *fetch) {
    if (!fetch->socket)
        mr_route_look(fetch->route, &fetch->where);
    return *fetch->where.endpoint;
}

int mr_fetch_open(mr_fetch_t *fetch, mr_source_t *source, mr_error_t *error) {
    static const mr_source_kind_t kind = {verify, read_fetched, close_fetched};
    const mr_segment_t *segment = &source->segment;
    uint64_t until = segment->end + MR_SOURCE_LOOKAHEAD;
    if (follow(fetch, segment->input, error))
        return -1;
    fetch->asked = segment->start ? segment->start - 1 : 0;
    fetch->until = until < segment->file_size ? until : segment->file_size;
    fetch->patience_ms = PATIENCE_MS;
    source->state = fetch;
    source->kind = &kind;
    ask_ahead(fetch, segment->input, 0);
    return 0;
}

void mr_fetch_init(mr_fetch_t *fetch, mr_route_t *route, bool (*stopped)(void *context), void *context) {
    *fetch = (mr_fetch_t){.route = route, .stopped = stopped, .context = context};
}

void mr_fetch_close(mr_fetch_t *fetch) {
    drop_all(fetch);
    disconnect(fetch);
    mr_buffer_free(&fetch->out);
}
