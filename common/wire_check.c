/* A frame from a peer is walked once before msgpack unpacks it: msgpack allocates from the lengths it reads, and five
 * bytes can ask for 16 GB. */
#include "wire.h"

#define MAX_VALUES ((size_t) 1 << 20) /* an unpacked value takes 24 bytes, whatever its size on the wire */

typedef struct walk {
    const unsigned char *at;
    const unsigned char *end;
    size_t values; /* seen so far */
} walk_t;

/* What follows a value's first byte: `skip` bytes of it, then `children` values. */
typedef struct shape {
    uint64_t skip;
    uint64_t children;
} shape_t;

/* A big-endian number of `width` bytes at the cursor, which moves past it. */
static int read_length(walk_t *walk, unsigned width, uint64_t *length) {
    if ((size_t) (walk->end - walk->at) < width)
        return -1;
    for (*length = 0; width; width--)
        *length = *length << 8 | *walk->at++;
    return 0;
}

/* The types whose first byte is 0xc0 to 0xdf: https://github.com/msgpack/msgpack/blob/master/spec.md */
static int read_long_shape(walk_t *walk, unsigned char first, shape_t *shape) {
    static const unsigned char fixed[] = {
        [0x0a] = 4, [0x0b] = 8,                                                 /* float */
        [0x0c] = 1, [0x0d] = 2, [0x0e] = 4, [0x0f] = 8,                         /* uint */
        [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8,                         /* int */
        [0x14] = 2, [0x15] = 3, [0x16] = 5, [0x17] = 9, [0x18] = 17, [0x1f] = 0 /* fixext */
    };
    switch (first) {
    case 0xc1:
        return -1; /* never used */
    case 0xc4:
    case 0xc5:
    case 0xc6: /* bin */
        return read_length(walk, 1u << (first - 0xc4), &shape->skip);
    case 0xc7:
    case 0xc8:
    case 0xc9: /* ext: one byte of type more */
        if (read_length(walk, 1u << (first - 0xc7), &shape->skip))
            return -1;
        shape->skip++;
        return 0;
    case 0xd9:
    case 0xda:
    case 0xdb: /* str */
        return read_length(walk, 1u << (first - 0xd9), &shape->skip);
    case 0xdc:
    case 0xdd: /* array */
        return read_length(walk, 2u << (first - 0xdc), &shape->children);
    case 0xde:
    case 0xdf: /* map */
        if (read_length(walk, 2u << (first - 0xde), &shape->children))
            return -1;
        shape->children *= 2;
        return 0;
    default:
        shape->skip = fixed[first - 0xc0];
        return 0;
    }
}

static int read_shape(walk_t *walk, shape_t *shape) {
    unsigned char first = *walk->at++;
    *shape = (shape_t){0};
    if (first <= 0x7f || first >= 0xe0)
        return 0; /* a small integer */
    if (first <= 0x8f)
        shape->children = 2 * (uint64_t) (first & 0x0f);
    else if (first <= 0x9f)
        shape->children = first & 0x0f;
    else if (first <= 0xbf)
        shape->skip = first & 0x1f;
    else
        return read_long_shape(walk, first, shape);
    return 0;
}

static int walk_value(walk_t *walk, unsigned depth) {
    shape_t shape;
    if (walk->at == walk->end || ++walk->values > MAX_VALUES || read_shape(walk, &shape))
        return -1;
    uint64_t left = (uint64_t) (walk->end - walk->at);
    if (shape.skip > left || shape.children > left || (shape.children && !depth))
        return -1;
    walk->at += shape.skip;
    for (; shape.children; shape.children--)
        if (walk_value(walk, depth - 1))
            return -1;
    return 0;
}

int mr_wire_check(const void *data, size_t size, unsigned depth) {
    const unsigned char *bytes = data;
    walk_t walk = {bytes, bytes + size, 0};
    if (size > MR_WIRE_MAX_HEADER || walk_value(&walk, depth))
        return -1;
    return walk.at == walk.end ? 0 : -1;
}
