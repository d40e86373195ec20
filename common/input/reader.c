/* A reader owns a window on its stream, the open file, and, once it met one, a gzip decoder. mr_reader_next hands out the whole lines
 * in the window; when there are none left it reads one block more and looks where its last line ends:
 *
 *   fill -> [leave a line that is not handed out] -> cut -> hand out
 *
 * Two kinds of line are not handed out: the one that began before the segment (SEEK) and one longer than max_record (SKIP). Their
 * bytes are dropped as they come, so memory is bounded by max_record and a block. Positions are those of the stream: the
 * file, or what a gzip file inflates to. Any failure ends the segment; only mr_reader_close may follow. */
#include "input/reader.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "input/crlf.h"
#include "input/format.h"
#include "input/gzip.h"
#include "input/window.h"
#include "millrace/job.h"

#define MIN_BLOCK ((size_t) 16) /* more than MR_FORMAT_HEAD: one block tells the format */
#define MAX_BYTES ((size_t) 1 << 30)
#define PAGE ((uint64_t) 4096)

enum mode {
    LINES, /* window.start is the first byte of a line that is owned */
    SEEK,  /* it is in a line that began before the segment */
    SKIP,  /* it is in a line longer than max_record */
};

struct mr_reader {
    size_t block_size;
    size_t max_record;
    mr_window_t window;
    mr_crlf_t crlf; /* of the block handed out last */
    mr_source_t source;
    const mr_access_t *access; /* borrowed; NULL: files by their paths */
    mr_gzip_t *gzip;           /* NULL until a gzip file is opened */
    mr_format_t format;
    enum mode mode;
    bool end_of_stream;   /* all is read */
    bool end_of_lines;    /* the window holds the last lines owned */
    bool newline_added;   /* the last \n in the window is not in the stream */
    bool long_line;       /* a line longer than max_record has ended and is not reported yet */
    uint64_t position;    /* of window.end: next byte to read */
    uint64_t offset;      /* of window.start */
    uint64_t end;         /* a line that begins here or later is not owned */
    uint64_t long_offset; /* where the line skipped begins */
    const char *block;    /* handed out last */
    uint64_t block_offset;
    mr_reader_counts_t counts;
};

static size_t clamp(size_t value, size_t low, size_t high) {
    return value < low ? low : value > high ? high : value;
}

mr_reader_t *mr_reader_new(size_t block_size, size_t max_record) {
    mr_reader_t *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->block_size = clamp(block_size, MIN_BLOCK, MAX_BYTES);
    reader->max_record = clamp(max_record, 1, MAX_BYTES);
    /* A line is kept while it may still be accepted: max_record and a CR. */
    if (mr_window_init(&reader->window, reader->block_size, reader->max_record + 1))
        mr_reader_destroy(&reader);
    return reader;
}

void mr_reader_destroy(mr_reader_t **reader) {
    if (!*reader)
        return;
    mr_reader_close(*reader);
    mr_gzip_destroy(&(*reader)->gzip);
    mr_crlf_free(&(*reader)->crlf);
    mr_window_free(&(*reader)->window);
    free(*reader);
    *reader = NULL;
}

void mr_reader_close(mr_reader_t *reader) {
    mr_source_close(&reader->source);
}

/* ---- opening ---- */

/* All that belongs to a segment. A plain one looks back one byte: a \n there ends the line before it. */
static void begin(mr_reader_t *reader, const mr_segment_t *segment) {
    bool gzip = segment->format == MR_FORMAT_GZIP;
    uint64_t start = gzip ? 0 : segment->start;
    mr_window_reset(&reader->window);
    reader->crlf.count = 0;
    reader->format = segment->format;
    reader->mode = start > 0 ? SEEK : LINES;
    reader->end_of_stream = reader->newline_added = reader->long_line = false;
    reader->position = reader->offset = start > 0 ? start - 1 : 0;
    reader->end = gzip ? UINT64_MAX : segment->end;
    reader->end_of_lines = start >= reader->end;
    reader->block = NULL;
    reader->counts = (mr_reader_counts_t){0};
}

void mr_reader_use(mr_reader_t *reader, const mr_access_t *access) {
    reader->access = access;
}

static int open_source(mr_reader_t *reader, mr_error_t *error) {
    const mr_access_t *access = reader->access;
    return access ? access->open(access->context, &reader->source, error) : mr_source_open_file(&reader->source, error);
}

