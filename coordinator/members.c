#include "members.h"

/* The number of the machine of that name. -1: memory is out. */
static int find_host(mr_members_t *members, const char *name, uint32_t *number) {
    for (*number = 0; *number < members->host_count; ++*number)
        if (!strcmp(members->hosts[*number], name))
            return 0;
    char **hosts = realloc(members->hosts, (members->host_count + 1) * sizeof *hosts);
    if (!hosts)
        return -1;
    members->hosts = hosts;
    hosts[*number] = strdup(name);
    if (!hosts[*number])
        return -1;
    members->host_count++;
    return 0;
}

mr_member_t *mr_members_add(mr_members_t *members, const void *identity, size_t identity_size, const char *host) {
    uint32_t host_number;
    if (identity_size > MR_IDENTITY_MAX || find_host(members, host, &host_number))
        return NULL;
    mr_member_t **items = realloc(members->items, (members->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    members->items = items;
    mr_member_t *member = calloc(1, sizeof *member);
    if (!member)
        return NULL;
    member->number = members->count;
    memcpy(member->identity, identity, identity_size);
    member->identity_size = identity_size;
    member->host = members->hosts[host_number];
    member->host_number = host_number;
    members->present++;
    members->items[members->count++] = member;
    return member;
}

mr_member_t *mr_members_get(const mr_members_t *members, uint32_t number) {
    return number < members->count ? members->items[number] : NULL;
}

mr_member_t *mr_members_by_identity(const mr_members_t *members, const void *identity, size_t identity_size) {
    for (uint32_t i = 0; i < members->count; i++) {
        mr_member_t *member = members->items[i];
        if (member && member->identity_size == identity_size && !memcmp(member->identity, identity, identity_size))
            return member;
    }
    return NULL;
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
    members->items[member->number] = NULL;
    free(member);
}

void mr_members_free(mr_members_t *members) {
    for (uint32_t i = 0; i < members->count; i++)
        if (members->items[i])
            mr_members_remove(members, members->items[i]);
    for (uint32_t i = 0; i < members->host_count; i++)
        free(members->hosts[i]);
    free(members->hosts);
    free(members->items);
    *members = (mr_members_t){0};
}
