/* pool.h - the threads of a worker process: they take tasks from one queue, each into a slot of its own. */
#ifndef MR_POOL_H
#define MR_POOL_H

#include "queue.h"
#include "slot.h"

typedef struct mr_pool mr_pool_t;

/* Starts `threads` threads on the job of `shop` (borrowed until the pool is destroyed). */
mr_pool_t *mr_pool_new(mr_workshop_t *shop, uint32_t threads, mr_error_t *error);

/* Makes the threads give up what they run, and joins them. */
void mr_pool_destroy(mr_pool_t **pool);

/* Takes a TASKS message over. Returns 0, or -1 when memory is out. */
int mr_pool_give(mr_pool_t *pool, mr_message_t *tasks);

/* When `sent` tasks have arrived in all and none is left to begin, every slot flushes. */
void mr_pool_flush(mr_pool_t *pool, uint64_t sent);

/* Forgets what has arrived and what a flush was to wait for: the count of tasks begins anew. */
void mr_pool_expect_anew(mr_pool_t *pool);

/* Every slot flushes before it begins its next task. */
void mr_pool_cut(mr_pool_t *pool);

/* Takes back what no thread has begun, and makes every slot flush when it is done with what it runs. Returns 0, or -1 when memory is
 * out: `returned` lacks some. */
int mr_pool_drain(mr_pool_t *pool, mr_attempts_t *returned);

/* A running task has taken longer than --task-timeout: it is disowned (slot.h), its thread is abandoned, and `error` says what and where. False:
 * there is none (any more). */
bool mr_pool_overdue(mr_pool_t *pool, int64_t now, mr_attempt_t *attempt, mr_error_t *error);

/* The running tasks are handed back at their next block. */
void mr_pool_give_up(mr_pool_t *pool);

/* Threads that still run a task are abandoned: they are waited for no more, and the process must end without them. */
void mr_pool_abandon(mr_pool_t *pool);

/* Stops the threads, for which it waits so long. False: some have not ended, and the pool must not be destroyed. */
bool mr_pool_stop(mr_pool_t *pool, int64_t patience_ms);

/* Nothing is queued, running, or folded and not handed to the outbox, but by abandoned threads. */
bool mr_pool_idle(mr_pool_t *pool);

/* A partial's `bytes` of memory are free again. */
void mr_pool_release(mr_pool_t *pool, size_t bytes);

/* What each thread works on: fills `running`, which has room for as many as there are threads. Returns how many. */
size_t mr_pool_running(mr_pool_t *pool, mr_running_t *running);

#endif
