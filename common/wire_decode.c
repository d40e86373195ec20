/* Decoding: one loop over the fields of a message, after wire_check.c has walked the whole frame. Decoded memory lives in one
 * msgpack zone. Each read_ function returns 0, or -1 when the value is not what the grammar says. */
#include <errno.h>
#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

#include "wire_layout.h"

#define DEPTH 5u /* message, specs, spec, segments, segment */

static int read_u64(const msgpack_object *object, uint64_t *value) {
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return -1;
    *value = object->via.u64;
    return 0;
}

static int read_u32(const msgpack_object *object, uint32_t *value) {
    uint64_t wide;
    if (read_u64(object, &wide) || wide > UINT32_MAX)
        return -1;
    *value = (uint32_t) wide;
    return 0;
}

static int read_i64(const msgpack_object *object, int64_t *value) {
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 > INT64_MAX)
        return -1;
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER && object->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return -1;
    *value = object->via.i64;
    return 0;
}

/* Copied: what msgpack unpacks points into the frame, which the message may outlive. An empty one points nowhere. */
static char *copy_of(msgpack_zone *zone, const char *data, size_t size) {
    char *copy = msgpack_zone_malloc(zone, size + 1);
    if (copy && size)
        memcpy(copy, data, size);
    if (copy)
        copy[size] = 0;
    return copy;
}

/* A text with a NUL inside would be cut short without a word: it is refused. */
static int read_text(msgpack_zone *zone, const msgpack_object *object, const char **text) {
    if (object->type != MSGPACK_OBJECT_STR)
        return -1;
    size_t size = object->via.str.size;
    if (size && memchr(object->via.str.ptr, 0, size))
        return -1;
    *text = copy_of(zone, object->via.str.ptr, size);
    return *text ? 0 : -1;
}

static int read_bytes(msgpack_zone *zone, const msgpack_object *object, mr_bytes_t *bytes) {
    if (object->type != MSGPACK_OBJECT_BIN)
        return -1;
    *bytes = (mr_bytes_t){copy_of(zone, object->via.bin.ptr, object->via.bin.size), object->via.bin.size};
    return bytes->data ? 0 : -1;
}

/* The elements of an array of at least `least`, or NULL. */
static const msgpack_object *read_array(const msgpack_object *object, uint32_t least) {
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < least)
        return NULL;
    return object->via.array.ptr;
}

static int read_segment(msgpack_zone *zone, const msgpack_object *object, mr_segment_t *segment) {
    const msgpack_object *at = read_array(object, 9);
    uint32_t format;
    if (!at || read_text(zone, &at[0], &segment->path) || read_u64(&at[1], &segment->file_size) ||
        read_i64(&at[2], &segment->mtime_ns) || read_u64(&at[3], &segment->start) || read_u64(&at[4], &segment->end) ||
        read_u32(&at[5], &format) || format > MR_FORMAT_GZIP || read_u32(&at[6], &segment->input) ||
        read_u64(&at[7], &segment->fingerprint) || read_text(zone, &at[8], &segment->url))
        return -1;
    segment->format = (mr_format_t) format;
    return segment->start <= segment->end ? 0 : -1;
}

static int read_attempt(msgpack_zone *zone, const msgpack_object *object, mr_attempt_t *attempt) {
    const msgpack_object *at = read_array(object, 2);
    (void) zone;
    return at && !read_u32(&at[0], &attempt->task) && !read_u32(&at[1], &attempt->attempt) ? 0 : -1;
}

static int read_option(msgpack_zone *zone, const msgpack_object *object, mr_wire_option_t *option) {
    const msgpack_object *at = read_array(object, 2);
    return at && !read_text(zone, &at[0], &option->name) && !read_text(zone, &at[1], &option->value) ? 0 : -1;
}

static int read_running(msgpack_zone *zone, const msgpack_object *object, mr_running_t *running) {
    const msgpack_object *at = read_array(object, 4);
    (void) zone;
    return at && !read_u32(&at[0], &running->task) && !read_u32(&at[1], &running->attempt) &&
                   !read_u64(&at[2], &running->bytes) && !read_u64(&at[3], &running->ms)
               ? 0
               : -1;
}

static int read_result(msgpack_zone *zone, const msgpack_object *object, mr_result_t *result) {
    const msgpack_object *at = read_array(object, 6);
    (void) zone;
    return at && !read_u32(&at[0], &result->task) && !read_u32(&at[1], &result->attempt) &&
                   !read_u64(&at[2], &result->bytes) && !read_u64(&at[3], &result->records) &&
                   !read_u64(&at[4], &result->rejected) && !read_u64(&at[5], &result->crlf)
               ? 0
               : -1;
}

#define READ_LIST(function, item_t, read_item)                                                                         \
    static int function(msgpack_zone *zone, const msgpack_object *object, item_t **items, size_t *count) {             \
        const msgpack_object *at = read_array(object, 0);                                                              \
        if (!at && object->type != MSGPACK_OBJECT_ARRAY)                                                               \
            return -1;                                                                                                 \
        *count = object->via.array.size;                                                                               \
        *items = *count ? msgpack_zone_malloc(zone, *count * sizeof(item_t)) : NULL;                                   \
        for (size_t i = 0; i < *count; i++)                                                                            \
            if (!*items || read_item(zone, &at[i], &(*items)[i]))                                                      \
                return -1;                                                                                             \
        return 0;                                                                                                      \
    }

