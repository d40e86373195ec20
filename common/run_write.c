/* Writing: the open block's header is filled in when the block ends; nothing is written twice, and a failed row leaves the
 * buffer as it was. */
#include "run.h"
#include "varint.h"

/* The most that a row takes besides its key, and what whole-word stores may touch past it. */
#define ROW_OVERHEAD (MR_RUN_BLOCK_HEADER + (MR_MAX_CELLS + 1) * MR_VARINT_MAX + 16)

static void begin_block(mr_run_writer_t *writer) {
    writer->block_start = writer->out->size;
    writer->out->size += MR_RUN_BLOCK_HEADER;
}

void mr_run_end_block(mr_run_writer_t *writer) {
    if (writer->rows == 0)
        return;
    char *header = writer->out->data + writer->block_start;
    mr_store32(header, (uint32_t) (writer->out->size - writer->block_start - MR_RUN_BLOCK_HEADER));
    mr_store32(header + 4, writer->rows);
    writer->rows = 0;
}

int mr_run_write(mr_run_writer_t *writer, const char *key, size_t key_size, const uint64_t *cells) {
    mr_buffer_t *out = writer->out;
    if (out->capacity - out->size < key_size + ROW_OVERHEAD && mr_buffer_reserve(out, key_size + ROW_OVERHEAD))
        return -1;
    if (writer->rows == 0)
        begin_block(writer);
    char *end = mr_varint_put(out->data + out->size, key_size);
    if (key_size)
        memcpy(end, key, key_size);
    end += key_size;
    for (uint32_t i = 0; i < writer->ncells; i++)
        end = mr_varint_put(end, cells[i]);
    out->size = (size_t) (end - out->data);
    writer->rows++;
    if (out->size - writer->block_start >= MR_RUN_BLOCK + MR_RUN_BLOCK_HEADER)
        mr_run_end_block(writer);
    return 0;
}
