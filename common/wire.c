/* The codec of wire.h: a table of fields for each message, made from the same lists as the structs, and one loop for
 * each direction. Decoded memory lives in one msgpack zone. */
#include "wire.h"

#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH 5u /* message, specs, spec, segments, segment */

typedef enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_TEXT,
    FIELD_BYTES,
    FIELD_ATTEMPTS,
    FIELD_OPTIONS,
    FIELD_SPECS,
    FIELD_RESULTS
} field_kind_t;

typedef struct field {
    field_kind_t kind;
    size_t offset;       /* of the member in mr_message_t */
    size_t count_offset; /* of a list's count; else unused */
} field_t;

#define COUNT_U32(member, name) 0
#define COUNT_U64(member, name) 0
#define COUNT_TEXT(member, name) 0
#define COUNT_BYTES(member, name) 0
#define COUNT_ATTEMPTS(member, name) offsetof(mr_message_t, member.name##_count)
#define COUNT_OPTIONS COUNT_ATTEMPTS
#define COUNT_SPECS COUNT_ATTEMPTS
#define COUNT_RESULTS COUNT_ATTEMPTS

#define FIELD(kind, member, name) {FIELD_##kind, offsetof(mr_message_t, member.name), COUNT_##kind(member, name)},

#define F_HELLO(kind, name) FIELD(kind, hello, name)
#define F_HEARTBEAT(kind, name) FIELD(kind, heartbeat, name)
#define F_DONE(kind, name) FIELD(kind, done, name)
#define F_FAILED(kind, name) FIELD(kind, failed, name)
#define F_OFFER(kind, name) FIELD(kind, offer, name)
#define F_RETURNED(kind, name) FIELD(kind, returned, name)
#define F_BYE(kind, name) FIELD(kind, bye, name)
#define F_WELCOME(kind, name) FIELD(kind, welcome, name)
#define F_REFUSED(kind, name) FIELD(kind, refused, name)
#define F_JOB(kind, name) FIELD(kind, job, name)
#define F_FLUSH(kind, name) FIELD(kind, flush, name)
#define F_GRANT(kind, name) FIELD(kind, grant, name)
#define F_COMMITTED(kind, name) FIELD(kind, committed, name)
#define F_DISCARD(kind, name) FIELD(kind, discard, name)
#define F_DRAIN(kind, name) FIELD(kind, drain, name)
#define F_SHUTDOWN(kind, name) FIELD(kind, shutdown, name)
#define F_ALIVE(kind, name) FIELD(kind, alive, name)
#define F_TASKS(kind, name) FIELD(kind, tasks, name)
#define F_RUN(kind, name) FIELD(kind, run, name)
#define F_PARTIAL(kind, name) FIELD(kind, partial, name)

#define X(NAME, member, number) static const field_t fields_##member[] = {MR_FIELDS_##NAME(F_##NAME)};
MR_MESSAGES(X)
#undef X

typedef struct layout {
    mr_message_type_t type;
    const char *name;
    const field_t *fields;
    size_t count;
} layout_t;

static const layout_t layouts[] = {
#define X(NAME, member, number) {MR_##NAME, #NAME, fields_##member, sizeof fields_##member / sizeof(field_t)},
    MR_MESSAGES(X)
#undef X
};

static const layout_t *find_layout(uint64_t type) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}

const char *mr_message_name(mr_message_type_t type) {
    const layout_t *layout = find_layout(type);
    return layout ? layout->name : "?";
}

/* ---- encoding; msgpack_pack_... return -1 only when write_bytes does ---- */

static int write_bytes(void *out, const char *data, size_t size) {
    return mr_buffer_append(out, data, size);
}

static int pack_text(msgpack_packer *packer, const char *text) {
    size_t size = text ? strlen(text) : 0;
    return msgpack_pack_str(packer, size) | (size ? msgpack_pack_str_body(packer, text, size) : 0);
}

static int pack_bytes(msgpack_packer *packer, mr_bytes_t bytes) {
    return msgpack_pack_bin(packer, bytes.size) |
           (bytes.size ? msgpack_pack_bin_body(packer, bytes.data, bytes.size) : 0);
}

static int pack_segment(msgpack_packer *packer, const mr_segment_t *segment) {
    return msgpack_pack_array(packer, 6) | pack_text(packer, segment->path) |
           msgpack_pack_uint64(packer, segment->file_size) | msgpack_pack_int64(packer, segment->mtime_ns) |
           msgpack_pack_uint64(packer, segment->start) | msgpack_pack_uint64(packer, segment->end) |
           msgpack_pack_uint32(packer, segment->format);
}

static int pack_spec(msgpack_packer *packer, const mr_spec_t *spec) {
    int failed = msgpack_pack_array(packer, 5) | msgpack_pack_uint32(packer, spec->task) |
                 msgpack_pack_uint32(packer, spec->attempt) | msgpack_pack_uint32(packer, spec->group) |
                 pack_bytes(packer, spec->payload) | msgpack_pack_array(packer, spec->segment_count);
    for (size_t i = 0; i < spec->segment_count; i++)
        failed |= pack_segment(packer, &spec->segments[i]);
    return failed;
}

