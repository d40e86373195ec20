/* The tables of the codec: for each message its fields, and where they are in mr_message_t. */
#include "wire_layout.h"

#define COUNT_U32(member, name) 0
#define COUNT_U64(member, name) 0
#define COUNT_TEXT(member, name) 0
#define COUNT_BYTES(member, name) 0
#define COUNT_ATTEMPTS(member, name) offsetof(mr_message_t, member.name##_count)
#define COUNT_OPTIONS COUNT_ATTEMPTS
#define COUNT_SPECS COUNT_ATTEMPTS
#define COUNT_RUNNING COUNT_ATTEMPTS
#define COUNT_RESULTS COUNT_ATTEMPTS

#define FIELD(kind, member, name) {FIELD_##kind, offsetof(mr_message_t, member.name), COUNT_##kind(member, name)},

#define F_HELLO(kind, name) FIELD(kind, hello, name)
#define F_HEARTBEAT(kind, name) FIELD(kind, heartbeat, name)
#define F_DONE(kind, name) FIELD(kind, done, name)
#define F_FAILED(kind, name) FIELD(kind, failed, name)
#define F_OFFER(kind, name) FIELD(kind, offer, name)
#define F_RETURNED(kind, name) FIELD(kind, returned, name)
#define F_BYE(kind, name) FIELD(kind, bye, name)
#define F_HELD(kind, name) FIELD(kind, held, name)
#define F_WELCOME(kind, name) FIELD(kind, welcome, name)
#define F_REFUSED(kind, name) FIELD(kind, refused, name)
#define F_JOB(kind, name) FIELD(kind, job, name)
#define F_FLUSH(kind, name) FIELD(kind, flush, name)
#define F_GRANT(kind, name) FIELD(kind, grant, name)
#define F_COMMITTED(kind, name) FIELD(kind, committed, name)
#define F_DISCARD(kind, name) FIELD(kind, discard, name)
#define F_DRAIN(kind, name) FIELD(kind, drain, name)
#define F_SHUTDOWN(kind, name) FIELD(kind, shutdown, name)
#define F_ALIVE(kind, name) FIELD(kind, alive, name)
#define F_UNKNOWN(kind, name) FIELD(kind, unknown, name)
#define F_ACCOUNT(kind, name) FIELD(kind, account, name)
#define F_PLACE(kind, name) FIELD(kind, place, name)
#define F_TASKS(kind, name) FIELD(kind, tasks, name)
#define F_RUN(kind, name) FIELD(kind, run, name)
#define F_PARTIAL(kind, name) FIELD(kind, partial, name)
#define F_FETCH(kind, name) FIELD(kind, fetch, name)
#define F_DATA(kind, name) FIELD(kind, data, name)
#define F_CHECK(kind, name) FIELD(kind, check, name)
#define F_CHECKED(kind, name) FIELD(kind, checked, name)
#define F_REQUEST(kind, name) FIELD(kind, request, name)
#define F_REPLY(kind, name) FIELD(kind, reply, name)

#define X(NAME, member, number) static const mr_field_t fields_##member[] = {MR_FIELDS_##NAME(F_##NAME)};
MR_MESSAGES(X)
#undef X

static const mr_layout_t layouts[] = {
#define X(NAME, member, number) {MR_##NAME, #NAME, fields_##member, sizeof fields_##member / sizeof(mr_field_t)},
    MR_MESSAGES(X)
#undef X
};

const mr_layout_t *mr_layout_find(uint64_t type) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}

const char *mr_message_name(mr_message_type_t type) {
    const mr_layout_t *layout = mr_layout_find(type);
    return layout ? layout->name : "?";
}
