/* jobs/words.h - the kernels of wordcount. What a word is: docs/jobs.md.
 *
 * One template (words_template.h), compiled once for each instruction set; all variants do exactly the same. */
#ifndef MR_WORDS_H
#define MR_WORDS_H

#include <locale.h>
#include <wchar.h>

#include "buffer.h"
#include "cpu.h"
#include "millrace/job.h"

/* Lower case: ASCII by the kernels, the rest by the system's simple mapping in the locale C.UTF-8. */
typedef struct mr_words {
    bool lower;      /* count words in lower case */
    locale_t locale; /* set if lower */
} mr_words_t;

typedef mr_tally_t mr_words_map_t(const mr_words_t *words, const char *data, size_t size, mr_out_t *out);

extern mr_words_map_t mr_words_scalar;
extern mr_words_map_t mr_words_avx2;
extern mr_words_map_t mr_words_avx512;

/* ---- what the variants share (words_slow.c) ---- */

/* The length of the character at `text` if it separates words although it is not ASCII: 2 or 3, else 0. Reads 3 bytes. */
size_t mr_words_separator(const char *text);

/* Where the word at `text` ends, at most at `end`. The byte at `end` is a newline. */
const char *mr_words_end(const char *text, const char *end);

/* Counts one word that needs more than a window: long, or not ASCII and to be lowered. `buffer` is for the lowered form. */
void mr_words_emit_slowly(const mr_words_t *words, const char *text, size_t size, mr_buffer_t *buffer, mr_out_t *out);

/* Whether the line [line, end) holds a word that, as it would be counted, is longer than MR_MAX_KEY. */
bool mr_words_line_is_bad(const mr_words_t *words, const char *line, const char *end);

#endif
