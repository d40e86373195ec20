/* key.h - keys as machine words, so that short ones are hashed, compared and sorted without a loop.
 *
 * A word is eight bytes of the key, the first byte lowest, zeros past the key's end; a prefix is the same with the first byte
 * highest, so that prefixes order as memcmp does (equal prefixes say nothing: compare the keys). */
#ifndef MR_KEY_H
#define MR_KEY_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sanitizers see bytes past the key's end as an error, so under them keys are read byte by byte. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MR_KEY_EXACT_READS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MR_KEY_EXACT_READS 1
#endif
#endif

static inline uint64_t mr_load64(const void *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static inline uint32_t mr_load32(const void *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return le32toh(word);
}

static inline void mr_store64(void *bytes, uint64_t word) {
    word = htole64(word);
    memcpy(bytes, &word, sizeof word);
}

static inline void mr_store32(void *bytes, uint32_t word) {
    word = htole32(word);
    memcpy(bytes, &word, sizeof word);
}

/* The word of `size` bytes, which may be any number; reads nothing but them. */
static inline uint64_t mr_key_word_exact(const char *key, size_t size) {
    const unsigned char *bytes = (const unsigned char *) key;
    if (size >= 8)
        return mr_load64(key);
    if (size >= 4)
        return mr_load32(key) | (uint64_t) mr_load32(key + size - 4) << (8 * (size - 4));
    if (size == 0)
        return 0;
    return bytes[0] | (uint64_t) bytes[size / 2] << (8 * (size / 2)) | (uint64_t) bytes[size - 1] << (8 * (size - 1));
}

/* Masks of the first `size` bytes of 16, from a table: lengths cannot be predicted, so nothing may branch on them. */
static const unsigned char mr_key_mask_bytes[32] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

/* A mask of the first bytes of a word, as many as a key of `size` bytes has. */
static inline uint64_t mr_key_mask(size_t size) {
    return mr_load64(mr_key_mask_bytes + 16 - (size < 8 ? size : 8));
}

/* A key of at most 16 bytes. */
typedef struct mr_key_words {
    uint64_t word[2];
    uint64_t mask[2]; /* which bytes of them are the key's */
} mr_key_words_t;

static inline mr_key_words_t mr_key_words(const char *key, size_t size) {
    mr_key_words_t words;
    words.mask[0] = mr_load64(mr_key_mask_bytes + 16 - size);
    words.mask[1] = mr_load64(mr_key_mask_bytes + 24 - size);
#ifndef MR_KEY_EXACT_READS
    /* Bytes past the key but in the same page can be read without harm: one branch instead of one for each length. The compiler
     * must not reason about the object the key lies in, hence the empty asm. */
    if (__builtin_expect(((uintptr_t) key & 4095) <= 4096 - 16, 1)) {
        __asm__("" : "+r"(key));
        words.word[0] = mr_load64(key) & words.mask[0];
        words.word[1] = mr_load64(key + 8) & words.mask[1];
        return words;
    }
#endif
    words.word[0] = mr_key_word_exact(key, size);
    words.word[1] = size <= 8 ? 0 : mr_key_word_exact(key + 8, size - 8);
    return words;
}

/* Eight bytes of the key from `depth` on, as a prefix. */
static inline uint64_t mr_key_prefix(const char *key, size_t size, size_t depth) {
    if (size <= depth)
        return 0;
    return __builtin_bswap64(mr_key_word_exact(key + depth, size - depth));
}

/* Compares keys as runs are sorted: memcmp of the common length, then the shorter first. <0, 0, >0. */
int mr_key_compare(const char *a, size_t a_size, const char *b, size_t b_size);

static inline int mr_key_equal(const char *a, size_t a_size, const char *b, size_t b_size) {
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

#endif
