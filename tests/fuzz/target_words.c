/* The word kernels of wordcount: each instruction set counts the same words as a reference that goes by docs/jobs.md, byte by byte. */
#include <wctype.h>

#include "jobs/words.h"
#include "kernel.h"

/* ---- what docs/jobs.md says ---- */

/* The length of a separator at `at`, 0 if there is none. */
static size_t separator(const unsigned char *text, size_t at, size_t size) {
    unsigned char a = text[at], b = at + 1 < size ? text[at + 1] : 0, c = at + 2 < size ? text[at + 2] : 0;
    bool two = b >= 0x80 && b <= 0xbf, three = two && c >= 0x80 && c <= 0xbf;
    unsigned character = three ? (a & 0x0fu) << 12 | (b & 0x3fu) << 6 | (c & 0x3fu) : 0;
    if (a < 0x80)
        return !((a >= '0' && a <= '9') || (a >= 'A' && a <= 'Z') || (a >= 'a' && a <= 'z') || a == '_');
    if (a == 0xc2 && two)
        return b == 0xaa || b == 0xb5 || b == 0xba ? 0 : 2;
    if (a == 0xc3 && (b == 0x97 || b == 0xb7))
        return 2;
    if (a == 0xe2 && character >= 0x2000 && character <= 0x206f)
        return character == 0x200c || character == 0x200d ? 0 : 3;
    return a == 0xe3 && character >= 0x3000 && character <= 0x303f ? 3 : 0;
}

/* The length of the UTF-8 character at `text` and its code point; 1 and -1 for a byte that begins none. */
static size_t character_at(const unsigned char *text, size_t size, long *character) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    long value = length == 1 ? text[0] : text[0] & (0x7f >> length);
    *character = -1;
    if ((text[0] >= 0x80 && text[0] < 0xc0) || text[0] > 0xf7 || length > size)
        return 1;
    for (size_t i = 1; i < length; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf)
            return 1;
        value = value << 6 | (text[i] & 0x3f);
    }
    if (value < (long) least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 1;
    *character = value;
    return length;
}

static void put_character(mr_buffer_t *to, unsigned long c) {
    static const unsigned marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    uint8_t first = (uint8_t) (length == 1 ? c : marks[length] | c >> 6 * (length - 1));
    put_bytes(to, &first, 1);
    for (size_t i = length - 1; i-- > 0;)
        put_bytes(to, &(uint8_t){(uint8_t) (0x80 | ((c >> 6 * i) & 0x3f))}, 1);
}

static void count_word(plain_rows_t *rows, const mr_words_t *words, const unsigned char *word, size_t size) {
    mr_buffer_t lowered = {0};
    for (size_t at = 0; at < size;) {
        long character;
        size_t length = character_at(word + at, size - at, &character);
        if (words->lower && character >= 0)
            put_character(&lowered, (unsigned long) towlower_l((wint_t) character, words->locale));
        else
            put_bytes(&lowered, word + at, length);
        at += length;
    }
    plain_add(rows, lowered.data, lowered.size, 1, false);
    mr_buffer_free(&lowered);
}

/* Inputs are too short for a bad record. */
static void refer(outcome_t *outcome, const mr_words_t *words, const text_t *text) {
    const unsigned char *bytes = (const unsigned char *) text->data;
    plain_rows_t rows = {0};
    size_t word = 0;
    for (size_t at = 0; at < text->size;) {
        size_t length = separator(bytes, at, text->size);
        outcome->tally.records += bytes[at] == '\n';
        if (length && at > word)
            count_word(&rows, words, bytes + word, at - word);
        at += length ? length : 1;
        word = length ? at : word;
    }
    plain_end(&rows, outcome, 1);
}

/* ---- the kernels ---- */

static mr_words_map_t *kernel(mr_simd_t simd) {
#if defined(__x86_64__)
    if (simd != MR_SIMD_SCALAR)
        return simd == MR_SIMD_AVX512 ? mr_words_avx512 : mr_words_avx2;
#endif
    return mr_words_scalar;
}

static void check(const mr_words_t *words, const text_t *text) {
    outcome_t want = {0};
    refer(&want, words, text);
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++) {
        if (!mr_simd_supported(simd))
            continue;
        outcome_t got = {0};
        mr_out_t out = {.table = the_table(1)};
        mr_out_begin(&out);
        got.tally = kernel(simd)(words, text->data, text->size, &out);
        take_rejects(&got, &out, text);
        take_rows(&got, out.table, 1);
        compare_outcomes(&got, &want);
        mr_buffer_free(&got.rows);
    }
    mr_buffer_free(&want.rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static locale_t locale;
    if (!locale)
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    MUST(locale);
    input_t input = {data, size};
    uint8_t kind = take_byte(&input), filling = take_byte(&input);
    mr_words_t words = {.lower = kind & 1, .locale = locale};
    text_t text = make_text(input.at, input.left, filling);
    check(&words, &text);
    free(text.memory);
    return 0;
}
