#include "progress.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "units.h"

#define BAR_EVERY_MS 100
#define JSON_EVERY_MS 500

int mr_progress_mode_find(const char *name) {
    if (!strcmp(name, "auto"))
        return isatty(STDERR_FILENO) ? MR_PROGRESS_BAR : MR_PROGRESS_NONE;
    if (!strcmp(name, "bar"))
        return MR_PROGRESS_BAR;
    if (!strcmp(name, "json"))
        return MR_PROGRESS_JSON;
    return strcmp(name, "none") ? -1 : MR_PROGRESS_NONE;
}

typedef struct reading {
    double percent;
    double rate; /* bytes a second */
    double left; /* seconds; below 0: not known */
} reading_t;

static reading_t read_progress(const mr_progress_t *progress, int64_t now_ms) {
    double seconds = (double) (now_ms - progress->started_ms) / 1000;
    reading_t reading = {100, 0, -1};
    if (progress->total)
        reading.percent = 100.0 * (double) progress->done / (double) progress->total;
    if (seconds > 0)
        reading.rate = (double) progress->done / seconds;
    if (reading.rate > 0)
        reading.left = (double) (progress->total - progress->done) / reading.rate;
    return reading;
}

static void write_text(const char *text, int size) {
    if (size > 0 && write(STDERR_FILENO, text, (size_t) size) < 0)
        return; /* progress is never worth failing for */
}

static unsigned terminal_width(void) {
    struct winsize window;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) || !window.ws_col ? 80 : window.ws_col;
}

static void draw_bar(mr_progress_t *progress, const reading_t *reading, uint32_t workers) {
    char done[32], total[32], rate[32], left[32] = "-:--", line[256], text[300];
    mr_format_size(done, (double) progress->done);
    mr_format_size(total, (double) progress->total);
    mr_format_size(rate, reading->rate);
    if (reading->left >= 0)
        mr_format_duration(left, reading->left);
    snprintf(line, sizeof line, "%-5s %3.0f %% %s/%s %s/s  %u workers  ETA %s", progress->phase, reading->percent, done,
             total, rate, workers, left);
    write_text(text, snprintf(text, sizeof text, "\r%.*s\033[K", (int) terminal_width() - 1, line));
    progress->drawn = true;
}

static void write_json(const mr_progress_t *progress, const reading_t *reading, int64_t now_ms, uint32_t workers) {
    char text[400];
    write_text(text,
               snprintf(text, sizeof text,
                        "{\"event\":\"progress\",\"phase\":\"%s\",\"seconds\":%.3f,\"bytes\":%llu,\"total_bytes\":%llu,"
                        "\"percent\":%.2f,\"bytes_per_second\":%.0f,\"workers\":%u,\"eta_seconds\":%.3f}\n",
                        progress->phase, (double) (now_ms - progress->started_ms) / 1000,
                        (unsigned long long) progress->done, (unsigned long long) progress->total, reading->percent,
                        reading->rate, workers, reading->left));
}

static void show(mr_progress_t *progress, int64_t now_ms, uint64_t done, uint32_t workers) {
    if (done > progress->total)
        done = progress->total;
    if (done > progress->done)
        progress->done = done;
    reading_t reading = read_progress(progress, now_ms);
    if (progress->mode == MR_PROGRESS_BAR)
        draw_bar(progress, &reading, workers);
    else
        write_json(progress, &reading, now_ms, workers);
    progress->last_ms = now_ms;
}

void mr_progress_start(mr_progress_t *progress, const char *phase, uint64_t total, int64_t now_ms) {
    progress->phase = phase;
    progress->total = total;
    progress->started_ms = now_ms;
    progress->last_ms = now_ms;
    progress->done = 0;
    if (progress->mode == MR_PROGRESS_JSON)
        show(progress, now_ms, 0, 0);
}

void mr_progress_show(mr_progress_t *progress, int64_t now_ms, uint64_t done, uint32_t workers) {
    int64_t every = progress->mode == MR_PROGRESS_BAR ? BAR_EVERY_MS : JSON_EVERY_MS;
    if (progress->mode != MR_PROGRESS_NONE && now_ms - progress->last_ms >= every)
        show(progress, now_ms, done, workers);
}

void mr_progress_end(mr_progress_t *progress, int64_t now_ms, uint64_t done, uint32_t workers) {
    if (progress->mode == MR_PROGRESS_JSON)
        show(progress, now_ms, done, workers);
    mr_progress_clear(progress);
}

void mr_progress_clear(mr_progress_t *progress) {
    static const char clear[] = "\r\033[K";
    if (progress->drawn)
        write_text(clear, sizeof clear - 1);
    progress->drawn = false;
}

void mr_progress_endpoint(const mr_progress_t *progress, const char *endpoint) {
    json_t *event =
        progress->mode == MR_PROGRESS_JSON ? json_pack("{s:s,s:s}", "event", "listening", "endpoint", endpoint) : NULL;
    char text[600];
    size_t size = event ? json_dumpb(event, text, sizeof text - 1, JSON_COMPACT) : 0;
    if (size && size < sizeof text) {
        text[size++] = '\n';
        write_text(text, (int) size);
    }
    json_decref(event);
}
