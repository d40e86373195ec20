/* A journal cut at any byte gives what was whole before; one with any bit changed is refused; zeros are what a power loss leaves. */
#include "journal_help.h"

#include <sys/mman.h>

#include "journal_format.h"
#include "log.h"

/* A small journal's bytes, and where its records are. */
typedef struct sample {
    char *bytes;
    size_t size;
    size_t starts[64]; /* of records, and the end */
    size_t records;
    size_t committed[64]; /* commits among the first so many records */
} sample_t;

static char *read_file(const place_t *place, size_t *size) {
    *size = file_size(place);
    char *bytes = malloc(*size);
    FILE *file = fopen(place->file, "r");
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_file(const place_t *place, const char *bytes, size_t size) {
    FILE *file = fopen(place->file, "w");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void find_records(sample_t *sample) {
    size_t at = 0;
    for (mr_record_t record; at < sample->size; at += mr_record_bytes(record.size)) {
        assert_int_equal(mr_record_decode(&record, sample->bytes + at), 0);
        sample->starts[sample->records++] = at;
        sample->committed[sample->records] = sample->committed[sample->records - 1] + (record.type == MR_RECORD_COMMIT);
    }
    assert_int_equal(at, sample->size);
    sample->starts[sample->records] = at;
}

/* Two lives, several commits, a run that none names. */
static void make_sample(sample_t *sample) {
    place_t place;
    shown_t shown;
    mr_error_t error = {0};
    *sample = (sample_t){0};
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    add_run(journal, 1, 1, "one run");
    add_run(journal, 2, 1, "another, which no commit names");
    add_run(journal, 1, 1, "");
    wait_durable(journal, add_commit(journal, 1, 1, 1));
    mr_journal_destroy(&journal);
    journal = replay_journal(&place, &shown);
    wait_durable(journal, add_commit(journal, 3, 1, 2));
    add_run(journal, 1, 2, "of another life");
    wait_durable(journal, add_commit(journal, 1, 2, 3));
    wait_durable(journal, mr_journal_end(journal, "complete", 8, &error));
    mr_journal_destroy(&journal);
    sample->bytes = read_file(&place, &sample->size);
    find_records(sample);
    assert_int_equal(sample->records, 11);
    remove_place(&place);
}

/* Records that are whole in the first `size` bytes. */
static size_t whole_records(const sample_t *sample, size_t size) {
    size_t whole = 0;
    while (whole < sample->records && sample->starts[whole + 1] <= size)
        whole++;
    return whole;
}

/* ---- reading bytes ---- */

static int read_bytes(const char *bytes, size_t size, shown_t *shown, mr_journal_found_t *found, mr_error_t *error) {
    int fd = memfd_create("journal", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, size), size);
    mr_journal_file_t file = {fd, size, "D/journal"};
    *shown = (shown_t){.fd = fd};
    *error = (mr_error_t){0};
    int failed = mr_journal_read(&file, &(mr_journal_visitor_t){shown, show_commit, show_end}, found, error);
    close(fd);
    return failed;
}

/* The bytes are a torn journal of which exactly the records before offset `good` are whole. */
static void expect_torn(const sample_t *sample, const char *bytes, size_t size, size_t good, const char *what,
                        size_t at) {
    shown_t shown;
    mr_journal_found_t found;
    mr_error_t error;
    if (read_bytes(bytes, size, &shown, &found, &error))
        fail_msg("%s at %zu: %s", what, at, error.text);
    if (found.good != good || shown.commits != sample->committed[whole_records(sample, good)])
        fail_msg("%s at %zu: good up to %zu, not %zu; %zu commits", what, at, (size_t) found.good, good, shown.commits);
}

static void expect_damaged(const char *bytes, size_t size, const char *what, size_t at) {
    shown_t shown;
    mr_journal_found_t found;
    mr_error_t error;
    if (!read_bytes(bytes, size, &shown, &found, &error))
        fail_msg("%s at %zu was taken, good up to %zu", what, at, (size_t) found.good);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    if (strncmp(error.text, "D/journal:", 10) || !strstr(error.text, ": the journal is damaged: "))
        fail_msg("%s at %zu: %s", what, at, error.text);
}

/* ---- cut ---- */

static void cut_anywhere(void **state) {
    const sample_t *sample = *state;
    for (size_t size = 0; size <= sample->size; size++)
        expect_torn(sample, sample->bytes, size, sample->starts[whole_records(sample, size)], "cut", size);
}

/* The same through all of the journal: it resumes, goes on, and what it then adds is found. */
static void cut_and_resumed(void **state) {
    const sample_t *sample = *state;
    place_t place;
    shown_t shown, again;
    make_place(&place);
    for (size_t size = sample->starts[1]; size <= sample->size; size++) {
        write_file(&place, sample->bytes, size);
        mr_journal_t *journal = replay_journal(&place, &shown);
        assert_int_equal(shown.commits, sample->committed[whole_records(sample, size)]);
        add_run(journal, 8, 8, "more");
        wait_durable(journal, add_commit(journal, 8, 8, 8));
        mr_journal_destroy(&journal);
        journal = replay_journal(&place, &again);
        mr_journal_destroy(&journal);
        show(&shown, "8/8:8,58=more;");
        if (strstr(shown.text, "end"))
            assert_int_equal(again.commits, shown.commits + 1);
        else
            assert_string_equal(again.text, shown.text);
    }
    remove_place(&place);
}

/* Cut within the first record it holds no job yet. */
static void cut_in_its_binding(void **state) {
    const sample_t *sample = *state;
    place_t place;
    shown_t shown;
    mr_error_t error = {0};
    size_t length;
    make_place(&place);
    for (size_t size = 0; size < sample->starts[1]; size++) {
        write_file(&place, sample->bytes, size);
        mr_journal_t *journal = open_journal(&place, size % 2);
        assert_null(mr_journal_binding(journal, &length));
        assert_int_equal(mr_journal_begin(journal, BINDING, strlen(BINDING), &error), 0);
        wait_durable(journal, add_commit(journal, 1, 1, 1));
        mr_journal_destroy(&journal);
        journal = replay_journal(&place, &shown);
        assert_string_equal(shown.text, "1/1:1,51=;");
        mr_journal_destroy(&journal);
    }
    remove_place(&place);
}

/* ---- changed ---- */

static void any_bit_changed(void **state) {
    sample_t *sample = *state;
    for (size_t i = 0; i < sample->size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            sample->bytes[i] ^= (char) (1 << bit);
            expect_damaged(sample->bytes, sample->size, "a bit", 8 * i + bit);
            sample->bytes[i] ^= (char) (1 << bit);
        }
}

static void any_byte_changed(void **state) {
    sample_t *sample = *state;
    for (size_t i = 0; i < sample->size; i++) {
        char was = sample->bytes[i];
        const char others[] = {0, (char) 0xFF, (char) ~was, (char) (was + 1), (char) (was - 1), '\n'};
        for (size_t j = 0; j < sizeof others; j++)
            if (others[j] != was) {
                sample->bytes[i] = others[j];
                expect_damaged(sample->bytes, sample->size, "a byte", i);
            }
        sample->bytes[i] = was;
    }
}

static void any_byte_gone_or_more(void **state) {
    const sample_t *sample = *state;
    char *bytes = malloc(sample->size + 1);
    for (size_t i = 0; i < sample->size; i++) {
        memcpy(bytes, sample->bytes, i);
        memcpy(bytes + i, sample->bytes + i + 1, sample->size - i - 1);
        /* in the last record, all that is seen is that it ends too early */
        if (i < sample->starts[sample->records - 1])
            expect_damaged(bytes, sample->size - 1, "a byte missing", i);
        bytes[i] = 'x';
        memcpy(bytes + i + 1, sample->bytes + i, sample->size - i);
        expect_damaged(bytes, sample->size + 1, "a byte more", i);
    }
    free(bytes);
}

/* A whole record in another's place, twice, or of another journal. */
static void records_elsewhere(void **state) {
    const sample_t *sample = *state;
    sample_t other;
    make_sample(&other);
    char *bytes = malloc(2 * sample->size);
    for (size_t i = 1; i < sample->records; i++) {
        size_t start = sample->starts[i], end = sample->starts[i + 1], size = end - start;
        memcpy(bytes, sample->bytes, sample->size);
        memcpy(bytes + sample->size, sample->bytes + start, size);
        expect_damaged(bytes, sample->size + size, "a record twice", i);
        memcpy(bytes + start, other.bytes + start, size);
        expect_damaged(bytes, sample->size, "a record of another journal", i);
        memcpy(bytes, sample->bytes, start);
        memcpy(bytes + start, sample->bytes + end, sample->size - end);
        if (end < sample->size)
            expect_damaged(bytes, sample->size - size, "a record missing", i);
    }
    free(bytes);
    free(other.bytes);
}

/* ---- zeros ---- */

/* The file has its size, and what was to be from some word on has not reached the disk. */
static void zeros_at_the_end(void **state) {
    const sample_t *sample = *state;
    char *bytes = malloc(sample->size + 5000);
    for (size_t more = 0; more <= 4800; more += 160)
        for (size_t at = 0; at + 8 <= sample->size + more; at += 8) {
            size_t good = sample->starts[whole_records(sample, at)];
            memcpy(bytes, sample->bytes, sample->size);
            memset(bytes + (at < sample->size ? at : sample->size), 0,
                   sample->size + more - (at < sample->size ? at : sample->size));
            expect_torn(sample, bytes, sample->size + more, good, "zeros", at);
        }
    free(bytes);
}

/* A change before the zeros is a change all the same. */
static void damage_before_zeros(void **state) {
    const sample_t *sample = *state;
    char *bytes = malloc(sample->size);
    size_t last = sample->starts[sample->records - 1];
    for (size_t i = 0; i < last; i++) {
        memcpy(bytes, sample->bytes, sample->size);
        memset(bytes + last, 0, sample->size - last);
        bytes[i] ^= 4;
        expect_damaged(bytes, sample->size, "a change before zeros", i);
    }
    free(bytes);
}

/* Of several pages that were not synced yet, any may be missing; what follows them was not answered either. */
static void pages_missing(void **state) {
    (void) state;
    enum { TEXT = 30000 };
    place_t place;
    sample_t sample = {0};
    char *text = malloc(TEXT + 1);
    make_place(&place);
    mr_journal_t *journal = begin_journal(&place);
    for (size_t i = 0; i < TEXT; i++)
        text[i] = (char) ('a' + i % 23);
    text[TEXT] = 0;
    add_run(journal, 1, 1, text);
    add_run(journal, 1, 1, text);
    wait_durable(journal, add_commit(journal, 1, 1, 1));
    mr_journal_destroy(&journal);
    sample.bytes = read_file(&place, &sample.size);
    find_records(&sample);
    for (size_t page = 4096; page < sample.size; page += 4096) {
        size_t size = sample.size - page < 4096 ? sample.size - page : 4096;
        char *kept = malloc(size);
        memcpy(kept, sample.bytes + page, size);
        memset(sample.bytes + page, 0, size);
        expect_torn(&sample, sample.bytes, sample.size, sample.starts[whole_records(&sample, page)], "no page", page);
        memcpy(sample.bytes + page, kept, size);
        sample.bytes[page] ^= 1;
        expect_damaged(sample.bytes, sample.size, "a bit in page", page);
        sample.bytes[page] ^= 1;
        free(kept);
    }
    free(sample.bytes);
    free(text);
    remove_place(&place);
}

/* ---- records that are whole and make no sense ---- */

typedef struct forge {
    char bytes[4096];
    size_t size;
} forge_t;

static void forge(forge_t *file, uint32_t type, const void *payload, size_t size, uint64_t claimed) {
    mr_record_t record = {type, 1, file->size, claimed};
    char *at = file->bytes + file->size;
    size_t padding = mr_record_padding(size);
    mr_record_header(&record, at);
    memcpy(at + MR_RECORD_HEADER, payload, size);
    memset(at + MR_RECORD_HEADER + size, 0, padding);
    at += MR_RECORD_HEADER + size + padding;
    mr_record_trailer(mr_record_check(0, at - size - padding, size + padding), at);
    file->size += mr_record_bytes(size);
}

static forge_t forge_begin(void) {
    forge_t file = {.size = 0};
    forge(&file, MR_RECORD_BINDING, "b", 1, 1);
    forge(&file, MR_RECORD_LIFE, "\1\0\0\0\0\0\0", 8, 8);
    return file;
}

static void forge_commit(forge_t *file, uint32_t worker, uint64_t partial, uint64_t place) {
    mr_buffer_t payload = {0};
    const mr_result_t result = {.task = 1};
    assert_int_equal(mr_record_commit_encode(worker, partial, &place, 1, &result, 1, &payload), 0);
    forge(file, MR_RECORD_COMMIT, payload.data, payload.size, payload.size);
    mr_buffer_free(&payload);
}

static void senseless(void **state) {
    (void) state;
    static const char run[24] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0};
    forge_t file = forge_begin();
    size_t place = file.size;
    shown_t shown;
    mr_journal_found_t found;
    mr_error_t error;
    forge(&file, MR_RECORD_RUN, run, sizeof run, sizeof run);
    forge_t whole = file;
    forge_commit(&whole, 1, 2, place);
    assert_int_equal(read_bytes(whole.bytes, whole.size, &shown, &found, &error), 0);
    assert_int_equal(shown.commits, 1);
    forge_commit(&whole, 1, 2, place);
    expect_damaged(whole.bytes, whole.size, "a run named twice", 0);
    const struct wrong {
        uint32_t worker;
        uint64_t partial, place;
    } wrongs[] = {{2, 2, place}, {1, 3, place}, {1, 2, place + 8}, {1, 2, 0}, {1, 2, UINT64_MAX}};
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        whole = file;
        forge_commit(&whole, wrongs[i].worker, wrongs[i].partial, wrongs[i].place);
        expect_damaged(whole.bytes, whole.size, "a commit of another run", i);
    }
    static const char commit[24] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const struct odd {
        uint32_t type;
        const char *payload;
        size_t size;
        uint64_t claimed;
    } odds[] = {{MR_RECORD_COMMIT, commit, 24, 24},
                {MR_RECORD_COMMIT, commit, 8, 8},
                {MR_RECORD_LIFE, commit, 24, 24},
                {MR_RECORD_LIFE, "\1\0\0\0\0\0\0", 8, 8},
                {MR_RECORD_BINDING, "b", 1, 1},
                {0, "b", 1, 1},
                {6, "b", 1, 1},
                {MR_RECORD_RUN, run, 8, 8},
                {MR_RECORD_RUN, run, 24, UINT64_MAX},
                {MR_RECORD_COMMIT, run, 24, UINT64_MAX - 60},
                {MR_RECORD_END, run, 24, UINT64_C(1) << 40}};
    for (size_t i = 0; i < sizeof odds / sizeof *odds; i++) {
        whole = file;
        forge(&whole, odds[i].type, odds[i].payload, odds[i].size, odds[i].claimed);
        expect_damaged(whole.bytes, whole.size, "an odd record", i);
    }
}

