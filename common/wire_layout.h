/* wire_layout.h - what a message is made of, for the codec: a table of fields for each message, made from the same lists as the
 * structs of wire.h. Private to wire*.c. */
#ifndef MR_WIRE_LAYOUT_H
#define MR_WIRE_LAYOUT_H

#include "wire.h"

typedef enum mr_field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_TEXT,
    FIELD_BYTES,
    FIELD_ATTEMPTS,
    FIELD_OPTIONS,
    FIELD_SPECS,
    FIELD_RUNNING,
    FIELD_RESULTS
} mr_field_kind_t;

typedef struct mr_field {
    mr_field_kind_t kind;
    size_t offset;       /* of the member in mr_message_t */
    size_t count_offset; /* of a list's count; else unused */
} mr_field_t;

typedef struct mr_layout {
    mr_message_type_t type;
    const char *name;
    const mr_field_t *fields;
    size_t count;
} mr_layout_t;

/* The layout of a message's number, or NULL: there is no such message. */
const mr_layout_t *mr_layout_find(uint64_t type);

#endif