READ_LIST(read_segments, mr_segment_t, read_segment)
READ_LIST(read_attempts, mr_attempt_t, read_attempt)
READ_LIST(read_options, mr_wire_option_t, read_option)
READ_LIST(read_runnings, mr_running_t, read_running)
READ_LIST(read_results, mr_result_t, read_result)

static int read_spec(msgpack_zone *zone, const msgpack_object *object, mr_spec_t *spec) {
    const msgpack_object *at = read_array(object, 6);
    return at && !read_u32(&at[0], &spec->task) && !read_u32(&at[1], &spec->attempt) &&
                   !read_u32(&at[2], &spec->group) && !read_u32(&at[3], &spec->flags) &&
                   !read_bytes(zone, &at[4], &spec->payload) &&
                   !read_segments(zone, &at[5], &spec->segments, &spec->segment_count)
               ? 0
               : -1;
}

READ_LIST(read_specs, mr_spec_t, read_spec)

static int read_field(msgpack_zone *zone, const msgpack_object *object, const mr_field_t *field,
                      mr_message_t *message) {
    void *member = (char *) message + field->offset;
    size_t *count = (size_t *) (void *) ((char *) message + field->count_offset);
    switch (field->kind) {
    case FIELD_U32:
        return read_u32(object, member);
    case FIELD_U64:
        return read_u64(object, member);
    case FIELD_TEXT:
        return read_text(zone, object, member);
    case FIELD_BYTES:
        return read_bytes(zone, object, member);
    case FIELD_ATTEMPTS:
        return read_attempts(zone, object, member, count);
    case FIELD_OPTIONS:
        return read_options(zone, object, member, count);
    case FIELD_SPECS:
        return read_specs(zone, object, member, count);
    case FIELD_RUNNING:
        return read_runnings(zone, object, member, count);
    default:
        return read_results(zone, object, member, count);
    }
}

/* HELLO, REQUEST and REFUSED of another version may be shorter than ours, or have other fields behind the first two; what they lack
 * stays zero, which is an empty text. */
static bool of_another_version(const mr_message_t *message) {
    return (message->type == MR_HELLO && message->hello.protocol != MR_PROTOCOL) ||
           (message->type == MR_REQUEST && message->request.protocol != MR_PROTOCOL) ||
           (message->type == MR_REFUSED && message->refused.protocol != MR_PROTOCOL);
}

static void fill_texts(const mr_layout_t *layout, mr_message_t *message) {
    for (size_t i = 0; i < layout->count; i++) {
        const char **text = (const char **) (void *) ((char *) message + layout->fields[i].offset);
        if (layout->fields[i].kind == FIELD_TEXT && !*text)
            *text = "";
    }
}

static int read_fields(msgpack_zone *zone, const mr_layout_t *layout, const msgpack_object *at, size_t present,
                       mr_message_t *message, mr_error_t *error) {
    errno = 0; /* which memory that cannot be had sets */
    for (size_t i = 0; i < layout->count; i++) {
        if (i < present && !read_field(zone, &at[i], &layout->fields[i], message))
            continue;
        if (errno == ENOMEM)
            return mr_error_memory(error, "reading a message");
        if (i >= 2 && of_another_version(message))
            break;
        return mr_error_set(error, MR_STATUS_REFUSED,
                            i < present ? "%s: field %zu is malformed" : "%s: field %zu is missing", layout->name,
                            i + 1);
    }
    fill_texts(layout, message);
    return 0;
}

static int read_message(msgpack_zone *zone, const msgpack_object *object, mr_message_t *message, mr_error_t *error) {
    const msgpack_object *at = read_array(object, 1);
    uint32_t type;
    const mr_layout_t *layout = at && !read_u32(&at[0], &type) ? mr_layout_find(type) : NULL;
    if (!layout)
        return mr_error_set(error, MR_STATUS_REFUSED, "message of an unknown type");
    message->type = layout->type;
    return read_fields(zone, layout, at + 1, object->via.array.size - 1, message, error);
}

int mr_message_decode(mr_message_t *message, const void *data, size_t size, mr_error_t *error) {
    memset(message, 0, sizeof *message);
    if (mr_wire_check(data, size, DEPTH))
        return mr_error_set(error, MR_STATUS_REFUSED, "message of %zu bytes is malformed", size);
    msgpack_zone *zone = msgpack_zone_new(2048);
    if (!zone)
        return mr_error_memory(error, "reading a message");
    msgpack_object object;
    size_t used = 0;
    msgpack_unpack_return unpacked = msgpack_unpack(data, size, &used, zone, &object);
    int failed = unpacked == MSGPACK_UNPACK_NOMEM_ERROR ? mr_error_memory(error, "reading a message")
                 : unpacked != MSGPACK_UNPACK_SUCCESS
                     ? mr_error_set(error, MR_STATUS_REFUSED, "message of %zu bytes is malformed", size)
                     : read_message(zone, &object, message, error);
    message->zone = zone;
    if (failed)
        mr_message_clear(message);
    return failed;
}

void mr_message_clear(mr_message_t *message) {
    if (message->zone)
        msgpack_zone_free(message->zone);
    message->zone = NULL;
}