int mr_reader_open(mr_reader_t *reader, const mr_segment_t *segment, mr_error_t *error) {
    assert(segment->start <= segment->end && segment->end <= segment->file_size);
    mr_reader_close(reader);
    begin(reader, segment);
    reader->source = (mr_source_t){.segment = *segment};
    if (segment->format == MR_FORMAT_GZIP && !reader->gzip && !(reader->gzip = mr_gzip_new()))
        return mr_error_memory(error, "opening a gzip file");
    if (open_source(reader, error))
        return -1;
    if (segment->format == MR_FORMAT_GZIP)
        mr_gzip_start(reader->gzip, &reader->source);
    return 0;
}

/* ---- reading a block ---- */

/* Moves window.start forward over bytes that are not handed out, or were. */
static void advance(mr_reader_t *reader, char *to) {
    reader->offset += (uint64_t) (to - reader->window.start);
    reader->window.start = to;
}

/* As advance, over bytes that are owned. For gzip, the decoder counts. */
static void consume(mr_reader_t *reader, char *to) {
    if (reader->format == MR_FORMAT_PLAIN)
        reader->counts.bytes += (uint64_t) (to - reader->window.start);
    advance(reader, to);
}

/* A block that ends at a page of the file, and soon after the segment's end. */
static size_t plain_size(const mr_reader_t *reader) {
    uint64_t size = reader->block_size;
    if (size > PAGE)
        size -= reader->position % PAGE;
    uint64_t limit = reader->source.segment.file_size;
    if (reader->position < reader->end && reader->end < limit && limit - reader->end > MR_SOURCE_LOOKAHEAD)
        limit = reader->end + MR_SOURCE_LOOKAHEAD;
    uint64_t rest = limit - reader->position;
    return (size_t) (size < rest ? size : rest);
}

static int read_block(mr_reader_t *reader, size_t *got, mr_error_t *error) {
    char *into = reader->window.end;
    if (reader->format == MR_FORMAT_GZIP) {
        if (mr_gzip_read(reader->gzip, into, reader->block_size, got, error))
            return -1;
        reader->end_of_stream = *got < reader->block_size;
    } else {
        *got = plain_size(reader);
        if (mr_source_read(&reader->source, into, *got, reader->position, error))
            return -1;
        reader->end_of_stream = reader->position + *got == reader->source.segment.file_size;
    }
    return 0;
}

/* Text does not begin with a mark. The line behind it begins, by the line rule, at offset 0: it is owned by the segment that
 * owns any of the mark's bytes, and no other line can begin before offset 4. */
static int drop_mark(mr_reader_t *reader, mr_error_t *error) {
    size_t size = (size_t) (reader->window.end - reader->window.start);
    if (mr_format_utf16(reader->window.start, size))
        return mr_error_set(error, MR_STATUS_INPUT, "%s: " MR_UTF16_REASON, reader->source.segment.path);
    size_t mark = mr_format_bom(reader->window.start, size);
    consume(reader, reader->window.start + mark);
    reader->window.whole = reader->window.start;
    if (mark && reader->end <= mark)
        reader->end = mark + 1;
    return 0;
}

static int fill(mr_reader_t *reader, mr_error_t *error) {
    size_t got;
    bool first = reader->position == 0;
    if (mr_window_make_room(&reader->window))
        return mr_error_memory(error, "reading a long line");
    if (read_block(reader, &got, error))
        return -1;
    reader->window.end += got;
    reader->position += got;
    return first && reader->mode == LINES ? drop_mark(reader, error) : 0;
}

/* ---- where lines end ---- */

/* Drops what is there of a line that is not handed out, to its \n if that is there. */
static void leave_line(mr_reader_t *reader) {
    mr_window_t *window = &reader->window;
    char *newline = memchr(window->start, '\n', (size_t) (window->end - window->start));
    char *to = newline ? newline + 1 : window->end;
    if (reader->mode == SEEK)
        advance(reader, to);
    else
        consume(reader, to);
    window->whole = to;
    if (!newline && reader->end_of_stream)
        reader->end_of_lines = true;
    if (!newline && !reader->end_of_lines)
        return;
    reader->long_line = reader->mode == SKIP;
    reader->mode = LINES;
}

/* The end of the last line owned, if it is in the window: the first \n at or after end - 1. */
static char *last_line_end(const mr_reader_t *reader, char *from) {
    char *end = reader->window.end;
    if (reader->position < reader->end)
        return NULL;
    uint64_t past = reader->position - (reader->end - 1);
    char *last = past < (uint64_t) (end - from) ? end - past : from;
    char *newline = memchr(last, '\n', (size_t) (end - last));
    return newline ? newline + 1 : NULL;
}

static void add_newline(mr_window_t *window, bool *added) {
    if (window->whole == window->end)
        return;
    *window->end++ = '\n';
    window->whole = window->end;
    *added = true;
}

