/* members.h - the workers this coordinator has welcomed, by number and by their address on the control socket. */
#ifndef MR_MEMBERS_H
#define MR_MEMBERS_H

#include <czmq.h>

#include "hash.h"
#include "keys.h"
#include "watch.h"

#define MR_IDENTITY_MAX 255

/* What a message on control comes from. */
typedef struct mr_sender {
    uint8_t identity[MR_IDENTITY_MAX];
    size_t size;
    mr_peer_t peer;  /* whose key its connection has */
    zsock_t *socket; /* borrowed: the ROUTER it came by */
} mr_sender_t;

typedef struct mr_member {
    uint32_t number;
    uint8_t identity[MR_IDENTITY_MAX]; /* ROUTER address */
    size_t identity_size;
    mr_peer_t peer;   /* whose key it said HELLO under */
    zsock_t *control; /* borrowed: by which it said so */
    zsock_t *lane;    /* PUSH, owned */
    char lane_endpoint[256];
    const char *host;     /* its name; owned by the list of hosts */
    uint32_t host_number; /* in that list */
    uint32_t next;        /* with the same hash of the identity: its number + 1; 0: none */
    uint32_t pid;
    uint32_t threads;
    bool local;           /* it came by the private endpoint: a process this one has started */
    bool joined;          /* the lane was connected; the scheduler knows it */
    int64_t welcomed_at;  /* when it was first welcomed */
    int64_t heard_at;     /* its last sign of life before it joined */
    int64_t told_at;      /* when it was last sent anything on control */
    int64_t lane_down_at; /* since when the lane has no connection; 0: it has one */
    uint32_t generation;  /* of its HELDs */
    int64_t flushed_at;   /* when it was last asked to flush, and no partial has come since; 0: it was not */
    int64_t idle_since;   /* since when it runs none of the tasks it was sent; 0: it runs some, or has none */
    bool missed;          /* something came on the sink before it joined, and was dropped */
    mr_message_t held;    /* a HELD that came before it joined; zone NULL: none */
    uint64_t sent;        /* tasks sent down the lane in this generation */
    int64_t
        done_bytes;   /* input of tasks it has done and that are not committed; below 0 when a partial overtook DONE */
    mr_watch_t watch; /* the tasks it runs now, as its last heartbeat said */
    uint64_t rss;     /* its resident bytes, as the same said */
    uint64_t offered; /* size of a run that waits for a grant; 0: none */
    uint64_t offer_order; /* offers are granted in the order in which they came */
    uint64_t reserved;    /* room granted and not used yet */
    uint64_t forgiven;    /* a run up to this size may come without a grant: the grant was given back; it is dropped */
} mr_member_t;

/* A machine, known by the name that its workers tell. */
typedef struct mr_host {
    char *name;    /* owned */
    uint32_t next; /* with the same hash of the name: its number + 1; 0: none */
} mr_host_t;

typedef struct mr_members {
    mr_member_t **items; /* by number; NULL: has left. Owned */
    uint32_t count;      /* numbers given so far */
    uint32_t present;    /* members that have not left */
    mr_host_t *hosts;    /* by number; owned */
    uint32_t host_count;
    mr_hash_seed_t seed;  /* identities and names come from peers */
    uint32_t *heads;      /* of the lists of members, by hash of the identity: a number + 1; 0: none. Owned */
    uint32_t *host_heads; /* the same of hosts, by name. Owned */
    uint32_t room;        /* for members in items; a power of two, and the length of heads */
    uint32_t host_room;   /* the same for hosts */
} mr_members_t;

/* A new member with the next number, on the machine of that name. NULL when memory is out. */
mr_member_t *mr_members_add(mr_members_t *members, const void *identity, size_t identity_size, const char *host);

/* The member of that number, if it has not left. */
mr_member_t *mr_members_get(const mr_members_t *members, uint32_t number);

mr_member_t *mr_members_by_identity(const mr_members_t *members, const void *identity, size_t identity_size);

/* The member that this process has started, by its process id. */
mr_member_t *mr_members_local(const mr_members_t *members, uint32_t pid);

/* Its lane has a connection. */
bool mr_member_reachable(const mr_member_t *member);

/* The member whose offer has waited longest, or NULL. One whose last granted run has not arrived is passed over. */
mr_member_t *mr_members_next_offer(const mr_members_t *members);

/* Closes its lane and frees it; its number is not used again. */
void mr_members_remove(mr_members_t *members, mr_member_t *member);
void mr_members_free(mr_members_t *members);

#endif
