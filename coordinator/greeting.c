#include "greeting.h"

#include <string.h>

#include "log.h"

const char *mr_greeting_mismatch(const mr_hello_message_t *hello) {
    static const char reason[] = "install the same version of Millrace on both";
    if (hello->protocol == MR_PROTOCOL && !strcmp(hello->version, MILLRACE_VERSION))
        return NULL;
    mr_log(MR_LOG_ERROR, "worker %s:%u has version %s (protocol %u), this coordinator %s (protocol %u): refused; %s",
           hello->host, hello->pid, hello->version, hello->protocol, MILLRACE_VERSION, MR_PROTOCOL, reason);
    return reason;
}

mr_message_t mr_greeting_refusal(const char *reason) {
    return (mr_message_t){.type = MR_REFUSED, .refused = {MR_PROTOCOL, MILLRACE_VERSION, reason}};
}
