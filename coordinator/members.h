/* members.h - the workers this coordinator has welcomed, by number and by their address on the control socket. */
#ifndef MR_MEMBERS_H
#define MR_MEMBERS_H

#include <czmq.h>

#define MR_IDENTITY_MAX 255

typedef struct mr_member {
    uint32_t number;
    uint8_t identity[MR_IDENTITY_MAX]; /* ROUTER address */
    size_t identity_size;
    zsock_t *lane; /* PUSH, owned */
    char host[256];
    uint32_t pid;
    uint32_t threads;
    bool joined;      /* the lane is connected; the scheduler knows it */
    int64_t heard_at; /* its last sign of life before it joined */
    uint64_t sent;    /* tasks sent down the lane */
    int64_t
        done_bytes;    /* input of tasks it has done and that are not committed; below 0 when a partial overtook DONE */
    uint64_t inflight; /* input read of the tasks it runs now, as its last heartbeat said */
    uint64_t offered;  /* size of a run that waits for a grant; 0: none */
    uint64_t offer_order; /* offers are granted in the order in which they came */
    uint64_t reserved;    /* room granted and not used yet */
} mr_member_t;

typedef struct mr_members {
    mr_member_t **items; /* by number; NULL: has left. Owned */
    uint32_t count;      /* numbers given so far */
} mr_members_t;

/* A new member with the next number. NULL when memory is out. */
mr_member_t *mr_members_add(mr_members_t *members, const void *identity, size_t identity_size);

/* The member of that number, if it has not left. */
mr_member_t *mr_members_get(const mr_members_t *members, uint32_t number);

mr_member_t *mr_members_by_identity(const mr_members_t *members, const void *identity, size_t identity_size);
mr_member_t *mr_members_by_pid(const mr_members_t *members, uint32_t pid);

/* The member whose offer has waited longest, or NULL. One whose last granted run has not arrived is passed over. */
mr_member_t *mr_members_next_offer(const mr_members_t *members);

/* Closes its lane and frees it; its number is not used again. */
void mr_members_remove(mr_members_t *members, mr_member_t *member);
void mr_members_free(mr_members_t *members);

#endif
