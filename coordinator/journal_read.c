/* Reading a journal record by record. A reader owns a block to read into, the last payload that was not a run's, and the places of runs that
 * no COMMIT has named.
 *
 * Each step says WHOLE, TORN (the file is to be cut here) or REFUSED (damage, or it cannot be read; `error` is filled). What makes a
 * tail torn is in docs/journal.md. */
#include "journal_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_format.h"
#include "key.h"

#define BLOCK ((size_t) 256 << 10)
#define PAGE 4096u
#define SECTOR 512u
#define MOST_PAYLOAD ((uint64_t) 1 << 30) /* bytes, of anything but a run */

typedef enum verdict { REFUSED = -1, TORN = 0, WHOLE = 1 } verdict_t;

/* A run that may still be named. */
typedef struct pending {
    uint64_t record; /* offset of its record */
    uint64_t size;   /* of the run */
    uint64_t partial;
    uint32_t worker;
    bool taken; /* by a COMMIT */
} pending_t;

typedef struct reader {
    const mr_journal_file_t *file;
    const mr_journal_visitor_t *visitor;
    uint64_t offset; /* of the record being read */
    uint64_t job;
    uint64_t life;
    char *block;         /* BLOCK bytes */
    mr_buffer_t payload; /* of the record being read; of a RUN only what stands before the run */
    pending_t *pending;  /* by offset */
    size_t count;
    size_t capacity;
    mr_buffer_t runs;    /* of the COMMIT being read: mr_journal_place_t */
    mr_buffer_t results; /* of the same: mr_result_t */
    mr_error_t *error;
} reader_t;

/* ---- bytes ---- */

static verdict_t refuse(const reader_t *reader, const char *reason) {
    return mr_error_set(reader->error, MR_STATUS_STORAGE,
                        "%s:%llu: the journal is damaged: %s; the job cannot go on from it: remove it to begin anew",
                        reader->file->name, (unsigned long long) reader->offset, reason);
}

static int read_at(const reader_t *reader, uint64_t offset, char *out, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(reader->file->fd, out + done, size - done, (off_t) (offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return mr_error_set(reader->error, MR_STATUS_STORAGE, "%s:%llu: cannot read the journal: %s",
                                reader->file->name, (unsigned long long) (offset + done),
                                got ? strerror(errno) : "the file was cut short meanwhile");
        done += (size_t) got;
    }
    return 0;
}

static size_t least(uint64_t a, uint64_t b) {
    return (size_t) (a < b ? a : b);
}

static bool is_zero(const char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1));
}

/* ---- what a crash leaves ---- */

/* 1: the bytes from `from` up to the end of the page in which `to` lies, or of the file, are zero; 0; -1. At most a page. */
static int zero_to_page_end(const reader_t *reader, uint64_t from, uint64_t to) {
    uint64_t end = (to + PAGE - 1) / PAGE * PAGE;
    size_t size = (size_t) ((end < reader->file->size ? end : reader->file->size) - from);
    if (read_at(reader, from, reader->block, size))
        return -1;
    return is_zero(reader->block, size);
}

/* 1: one of the sectors that lie in this range as a whole is zero; 0; -1. */
static int zero_sector(const reader_t *reader, uint64_t from, uint64_t to) {
    from = (from + SECTOR - 1) / SECTOR * SECTOR;
    for (size_t size; from + SECTOR <= to; from += size) {
        size = least(BLOCK, to - from) / SECTOR * SECTOR;
        if (read_at(reader, from, reader->block, size))
            return -1;
        for (size_t at = 0; at < size; at += SECTOR)
            if (is_zero(reader->block + at, SECTOR))
                return 1;
    }
    return 0;
}

static verdict_t judge_header(const reader_t *reader) {
    uint64_t end = reader->offset + MR_RECORD_HEADER;
    int zero = zero_to_page_end(reader, end - 8, end);
    if (zero < 0)
        return REFUSED;
    return zero ? TORN : refuse(reader, "there is no record where one should be");
}

static verdict_t judge_body(const reader_t *reader, uint64_t end) {
    int zero = zero_to_page_end(reader, end - MR_RECORD_MARK, end);
    if (zero == 0)
        zero = zero_sector(reader, reader->offset, end);
    if (zero < 0)
        return REFUSED;
    return zero ? TORN : refuse(reader, "the record's checksum is wrong");
}

/* ---- one record's bytes ---- */

static bool possible_size(const mr_record_t *record) {
    if (record->type == MR_RECORD_RUN)
        return record->size >= MR_RECORD_RUN_HEAD && record->size <= MR_WIRE_MAX_RUN + MR_RECORD_RUN_HEAD;
    return (record->size || record->type != MR_RECORD_BINDING) && record->size <= MOST_PAYLOAD;
}

