# Very many workers at once.
load helpers

all_joined() {
    [ "$(grep -c 'has joined' err)" -eq "$1" ]
}

@test "1,000 workers say HELLO at once: all are registered within 30 s, and the job outlives them" {
    local crowd count=$((SANITIZED ? 200 : 1000))
    ulimit -n $((count * 8)) || skip "needs $((count * 8)) open files"
    big text 20
    start run ngrams text --chunk 10K --listen tcp://127.0.0.1:* --workers 0 --lease 60s --log-level info -o rows
    eventually grep -q -s 'listening on' err
    endpoint=$(sed -n 's/^millrace: listening on //p' err)
    mkfifo hold
    "$MILLRACE_BUILD/tests/crowd" --connect "$endpoint" --workers "$count" --hold <hold >welcomed 3>&- &
    crowd=$!
    exec 8>hold
    PATIENCE=30
    eventually all_joined "$count"
    echo "welcomed in $(<welcomed) ms"
    exec 8>&- # and all are gone at once
    wait "$crowd"
    "$WORKER" --connect "$endpoint" --once --tmp "$TMPDIR" 3>&- 2>worker &
    finish
    expect_status 0
    total 1 3 text >wanted
    expect_same wanted rows
    wait $!
}

# crowd_runs TASKS OPTION...: the crowd does a job of so many tasks, from a coordinator of its own.
crowd_runs() {
    local tasks=$1
    shift
    ulimit -n 20000 || ulimit -n "$(ulimit -Hn)"
    timeout -k 5 "$PATIENCE" "$MILLRACE_BUILD/tests/crowd" "$@" -- "$MILLRACE" run noop --tasks "$tasks" --workers 0 \
        --listen 'tcp://127.0.0.1:*' --lease 60s >out 2>err 3>&- || fail "the crowd failed:" "$(tail -5 err)"
    cat out
    expect_text out "tasks"$'\t'"$tasks"
}

# The figure of that name that the crowd has told.
figure() {
    sed -n -E "s/^$1 +([0-9.]+) .*/\1/p" out
}

at_most() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && a <= b) }' || fail "$1 is not at most $2"
}

@test "many workers do a whole job of tiny tasks: each is counted once, and none needs more than 7 descriptors" {
    crowd_runs 100000 --workers "$((SANITIZED ? 50 : 500))"
    expect_text err "100000 tasks, 0 retries, 0 duplicates discarded"
    at_most "$(figure descriptors)" 7
}

@test "equal workers that start 50 ms apart do equal shares, within a factor of 1.3" {
    crowd_runs 4000 --workers 4 --stagger-ms 50 --work-us 2000
    at_most "$(figure fairness)" 1.3
}

@test "100 equal workers do equal shares, within a factor of 1.3" {
    crowd_runs 2000 --workers 100 --work-us 50000
    at_most "$(figure fairness)" 1.3
}
