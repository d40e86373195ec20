/* test_members.c - the list of members: found by number and by identity, hosts by name, however many came and went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "members.h"

#define MANY 5000u
#define HOSTS 300u

static size_t identity_of(uint32_t number, char identity[64]) {
    return (size_t) snprintf(identity, 64, "worker %u%.*s", number, (int) (number % 40),
                             "........................................");
}

static mr_member_t *add(mr_members_t *members, uint32_t number) {
    char identity[64], host[32];
    size_t size = identity_of(number, identity);
    snprintf(host, sizeof host, "host-%u", number % HOSTS);
    mr_member_t *member = mr_members_add(members, identity, size, host);
    assert_non_null(member);
    assert_int_equal(member->number, number);
    assert_string_equal(member->host, host);
    assert_int_equal(member->host_number, number % HOSTS);
    return member;
}

static mr_member_t *find(const mr_members_t *members, uint32_t number) {
    char identity[64];
    size_t size = identity_of(number, identity);
    return mr_members_by_identity(members, identity, size);
}

static void each_is_found_by_its_identity(void **state) {
    (void) state;
    mr_members_t members = {0};
    assert_null(find(&members, 0));
    for (uint32_t i = 0; i < MANY; i++) {
        assert_null(find(&members, i));
        const mr_member_t *member = add(&members, i);
        assert_ptr_equal(find(&members, i), member);
    }
    assert_int_equal(members.host_count, HOSTS);
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(find(&members, i), mr_members_get(&members, i));
    mr_members_free(&members);
}

static void one_that_has_left_is_not_found_and_the_others_are(void **state) {
    (void) state;
    mr_members_t members = {0};
    for (uint32_t i = 0; i < MANY; i++)
        add(&members, i);
    for (uint32_t i = 0; i < MANY; i += 3)
        mr_members_remove(&members, mr_members_get(&members, i));
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(find(&members, i), i % 3 ? mr_members_get(&members, i) : NULL);
    assert_int_equal(members.present, MANY - (MANY + 2) / 3);
    for (uint32_t i = MANY; i < 2 * MANY; i++) { /* numbers are not used again; lists grow over the gaps */
        const mr_member_t *member = add(&members, i);
        assert_ptr_equal(find(&members, i), member);
    }
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(find(&members, i), mr_members_get(&members, i));
    mr_members_free(&members);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found_by_its_identity),
        cmocka_unit_test(one_that_has_left_is_not_found_and_the_others_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
