/* nearest.c - the candidate that needs the fewest edits (see options.h). */
#include <string.h>

#include "options.h"

#define MAX_LENGTH 63u /* longer names are never suggested */

static size_t least(size_t a, size_t b, size_t c) {
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* Insertions, deletions, replacements and swaps of neighbours (R. A. Wagner, R. Lowrance, 1975, restricted). */
static size_t count_edits(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t rows[3][MAX_LENGTH + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], row[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

void mr_nearest_offer(mr_nearest_t *nearest, const char *candidate) {
    size_t typed_size = strlen(nearest->typed), size = strlen(candidate);
    if (typed_size > MAX_LENGTH || size > MAX_LENGTH)
        return;
    size_t edits = count_edits(nearest->typed, typed_size, candidate, size);
    size_t longest = typed_size > size ? typed_size : size;
    if (edits > (longest + 2) / 3 || edits >= longest || (nearest->best && edits >= nearest->edits))
        return;
    nearest->best = candidate;
    nearest->edits = edits;
}
