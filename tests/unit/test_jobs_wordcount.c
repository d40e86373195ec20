/* wordcount in every instruction set, against a reference that goes character by character. */
#include <locale.h>
#include <wctype.h>

#include "job_harness.h"

static void map_words(const harness_job_t *set, const text_t *text, mr_out_t *out, mr_tally_t *tally) {
    mr_out_begin(out);
    *tally = set->job->map(set->state, text->data, text->size, out);
}

/* ---- the reference ---- */

/* Strict UTF-8 by its table in RFC 3629. Returns 0 when there is no character at text. */
static size_t reference_character(const unsigned char *text, size_t size, uint32_t *character) {
    static const struct {
        unsigned char first, last, second_first, second_last, length;
    } rows[] = {{0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
                {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (text[0] < rows[i].first || text[0] > rows[i].last || rows[i].length > size)
            continue;
        *character = rows[i].length == 1 ? text[0] : text[0] & (0x7Fu >> rows[i].length);
        for (size_t j = 1; j < rows[i].length; j++) {
            if (text[j] < (j == 1 ? rows[i].second_first : 0x80) || text[j] > (j == 1 ? rows[i].second_last : 0xBF))
                return 0;
            *character = *character << 6 | (text[j] & 0x3F);
        }
        return rows[i].length;
    }
    return 0;
}

static bool reference_separates(uint32_t c) {
    if (c < 0x80)
        return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_');
    if (c == 0xAA || c == 0xB5 || c == 0xBA || c == 0x200C || c == 0x200D)
        return false;
    return c <= 0xBF || c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c <= 0x206F) || (c >= 0x3000 && c <= 0x303F);
}

static size_t put_utf8(uint32_t c, char *out) {
    if (c < 0x80)
        return (size_t) sprintf(out, "%c", (int) c);
    if (c < 0x800)
        return (size_t) sprintf(out, "%c%c", (int) (0xC0 | c >> 6), (int) (0x80 | (c & 63)));
    if (c < 0x10000)
        return (size_t) sprintf(out, "%c%c%c", (int) (0xE0 | c >> 12), (int) (0x80 | (c >> 6 & 63)),
                                (int) (0x80 | (c & 63)));
    return (size_t) sprintf(out, "%c%c%c%c", (int) (0xF0 | c >> 18), (int) (0x80 | (c >> 12 & 63)),
                            (int) (0x80 | (c >> 6 & 63)), (int) (0x80 | (c & 63)));
}

/* One word, counted through mr_emit into a table of its own. */
static void reference_words(const text_t *text, bool lower, mr_out_t *out) {
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    assert_true(locale != (locale_t) 0);
    char *word = malloc(2 * text->size + 8);
    size_t length = 0;
    uint64_t one = 1;
    for (size_t i = 0; i < text->size;) {
        uint32_t character;
        size_t size = reference_character((const unsigned char *) text->data + i, text->size - i, &character);
        if (size && reference_separates(character)) {
            if (length)
                mr_emit(out, word, length, &one);
            length = 0;
        } else if (size && lower) {
            length += put_utf8((uint32_t) towlower_l((wint_t) character, locale), word + length);
        } else {
            memcpy(word + length, text->data + i, size ? size : 1);
            length += size ? size : 1;
        }
        i += size ? size : 1;
    }
    free(word);
    freelocale(locale);
}

/* ---- the comparison ---- */

static void check_variant(const text_t *text, mr_simd_t simd, bool lower, const harness_rows_t *wanted) {
    harness_job_t set = set_up_job("wordcount", lower ? "lower" : "", simd);
    mr_out_t out = {.table = mr_table_new(set.job->ops, set.job->ncells)};
    mr_tally_t tally;
    map_words(&set, text, &out, &tally);
    uint64_t newlines = 0;
    for (size_t i = 0; i < text->size; i++)
        newlines += text->data[i] == '\n';
    assert_int_equal(tally.records, newlines);
    assert_int_equal(tally.rejected, 0);
    harness_rows_t rows = drain_rows(out.table, 1);
    assert_rows_equal(&rows, wanted, 1);
    free_rows(&rows);
    mr_table_destroy(&out.table);
    tear_down_job(&set);
}

static void check(const char *data, size_t size) {
    text_t text = make_text(data, size);
    for (int lower = 0; lower < 2; lower++) {
        mr_op_t op = MR_SUM;
        mr_out_t out = {.table = mr_table_new(&op, 1)};
        reference_words(&text, lower, &out);
        harness_rows_t wanted = drain_rows(out.table, 1);
        for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++)
            if (mr_simd_supported(simd))
                check_variant(&text, simd, lower, &wanted);
        free_rows(&wanted);
        mr_table_destroy(&out.table);
    }
    free(text.memory);
}

