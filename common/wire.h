/* wire.h - the messages of docs/protocol.md: one struct each, encoded to and decoded from a msgpack header frame.
 *
 * The lists below are the messages: they make the structs and the tables the codec walks. No sockets here.
 * Decoding checks the whole frame against a budget before anything is allocated from a length in it. */
#ifndef MR_WIRE_H
#define MR_WIRE_H

#include "attempt.h"
#include "buffer.h"
#include "error.h"
#include "input/reader.h"

#define MR_PROTOCOL 1u
#define MR_WIRE_MAX_HEADER ((size_t) 32 << 20)
#define MR_WIRE_MAX_RUN ((uint64_t) 1 << 40)   /* bytes; a larger one is no run */
#define MR_WIRE_PIECE ((size_t) 256 << 10)     /* bytes of an input in one DATA, at most */
#define MR_WIRE_INLINE_RUN ((size_t) 64 << 10) /* a run of up to so many bytes needs no grant */

typedef struct mr_bytes {
    const char *data; /* borrowed */
    size_t size;
} mr_bytes_t;

typedef struct mr_wire_option {
    const char *name;
    const char *value;
} mr_wire_option_t;

/* What a worker does after SHUTDOWN. */
#define MR_SHUTDOWN_END 0u     /* it ends */
#define MR_SHUTDOWN_AGAIN 1u   /* it waits for the next coordinator */
#define MR_SHUTDOWN_UNSOUND 2u /* it ends with an error: it sent what no sound worker sends */

#define MR_SPEC_ALONE 1u   /* a backup attempt: goes into a partial of its own, so that it can spoil no other */
#define MR_SPEC_CAREFUL 2u /* the task has failed before: find the record that ends the process, and leave it out */

/* One task on its way to a worker: a payload, or segments of files. */
typedef struct mr_spec {
    uint32_t task;
    uint32_t attempt;
    uint32_t group;
    uint32_t flags; /* MR_SPEC_... */
    mr_bytes_t payload;
    mr_segment_t *segments;
    size_t segment_count;
} mr_spec_t;

/* One attempt that a thread works on, as a heartbeat tells it. */
typedef struct mr_running {
    uint32_t task;
    uint32_t attempt;
    uint64_t bytes; /* of input, read so far */
    uint64_t ms;    /* since it began */
} mr_running_t;

/* What one attempt read, as the partial that holds it says. */
typedef struct mr_result {
    uint32_t task;
    uint32_t attempt;
    uint64_t bytes;    /* of input */
    uint64_t records;  /* lines, rejected ones among them */
    uint64_t rejected; /* bad records */
    uint64_t crlf;     /* lines that ended in CR LF */
} mr_result_t;

/* Fields: U32, U64, TEXT (const char *, NUL-terminated), or a list of one of the structs above: ATTEMPTS, OPTIONS, SPECS,
 * RUNNING, RESULTS (a pointer NAME and a size_t NAME_count). BYTES is an mr_bytes_t. */
#define MR_FIELDS_HELLO(F)                                                                                             \
    F(U32, protocol)                                                                                                   \
    F(TEXT, version) F(TEXT, host) F(U32, pid) F(U32, threads) F(TEXT, endpoint) F(U64, job)
#define MR_FIELDS_HEARTBEAT(F) F(U64, epoch) F(U32, worker) F(U64, rss) F(RUNNING, running)
#define MR_FIELDS_DONE(F) F(U64, epoch) F(U32, worker) F(ATTEMPTS, attempts)
#define MR_FIELDS_FAILED(F)                                                                                            \
    F(U64, epoch) F(U32, worker) F(U32, task) F(U32, attempt) F(U32, status) F(U32, retry) F(TEXT, text)
#define MR_FIELDS_OFFER(F) F(U64, epoch) F(U32, worker) F(U64, size)
#define MR_FIELDS_RETURNED(F) F(U64, epoch) F(U32, worker) F(U32, draining) F(ATTEMPTS, attempts)
#define MR_FIELDS_BYE(F) F(U64, epoch) F(U32, worker) F(TEXT, reason)
#define MR_FIELDS_HELD(F)                                                                                              \
    F(U64, epoch) F(U32, worker) F(U32, generation) F(U32, resend) F(ATTEMPTS, undone) F(ATTEMPTS, done)
