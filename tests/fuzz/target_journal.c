/* A journal as its reader sees it. An input is the bytes of a file as they are, or records for which header, check and padding are made,
 * with some bytes cut off or changed afterwards. Whatever is read: each commit is shown in the order of the file, its runs lie
 * before it; the part that is called good reads again to the same commits and is all good; and a file cut anywhere shows a
 * beginning of the same commits or is refused. */
#include "fuzz.h"
#include "journal_format.h"
#include "journal_read.h"

typedef struct shown {
    mr_buffer_t text; /* all commits and ends, as numbers */
    uint64_t size;    /* of the file */
    uint64_t last;    /* offset of the last commit */
} shown_t;

static void note(shown_t *shown, uint64_t number) {
    put_bytes(&shown->text, &number, sizeof number);
}

static int show_commit(void *context, const mr_journal_commit_t *commit, mr_error_t *error) {
    shown_t *shown = context;
    (void) error;
    MUST(commit->offset < shown->size && commit->offset > shown->last);
    shown->last = commit->offset;
    note(shown, commit->worker);
    note(shown, commit->partial);
    for (size_t i = 0; i < commit->run_count; i++) {
        const mr_journal_place_t *run = &commit->runs[i];
        MUST(run->offset < commit->offset && run->size <= commit->offset - run->offset);
        note(shown, run->offset);
        note(shown, run->size);
    }
    for (size_t i = 0; i < commit->result_count; i++)
        put_bytes(&shown->text, &commit->results[i], sizeof commit->results[i]);
    return 0;
}

static int show_end(void *context, const char *text, size_t size, mr_error_t *error) {
    shown_t *shown = context;
    (void) error;
    put_bytes(&shown->text, "end", 3);
    put_bytes(&shown->text, text, size);
    return 0;
}

/* Reads `size` bytes of the file. */
static bool read_journal(int fd, uint64_t size, shown_t *shown, mr_journal_found_t *found) {
    mr_error_t error = {0};
    const mr_journal_file_t file = {.fd = fd, .size = size, .name = "journal"};
    const mr_journal_visitor_t visitor = {.context = shown, .commit = show_commit, .end = show_end};
    *shown = (shown_t){.size = size};
    bool good = mr_journal_read(&file, &visitor, found, &error) == 0;
    MUST(good || (error.status == MR_STATUS_STORAGE && strstr(error.text, "journal:")));
    MUST(!good || found->good <= size);
    return good;
}

static bool begins_with(const mr_buffer_t *whole, const mr_buffer_t *part) {
    return part->size <= whole->size && (part->size == 0 || memcmp(whole->data, part->data, part->size) == 0);
}

static void check_good_part(int fd, const shown_t *shown, uint64_t good) {
    shown_t again;
    mr_journal_found_t found = {0};
    MUST(read_journal(fd, good, &again, &found));
    MUST(found.good == good && same_bytes(&again.text, &shown->text));
    mr_buffer_free(&again.text);
}

static void check_cut(int fd, const shown_t *shown, uint64_t cut) {
    shown_t part;
    mr_journal_found_t found = {0};
    read_journal(fd, cut, &part, &found);
    MUST(begins_with(&shown->text, &part.text));
    mr_buffer_free(&part.text);
}

static void check(const char *data, size_t size, size_t cut) {
    fuzz_file_t file = make_file(data, size);
    mr_journal_found_t found = {0};
    mr_buffer_t binding = {0};
    mr_error_t error = {0};
    shown_t shown;
    bool good = read_journal(file.fd, size, &shown, &found);
    const mr_journal_file_t whole = {.fd = file.fd, .size = size, .name = "journal"};
    int bound = mr_journal_read_binding(&whole, &binding, &error);
    MUST(!good || bound == (found.good > 0));
    if (good) {
        check_good_part(file.fd, &shown, found.good);
        check_cut(file.fd, &shown, cut % (size + 1));
    }
    mr_buffer_free(&binding);
    mr_buffer_free(&shown.text);
    close(file.fd);
}

/* ---- records made ---- */

static void put_record(mr_buffer_t *file, uint32_t type, const void *payload, size_t size) {
    char header[MR_RECORD_HEADER], trailer[MR_RECORD_TRAILER];
    static const char zeros[64];
    size_t padding = mr_record_padding(size);
    mr_record_header(&(mr_record_t){.type = type, .job = 7, .offset = file->size, .size = size}, header);
    mr_record_trailer(mr_record_check(mr_record_check(0, payload, size), zeros, padding), trailer);
    MUST(padding <= sizeof zeros);
    put_bytes(file, header, sizeof header);
    put_bytes(file, payload, size);
    put_bytes(file, zeros, padding);
    put_bytes(file, trailer, sizeof trailer);
}

/* A COMMIT of runs at offsets that are those of records before it, mostly. */
static void put_commit(mr_buffer_t *file, input_t *input, const uint64_t *offsets, uint32_t count) {
    uint64_t named[8];
    mr_buffer_t payload = {0};
    uint32_t worker = take_byte(input) % 4, runs = take_byte(input) % 4;
    mr_result_t result = {.task = take_byte(input), .bytes = take_number(input, 4)};
    for (uint32_t i = 0; i < runs; i++) {
        uint8_t which = take_byte(input);
        named[i] = count && which < 200 ? offsets[which % count] : which;
    }
    MUST(mr_record_commit_encode(worker, take_byte(input) % 4, named, runs, &result, 1, &payload) == 0);
    put_record(file, MR_RECORD_COMMIT, payload.data, payload.size);
    mr_buffer_free(&payload);
}

static void put_records(mr_buffer_t *file, input_t *input) {
    uint64_t offsets[64];
    uint32_t count = 0;
    put_record(file, MR_RECORD_BINDING, "the job", 7);
    while (input->left && count < 64) {
        size_t got;
        uint8_t type = take_byte(input) % 8;
        offsets[count++] = file->size;
        if (type == MR_RECORD_COMMIT) {
            put_commit(file, input, offsets, count - 1);
            continue;
        }
        char *payload = take_copy(input, take_byte(input), &got);
        put_record(file, type, payload, got);
        free(payload);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    mr_buffer_t file = {0};
    uint8_t kind = take_byte(&input), change = take_byte(&input);
    size_t cut = take_number(&input, 2), place = take_number(&input, 2);
    if (kind & 1)
        put_records(&file, &input);
    else
        put_bytes(&file, input.at, input.left);
    if (file.size && kind & 2)
        file.data[place % file.size] = (char) (file.data[place % file.size] ^ change);
    if (file.size && kind & 4)
        file.size -= place % file.size;
    check(file.data, file.size, cut);
    mr_buffer_free(&file);
    return 0;
}