static const char *check_type(const reader_t *reader, const mr_record_t *record) {
    bool first = reader->offset == 0;
    if (record->type < MR_RECORD_BINDING || record->type > MR_RECORD_END)
        return "a record of an unknown type";
    if (first != (record->type == MR_RECORD_BINDING))
        return first ? "it does not begin with a binding" : "a second binding";
    if (record->type > MR_RECORD_LIFE && !reader->life)
        return "a record that no coordinator has written";
    if (record->offset != reader->offset)
        return "a record that belongs elsewhere";
    if (!first && record->job != reader->job)
        return "a record of another job";
    if (!possible_size(record))
        return "a record of an impossible size";
    return NULL;
}

/* The file ends within the header. Still it must be one of ours, or zeros, before anything of it is cut off. */
static verdict_t short_header(const reader_t *reader, size_t left) {
    if (read_at(reader, reader->offset, reader->block, left))
        return REFUSED;
    return mr_record_begins(reader->block, left) || is_zero(reader->block, left) ? TORN
                                                                                 : refuse(reader, "this is no journal");
}

static verdict_t read_header(reader_t *reader, mr_record_t *record) {
    uint64_t left = reader->file->size - reader->offset;
    if (left < MR_RECORD_HEADER)
        return short_header(reader, (size_t) left);
    if (read_at(reader, reader->offset, reader->block, MR_RECORD_HEADER))
        return REFUSED;
    if (mr_record_decode(record, reader->block))
        return judge_header(reader);
    const char *reason = check_type(reader, record);
    if (reason)
        return refuse(reader, reason);
    return record->size > left || mr_record_bytes(record->size) > left ? TORN : WHOLE;
}

/* Reads payload, padding and trailer once, keeps the payload's beginning. 1: they agree; 0; -1. */
static int read_body(reader_t *reader, const mr_record_t *record) {
    uint64_t at = reader->offset + MR_RECORD_HEADER, size = record->size + mr_record_padding(record->size), check = 0;
    uint64_t keep = record->type == MR_RECORD_RUN ? MR_RECORD_RUN_HEAD : record->size;
    char trailer[MR_RECORD_TRAILER], expected[MR_RECORD_TRAILER];
    reader->payload.size = 0;
    for (size_t piece; size; at += piece, size -= piece) {
        piece = least(size, BLOCK);
        if (read_at(reader, at, reader->block, piece))
            return -1;
        check = mr_record_check(check, reader->block, piece);
        if (mr_buffer_append(&reader->payload, reader->block, least(piece, keep - reader->payload.size)))
            return mr_error_memory(reader->error, "reading the journal");
    }
    if (read_at(reader, at, trailer, sizeof trailer))
        return -1;
    mr_record_trailer(check, expected);
    return !memcmp(trailer, expected, sizeof trailer);
}

/* ---- what records mean ---- */

static int take_life(reader_t *reader) {
    uint64_t life = reader->payload.size == 8 ? mr_load64(reader->payload.data) : 0;
    if (life <= reader->life)
        return refuse(reader, "a life that does not follow the one before");
    reader->life = life;
    return 0;
}

/* Forgets runs that were named, when there is no room for more. */
static void sweep(reader_t *reader) {
    size_t kept = 0;
    for (size_t i = 0; i < reader->count; i++)
        if (!reader->pending[i].taken)
            reader->pending[kept++] = reader->pending[i];
    reader->count = kept;
}

static int make_room(reader_t *reader) {
    if (reader->count < reader->capacity)
        return 0;
    sweep(reader);
    if (reader->count < reader->capacity / 2)
        return 0;
    size_t capacity = reader->capacity ? 2 * reader->capacity : 64;
    pending_t *pending = realloc(reader->pending, capacity * sizeof *pending);
    if (!pending)
        return mr_error_memory(reader->error, "reading the journal");
    reader->pending = pending;
    reader->capacity = capacity;
    return 0;
}

static int take_run(reader_t *reader, const mr_record_t *record) {
    if (make_room(reader))
        return -1;
    const char *head = reader->payload.data;
    reader->pending[reader->count++] = (pending_t){.record = reader->offset,
                                                   .size = record->size - MR_RECORD_RUN_HEAD,
                                                   .partial = mr_load64(head + 8),
                                                   .worker = mr_load32(head)};
    return 0;
}

/* The run whose record stands at that offset and that no COMMIT has named yet. */
static pending_t *find_pending(const reader_t *reader, uint64_t record) {
    size_t low = 0, high = reader->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->pending[middle].record < record)
            low = middle + 1;
        else
            high = middle;
    }
    pending_t *found = low < reader->count ? &reader->pending[low] : NULL;
    return found && found->record == record && !found->taken ? found : NULL;
}

