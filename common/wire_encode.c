/* Encoding: one loop over the fields of a message. Fails only when memory is out. */
#include <msgpack.h>
#include <string.h>

#include "wire_layout.h"

/* msgpack_pack_... return -1 only when this does. */
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
    return msgpack_pack_array(packer, 9) | pack_text(packer, segment->path) |
           msgpack_pack_uint64(packer, segment->file_size) | msgpack_pack_int64(packer, segment->mtime_ns) |
           msgpack_pack_uint64(packer, segment->start) | msgpack_pack_uint64(packer, segment->end) |
           msgpack_pack_uint32(packer, segment->format) | msgpack_pack_uint32(packer, segment->input) |
           msgpack_pack_uint64(packer, segment->fingerprint) | pack_text(packer, segment->url);
}

static int pack_spec(msgpack_packer *packer, const mr_spec_t *spec) {
    int failed = msgpack_pack_array(packer, 6) | msgpack_pack_uint32(packer, spec->task) |
                 msgpack_pack_uint32(packer, spec->attempt) | msgpack_pack_uint32(packer, spec->group) |
                 msgpack_pack_uint32(packer, spec->flags) | pack_bytes(packer, spec->payload) |
                 msgpack_pack_array(packer, spec->segment_count);
    for (size_t i = 0; i < spec->segment_count; i++)
        failed |= pack_segment(packer, &spec->segments[i]);
    return failed;
}

static int pack_running(msgpack_packer *packer, const mr_running_t *running) {
    return msgpack_pack_array(packer, 4) | msgpack_pack_uint32(packer, running->task) |
           msgpack_pack_uint32(packer, running->attempt) | msgpack_pack_uint64(packer, running->bytes) |
           msgpack_pack_uint64(packer, running->ms);
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

static int pack_list(msgpack_packer *packer, mr_field_kind_t kind, const void *member, size_t count) {
    switch (kind) {
    case FIELD_ATTEMPTS:
        PACK_LIST(mr_attempt_t, pack_attempt);
    case FIELD_OPTIONS:
        PACK_LIST(mr_wire_option_t, pack_option);
    case FIELD_SPECS:
        PACK_LIST(mr_spec_t, pack_spec);
    case FIELD_RUNNING:
        PACK_LIST(mr_running_t, pack_running);
    default:
        PACK_LIST(mr_result_t, pack_result);
    }
}

static int pack_field(msgpack_packer *packer, const mr_message_t *message, const mr_field_t *field) {
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
    const mr_layout_t *layout = mr_layout_find(message->type);
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_bytes);
    int failed = msgpack_pack_array(&packer, layout->count + 1) | msgpack_pack_uint32(&packer, message->type);
    for (size_t i = 0; i < layout->count; i++)
        failed |= pack_field(&packer, message, &layout->fields[i]);
    return failed ? -1 : 0;
}
