/* Gzip by ISA-L. The compressed bytes are read in blocks; the text is inflated straight into the caller's memory. ISA-L parses
 * the member's header (with its CRC-16) and compares CRC-32 and length with the trailer; what is between members is looked at here.
 *
 * All that is wrong is found before mr_gzip_read says that the end is reached: a truncated member, damaged data, a wrong checksum,
 * anything behind a member that is not a member. */
#include "input/gzip.h"

#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BLOCK ((size_t) 128 << 10)
#define RESERVED_FLAGS 0xe0u /* RFC 1952, 2.3.1.2: must be zero */

enum phase { BETWEEN, HEADER, BODY, END };

struct mr_gzip {
    struct inflate_state state;
    struct isal_gzip_header header;
    mr_source_t *source;
    enum phase phase;
    uint64_t member;   /* offset at which the member begins */
    uint64_t position; /* next byte to read from the file */
    unsigned char input[INPUT_BLOCK];
};

mr_gzip_t *mr_gzip_new(void) {
    return calloc(1, sizeof(mr_gzip_t));
}

void mr_gzip_destroy(mr_gzip_t **gzip) {
    free(*gzip);
    *gzip = NULL;
}

void mr_gzip_start(mr_gzip_t *gzip, mr_source_t *source) {
    isal_inflate_init(&gzip->state);
    gzip->source = source;
    gzip->phase = BETWEEN;
    gzip->position = 0;
}

uint64_t mr_gzip_consumed(const mr_gzip_t *gzip) {
    return gzip->position - gzip->state.avail_in;
}

static int damaged(const mr_gzip_t *gzip, uint64_t offset, const char *reason, mr_error_t *error) {
    return mr_error_set(error, MR_STATUS_INPUT, "%s:%llu: %s", gzip->source->segment.path, (unsigned long long) offset,
                        reason);
}

static int truncated(const mr_gzip_t *gzip, mr_error_t *error) {
    return damaged(gzip, mr_gzip_consumed(gzip), "truncated gzip", error);
}

static bool at_end_of_file(const mr_gzip_t *gzip) {
    return gzip->position == gzip->source->segment.file_size;
}

/* Reads more input behind what is left of it. */
static int refill(mr_gzip_t *gzip, mr_error_t *error) {
    size_t left = gzip->state.avail_in;
    if (left)
        memmove(gzip->input, gzip->state.next_in, left);
    size_t room = sizeof gzip->input - left;
    uint64_t rest = gzip->source->segment.file_size - gzip->position;
    size_t size = rest < room ? (size_t) rest : room;
    if (mr_source_read(gzip->source, gzip->input + left, size, gzip->position, error))
        return -1;
    gzip->position += size;
    gzip->state.next_in = gzip->input;
    gzip->state.avail_in = (uint32_t) (left + size);
    return 0;
}

/* Between members: the file ends here, or the next one begins. The first must be there. */
static int begin_member(mr_gzip_t *gzip, mr_error_t *error) {
    if (gzip->state.avail_in < 2 && !at_end_of_file(gzip) && refill(gzip, error))
        return -1;
    gzip->member = mr_gzip_consumed(gzip);
    if (gzip->state.avail_in == 0 && gzip->member > 0) {
        gzip->phase = END;
        return 0;
    }
    const unsigned char *magic = gzip->state.next_in;
    if (gzip->state.avail_in > 0 && (magic[0] != 0x1f || (gzip->state.avail_in > 1 && magic[1] != 0x8b)))
        return damaged(gzip, gzip->member, gzip->member ? "trailing garbage after the gzip data" : "not gzip data",
                       error);
    isal_gzip_header_init(&gzip->header);
    gzip->phase = HEADER;
    return 0;
}

static int read_header(mr_gzip_t *gzip, mr_error_t *error) {
    int result = isal_read_gzip_header(&gzip->state, &gzip->header);
    if (result == ISAL_END_INPUT)
        return at_end_of_file(gzip) ? truncated(gzip, error) : refill(gzip, error);
    if (result == ISAL_UNSUPPORTED_METHOD)
        return damaged(gzip, gzip->member, "unknown compression method in the gzip header", error);
    if (result != ISAL_DECOMP_OK || (gzip->header.flags & RESERVED_FLAGS))
        return damaged(gzip, gzip->member, "damaged gzip header", error);
    gzip->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    gzip->phase = BODY;
    return 0;
}

static void end_member(mr_gzip_t *gzip) {
    isal_inflate_reset(&gzip->state);
    gzip->state.crc_flag = ISAL_DEFLATE;
    gzip->phase = BETWEEN;
}

/* The decoder can do nothing more with what it has. */
static int starved(mr_gzip_t *gzip, mr_error_t *error) {
    if (gzip->state.avail_in > 0)
        return damaged(gzip, mr_gzip_consumed(gzip), "damaged gzip data", error);
    return at_end_of_file(gzip) ? truncated(gzip, error) : refill(gzip, error);
}

/* Inflates into [into, into + size) and adds to *got what came out. */
static int read_body(mr_gzip_t *gzip, char *into, size_t size, size_t *got, mr_error_t *error) {
    struct inflate_state *state = &gzip->state;
    state->next_out = (unsigned char *) into;
    state->avail_out = size < UINT32_MAX ? (uint32_t) size : UINT32_MAX;
    uint32_t in = state->avail_in;
    int result = isal_inflate(state);
    size_t out = (size_t) (state->next_out - (unsigned char *) into);
    *got += out;
    if (state->avail_in > INPUT_BLOCK)
        state->avail_in = 0; /* counted below zero: ISA-L does so in damaged bodies */
    if (result == ISAL_INCORRECT_CHECKSUM)
        return damaged(gzip, mr_gzip_consumed(gzip), "damaged gzip data (checksum differs)", error);
    if (result < 0)
        return damaged(gzip, mr_gzip_consumed(gzip), "damaged gzip data", error);
    if (state->block_state == ISAL_BLOCK_FINISH)
        end_member(gzip);
    else if (out == 0 && state->avail_in == in)
        return starved(gzip, error);
    return 0;
}

int mr_gzip_read(mr_gzip_t *gzip, char *into, size_t size, size_t *got, mr_error_t *error) {
    int result = 0;
    *got = 0;
    while (result == 0 && *got < size && gzip->phase != END) {
        if (gzip->phase == BETWEEN)
            result = begin_member(gzip, error);
        else if (gzip->phase == HEADER)
            result = read_header(gzip, error);
        else
            result = read_body(gzip, into + *got, size - *got, got, error);
    }
    return result;
}