#define MR_FIELDS_WELCOME(F)                                                                                           \
    F(U32, protocol)                                                                                                   \
    F(TEXT, version)                                                                                                   \
    F(U64, epoch)                                                                                                      \
    F(U64, job_id) F(U32, worker) F(TEXT, lane) F(TEXT, sink) F(U32, heartbeat_ms) F(U32, lease_ms) F(TEXT, inputs)
#define MR_FIELDS_REFUSED(F) F(U32, protocol) F(TEXT, version) F(TEXT, reason)
#define MR_FIELDS_JOB(F)                                                                                               \
    F(U64, epoch)                                                                                                      \
    F(TEXT, name)                                                                                                      \
    F(OPTIONS, options)                                                                                                \
    F(BYTES, only)                                                                                                     \
    F(U32, only_set)                                                                                                   \
    F(U64, block_size)                                                                                                 \
    F(U64, table_memory) F(U64, max_record) F(U32, flush_ms) F(U64, skip_bad) F(U32, eager) F(U32, task_timeout_ms)
#define MR_FIELDS_FLUSH(F) F(U64, epoch) F(U32, generation) F(U64, sent)
#define MR_FIELDS_GRANT(F) F(U64, epoch) F(U64, size)
#define MR_FIELDS_COMMITTED(F) F(U64, epoch) F(U64, partial)
#define MR_FIELDS_DISCARD(F) F(U64, epoch) F(U64, partial)
#define MR_FIELDS_DRAIN(F) F(U64, epoch)
#define MR_FIELDS_SHUTDOWN(F) F(U32, again) F(TEXT, reason)
#define MR_FIELDS_ALIVE(F) F(U64, epoch)
#define MR_FIELDS_UNKNOWN(F) F(U64, epoch) F(U32, worker)
#define MR_FIELDS_ACCOUNT(F) F(U64, epoch) F(U32, resend)
#define MR_FIELDS_PLACE(F) F(U64, job) F(TEXT, endpoint) F(TEXT, reason)
#define MR_FIELDS_TASKS(F) F(U64, epoch) F(U32, generation) F(SPECS, specs)
#define MR_FIELDS_RUN(F) F(U64, epoch) F(U32, worker) F(U64, partial) F(U32, index)
#define MR_FIELDS_PARTIAL(F) F(U64, epoch) F(U32, worker) F(U64, partial) F(U32, runs) F(U64, rows) F(RESULTS, results)
#define MR_FIELDS_FETCH(F) F(U64, epoch) F(U32, input) F(U64, offset) F(U64, size)
#define MR_FIELDS_DATA(F) F(U64, epoch) F(U32, input) F(U64, offset) F(U32, status) F(TEXT, text)
#define MR_FIELDS_CHECK(F) F(U64, ask) F(U64, time_ms) F(OPTIONS, endpoints) F(SPECS, inputs)
#define MR_FIELDS_CHECKED(F) F(U64, ask) F(TEXT, findings)
#define MR_FIELDS_REQUEST(F) F(U32, protocol) F(TEXT, version) F(U64, ask) F(TEXT, verb) F(TEXT, body)
#define MR_FIELDS_REPLY(F) F(U32, protocol) F(TEXT, version) F(U64, ask) F(U32, status) F(TEXT, body) F(BYTES, rows)

