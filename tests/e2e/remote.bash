# remote.bash - for tests with workers that the tests start themselves: the coordinator is $pid, the workers are in the array `remote`.

remote=()

end_remote() {
    local worker
    for worker in "${remote[@]}"; do
        kill -KILL "$worker" 2>/dev/null || true
        wait "$worker" 2>/dev/null || true
    done
    remote=()
}

teardown() {
    end_remote
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    [ -n "$left_behind" ] || [ -z "$(ls -A "$TMPDIR")" ] || fail "left in TMPDIR: $(ls -A "$TMPDIR")"
}

# listen ARGUMENT... starts a coordinator without local workers at $endpoint, and waits until it listens. Where that is any port, one is
# chosen below those that the system gives to connections, so that it and the next two can be listened on again.
listen() {
    local any=
    [ "${endpoint:-tcp://127.0.0.1:*}" != 'tcp://127.0.0.1:*' ] || any=1
    while :; do
        [ -z "$any" ] || endpoint=tcp://127.0.0.1:$((20000 + 3 * (RANDOM % 3900)))
        start "$@" --listen "$endpoint" --workers 0
        eventually listens_or_ended
        ! ended "$pid" || { [ -n "$any" ] && grep -q 'another program listens' err; } || break
        grep -q -s 'listening on' err && break
    done
    grep -q -s 'listening on' err
}

listens_or_ended() {
    grep -q -s 'listening on' err || ended "$pid"
}

# join [OPTION...] starts a worker there; its messages go to worker-N.
join() {
    "$WORKER" --connect "$endpoint" --threads 1 --tmp "$TMPDIR" --log-level info "$@" 2>"worker-${#remote[@]}" 3>&- &
    remote+=($!)
}

# said FILE PATTERN
said() {
    grep -q -s -E "$2" "$1"
}
