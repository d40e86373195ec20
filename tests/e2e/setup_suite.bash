# Builds what the tests need in C, once; they find it in $tools.
setup_suite() {
    local here
    here=$(dirname "${BASH_SOURCE[0]}")
    cc -O1 -o "$BATS_SUITE_TMPDIR/peak" "$here/peak.c"
    cc -O1 -o "$BATS_SUITE_TMPDIR/catch" "$here/catch.c"
    cc -O1 -o "$BATS_SUITE_TMPDIR/journal_tasks" "$here/journal_tasks.c"
    cc -O1 -shared -fPIC -o "$BATS_SUITE_TMPDIR/crash.so" "$here/crash.c" -ldl
    cc -O1 -shared -fPIC -o "$BATS_SUITE_TMPDIR/storage.so" "$here/storage.c" -ldl
    cc -O1 -shared -fPIC -o "$BATS_SUITE_TMPDIR/fail_memory.so" "$here/fail_memory.c"
    cc -O1 -o "$BATS_SUITE_TMPDIR/pester" "$here/pester.c"
    cc -O1 -o "$BATS_SUITE_TMPDIR/knock" "$here/knock.c"
    cc -O1 -shared -fPIC -o "$BATS_SUITE_TMPDIR/no_zap.so" "$here/no_zap.c" -ldl
}
