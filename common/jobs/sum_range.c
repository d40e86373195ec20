/* sum_range.c - the job `sum-range N...`: the sum of 0..N, by adding 1 number after the other.
 *
 * It stands for any CPU-bound work, so nobody may take a short cut: each addition goes through a barrier that the
 * compiler cannot see through. plan cuts each range into pieces and deals them out in turn, one of each argument, so
 * that a small N asked for after a huge one is ready first. A piece is one line: N, its first and its last number.
 *
 * An N whose sum would pass 2^64-1 is refused by plan; a payload that plan would not have written is a bad record. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "jobs/number.h"

#define LARGEST_N UINT64_C(6074000999) /* N (N + 1) / 2 of the next one is past 2^64-1 */
#define PIECE (UINT64_C(16) << 20)     /* additions: about 5 ms */
#define MOST_PIECES 4096u              /* an argument */

static uint64_t pieces_of(uint64_t n) {
    uint64_t pieces = n / PIECE + 1;
    return pieces < MOST_PIECES ? pieces : MOST_PIECES;
}

static int parse_arguments(int count, char *const *arguments, uint64_t *numbers, mr_complaint_t *complaint) {
    for (int i = 0; i < count; i++) {
        const char *reason = mr_number_parse(arguments[i], strlen(arguments[i]), &numbers[i]);
        if (reason)
            return mr_complain(complaint, "sum-range %s: must be a whole number from 0 to %" PRIu64, arguments[i],
                               LARGEST_N);
        if (numbers[i] > LARGEST_N)
            return mr_complain(complaint, "sum-range %s: the sum would pass 2^64-1; the largest N is %" PRIu64,
                               arguments[i], LARGEST_N);
    }
    return 0;
}

/* Piece `index` of the 0..n that pieces_of(n) share evenly. */
static int add_piece(mr_plan_t *plan, uint32_t group, uint64_t n, uint64_t index) {
    uint64_t size = n / pieces_of(n) + 1;
    uint64_t low = index * size, high = low + size - 1;
    if (low > n)
        return 0;
    char payload[80];
    int length =
        snprintf(payload, sizeof payload, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, low, high < n ? high : n);
    return mr_plan_add(plan, group, payload, (size_t) length);
}

static int deal(mr_plan_t *plan, const uint64_t *numbers, int count, mr_complaint_t *complaint) {
    for (uint64_t index = 0; index < MOST_PIECES; index++)
        for (int i = 0; i < count; i++)
            if (index < pieces_of(numbers[i]) && add_piece(plan, (uint32_t) i, numbers[i], index))
                return mr_complain(complaint, "out of memory while planning sum-range");
    return 0;
}

static int plan_ranges(const void *state, int count, char *const *arguments, mr_plan_t *plan,
                       mr_complaint_t *complaint) {
    (void) state;
    if (count < 1)
        return mr_complain(complaint, "sum-range: give at least one N, as in `sum-range 200000000 50000000`");
    uint64_t *numbers = calloc((size_t) count, sizeof *numbers);
    if (!numbers)
        return mr_complain(complaint, "out of memory while planning sum-range");
    int failed = parse_arguments(count, arguments, numbers, complaint) || deal(plan, numbers, count, complaint);
    free(numbers);
    return failed ? -1 : 0;
}

static uint64_t add_range(uint64_t low, uint64_t high) {
    uint64_t sum = 0;
    for (uint64_t number = low; number <= high; number++) {
        sum += number;
        __asm__ volatile("" : "+r"(sum)); /* no closed form, no vectors */
    }
    return sum;
}

/* Reads "N LOW HIGH". Returns 0, or -1 for what add_piece would not write. */
static int parse_piece(const char *line, size_t size, uint64_t *low, uint64_t *high, size_t *key_size) {
    const char *end = line + size;
    const char *first = memchr(line, ' ', size);
    const char *second = first ? memchr(first + 1, ' ', (size_t) (end - first - 1)) : NULL;
    uint64_t n;
    if (!second || mr_number_parse(line, (size_t) (first - line), &n) ||
        mr_number_parse(first + 1, (size_t) (second - first - 1), low) ||
        mr_number_parse(second + 1, (size_t) (end - second - 1), high))
        return -1;
    *key_size = (size_t) (first - line);
    return n <= LARGEST_N && *low <= *high && *high <= n ? 0 : -1;
}

static mr_tally_t map_pieces(const void *state, const char *data, size_t size, mr_out_t *out) {
    (void) state;
    mr_tally_t tally = {0};
    for (const char *line = data, *end = data + size; line < end; tally.records++) {
        const char *newline = memchr(line, '\n', (size_t) (end - line));
        size_t line_size = newline ? (size_t) (newline - line) : (size_t) (end - line);
        uint64_t low, high;
        size_t key_size;
        if (parse_piece(line, line_size, &low, &high, &key_size)) {
            mr_reject(out, line, "not a piece of a range (N LOW HIGH)");
            tally.rejected++;
        } else {
            uint64_t sum = add_range(low, high);
            mr_emit(out, line, key_size, &sum);
        }
        line += line_size + 1;
    }
    return tally;
}

const mr_job_t mr_job_sum_range = {
    .abi = MR_JOB_ABI,
    .name = "sum-range",
    .summary = "the sum of 0..N for each N, added one by one; each printed when it is ready",
    .arguments = "N...",
    .flags = MR_JOB_ARGUMENTS,
    .ncells = 1,
    .ops = {MR_SUM},
    .plan = plan_ranges,
    .map = map_pieces,
    .columns = "sum",
};
