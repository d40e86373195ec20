/* The wire decoder: what it accepts is a message that, encoded, is decoded to the same bytes again, and so by mr_wire_check; what
 * it refuses, it refuses with a reason; and memory stays within what the budget of values allows. */
#include "fuzz.h"
#include "wire.h"

static void encode(const mr_message_t *message, mr_buffer_t *out) {
    MUST(mr_message_encode(message, out) == 0);
    MUST(mr_wire_check(out->data, out->size, 5) == 0);
}

/* Decoded memory must not depend on the frame. */
static int decode_copy(mr_message_t *message, const uint8_t *data, size_t size, mr_error_t *error) {
    char *frame = malloc(size ? size : 1);
    MUST(frame);
    if (size)
        memcpy(frame, data, size);
    int failed = mr_message_decode(message, frame, size, error);
    memset(frame, 0xdd, size);
    free(frame);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mr_message_t first, second;
    mr_error_t error = {0};
    mr_buffer_t once = {0}, twice = {0};
    if (decode_copy(&first, data, size, &error)) {
        MUST(error.status == MR_STATUS_REFUSED && error.text[0]);
        return 0;
    }
    MUST(mr_wire_check(data, size, 5) == 0);
    encode(&first, &once);
    MUST(decode_copy(&second, (const uint8_t *) once.data, once.size, &error) == 0);
    MUST(first.type == second.type);
    encode(&second, &twice);
    MUST(same_bytes(&once, &twice));
    mr_message_clear(&first);
    mr_message_clear(&first);
    mr_message_clear(&second);
    mr_buffer_free(&once);
    mr_buffer_free(&twice);
    return 0;
}
