/* Reader and splits: whatever the file, however it is cut into segments, whatever the block size, the segments own together exactly the
 * lines of the file, each with its offset; bytes and CRs add up; and what mr_inputs_split cuts covers every byte once. */
#include "fuzz.h"
#include "input/reader.h"
#include "input/source.h"
#include "inputs.h"

typedef struct seen {
    mr_buffer_t lines; /* each as its offset, '+' or '-' (too long), text, newline */
    uint64_t bytes;
    uint64_t crlf;
} seen_t;

static void note(seen_t *seen, uint64_t offset, const char *line, size_t size, bool bad) {
    put_bytes(&seen->lines, &offset, sizeof offset);
    put_bytes(&seen->lines, bad ? "-" : "+", 1);
    put_bytes(&seen->lines, line, bad ? 0 : size);
    put_bytes(&seen->lines, "\n", 1);
}

/* The rules, on the whole file. */
static void refer(const char *data, size_t size, size_t max_record, seen_t *seen) {
    size_t at = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    seen->bytes = size;
    while (at < size) {
        const char *newline = memchr(data + at, '\n', size - at);
        size_t end = newline ? (size_t) (newline - data) : size;
        bool cr = newline && end > at && data[end - 1] == '\r';
        bool bad = end - at - cr > max_record;
        note(seen, at, data + at, end - at - cr, bad);
        seen->crlf += cr && !bad;
        at = end + 1;
    }
}

static void note_block(seen_t *seen, const mr_reader_t *reader, const mr_block_t *block) {
    if (block->bad) {
        note(seen, block->bad_offset, "", 0, true);
        return;
    }
    MUST(block->size > 0 && block->data[block->size - 1] == '\n');
    for (size_t at = 0; at < block->size;) {
        const char *line = block->data + at;
        size_t length = (size_t) ((const char *) memchr(line, '\n', block->size - at) - line);
        note(seen, mr_reader_offset(reader, line), line, length, false);
        at += length + 1;
    }
}

/* Returns false when the reader refuses the file. */
static bool read_segment(mr_reader_t *reader, const mr_segment_t *segment, seen_t *seen) {
    mr_error_t error = {0};
    mr_block_t block;
    int more = mr_reader_open(reader, segment, &error);
    MUST(more == 0);
    while ((more = mr_reader_next(reader, &block, &error)) == 1)
        note_block(seen, reader, &block);
    MUST(more == 0 || error.status == MR_STATUS_INPUT);
    seen->bytes += mr_reader_counts(reader).bytes;
    seen->crlf += mr_reader_counts(reader).crlf;
    mr_reader_close(reader);
    return more == 0;
}

static bool is_utf16(const char *data, size_t size) {
    return size >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0);
}

static void compare(const seen_t *got, const char *data, size_t size, size_t max_record) {
    seen_t want = {0};
    refer(data, size, max_record, &want);
    MUST(same_bytes(&got->lines, &want.lines));
    MUST(got->bytes == want.bytes && got->crlf == want.crlf);
    mr_buffer_free(&want.lines);
}

/* In the order of the file, as the splits say. */
static void read_splits(mr_reader_t *reader, mr_segment_t segment, uint64_t chunk, seen_t *seen, bool *refused) {
    mr_input_t item = {.name = "file", .size = segment.file_size};
    mr_inputs_t inputs = {.items = &item, .count = 1, .bytes = item.size};
    mr_splits_t splits;
    uint64_t at = 0;
    MUST(mr_inputs_split(&inputs, chunk, &splits, NULL) == 0);
    for (size_t i = 0; i < splits.count; i++) {
        MUST(splits.items[i].start == at && splits.items[i].count == 1);
        at = segment.end = splits.items[i].end;
        *refused |= !read_segment(reader, &segment, seen);
        segment.start = segment.end;
    }
    MUST(at == segment.file_size);
    mr_splits_free(&splits);
}

/* At places that the input tells, the last at the end. */
static void read_cuts(mr_reader_t *reader, mr_segment_t segment, input_t *cuts, seen_t *seen, bool *refused) {
    do {
        uint64_t rest = segment.file_size - segment.start, step = take_byte(cuts);
        segment.end = segment.start + (cuts->left && step < rest ? step : rest);
        *refused |= !read_segment(reader, &segment, seen);
        segment.start = segment.end;
    } while (segment.start < segment.file_size);
}

/* How the file is read: from the input's first bytes. */
typedef struct manner {
    size_t block;
    size_t max_record;
    uint64_t chunk;
    input_t cuts;
} manner_t;

static manner_t take_manner(input_t *input) {
    manner_t manner = {.block = take_number(input, 2) % 10000, .max_record = 1 + take_number(input, 2) % 5000};
    manner.chunk = 1 + take_byte(input);
    size_t cuts = take_byte(input) % 32;
    manner.cuts = (input_t){input->at, cuts < input->left ? cuts : input->left};
    input->at += manner.cuts.left;
    input->left -= manner.cuts.left;
    return manner;
}

static void check(const char *text, size_t size, manner_t *manner, const mr_segment_t *segment) {
    mr_reader_t *reader = mr_reader_new(manner->block, manner->max_record);
    seen_t by_splits = {0}, by_cuts = {0};
    bool refused[2] = {false, false};
    MUST(reader);
    read_splits(reader, *segment, manner->chunk, &by_splits, &refused[0]);
    read_cuts(reader, *segment, &manner->cuts, &by_cuts, &refused[1]);
    MUST(refused[0] == is_utf16(text, size) && refused[1] == refused[0]);
    if (!refused[0]) {
        compare(&by_splits, text, size, manner->max_record);
        compare(&by_cuts, text, size, manner->max_record);
    }
    mr_reader_destroy(&reader);
    mr_buffer_free(&by_splits.lines);
    mr_buffer_free(&by_cuts.lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    manner_t manner = take_manner(&input);
    fuzz_file_t file = make_file(input.at, input.left);
    struct stat status;
    MUST(fstat(file.fd, &status) == 0);
    mr_segment_t segment = {
        .path = file.path, .file_size = input.left, .mtime_ns = mr_mtime_ns(&status), .end = input.left};
    check((const char *) input.at, input.left, &manner, &segment);
    close(file.fd);
    return 0;
}