static void add(mr_buffer_t *buffer, const char *text, size_t size) {
    assert_int_equal(mr_buffer_append(buffer, text, size), 0);
}

static void add_text(mr_buffer_t *buffer, const char *text) {
    add(buffer, text, strlen(text));
}

/* Every character there is, between letters and alone. */
static void test_every_character(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3100 ? 1 : 13) {
        char piece[32];
        if (c >= 0xD800 && c < 0xE000)
            continue;
        size_t size = put_utf8(c, piece);
        add(&buffer, "Q", 1);
        add(&buffer, piece, size);
        add(&buffer, "Z ", 2);
        add(&buffer, piece, size);
        add(&buffer, " ", 1);
    }
    add(&buffer, "\n", 1);
    check(buffer.data, buffer.size);
    mr_buffer_free(&buffer);
}

static void test_every_byte(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++)
            add(&buffer, (const char[]){'a', (char) first, (char) second, '.', (char) second, 'b', ' '}, 7);
    add(&buffer, "\n", 1);
    check(buffer.data, buffer.size);
    mr_buffer_free(&buffer);
}

/* Words of every length to past two vectors at every place of a vector. */
static void test_every_length_and_place(void **unused) {
    (void) unused;
    char text[400];
    for (size_t place = 0; place < 70; place++)
        for (size_t size = 0; size < 140; size += 1 + size / 20) {
            memset(text, '-', sizeof text);
            memset(text + place, 'W', size);
            text[place + size + 1] = 'v';
            text[place + size + 2] = '\n';
            check(text, place + size + 3);
        }
}

static void add_piece(mr_buffer_t *buffer) {
    static const char *const words[] = {"the",
                                        "The",
                                        "THE",
                                        "a",
                                        "x_1",
                                        "naïve",
                                        "Ärger",
                                        "ÄRGER",
                                        "don't",
                                        "İstanbul",
                                        "K",
                                        "Ⱥ",
                                        "ΣΊΣΥΦΟΣ",
                                        "МОСКВА",
                                        "中文",
                                        "exactly16letters",
                                        "seventeen_letters",
                                        "é",
                                        "\xC2",
                                        "\xE2\x80",
                                        "\xE2",
                                        "\xE3\x80",
                                        "\xFF",
                                        "\x80",
                                        "\xED\xA0\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xC1\x81",
                                        "\xF0\x9F\x98\x80"};
    static const char *const gaps[] = {" ", "\n", "\t",           "—",  "“",  "”", "\xC2\xA0", "、",
                                       "×", "÷",  "\xE2\x81\xAF", "..", "\r", "-", "/",        "\x01"};
    char run[300];
    switch (below(60)) {
    case 0: /* long, perhaps over several windows */
        memset(run, "aBz9_"[below(5)], sizeof run);
        for (size_t copies = below(2) ? 1 : below(40); copies; copies--)
            add(buffer, run, 1 + below(sizeof run));
        return;
    case 1:
        add(buffer, "", 1);
        return;
    case 2: /* a separator's bytes, repeated so as to straddle windows */
        for (size_t copies = below(1500); copies; copies--)
            add(buffer, "\xE2\x80\x94", 3);
        return;
    default:
        add_text(buffer, words[below(sizeof words / sizeof *words)]);
        if (below(10))
            add_text(buffer, gaps[below(sizeof gaps / sizeof *gaps)]);
    }
}