/* Finds the end of the whole lines. There is no \n before `from`. */
static void cut(mr_reader_t *reader, char *from) {
    mr_window_t *window = &reader->window;
    char *end = last_line_end(reader, from);
    if (end) {
        window->whole = window->end = end;
        reader->end_of_lines = true;
        return;
    }
    char *newline = memrchr(from, '\n', (size_t) (window->end - from));
    window->whole = newline ? newline + 1 : window->start;
    if (reader->end_of_stream) {
        add_newline(window, &reader->newline_added);
        reader->end_of_lines = true;
    }
}

/* No line that begins at window.start, or behind it, is owned. */
static bool past_end(const mr_reader_t *reader) {
    return reader->mode != SKIP && reader->offset >= reader->end;
}

/* One block more. The window holds no whole line. */
static int read_lines(mr_reader_t *reader, mr_error_t *error) {
    mr_window_t *window = &reader->window;
    size_t held = (size_t) (window->end - window->start);
    if (held > reader->max_record + 1) {
        reader->mode = SKIP;
        reader->long_offset = reader->offset;
        consume(reader, window->end);
        window->whole = window->end;
        held = 0;
    }
    if (fill(reader, error))
        return -1;
    if (reader->mode != LINES) {
        leave_line(reader);
        held = 0;
    }
    if (reader->mode == LINES && !reader->end_of_lines && !past_end(reader))
        cut(reader, window->start + held);
    if (past_end(reader) && window->whole == window->start)
        reader->end_of_lines = true;
    return 0;
}

/* ---- handing out ---- */

/* Bytes of the line [line, newline) that count against max_record. The CR of a last line without \n is data. */
static size_t record_size(const mr_reader_t *reader, const char *line, const char *newline) {
    bool real = !(reader->newline_added && newline + 1 == reader->window.whole);
    size_t size = (size_t) (newline - line);
    return size - (real && size > 0 && newline[-1] == '\r');
}

/* The first whole line longer than max_record, or window.whole. */
static char *find_long_line(const mr_reader_t *reader) {
    char *line = reader->window.start, *whole = reader->window.whole;
    if ((size_t) (whole - line) <= reader->max_record)
        return whole;
    while (line < whole) {
        char *newline = memchr(line, '\n', (size_t) (whole - line));
        if (record_size(reader, line, newline) > reader->max_record)
            return line;
        line = newline + 1;
    }
    return whole;
}

static void drop_long_line(mr_reader_t *reader) {
    mr_window_t *window = &reader->window;
    char *newline = memchr(window->start, '\n', (size_t) (window->whole - window->start));
    bool added = reader->newline_added && newline + 1 == window->whole;
    reader->long_offset = reader->offset;
    consume(reader, newline + !added);
    window->start = newline + 1;
}

static void report_long_line(mr_reader_t *reader, mr_block_t *block) {
    reader->long_line = false;
    *block = (mr_block_t){.bad = "the record is longer than --max-record", .bad_offset = reader->long_offset};
}

/* Hands out [window.start, to), normalised. */
static int hand_out(mr_reader_t *reader, char *to, mr_block_t *block, mr_error_t *error) {
    char *text = reader->window.start;
    bool added = reader->newline_added && to == reader->window.whole;
    size_t size = (size_t) (to - text) - added;
    if (mr_crlf_strip(&reader->crlf, text, size))
        return mr_error_memory(error, "removing CRs");
    reader->block = text;
    reader->block_offset = reader->offset;
    consume(reader, text + size);
    reader->window.start = to;
    size -= reader->crlf.count;
    if (added)
        text[size++] = '\n';
    reader->counts.crlf += reader->crlf.count;
    *block = (mr_block_t){.data = text, .size = size};
    return 1;
}

int mr_reader_next(mr_reader_t *reader, mr_block_t *block, mr_error_t *error) {
    assert(reader->source.kind);
    mr_window_t *window = &reader->window;
    while (window->start == window->whole && !reader->long_line) {
        if (reader->end_of_lines)
            return mr_source_verify(&reader->source, error);
        if (read_lines(reader, error))
            return -1;
    }
    if (!reader->long_line) {
        char *to = find_long_line(reader);
        if (to > window->start)
            return hand_out(reader, to, block, error);
        drop_long_line(reader);
    }
    report_long_line(reader, block);
    return 1;
}

uint64_t mr_reader_offset(const mr_reader_t *reader, const char *byte) {
    size_t position = (size_t) (byte - reader->block);
    return reader->block_offset + position + mr_crlf_before(&reader->crlf, position);
}

mr_reader_counts_t mr_reader_counts(const mr_reader_t *reader) {
    mr_reader_counts_t counts = reader->counts;
    if (reader->format == MR_FORMAT_GZIP && reader->gzip)
        counts.bytes = mr_gzip_consumed(reader->gzip);
    return counts;
}
