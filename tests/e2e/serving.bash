# serving.bash - what tests of `millrace serve` share: a server, and workers that join it. Load it after helpers.

remote=()
endpoint=

teardown() {
    local worker
    [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 err worker-* >&2 2>/dev/null || true
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    for worker in "${remote[@]}"; do
        kill -KILL "$worker" 2>/dev/null || true
        wait "$worker" 2>/dev/null || true
    done
    eventually no_coordinator_left
    [ -n "$left_behind" ] || [ -z "$(ls -A "$TMPDIR")" ] || fail "left in TMPDIR: $(ls -A "$TMPDIR")"
}

# The jobs' coordinators are told a journal in this test's state.
no_coordinator_left() {
    ! cat /proc/[0-9]*/cmdline 2>/dev/null | grep -q -a "$BATS_TEST_TMPDIR/[S]/jobs"
}

# serve [OPTION...] starts a server at $endpoint, and waits until it serves. Its messages go to ./err. With the first call, an endpoint is chosen, the
# ports behind which are free too.
serve() {
    local any=
    [ -n "$endpoint" ] || any=1
    while :; do
        [ -z "$any" ] || endpoint=tcp://127.0.0.1:$((20000 + 10 * (RANDOM % 1200)))
        start serve --state S --listen "$endpoint" --workers 0 --log-level info "$@"
        eventually serves_or_ended
        ! ended "$pid" || { [ -n "$any" ] && said err 'another program listens'; } || break
        said err 'serving at' && break
    done
    said err 'serving at'
}

serves_or_ended() {
    said err 'serving at' || ended "$pid"
}

said() {
    grep -q -s -E "$2" "$1"
}

# join [OPTION...] starts a worker there; its messages go to worker-N.
join() {
    "$WORKER" --connect "$endpoint" --threads 1 --tmp "$TMPDIR" --log-level info "$@" 2>"worker-${#remote[@]}" 3>&- &
    remote+=($!)
}

# The server is told to end, and does.
end_serve() {
    kill -TERM "$pid"
    finish
    expect_status 0
}
