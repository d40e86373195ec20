/* What names a URL, and what of it may be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "input/url.h"

static void only_the_web_is_named(void **state) {
    (void) state;
    assert_true(mr_url_is("http://a") && mr_url_is("HTTPS://a/b") && mr_url_is("https://"));
    assert_false(mr_url_is("./http://a") || mr_url_is("http:/a") || mr_url_is("ftp://a") || mr_url_is(""));
}

static void secrets_are_not_shown(void **state) {
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"http://h/p", "http://h/p"},
        {"https://h:81/p/q.gz?X-Amz-Signature=S&a=b#f", "https://h:81/p/q.gz"},
        {"http://h?q=S", "http://h"},
        {"http://h/p#S", "http://h/p"},
        {"http://u:S@h/p?q", "http://h/p"},
        {"http://u@S:S@h/p", "http://h/p"},
        {"http://h/p@x", "http://h/p@x"},
        {"http://h/p?u=@x", "http://h/p"},
        {"http://", "http://"},
        {"http://?S", "http://"},
        {"http://S@", "http://"},
        {"HTTP://S@?", "HTTP://"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = mr_url_shown(cases[i].url);
        assert_string_equal(shown, cases[i].shown);
        free(shown);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_web_is_named),
                                       cmocka_unit_test(secrets_are_not_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