static int name_runs(reader_t *reader, const mr_record_commit_t *commit) {
    reader->runs.size = 0;
    for (uint32_t i = 0; i < commit->runs; i++) {
        pending_t *pending = find_pending(reader, mr_record_commit_offset(commit, i));
        if (!pending || pending->worker != commit->worker || pending->partial != commit->partial)
            return refuse(reader, "a commit names a run that is not there");
        mr_journal_place_t place = {pending->record + MR_RECORD_HEADER + MR_RECORD_RUN_HEAD, pending->size};
        if (mr_buffer_append(&reader->runs, &place, sizeof place))
            return mr_error_memory(reader->error, "reading the journal");
        pending->taken = true;
    }
    return 0;
}

static int list_results(reader_t *reader, const mr_record_commit_t *commit) {
    reader->results.size = 0;
    for (uint64_t i = 0; i < commit->results; i++) {
        mr_result_t result = mr_record_commit_result(commit, i);
        if (mr_buffer_append(&reader->results, &result, sizeof result))
            return mr_error_memory(reader->error, "reading the journal");
    }
    return 0;
}

static int take_commit(reader_t *reader) {
    mr_record_commit_t commit;
    if (mr_record_commit_decode(&commit, reader->payload.data, reader->payload.size))
        return refuse(reader, "a commit's sizes do not add up");
    if (name_runs(reader, &commit) || list_results(reader, &commit))
        return -1;
    mr_journal_commit_t shown = {.offset = reader->offset,
                                 .worker = commit.worker,
                                 .partial = commit.partial,
                                 .runs = (mr_journal_place_t *) (void *) reader->runs.data,
                                 .run_count = commit.runs,
                                 .results = (mr_result_t *) (void *) reader->results.data,
                                 .result_count = commit.results};
    return reader->visitor->commit ? reader->visitor->commit(reader->visitor->context, &shown, reader->error) : 0;
}

static int take(reader_t *reader, const mr_record_t *record) {
    switch (record->type) {
    case MR_RECORD_LIFE:
        return take_life(reader);
    case MR_RECORD_RUN:
        return take_run(reader, record);
    case MR_RECORD_COMMIT:
        return take_commit(reader);
    case MR_RECORD_END:
        return reader->visitor->end ? reader->visitor->end(reader->visitor->context, reader->payload.data,
                                                           reader->payload.size, reader->error)
                                    : 0;
    default: /* the binding, which is first */
        reader->job = record->job;
        return 0;
    }
}

static verdict_t next_record(reader_t *reader) {
    mr_record_t record = {0};
    verdict_t verdict = read_header(reader, &record);
    if (verdict != WHOLE)
        return verdict;
    uint64_t end = reader->offset + mr_record_bytes(record.size);
    int agree = read_body(reader, &record);
    if (agree <= 0)
        return agree ? REFUSED : judge_body(reader, end);
    if (take(reader, &record))
        return REFUSED;
    reader->offset = end;
    return WHOLE;
}

/* ---- all of it ---- */

static int open_reader(reader_t *reader) {
    reader->block = malloc(BLOCK);
    return reader->block ? 0 : mr_error_memory(reader->error, "reading the journal");
}

static void close_reader(reader_t *reader) {
    free(reader->block);
    free(reader->pending);
    mr_buffer_free(&reader->payload);
    mr_buffer_free(&reader->runs);
    mr_buffer_free(&reader->results);
}

int mr_journal_read(const mr_journal_file_t *file, const mr_journal_visitor_t *visitor, mr_journal_found_t *found,
                    mr_error_t *error) {
    reader_t reader = {.file = file, .visitor = visitor, .error = error};
    verdict_t verdict = open_reader(&reader) ? REFUSED : WHOLE;
    while (verdict == WHOLE && reader.offset < file->size)
        verdict = next_record(&reader);
    *found = (mr_journal_found_t){reader.offset, reader.job, reader.life};
    close_reader(&reader);
    return verdict == REFUSED ? -1 : 0;
}

int mr_journal_read_binding(const mr_journal_file_t *file, mr_buffer_t *text, mr_error_t *error) {
    static const mr_journal_visitor_t nothing;
    reader_t reader = {.file = file, .visitor = &nothing, .error = error};
    verdict_t verdict = open_reader(&reader) ? REFUSED : file->size ? next_record(&reader) : TORN;
    if (verdict == WHOLE && mr_buffer_append(text, reader.payload.data, reader.payload.size))
        verdict = mr_error_memory(error, "reading the journal");
    close_reader(&reader);
    return verdict;
}
