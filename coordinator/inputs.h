/* inputs.h - from what the user named to a checked list of files, and from files to tasks.
 *
 * All is checked before any task runs: what is missing, unreadable, a directory (without --recursive), not a regular file, a
 * 0-byte .gz or UTF-16 ends the run with status INPUT. `-` is spooled from stdin into the job's directory (a file that stdin is
 * redirected from is read where it is). A name that does not exist and has wildcards is a pattern. Formats are told by content. */
#ifndef MR_INPUTS_H
#define MR_INPUTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "input/reader.h"
#include "input/root.h"

typedef struct mr_input {
    char *path; /* owned; absolute; of a URL what may be shown of it */
    const char
        *name;     /* as the user gave it (or found under a directory), for messages; the end of path, or a constant */
    uint64_t size; /* bytes */
    int64_t mtime_ns; /* since the epoch; of a URL its version (input/http.h) */
    dev_t device;     /* with inode: the file's identity */
    ino_t inode;
    mr_format_t format;
    char *url;            /* owned; secret; NULL: it is a file */
    bool whole;           /* it cannot be read from its middle */
    uint64_t fingerprint; /* input/fingerprint.h; 0: not asked for */
} mr_input_t;

typedef struct mr_inputs {
    mr_input_t *items; /* owned */
    size_t count;
    uint64_t bytes; /* sum of sizes */
} mr_inputs_t;

typedef struct mr_inputs_config {
    bool recursive;          /* walk directories, following links; each file once; a link to itself is an error, other
                                loops end where they began; what is neither file nor directory is passed over */
    const char *files_from;  /* file of names, one a line; `-` is stdin; or NULL */
    const char *files0_from; /* the same, NUL-separated; or NULL */
    bool fingerprints;       /* workers of other machines are to tell whether what they see is the same file */
    const mr_root_t
        *root; /* no file is opened but beneath it, nor told to be there; without a path, or NULL: any may */
    const char *spool_dir; /* where stdin is spooled: an existing private directory; NULL: it may not be spooled */
} mr_inputs_config_t;

/* Collects and checks: first the arguments, then the lists. A file named twice is read twice, as with cat; under
 * --recursive each file once. Every name is looked at before the first problem is returned, with the number of others. */
int mr_inputs_collect(mr_inputs_t *inputs, const mr_inputs_config_t *config, int count, char *const *arguments,
                      mr_error_t *error);
void mr_inputs_free(mr_inputs_t *inputs);

/* Looks at every input again: status INPUT "changed during the job" if one differs from what was collected. */
int mr_inputs_verify(const mr_inputs_t *inputs, mr_error_t *error);

/* True if one of them is not a file. */
bool mr_inputs_have_url(const mr_inputs_t *inputs);

/* True if the open file is one of the inputs (device and inode). */
bool mr_inputs_contain(const mr_inputs_t *inputs, dev_t device, ino_t inode);

/* One task: either a byte range of one input (count 1) or `count` whole small inputs. */
typedef struct mr_split {
    uint32_t input; /* index of the first input */
    uint32_t count; /* inputs in this task, all whole if > 1 */
    uint64_t start; /* byte range, when count is 1 */
    uint64_t end;
} mr_split_t;

typedef struct mr_splits {
    mr_split_t *items; /* owned */
    size_t count;
} mr_splits_t;

/* Cuts the inputs into tasks of about `chunk` bytes (>= 1): plain files by range, gzip files whole, consecutive small
 * files together (at most 4,096 a task). Large gzip files come first, largest first, since they cannot be cut. Empty files
 * belong to a task too (they are opened and found empty). */
int mr_inputs_split(const mr_inputs_t *inputs, uint64_t chunk, mr_splits_t *splits, mr_error_t *error);
void mr_splits_free(mr_splits_t *splits);

#endif
