#include "configure.h"

#include "jobs/registry.h"

static int set_options(mr_options_t *options, const mr_job_message_t *message, mr_error_t *error) {
    for (size_t i = 0; i < message->options_count; i++) {
        const mr_option_t *known = mr_options_known(options, message->options[i].name);
        const char *value = known && !known->value ? NULL : message->options[i].value;
        if (mr_options_set(options, message->options[i].name, value, error))
            return -1;
    }
    return 0;
}

int mr_configure(mr_configured_t *configured, const mr_job_message_t *message, mr_error_t *error) {
    const mr_job_t *job = mr_job_find(message->name);
    mr_complaint_t complaint = {0};
    if (!job)
        return mr_error_set(error, MR_STATUS_REFUSED, "the coordinator's job '%s' is not known here", message->name);
    configured->options = mr_options_new(job);
    if (!configured->options)
        return mr_error_memory(error, "configuring the job");
    if (set_options(configured->options, message, error))
        return -1;
    job = mr_job_variant(job, configured->options);
    if (job->configure && job->configure(configured->options, &configured->state, &complaint))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: %s", message->name, complaint.text);
    configured->job = job;
    return 0;
}

void mr_unconfigure(mr_configured_t *configured) {
    if (configured->job && configured->job->destroy)
        configured->job->destroy(configured->state);
    mr_options_destroy(&configured->options);
    *configured = (mr_configured_t){0};
}