/* What a visitor refuses ends the reading. */
static int refuse_commit(void *context, const mr_journal_commit_t *commit, mr_error_t *error) {
    (void) context;
    return mr_error_set(error, MR_STATUS_LEDGER, "at %llu", (unsigned long long) commit->offset);
}

static void visitor_refuses(void **state) {
    const sample_t *sample = *state;
    char expected[64];
    mr_error_t error = {0};
    mr_journal_found_t found;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    assert_int_equal(write(fd, sample->bytes, sample->size), sample->size);
    mr_journal_file_t file = {fd, sample->size, "D/journal"};
    mr_journal_visitor_t visitor = {.commit = refuse_commit};
    assert_int_equal(mr_journal_read(&file, &visitor, &found, &error), -1);
    assert_int_equal(error.status, MR_STATUS_LEDGER);
    snprintf(expected, sizeof expected, "at %zu", sample->starts[5]);
    assert_string_equal(error.text, expected);
    close(fd);
}

static int set_up(void **state) {
    static sample_t sample;
    make_sample(&sample);
    *state = &sample;
    return 0;
}

static int tear_down(void **state) {
    free(((sample_t *) *state)->bytes);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),        cmocka_unit_test(cut_and_resumed),
        cmocka_unit_test(cut_in_its_binding),  cmocka_unit_test(any_bit_changed),
        cmocka_unit_test(any_byte_changed),    cmocka_unit_test(any_byte_gone_or_more),
        cmocka_unit_test(records_elsewhere),   cmocka_unit_test(zeros_at_the_end),
        cmocka_unit_test(damage_before_zeros), cmocka_unit_test(pages_missing),
        cmocka_unit_test(senseless),           cmocka_unit_test(visitor_refuses),
    };
    mr_log_init("test", MR_LOG_ERROR);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
