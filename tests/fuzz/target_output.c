/* Rows as text: a strict reader of each format (output.h; RFC 4180; RFC 8259) gets back the key's bytes and each column. */
#include "fuzz.h"
#include "output_private.h"

/* A row as it was given, and the reader's place in the text made of it. */
typedef struct reading {
    const char *at;
    const char *end;
    const mr_row_t *row;
    uint32_t ncells;
} reading_t;

static void expect(reading_t *reading, const char *text) {
    size_t size = strlen(text);
    MUST((size_t) (reading->end - reading->at) >= size && memcmp(reading->at, text, size) == 0);
    reading->at += size;
}

static void expect_number(reading_t *reading, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long) number);
    expect(reading, text);
}

static char next(reading_t *reading) {
    MUST(reading->at < reading->end);
    return *reading->at++;
}

static void expect_key(const reading_t *reading, mr_buffer_t *key) {
    const mr_buffer_t wanted = {.data = (char *) (uintptr_t) reading->row->key, .size = reading->row->key_size};
    MUST(same_bytes(key, &wanted));
    mr_buffer_free(key);
}

/* ---- tsv ---- */

static void read_tsv(reading_t *reading) {
    const mr_row_t *row = reading->row;
    bool escaped = row->key_size && (memchr(row->key, '\t', row->key_size) || memchr(row->key, '\n', row->key_size));
    mr_buffer_t key = {0};
    for (char c; (c = next(reading)) != '\t';) {
        MUST(c != '\n');
        if (escaped && c == '\\') {
            c = next(reading);
            MUST(c == 't' || c == 'n' || c == '\\');
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c;
        }
        put_bytes(&key, &c, 1);
    }
    expect_key(reading, &key);
    for (uint32_t i = 0; i < reading->ncells; i++) {
        expect(reading, i ? "\t" : "");
        expect_number(reading, row->cells[i]);
    }
}

/* ---- csv ---- */

static void read_csv(reading_t *reading) {
    mr_buffer_t key = {0};
    if (*reading->at == '"') {
        reading->at++;
        for (char c; (c = next(reading)) != '"' || (*reading->at == '"' && reading->at++);)
            put_bytes(&key, &c, 1);
    } else {
        for (; *reading->at != ','; reading->at++) {
            MUST(!strchr("\"\r\n", *reading->at) || !*reading->at);
            put_bytes(&key, reading->at, 1);
        }
        MUST(key.size > 0);
    }
    expect_key(reading, &key);
    for (uint32_t i = 0; i < reading->ncells; i++) {
        expect(reading, ",");
        expect_number(reading, reading->row->cells[i]);
    }
}

/* ---- json ---- */

static unsigned read_hex(reading_t *reading) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, next(reading));
        MUST(digit && *digit);
        value = value * 16 + (unsigned) (digit - digits);
    }
    return value;
}

static char read_escape(reading_t *reading) {
    static const char shorts[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    char c = next(reading);
    if (c == 'u') {
        unsigned value = read_hex(reading);
        MUST(value < 0x20 || value == 0x7f);
        return (char) value;
    }
    for (const char *at = shorts; *at; at += 2)
        if (*at == c)
            return at[1];
    MUST(!"an escape of JSON");
    return 0;
}

/* The inside of a string and the quote that ends it. */
static void read_string(reading_t *reading, mr_buffer_t *text) {
    for (char c; (c = next(reading)) != '"';) {
        MUST((unsigned char) c >= 0x20);
        if (c == '\\')
            c = read_escape(reading);
        put_bytes(text, &c, 1);
    }
}

/* Length of the well-formed sequence at `text` (table 3-7 of the Unicode standard), or 0. */
static size_t sequence(const unsigned char *text, size_t size) {
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].first_low || text[0] > forms[i].first_high)
            continue;
        bool good = size >= forms[i].length && text[1] >= forms[i].second_low && text[1] <= forms[i].second_high;
        for (size_t j = 2; good && j < forms[i].length; j++)
            good = text[j] >= 0x80 && text[j] <= 0xbf;
        return good ? forms[i].length : 0;
    }
    return 0;
}

static bool is_utf8(const char *text, size_t size) {
    for (size_t at = 0, length; at < size; at += length)
        if (!(length = sequence((const unsigned char *) text + at, size - at)))
            return false;
    return true;
}

static void decode_base64(const mr_buffer_t *text, mr_buffer_t *bytes) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = 0;
    MUST(text->size % 4 == 0);
    for (size_t i = 0; i < text->size; i++) {
        char c = text->data[i];
        size_t padding = (size_t) (c == '=') * (text->size - i);
        MUST(padding <= 2 && (padding || (c && strchr(letters, c))));
        group = group << 6 | (padding ? 0 : (uint32_t) (strchr(letters, c) - letters));
        if (i % 4 < 3)
            continue;
        size_t absent = (c == '=') + (text->data[i - 1] == '=');
        for (size_t j = 0; j < 3 - absent; j++)
            put_bytes(bytes, &(uint8_t){(uint8_t) (group >> (16 - 8 * j))}, 1);
        MUST(absent == 0 || (group & (absent == 2 ? 0xffff : 0xff)) == 0);
        group = 0;
    }
}

static void read_json(reading_t *reading) {
    mr_buffer_t key = {0}, base64 = {0};
    bool utf8 = is_utf8(reading->row->key, reading->row->key_size);
    expect(reading, "{\"key\":\"");
    read_string(reading, &key);
    MUST(is_utf8(key.data, key.size));
    if (!utf8) {
        expect(reading, ",\"key_base64\":\"");
        read_string(reading, &base64);
        key.size = 0;
        decode_base64(&base64, &key);
        mr_buffer_free(&base64);
    }
    expect_key(reading, &key);
    for (uint32_t i = 0; i < reading->ncells; i++) {
        expect(reading, ",\"value");
        if (i)
            expect_number(reading, i + 1);
        expect(reading, "\":");
        expect_number(reading, reading->row->cells[i]);
    }
    expect(reading, "}");
}

static void check(mr_output_t *output, const mr_row_t *row, uint32_t ncells) {
    static void (*const readers[])(reading_t *) = {
        [MR_ROW_TSV] = read_tsv, [MR_ROW_CSV] = read_csv, [MR_ROW_JSON] = read_json};
    for (mr_row_format_t format = MR_ROW_TSV; format <= MR_ROW_JSON; format++) {
        mr_buffer_t text = {0};
        output->config.format = format;
        MUST(mr_output_format(output, row, &text, NULL) == 0);
        reading_t reading = {text.data, text.data + text.size, row, ncells};
        readers[format](&reading);
        expect(&reading, "\n");
        MUST(reading.at == reading.end);
        mr_buffer_free(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    mr_job_t job = {.abi = MR_JOB_ABI, .name = "any", .ncells = 1 + take_byte(&input) % MR_MAX_CELLS};
    mr_output_t output = {.config.job = &job};
    mr_row_t row;
    for (uint32_t i = 0; i < job.ncells; i++)
        row.cells[i] = take_number(&input, 8) >> take_byte(&input) % 64;
    char *key = take_copy(&input, input.left, &row.key_size);
    row.key = key;
    MUST(mr_columns_make(&output.columns, &job, NULL) == 0);
    check(&output, &row, job.ncells);
    mr_columns_free(&output.columns);
    free(key);
    return 0;
}
