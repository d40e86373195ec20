#include "checkup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "link.h"

#define REACH_MS 2000

/* The times of both ends, as far apart as the message was on its way, and no less. */
static void check_clock(mr_buffer_t *findings, int64_t theirs) {
    int64_t apart = mr_clock_wall_ms() - theirs;
    bool near = apart > -2000 && apart < 5000;
    mr_check_note(findings, near ? MR_LEVEL_OK : MR_LEVEL_WARN, "clock",
                  near ? NULL : "set the clocks (NTP): files' times of change are compared",
                  "%lld ms from the coordinator's", (long long) apart);
}

static void *look(void *argument) {
    mr_checkup_t *checkup = argument;
    const mr_check_message_t *asked = &checkup->asked.check;
    mr_buffer_t *findings = &checkup->findings;
    char text[512];
    check_clock(findings, (int64_t) asked->time_ms);
    mr_check_descriptors(findings, 1024);
    mr_check_directory(findings, "scratch", checkup->tmp_dir);
    for (size_t i = 0; i < asked->endpoints_count; i++)
        mr_check_reach(findings, asked->endpoints[i].name,
                       mr_link_reachable(checkup->connect, asked->endpoints[i].value, text, sizeof text), REACH_MS);
    for (size_t i = 0; i < asked->inputs_count; i++)
        for (size_t s = 0; s < asked->inputs[i].segment_count; s++)
            mr_check_input(findings, &asked->inputs[i].segments[s]);
    if (mr_buffer_append(findings, "", 1))
        findings->size = 0;
    atomic_store(&checkup->done, true);
    eventfd_write(checkup->wake, 1);
    return NULL;
}

mr_checkup_t *mr_checkup_begin(mr_message_t *check, const char *connect, const char *tmp_dir, int wake) {
    mr_checkup_t *checkup = calloc(1, sizeof *checkup);
    if (!checkup)
        return NULL;
    *checkup = (mr_checkup_t){.asked = *check, .connect = connect, .tmp_dir = tmp_dir};
    checkup->wake = fcntl(wake, F_DUPFD_CLOEXEC, 0); /* the thread may outlive the other */
    check->zone = NULL;
    if (!pthread_create(&checkup->thread, NULL, look, checkup))
        return checkup;
    mr_message_clear(&checkup->asked);
    close(checkup->wake);
    free(checkup);
    return NULL;
}

void mr_checkup_end(mr_checkup_t **self) {
    mr_checkup_t *checkup = *self;
    *self = NULL;
    if (!checkup)
        return;
    if (!atomic_load(&checkup->done)) {
        pthread_detach(checkup->thread);
        return;
    }
    pthread_join(checkup->thread, NULL);
    mr_message_clear(&checkup->asked);
    mr_buffer_free(&checkup->findings);
    close(checkup->wake);
    free(checkup);
}
