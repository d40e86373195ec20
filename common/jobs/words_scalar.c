/* words_scalar.c - the kernel of wordcount with 64-bit words only, for any processor. */
#include "jobs/bytes8.h"
#include "jobs/words_template.h"

ALWAYS_INLINE uint64_t letters(uint64_t bytes) {
    return mr_bytes8_between(bytes | MR_BYTES8(0x20), 'a', 'z');
}

ALWAYS_INLINE void classify(const char *text, size_t words, mr_word_index_t *index) {
    index->any_wide = index->beyond_ascii = 0;
    for (size_t word = 0; word < words; word++) {
        uint64_t word_bits = 0, wide_bits = 0;
        for (size_t i = 0; i < 64; i += 8) {
            uint64_t bytes = mr_load64(text + 64 * word + i), high = bytes & MR_BYTES8_HIGH;
            uint64_t marks =
                letters(bytes) | mr_bytes8_between(bytes, '0', '9') | mr_bytes8_equal(bytes, MR_BYTES8('_')) | high;
            word_bits |= mr_bytes8_bits(marks) << i;
            index->beyond_ascii |= high;
            if (high)
                wide_bits |= mr_bytes8_bits(mr_bytes8_equal(bytes & MR_BYTES8(0xDE), MR_BYTES8(0xC2))) << i;
        }
        index->word[word] = word_bits;
        index->wide[word] = wide_bits;
        index->any_wide |= wide_bits;
    }
}

ALWAYS_INLINE unsigned find_edges(uint64_t bits, unsigned base, uint16_t *edges) {
    unsigned count = 0;
    for (; bits; bits &= bits - 1)
        edges[count++] = (uint16_t) (base + (unsigned) __builtin_ctzll(bits));
    return count;
}

ALWAYS_INLINE void lower_ascii(const char *text, size_t size, char *lowered) {
    for (size_t i = 0; i < size; i += 8) {
        uint64_t bytes = mr_load64(text + i);
        mr_store64(lowered + i, bytes | mr_bytes8_between(bytes, 'A', 'Z') >> 2);
    }
}

ALWAYS_INLINE uint64_t count_newlines(const char *text, size_t size) {
    uint64_t count = 0;
    for (const char *end = text + size; (text = memchr(text, '\n', (size_t) (end - text))); text++)
        count++;
    return count;
}

mr_tally_t mr_words_scalar(const mr_words_t *words, const char *data, size_t size, mr_out_t *out) {
    return map_text(words, data, size, out);
}
