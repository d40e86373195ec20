#include "journal_format.h"

#include <isa-l/crc64.h>
#include <string.h>

#include "key.h"

#define COMMIT_HEAD 24u /* worker, runs, partial, results */
#define RESULT 40u      /* bytes of one */

static const char magic[4] = {'M', 'R', 'J', '1'};
static const unsigned char mark[MR_RECORD_MARK] = {0xA5, 0x96, 0xC3, 0x87, 0xB4, 0xD2, 0xE1, 0x5A};

void mr_record_header(const mr_record_t *record, char header[MR_RECORD_HEADER]) {
    memcpy(header, magic, sizeof magic);
    mr_store32(header + 4, record->type);
    mr_store64(header + 8, record->job);
    mr_store64(header + 16, record->offset);
    mr_store64(header + 24, record->size);
    mr_store64(header + 32, mr_record_check(0, header, 32));
}

int mr_record_decode(mr_record_t *record, const char header[MR_RECORD_HEADER]) {
    if (!mr_record_begins(header, MR_RECORD_HEADER) || mr_load64(header + 32) != mr_record_check(0, header, 32))
        return -1;
    *record =
        (mr_record_t){mr_load32(header + 4), mr_load64(header + 8), mr_load64(header + 16), mr_load64(header + 24)};
    return 0;
}

bool mr_record_begins(const char *bytes, size_t size) {
    return !memcmp(bytes, magic, size < sizeof magic ? size : sizeof magic);
}

size_t mr_record_padding(uint64_t size) {
    return (size_t) (-size & 7);
}

uint64_t mr_record_bytes(uint64_t size) {
    return MR_RECORD_HEADER + size + mr_record_padding(size) + MR_RECORD_TRAILER;
}

uint64_t mr_record_check(uint64_t check, const void *data, size_t size) {
    return size ? crc64_ecma_refl(check, data, size) : check;
}

void mr_record_trailer(uint64_t check, char trailer[MR_RECORD_TRAILER]) {
    mr_store64(trailer, check);
    memcpy(trailer + 8, mark, sizeof mark);
}

static char *put_result(char *at, const mr_result_t *result) {
    mr_store32(at, result->task);
    mr_store32(at + 4, result->attempt);
    mr_store64(at + 8, result->bytes);
    mr_store64(at + 16, result->records);
    mr_store64(at + 24, result->rejected);
    mr_store64(at + 32, result->crlf);
    return at + RESULT;
}

int mr_record_commit_encode(uint32_t worker, uint64_t partial, const uint64_t *offsets, uint32_t runs,
                            const mr_result_t *results, size_t count, mr_buffer_t *out) {
    size_t size = COMMIT_HEAD + 8 * (size_t) runs + RESULT * count;
    if (mr_buffer_reserve(out, size))
        return -1;
    char *at = out->data + out->size;
    mr_store32(at, worker);
    mr_store32(at + 4, runs);
    mr_store64(at + 8, partial);
    mr_store64(at + 16, count);
    at += COMMIT_HEAD;
    for (uint32_t i = 0; i < runs; i++, at += 8)
        mr_store64(at, offsets[i]);
    for (size_t i = 0; i < count; i++)
        at = put_result(at, &results[i]);
    out->size += size;
    return 0;
}

int mr_record_commit_decode(mr_record_commit_t *commit, const char *payload, size_t size) {
    if (size < COMMIT_HEAD)
        return -1;
    size -= COMMIT_HEAD;
    commit->worker = mr_load32(payload);
    commit->runs = mr_load32(payload + 4);
    commit->partial = mr_load64(payload + 8);
    commit->results = mr_load64(payload + 16);
    commit->offsets = payload + COMMIT_HEAD;
    if (commit->runs > size / 8)
        return -1;
    size -= 8 * (size_t) commit->runs;
    commit->result = commit->offsets + 8 * (size_t) commit->runs;
    return commit->results == size / RESULT && size % RESULT == 0 ? 0 : -1;
}

uint64_t mr_record_commit_offset(const mr_record_commit_t *commit, size_t index) {
    return mr_load64(commit->offsets + 8 * index);
}

mr_result_t mr_record_commit_result(const mr_record_commit_t *commit, size_t index) {
    const char *at = commit->result + RESULT * index;
    return (mr_result_t){mr_load32(at),      mr_load32(at + 4),  mr_load64(at + 8),
                         mr_load64(at + 16), mr_load64(at + 24), mr_load64(at + 32)};
}