static void test_random_text(void **unused) {
    (void) unused;
    mr_buffer_t buffer = {0};
    static const size_t sizes[] = {1, 64, 700, 4000, 4096, 9000, 40000};
    for (size_t round = 0; round < 300; round++) {
        size_t wanted = sizes[below(sizeof sizes / sizeof *sizes)] + below(130);
        for (buffer.size = 0; buffer.size < wanted;)
            add_piece(&buffer);
        add(&buffer, "\n", 1);
        check(buffer.data, buffer.size);
    }
    mr_buffer_free(&buffer);
}

static void test_window_edges(void **unused) {
    (void) unused;
    char *text = malloc(3 * 4096);
    static const char *const pieces[] = {"a", "\xC2\xA0", "\xE2\x80\x94", "\xE2\x80", "ä", " ", "a b"};
    for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++)
        for (size_t fill = 0; fill < 2; fill++)
            for (size_t at = 4090; at < 4099; at++) {
                memset(text, fill ? 'x' : ' ', 3 * 4096);
                memcpy(text + at, pieces[piece], strlen(pieces[piece]));
                text[3 * 4096 - 1] = '\n';
                check(text, 3 * 4096);
            }
    free(text);
}

/* ---- words that are too long ---- */

static void check_long(const char *letter, size_t copies, bool lower, uint64_t rejected) {
    mr_buffer_t buffer = {0};
    add(&buffer, "before\nseen only if good ", strlen("before\nseen only if good "));
    for (size_t i = 0; i < copies; i++)
        add(&buffer, letter, strlen(letter));
    add(&buffer, "\nafter\n", 7);
    text_t text = make_text(buffer.data, buffer.size);
    for (mr_simd_t simd = 0; simd < MR_SIMD_COUNT; simd++) {
        if (!mr_simd_supported(simd))
            continue;
        harness_job_t set = set_up_job("wordcount", lower ? "lower" : "", simd);
        mr_out_t out = {.table = mr_table_new(set.job->ops, 1)};
        mr_tally_t tally;
        map_words(&set, &text, &out, &tally);
        assert_int_equal(tally.records, 3);
        assert_int_equal(tally.rejected, rejected);
        assert_int_equal(out.rejected, rejected);
        assert_null(mr_table_error(out.table));
        assert_int_equal(mr_table_rows(out.table), rejected ? 2 : 7);
        if (rejected) {
            assert_int_equal(out.rejects[0].record - text.data, strlen("before\n"));
            assert_string_equal(out.rejects[0].reason, "a word is longer than 1 MiB");
        }
        mr_table_destroy(&out.table);
        tear_down_job(&set);
    }
    free(text.memory);
    mr_buffer_free(&buffer);
}

static void test_words_too_long(void **unused) {
    (void) unused;
    check_long("x", MR_MAX_KEY, false, 0);
    check_long("x", MR_MAX_KEY + 1, false, 1);
    check_long("X", MR_MAX_KEY, true, 0);
    check_long("X", MR_MAX_KEY + 1, true, 1);
    check_long("Ⱥ", MR_MAX_KEY / 3, true, 0); /* two bytes, three in lower case */
    check_long("Ⱥ", MR_MAX_KEY / 3 + 1, true, 1);
    check_long("Ⱥ", MR_MAX_KEY / 2, false, 0);
    check_long("İ", MR_MAX_KEY, true, 0); /* two bytes, one in lower case */
    check_long("İ", MR_MAX_KEY, false, 1);
}

static void test_only(void **unused) {
    (void) unused;
    const char *data = "the a the\nthen THE the\n";
    text_t text = make_text(data, strlen(data));
    harness_job_t set = set_up_job("wordcount", "", mr_simd_choose());
    mr_out_t out = {.table = mr_table_new(set.job->ops, 1), .only = "the", .only_size = 3};
    mr_tally_t tally;
    map_words(&set, &text, &out, &tally);
    assert_int_equal(tally.records, 2);
    harness_rows_t rows = drain_rows(out.table, 1);
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.items[0].key, "the");
    assert_int_equal(rows.items[0].cells[0], 3);
    free_rows(&rows);
    mr_table_destroy(&out.table);
    tear_down_job(&set);
    free(text.memory);
}

static int start(void **unused) {
    (void) unused;
    seed_random();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_length_and_place),
        cmocka_unit_test(test_window_edges),
        cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_words_too_long),
        cmocka_unit_test(test_only),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