/* X(NAME, member, number on the wire) */
#define MR_MESSAGES(X)                                                                                                 \
    X(HELLO, hello, 1)                                                                                                 \
    X(HEARTBEAT, heartbeat, 2)                                                                                         \
    X(DONE, done, 3)                                                                                                   \
    X(FAILED, failed, 4)                                                                                               \
    X(OFFER, offer, 5)                                                                                                 \
    X(RETURNED, returned, 6)                                                                                           \
    X(BYE, bye, 7)                                                                                                     \
    X(HELD, held, 8)                                                                                                   \
    X(CHECKED, checked, 10)                                                                                            \
    X(WELCOME, welcome, 16)                                                                                            \
    X(REFUSED, refused, 17)                                                                                            \
    X(JOB, job, 18)                                                                                                    \
    X(FLUSH, flush, 19)                                                                                                \
    X(GRANT, grant, 20)                                                                                                \
    X(COMMITTED, committed, 21)                                                                                        \
    X(DISCARD, discard, 22)                                                                                            \
    X(DRAIN, drain, 23)                                                                                                \
    X(SHUTDOWN, shutdown, 24)                                                                                          \
    X(ALIVE, alive, 25)                                                                                                \
    X(UNKNOWN, unknown, 26)                                                                                            \
    X(ACCOUNT, account, 27)                                                                                            \
    X(PLACE, place, 28)                                                                                                \
    X(CHECK, check, 29)                                                                                                \
    X(TASKS, tasks, 32)                                                                                                \
    X(RUN, run, 48)                                                                                                    \
    X(PARTIAL, partial, 49)                                                                                            \
    X(FETCH, fetch, 50)                                                                                                \
    X(DATA, data, 51)                                                                                                  \
    X(REQUEST, request, 64)                                                                                            \
    X(REPLY, reply, 80)

typedef enum mr_message_type {
#define X(NAME, member, number) MR_##NAME = number,
    MR_MESSAGES(X)
#undef X
} mr_message_type_t;

#define MR_MEMBER_U32(name) uint32_t name;
#define MR_MEMBER_U64(name) uint64_t name;
#define MR_MEMBER_TEXT(name) const char *name;
#define MR_MEMBER_BYTES(name) mr_bytes_t name;
#define MR_MEMBER_LIST(type, name)                                                                                     \
    type *name;                                                                                                        \
    size_t name##_count;
#define MR_MEMBER_ATTEMPTS(name) MR_MEMBER_LIST(mr_attempt_t, name)
#define MR_MEMBER_OPTIONS(name) MR_MEMBER_LIST(mr_wire_option_t, name)
#define MR_MEMBER_SPECS(name) MR_MEMBER_LIST(mr_spec_t, name)
#define MR_MEMBER_RUNNING(name) MR_MEMBER_LIST(mr_running_t, name)
#define MR_MEMBER_RESULTS(name) MR_MEMBER_LIST(mr_result_t, name)
#define MR_MEMBER(kind, name) MR_MEMBER_##kind(name)

#define X(NAME, member, number)                                                                                        \
    typedef struct mr_##member##_message {                                                                             \
        MR_FIELDS_##NAME(MR_MEMBER)                                                                                    \
    } mr_##member##_message_t;
MR_MESSAGES(X)
#undef X

/* A message of any type. What is encoded is borrowed from the caller; what was decoded is owned by `zone`. */
typedef struct mr_message {
    mr_message_type_t type;
    union {
#define X(NAME, member, number) mr_##member##_message_t member;
        MR_MESSAGES(X)
#undef X
    };
    void *zone; /* memory of a decoded message, freed by mr_message_clear; NULL in a message to encode */
} mr_message_t;

/* "HELLO" and so on; "?" for a number that is no message. */
const char *mr_message_name(mr_message_type_t type);

/* Appends the header frame's bytes to `out`. Returns 0, or -1 when memory is out. */
int mr_message_encode(const mr_message_t *message, mr_buffer_t *out);

/* Reads a header frame. Returns 0; or -1 with status REFUSED and the reason: not a message of ours; or with JOB: memory is out, and a
 * message that may matter is lost. On success the caller ends with mr_message_clear. */
int mr_message_decode(mr_message_t *message, const void *data, size_t size, mr_error_t *error);

/* Frees a decoded message. Safe twice. */
void mr_message_clear(mr_message_t *message);

/* Checks without allocating that `data` is exactly one well-formed msgpack value of at most `depth` levels, no length in
 * which goes past its end. Returns 0 or -1. */
int mr_wire_check(const void *data, size_t size, unsigned depth);

#endif
