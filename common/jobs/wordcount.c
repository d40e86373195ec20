/* wordcount.c - the job `wordcount`: how often each word occurs. What a word is: docs/jobs.md. */
#include <stdlib.h>

#include "builtin.h"
#include "jobs/words.h"
#include "options.h"

typedef struct mr_wordcount_state {
    mr_words_t words;
    mr_words_map_t *kernel;
} mr_wordcount_state_t;

static const mr_option_t options_of_wordcount[] = {
    {"lower", NULL, NULL, "count words in lower case"},
    {NULL, NULL, NULL, NULL},
};

static mr_words_map_t *choose_kernel(mr_simd_t simd) {
#if defined(__x86_64__)
    if (simd != MR_SIMD_SCALAR)
        return simd == MR_SIMD_AVX512 ? mr_words_avx512 : mr_words_avx2;
#else
    (void) simd;
#endif
    return mr_words_scalar;
}

static void destroy_wordcount(void *state) {
    mr_wordcount_state_t *wordcount = state;
    if (wordcount && wordcount->words.lower)
        freelocale(wordcount->words.locale);
    free(wordcount);
}

static int configure_wordcount(const mr_options_t *options, void **state, mr_complaint_t *complaint) {
    mr_wordcount_state_t *wordcount = calloc(1, sizeof *wordcount);
    if (!wordcount)
        return mr_complain(complaint, "out of memory while reading options");
    wordcount->kernel = choose_kernel(mr_simd_choose());
    if (mr_option_get(options, "lower")) {
        wordcount->words.locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
        wordcount->words.lower = wordcount->words.locale != (locale_t) 0;
        if (!wordcount->words.lower) {
            free(wordcount);
            return mr_complain(complaint,
                               "--lower: this system has no locale C.UTF-8; install it, or leave --lower out");
        }
    }
    *state = wordcount;
    return 0;
}

static mr_tally_t map_wordcount(const void *state, const char *data, size_t size, mr_out_t *out) {
    const mr_wordcount_state_t *wordcount = state;
    return wordcount->kernel(&wordcount->words, data, size, out);
}

const mr_job_t mr_job_wordcount = {
    .abi = MR_JOB_ABI,
    .name = "wordcount",
    .summary = "how often each word occurs",
    .arguments = "FILE...",
    .options = options_of_wordcount,
    .ncells = 1,
    .ops = {MR_SUM},
    .configure = configure_wordcount,
    .destroy = destroy_wordcount,
    .map = map_wordcount,
    .columns = "count",
};