static int pack_result(msgpack_packer *packer, const mr_result_t *result) {
    return msgpack_pack_array(packer, 6) | msgpack_pack_uint32(packer, result->task) |
           msgpack_pack_uint32(packer, result->attempt) | msgpack_pack_uint64(packer, result->bytes) |
           msgpack_pack_uint64(packer, result->records) | msgpack_pack_uint64(packer, result->rejected) |
           msgpack_pack_uint64(packer, result->crlf);
}

static int pack_attempt(msgpack_packer *packer, const mr_attempt_t *attempt) {
    return msgpack_pack_array(packer, 2) | msgpack_pack_uint32(packer, attempt->task) |
           msgpack_pack_uint32(packer, attempt->attempt);
}

static int pack_option(msgpack_packer *packer, const mr_wire_option_t *option) {
    return msgpack_pack_array(packer, 2) | pack_text(packer, option->name) | pack_text(packer, option->value);
}

#define PACK_LIST(type, pack_item)                                                                                     \
    do {                                                                                                               \
        const type *items = *(type *const *) member;                                                                   \
        int failed = msgpack_pack_array(packer, count);                                                                \
        for (size_t i = 0; i < count; i++)                                                                             \
            failed |= pack_item(packer, &items[i]);                                                                    \
        return failed;                                                                                                 \
    } while (0)

static int pack_list(msgpack_packer *packer, field_kind_t kind, const void *member, size_t count) {
    switch (kind) {
    case FIELD_ATTEMPTS:
        PACK_LIST(mr_attempt_t, pack_attempt);
    case FIELD_OPTIONS:
        PACK_LIST(mr_wire_option_t, pack_option);
    case FIELD_SPECS:
        PACK_LIST(mr_spec_t, pack_spec);
    default:
        PACK_LIST(mr_result_t, pack_result);
    }
}

static int pack_field(msgpack_packer *packer, const mr_message_t *message, const field_t *field) {
    const void *member = (const char *) message + field->offset;
    switch (field->kind) {
    case FIELD_U32:
        return msgpack_pack_uint32(packer, *(const uint32_t *) member);
    case FIELD_U64:
        return msgpack_pack_uint64(packer, *(const uint64_t *) member);
    case FIELD_TEXT:
        return pack_text(packer, *(const char *const *) member);
    case FIELD_BYTES:
        return pack_bytes(packer, *(const mr_bytes_t *) member);
    default:
        return pack_list(packer, field->kind, member,
                         *(const size_t *) (const void *) ((const char *) message + field->count_offset));
    }
}

int mr_message_encode(const mr_message_t *message, mr_buffer_t *out) {
    const layout_t *layout = find_layout(message->type);
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_bytes);
    int failed = msgpack_pack_array(&packer, layout->count + 1) | msgpack_pack_uint32(&packer, message->type);
    for (size_t i = 0; i < layout->count; i++)
        failed |= pack_field(&packer, message, &layout->fields[i]);
    return failed ? -1 : 0;
}

/* ---- decoding: each function returns 0, or -1 when the value is not what the grammar says ---- */

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
    const msgpack_object *at = read_array(object, 6);
    uint32_t format;
    if (!at || read_text(zone, &at[0], &segment->path) || read_u64(&at[1], &segment->file_size) ||
        read_i64(&at[2], &segment->mtime_ns) || read_u64(&at[3], &segment->start) || read_u64(&at[4], &segment->end) ||
        read_u32(&at[5], &format) || format > MR_FORMAT_GZIP)
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
READ_LIST(read_results, mr_result_t, read_result)

static int read_spec(msgpack_zone *zone, const msgpack_object *object, mr_spec_t *spec) {
    const msgpack_object *at = read_array(object, 5);
    return at && !read_u32(&at[0], &spec->task) && !read_u32(&at[1], &spec->attempt) &&
                   !read_u32(&at[2], &spec->group) && !read_bytes(zone, &at[3], &spec->payload) &&
                   !read_segments(zone, &at[4], &spec->segments, &spec->segment_count)
               ? 0
               : -1;
}

READ_LIST(read_specs, mr_spec_t, read_spec)

static int read_field(msgpack_zone *zone, const msgpack_object *object, const field_t *field, mr_message_t *message) {
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
    default:
        return read_results(zone, object, member, count);
    }
}

/* HELLO and REFUSED of another version may be shorter than ours, or have other fields behind the first two; what they lack
 * stays zero, which is an empty text. */
static bool of_another_version(const mr_message_t *message) {
    return (message->type == MR_HELLO && message->hello.protocol != MR_PROTOCOL) ||
           (message->type == MR_REFUSED && message->refused.protocol != MR_PROTOCOL);
}

static void fill_texts(const layout_t *layout, mr_message_t *message) {
    for (size_t i = 0; i < layout->count; i++) {
        const char **text = (const char **) (void *) ((char *) message + layout->fields[i].offset);
        if (layout->fields[i].kind == FIELD_TEXT && !*text)
            *text = "";
    }
}

static int read_fields(msgpack_zone *zone, const layout_t *layout, const msgpack_object *at, size_t present,
                       mr_message_t *message, mr_error_t *error) {
    for (size_t i = 0; i < layout->count; i++) {
        if (i < present && !read_field(zone, &at[i], &layout->fields[i], message))
            continue;
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
    const layout_t *layout = at && !read_u32(&at[0], &type) ? find_layout(type) : NULL;
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
    int failed = msgpack_unpack(data, size, &used, zone, &object) != MSGPACK_UNPACK_SUCCESS
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
