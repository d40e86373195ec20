#include "members.h"

#define LEAST_ROOM 64u /* a power of two */

/* ---- found by hash: a list for each value, linked by numbers + 1 ---- */

static uint32_t *head_of(const mr_members_t *members, uint32_t *heads, uint32_t room, const void *key, size_t size) {
    return &heads[mr_hash_long(&members->seed, key, size) & (room - 1)];
}

static uint32_t *member_head(const mr_members_t *members, const mr_member_t *member) {
    return head_of(members, members->heads, members->room, member->identity, member->identity_size);
}

static uint32_t *host_head(const mr_members_t *members, const char *name) {
    return head_of(members, members->host_heads, members->host_room, name, strlen(name));
}

static void link_member(mr_members_t *members, mr_member_t *member) {
    uint32_t *head = member_head(members, member);
    member->next = *head;
    *head = member->number + 1;
}

static void unlink_member(mr_members_t *members, const mr_member_t *member) {
    uint32_t *link = member_head(members, member);
    while (*link != member->number + 1)
        link = &members->items[*link - 1]->next;
    *link = member->next;
}

static void link_host(mr_members_t *members, uint32_t number) {
    uint32_t *head = host_head(members, members->hosts[number].name);
    members->hosts[number].next = *head;
    *head = number + 1;
}

/* Makes room for one more item, and new lists for twice as many. Returns 1 when all are to be linked anew, 0: there is room, -1: memory is
 * out. */
static int grow(void **items, size_t size, uint32_t count, uint32_t *room, uint32_t **heads) {
    if (count < *room)
        return 0;
    uint32_t more = *room ? 2 * *room : LEAST_ROOM;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return -1;
    *items = grown;
    uint32_t *fresh = calloc(more, sizeof *fresh);
    if (!fresh)
        return -1;
    free(*heads);
    *heads = fresh;
    *room = more;
    return 1;
}

static int grow_members(mr_members_t *members) {
    void *items = members->items;
    if (!members->room && mr_hash_seed(&members->seed))
        return -1;
    int grown = grow(&items, sizeof(mr_member_t *), members->count, &members->room, &members->heads);
    members->items = items;
    for (uint32_t i = 0; grown > 0 && i < members->count; i++)
        if (members->items[i])
            link_member(members, members->items[i]);
    return grown < 0 ? -1 : 0;
}

static int grow_hosts(mr_members_t *members) {
    void *hosts = members->hosts;
    int grown = grow(&hosts, sizeof(mr_host_t), members->host_count, &members->host_room, &members->host_heads);
    members->hosts = hosts;
    for (uint32_t i = 0; grown > 0 && i < members->host_count; i++)
        link_host(members, i);
    return grown < 0 ? -1 : 0;
}

/* The number of the machine of that name. -1: memory is out. */
static int find_host(mr_members_t *members, const char *name, uint32_t *number) {
    if (grow_hosts(members))
        return -1;
    for (uint32_t link = *host_head(members, name); link; link = members->hosts[link - 1].next) {
        *number = link - 1;
        if (!strcmp(members->hosts[*number].name, name))
            return 0;
    }
    *number = members->host_count;
    members->hosts[*number].name = strdup(name);
    if (!members->hosts[*number].name)
        return -1;
    members->host_count++;
    link_host(members, *number);
    return 0;
}

/* ---- members ---- */

mr_member_t *mr_members_add(mr_members_t *members, const void *identity, size_t identity_size, const char *host) {
    uint32_t host_number;
    if (identity_size > MR_IDENTITY_MAX || grow_members(members) || find_host(members, host, &host_number))
        return NULL;
    mr_member_t *member = calloc(1, sizeof *member);
    if (!member)
        return NULL;
    member->number = members->count;
    memcpy(member->identity, identity, identity_size);
    member->identity_size = identity_size;
    member->host = members->hosts[host_number].name;
    member->host_number = host_number;
    members->present++;
    members->items[members->count++] = member;
    link_member(members, member);
    return member;
}

mr_member_t *mr_members_get(const mr_members_t *members, uint32_t number) {
    return number < members->count ? members->items[number] : NULL;
}

mr_member_t *mr_members_by_identity(const mr_members_t *members, const void *identity, size_t identity_size) {
    if (!members->count)
        return NULL;
    uint32_t link = *head_of(members, members->heads, members->room, identity, identity_size);
    for (; link; link = members->items[link - 1]->next) {
        mr_member_t *member = members->items[link - 1];
        if (member->identity_size == identity_size && !memcmp(member->identity, identity, identity_size))
            return member;
    }
    return NULL;
}

/* A PUSH socket may be written to while it has a connection, as no high-water mark holds it back. */
bool mr_member_reachable(const mr_member_t *member) {
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(zsock_resolve(member->lane), ZMQ_EVENTS, &events, &size) || (events & ZMQ_POLLOUT);
}

mr_member_t *mr_members_local(const mr_members_t *members, uint32_t pid) {
    for (uint32_t i = 0; i < members->count; i++)
        if (members->items[i] && members->items[i]->local && members->items[i]->pid == pid)
            return members->items[i];
    return NULL;
}

mr_member_t *mr_members_next_offer(const mr_members_t *members) {
    mr_member_t *first = NULL;
    for (uint32_t i = 0; i < members->count; i++) {
        mr_member_t *member = members->items[i];
        if (member && member->offered && !member->reserved && (!first || member->offer_order < first->offer_order))
            first = member;
    }
    return first;
}

void mr_members_remove(mr_members_t *members, mr_member_t *member) {
    zsock_destroy(&member->lane);
    if (!strncmp(member->lane_endpoint, "ipc://", 6))
        unlink(member->lane_endpoint + 6);
    mr_message_clear(&member->held);
    mr_watch_free(&member->watch);
    members->present--;
    unlink_member(members, member);
    members->items[member->number] = NULL;
    free(member);
}

void mr_members_free(mr_members_t *members) {
    for (uint32_t i = 0; i < members->count; i++)
        if (members->items[i])
            mr_members_remove(members, members->items[i]);
    for (uint32_t i = 0; i < members->host_count; i++)
        free(members->hosts[i].name);
    free(members->hosts);
    free(members->heads);
    free(members->host_heads);
    free(members->items);
    *members = (mr_members_t){0};
}
