/* The gzip reader, with zlib for a second opinion: both accept a file or both refuse it, and what is accepted is the same text, for any
 * size of read. A damaged file never ends in success with other text. An input is a file as it is, or, so that the checks do not
 * keep everything but seeds out, bodies of deflate for which header and trailer are made. */
#include <zlib.h>

#include "fuzz.h"
#include "input/gzip.h"
#include "input/source.h"

#define MOST_TEXT ((size_t) 8 << 20)

/* ---- zlib's opinion ---- */

/* Inflates what is at stream->next_in. Returns zlib's last word. */
static int inflate_all(z_stream *stream, mr_buffer_t *text) {
    int result = Z_OK;
    while (result == Z_OK && text->size < MOST_TEXT) {
        MUST(mr_buffer_reserve(text, 65536) == 0);
        stream->next_out = (unsigned char *) text->data + text->size;
        stream->avail_out = 65536;
        result = inflate(stream, Z_NO_FLUSH);
        text->size += 65536 - stream->avail_out;
    }
    return result;
}

/* All members, and nothing behind the last. */
static bool zlib_accepts(const uint8_t *data, size_t size, mr_buffer_t *text) {
    z_stream stream = {.next_in = (unsigned char *) (uintptr_t) data, .avail_in = (uInt) size};
    int result = Z_STREAM_END;
    if (size == 0)
        return false;
    MUST(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
    while (result == Z_STREAM_END && stream.avail_in > 0) {
        MUST(inflateReset(&stream) == Z_OK);
        result = inflate_all(&stream, text);
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END;
}

/* ---- ours ---- */

static bool we_accept(const uint8_t *data, size_t size, size_t step, mr_buffer_t *text) {
    fuzz_file_t file = make_file(data, size);
    struct stat status;
    MUST(fstat(file.fd, &status) == 0);
    mr_source_t source = {.segment = {.path = file.path, .file_size = size, .mtime_ns = mr_mtime_ns(&status)}};
    mr_gzip_t *gzip = mr_gzip_new();
    mr_error_t error = {0};
    MUST(mr_source_take_file(&source, file.fd, &error) == 0);
    size_t got = step;
    int failed = 0;
    MUST(gzip);
    mr_gzip_start(gzip, &source);
    while (!failed && got == step && text->size < MOST_TEXT) {
        MUST(mr_buffer_reserve(text, step) == 0);
        failed = mr_gzip_read(gzip, text->data + text->size, step, &got, &error);
        text->size += got;
        MUST(mr_gzip_consumed(gzip) <= size);
    }
    MUST(failed ? error.status == MR_STATUS_INPUT : mr_gzip_consumed(gzip) == size);
    mr_gzip_destroy(&gzip);
    mr_source_close(&source);
    return !failed;
}

static void check(const uint8_t *data, size_t size, size_t step) {
    mr_buffer_t ours = {0}, theirs = {0};
    bool accepted = we_accept(data, size, step, &ours);
    bool wanted = zlib_accepts(data, size, &theirs);
    MUST(theirs.size < MOST_TEXT && ours.size < MOST_TEXT);
    MUST(accepted == wanted);
    MUST(!accepted || same_bytes(&ours, &theirs));
    mr_buffer_free(&ours);
    mr_buffer_free(&theirs);
}

/* ---- members made of bodies ---- */

static void put_le32(mr_buffer_t *to, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        put_bytes(to, &(uint8_t){(uint8_t) (value >> 8 * i)}, 1);
}

/* A body as zlib reads it, or as much of it as it reads, in a member whose trailer is right. Returns the bytes used. */
static size_t put_member(mr_buffer_t *to, const uint8_t *body, size_t size) {
    z_stream stream = {.next_in = (unsigned char *) (uintptr_t) body, .avail_in = (uInt) size};
    mr_buffer_t text = {0};
    MUST(inflateInit2(&stream, -MAX_WBITS) == Z_OK);
    inflate_all(&stream, &text);
    size_t used = size - stream.avail_in;
    inflateEnd(&stream);
    put_bytes(to, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    put_bytes(to, body, used);
    put_le32(to, (uint32_t) crc32(0, (unsigned char *) (text.data ? text.data : ""), (uInt) text.size));
    put_le32(to, (uint32_t) text.size);
    mr_buffer_free(&text);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size < 4096 ? size : 4096}; /* a bomb inflates to a thousand times that */
    mr_buffer_t file = {0};
    size_t step = 1 + take_number(&input, 2);
    if (take_byte(&input) % 2 == 0) {
        put_bytes(&file, input.at, input.left);
    } else {
        for (size_t used = 1; input.left && used; input.left -= used, input.at += used)
            used = put_member(&file, input.at, input.left);
    }
    check((const uint8_t *) file.data, file.size, step);
    mr_buffer_free(&file);
    return 0;
}
