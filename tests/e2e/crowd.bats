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
    "$MILLRACE_BUILD/tests/crowd" "$endpoint" "$count" <hold >welcomed 3>&- &
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
