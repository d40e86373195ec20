/* enqueue STATE PRIORITY JOB WORD...: adds a job to the queue in STATE while no server has it open, and prints its number.
 * enqueue STATE: prints the jobs, one a line: number, state, lives, status, message. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "job_queue.h"

static int add(mr_job_queue_t *queue, char **argv, int count, mr_error_t *error) {
    char *here = realpath(".", NULL);
    mr_queued_t job = {.priority = strtol(argv[0], NULL, 10),
                       .words = argv + 1,
                       .word_count = (uint32_t) count - 1,
                       .directory = here,
                       .user = (char *) "me",
                       .host = (char *) "here"};
    int failed = mr_job_queue_add(queue, &job, error);
    if (!failed)
        printf("%llu\n", (unsigned long long) job.id);
    free(here);
    return failed;
}

static int print(mr_job_queue_t *queue, mr_error_t *error) {
    mr_job_queue_list_t list;
    int failed = mr_job_queue_list(queue, MR_JOB_QUEUE_ALL, &list, error);
    for (size_t i = 0; i < list.count; i++)
        printf("%llu\t%s\t%u\t%d\t%s\n", (unsigned long long) list.items[i].id, mr_job_state_name(list.items[i].state),
               list.items[i].lives, (int) list.items[i].status, list.items[i].message);
    mr_job_queue_list_free(&list);
    return failed;
}

int main(int argc, char **argv) {
    mr_error_t error = {0};
    mr_job_queue_t *queue = argc == 2 || argc >= 4 ? mr_job_queue_open(argv[1], &error) : NULL;
    int failed = !queue || (argc == 2 ? print(queue, &error) : add(queue, argv + 2, argc - 2, &error));
    if (failed)
        fprintf(stderr, "enqueue: %s\n", error.text);
    mr_job_queue_close(&queue);
    return failed != 0;
}
