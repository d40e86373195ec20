#include "roll.h"

/* ---- who is here ---- */

mr_roll_worker_t *mr_roll_find(const mr_roll_t *roll, const mr_sender_t *sender) {
    for (size_t i = 0; i < roll->count; i++) {
        mr_roll_worker_t *worker = roll->items[i];
        if (worker->sender.size == sender->size && !memcmp(worker->sender.identity, sender->identity, sender->size))
            return worker;
    }
    return NULL;
}

static int make_room(mr_roll_t *roll) {
    size_t capacity = roll->capacity ? 2 * roll->capacity : 16;
    if (roll->count < roll->capacity)
        return 0;
    mr_roll_worker_t **items = realloc(roll->items, capacity * sizeof *items);
    if (!items)
        return -1;
    roll->items = items;
    roll->capacity = capacity;
    return 0;
}

static void free_worker(mr_roll_worker_t *worker) {
    if (!worker)
        return;
    free(worker->host);
    free(worker->version);
    free(worker);
}

static mr_roll_worker_t *add(mr_roll_t *roll, const mr_sender_t *sender, const mr_hello_message_t *hello, int64_t now) {
    mr_roll_worker_t *worker = make_room(roll) ? NULL : calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->sender = *sender;
    worker->host = strdup(hello->host);
    worker->version = strdup(hello->version);
    worker->joined_ms = now;
    if (!worker->host || !worker->version) {
        free_worker(worker);
        return NULL;
    }
    return roll->items[roll->count++] = worker;
}

mr_roll_worker_t *mr_roll_hello(mr_roll_t *roll, const mr_sender_t *sender, const mr_hello_message_t *hello,
                                int64_t now, bool *fresh) {
    mr_roll_worker_t *worker = mr_roll_find(roll, sender);
    *fresh = !worker;
    if (!worker && !(worker = add(roll, sender, hello, now)))
        return NULL;
    worker->pid = hello->pid;
    worker->threads = hello->threads ? hello->threads : 1;
    worker->said_job = hello->job;
    worker->heard_ms = now;
    return worker;
}

void mr_roll_remove(mr_roll_t *roll, mr_roll_worker_t *worker) {
    size_t at = 0;
    while (at < roll->count && roll->items[at] != worker)
        at++;
    if (at == roll->count)
        return;
    memmove(roll->items + at, roll->items + at + 1, (--roll->count - at) * sizeof *roll->items);
    free_worker(worker);
}

mr_roll_worker_t *mr_roll_silent(const mr_roll_t *roll, int64_t before) {
    for (size_t i = 0; i < roll->count; i++)
        if (roll->items[i]->heard_ms < before)
            return roll->items[i];
    return NULL;
}

void mr_roll_forgive(mr_roll_t *roll, int64_t now) {
    for (size_t i = 0; i < roll->count; i++)
        roll->items[i]->heard_ms = now;
}

void mr_roll_free(mr_roll_t *roll) {
    for (size_t i = 0; i < roll->count; i++)
        free_worker(roll->items[i]);
    free(roll->items);
    *roll = (mr_roll_t){0};
}

/* ---- for whom they work ---- */

size_t mr_roll_count(const mr_roll_t *roll, uint64_t job, uint64_t *threads) {
    size_t workers = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < roll->count; i++)
        if (roll->items[i]->job == job) {
            workers++;
            sum += roll->items[i]->threads;
        }
    if (threads)
        *threads = sum;
    return workers;
}

static void place(mr_roll_worker_t *worker, uint64_t job) {
    worker->untold |= worker->job != job;
    worker->job = job;
}

/* The jobs, and the threads of each. */
typedef struct shares {
    const uint64_t *jobs;
    size_t open; /* of them, which come first, take workers */
    size_t count;
    uint64_t threads[MR_ROLL_MOST_JOBS];
} shares_t;

/* The place of a job among them, or count. */
static size_t find_share(const shares_t *shares, uint64_t job) {
    size_t at = 0;
    while (at < shares->count && shares->jobs[at] != job)
        at++;
    return at;
}

/* The one with the fewest threads; of several, the first. */
static size_t poorest(const shares_t *shares) {
    size_t least = 0;
    for (size_t i = 1; i < shares->open; i++)
        if (shares->threads[i] < shares->threads[least])
            least = i;
    return least;
}

/* The worker whose move to a job of `least` threads evens most: of a job that keeps at least as many without it as the other then has. */
static mr_roll_worker_t *mover(const mr_roll_t *roll, const shares_t *shares, uint64_t least) {
    mr_roll_worker_t *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < roll->count; i++) {
        mr_roll_worker_t *worker = roll->items[i];
        size_t from = find_share(shares, worker->job);
        if (from >= shares->open || shares->threads[from] < least + 2 * (uint64_t) worker->threads)
            continue;
        if (best &&
            (shares->threads[from] < most || (shares->threads[from] == most && worker->threads <= best->threads)))
            continue;
        best = worker;
        most = shares->threads[from];
    }
    return best;
}

static void place_at(mr_roll_worker_t *worker, shares_t *shares, size_t at) {
    place(worker, shares->jobs[at]);
    shares->threads[at] += worker->threads;
}

/* One that works for a job already is left there, so that a coordinator that was started anew takes nobody's work away. */
static void keep_placed(const mr_roll_t *roll, shares_t *shares) {
    for (size_t i = 0; i < roll->count; i++) {
        mr_roll_worker_t *worker = roll->items[i];
        size_t at = find_share(shares, worker->job);
        if (at == shares->count)
            at = find_share(shares, worker->said_job);
        if (at == shares->count)
            place(worker, 0);
        else
            place_at(worker, shares, at);
    }
}

void mr_roll_share(mr_roll_t *roll, const uint64_t *jobs, size_t open, size_t count) {
    shares_t shares = {.jobs = jobs, .open = open, .count = count};
    mr_roll_worker_t *worker;
    keep_placed(roll, &shares);
    for (size_t i = 0; open && i < roll->count; i++)
        if (!roll->items[i]->job)
            place_at(roll->items[i], &shares, poorest(&shares));
    while (open > 1 && (worker = mover(roll, &shares, shares.threads[poorest(&shares)]))) {
        shares.threads[find_share(&shares, worker->job)] -= worker->threads;
        place_at(worker, &shares, poorest(&shares));
    }
}
