/* words_avx2.c - the kernel of wordcount with 32-byte vectors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "jobs/words_template.h"

/* The word bytes below 0x80 by their halves: a byte belongs when what its low half may be for (one bit for each group of high
 * halves: 3; 4 and 6; 5; 7) meets what its high half is. */
ALWAYS_INLINE uint32_t word_bytes(__m256i bytes) {
    const __m256i low_halves =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 2, 2, 2, 2, 6));
    const __m256i high_halves =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 1, 2, 4, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    __m256i common = _mm256_and_si256(_mm256_shuffle_epi8(low_halves, bytes), _mm256_shuffle_epi8(high_halves, high));
    uint32_t others = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(common, _mm256_setzero_si256()));
    return ~others | (uint32_t) _mm256_movemask_epi8(bytes);
}

ALWAYS_INLINE uint32_t wide_bytes(__m256i bytes) {
    __m256i masked = _mm256_and_si256(bytes, _mm256_set1_epi8((char) 0xDE));
    return (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(masked, _mm256_set1_epi8((char) 0xC2)));
}

ALWAYS_INLINE void classify(const char *text, size_t words, mr_word_index_t *index) {
    index->any_wide = 0;
    __m256i all = _mm256_setzero_si256();
    for (size_t word = 0; word < words; word++) {
        __m256i first = _mm256_loadu_si256((const __m256i *) (text + 64 * word));
        __m256i second = _mm256_loadu_si256((const __m256i *) (text + 64 * word + 32));
        index->word[word] = word_bytes(first) | (uint64_t) word_bytes(second) << 32;
        index->wide[word] = wide_bytes(first) | (uint64_t) wide_bytes(second) << 32;
        index->any_wide |= index->wide[word];
        all = _mm256_or_si256(all, _mm256_or_si256(first, second));
    }
    index->beyond_ascii = (uint32_t) _mm256_movemask_epi8(all);
}

/* Eight edges at a time, so that the loop's length is easier to guess; what is written past the last is written over. */
ALWAYS_INLINE unsigned find_edges(uint64_t bits, unsigned base, uint16_t *edges) {
    unsigned count = (unsigned) __builtin_popcountll(bits);
    for (unsigned done = 0; done < count; done += 8)
        for (unsigned i = 0; i < 8; i++, bits = _blsr_u64(bits))
            edges[done + i] = (uint16_t) (base + (unsigned) _tzcnt_u64(bits));
    return count;
}

ALWAYS_INLINE void lower_ascii(const char *text, size_t size, char *lowered) {
    for (size_t i = 0; i < size; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *) (text + i));
        __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('A' - 1)),
                                         _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), bytes));
        bytes = _mm256_or_si256(bytes, _mm256_and_si256(upper, _mm256_set1_epi8(0x20)));
        _mm256_storeu_si256((__m256i *) (lowered + i), bytes);
    }
}

ALWAYS_INLINE uint64_t count_newlines(const char *text, size_t size) {
    uint64_t count = 0;
    size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *) (text + i));
        count += (unsigned) _mm_popcnt_u32(
            (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n'))));
    }
    for (; i < size; i++)
        count += text[i] == '\n';
    return count;
}

mr_tally_t mr_words_avx2(const mr_words_t *words, const char *data, size_t size, mr_out_t *out) {
    return map_text(words, data, size, out);
}
#endif
