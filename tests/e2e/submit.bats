# What clients ask of a coordinator that stays: submit, wait, status, cancel.
load helpers
load serving

setup_file() {
    local i
    for ((i = 0; i < 40; i++)); do cat "$BATS_TEST_DIRNAME"/../data/1gram-{a,b,c}.tsv; done >"$BATS_FILE_TMPDIR/text"
    "$MILLRACE" run ngrams "$BATS_FILE_TMPDIR/text" -j 1 -q >"$BATS_FILE_TMPDIR/serial"
}

# client COMMAND ARGUMENT... asks the server of this test, whose own messages go to ./err: ./client-out, ./client-err, $status.
client() {
    status=0
    MILLRACE_CONNECT=$endpoint timeout -k 5 "$PATIENCE" "$MILLRACE" "$@" >client-out 2>client-err 3>&- || status=$?
}

has_lines() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}

# begin COMMAND ARGUMENT... the same, in the background: ./client-out, ./client-err, $client.
begin() {
    MILLRACE_CONNECT=$endpoint "$MILLRACE" "$@" >client-out 2>client-err 3>&- &
    client=$!
    remote+=("$client") # so that the teardown ends it
}

# end_client waits for it; its exit status goes to $status.
end_client() {
    eventually ended "$client"
    status=0
    wait "$client" || status=$?
}

job() {
    MILLRACE_CONNECT=$endpoint "$MILLRACE" status "$1" --format json | jq -r ".jobs[0].$2"
}

is() {
    [ "$(job "$1" "$2")" = "$3" ]
}

@test "submit prints the rows and the summary as run does, and leaves its exit status" {
    serve
    join
    client submit ngrams "$BATS_FILE_TMPDIR/text"
    expect_status 0
    expect_same "$BATS_FILE_TMPDIR/serial" client-out
    expect_text client-err 'millrace: 1 files, '*' 0 duplicates discarded'
    client submit ngrams "$BATS_FILE_TMPDIR/text" -q -o rows
    expect_status 0
    expect_same "$BATS_FILE_TMPDIR/serial" rows
    [ ! -s client-out ] && [ ! -s client-err ]
    cp "$DATA/1gram-a.tsv" .
    client submit ngrams 1gram-a.tsv --top 1 --format json -q # relative to where it is typed
    expect_status 0
    "$MILLRACE" run ngrams 1gram-a.tsv --top 1 --format json -q | cmp - client-out
    end_serve
}

@test "the progress of a job is told from its first phase on, and nothing else while it runs well" {
    printf '!sleep 2500\n' >slow
    serve
    join
    client submit faulty "$PWD/slow" --progress json
    expect_status 0
    grep '^{' client-err | jq -s -e 'length >= 2 and all(.event != "progress" or .phase == "map" or .phase == "merge")'
    [ "$(grep -v '^{' client-err | wc -l)" -eq 1 ] || fail "more than the summary: $(<client-err)"
    end_serve
}

@test "results of a job with arguments appear when they are there, not when all are" {
    serve
    join
    begin submit sum-range 6000000000 1000 -q
    eventually grep -q -x $'1000\t500500' client-out
    ! ended "$client" || fail 'this must not be so'
    kill -INT "$client"
    end_client
    [ "$status" -eq 130 ]
    expect_text client-err 'job 1 goes on; millrace wait 1 waits for it, millrace cancel 1 ends it'
    is 1 state running
    client cancel 1
    expect_status 0
    client wait 1
    expect_status 130
    expect_text client-err 'error: cancelled'
    kill -KILL "$pid" # at once: what was answered holds
    wait "$pid" || true
    eventually no_coordinator_left
    serve
    is 1 state cancelled
    client cancel 1
    expect_status 2
    expect_text client-err 'job 1 has ended: cancelled'
    end_serve
}

@test "--detach prints the number; wait gives the rows, as often as it is asked, and the job's exit status" {
    printf 'a\t1\nb\tx\n' >bad
    serve
    client submit ngrams "$BATS_FILE_TMPDIR/text" --detach
    expect_status 0
    [ "$(cat client-out)" = 1 ]
    client submit sum --key 1 --value 2 bad -d
    [ "$(cat client-out)" = 2 ]
    is 1 state queued
    [[ $(job 1 why) == 'no worker has joined'* ]]
    join
    client wait 1 -o rows
    expect_status 0
    expect_same "$BATS_FILE_TMPDIR/serial" rows
    client wait 1
    expect_same "$BATS_FILE_TMPDIR/serial" client-out
    client wait 2
    expect_status 3
    expect_text client-err 'bad:4: bad record'
    client wait 2 1
    expect_status 3
    expect_same "$BATS_FILE_TMPDIR/serial" client-out
    client status
    expect_text client-out ' 1  done '
    expect_text client-out '2  failed '*'bad record'
    end_serve
}

@test "a client that is killed leaves no file and takes no rows with it" {
    serve
    begin submit ngrams "$BATS_FILE_TMPDIR/text" -o rows
    eventually is 1 state queued
    kill -KILL "$client"
    end_client
    [ "$status" -eq 137 ]
    [ -z "$(find . -name '*rows*')" ]
    join
    client wait 1 -q -o rows
    expect_status 0
    [ "$(sha256sum <rows)" = "$(sha256sum <"$BATS_FILE_TMPDIR/serial")" ]
    end_serve
}

@test "a wrong job, option or input is told at once, and nothing is queued" {
    serve
    client submit nosuch x
    expect_status 2
    expect_text client-err "unknown job 'nosuch'"
    client submit ngrams --chnk 3 x
    expect_status 2
    expect_text client-err "did you mean --chunk"
    client submit ngrams nosuch
    expect_status 3
    expect_text client-err 'error: nosuch: No such file'
    client submit sum-range 5x
    expect_status 2
    client submit ngrams -
    expect_status 2
    expect_text client-err 'standard input'
    client submit ngrams --journal J "$DATA/1gram-a.tsv"
    expect_status 2
    : >there
    client submit ngrams "$DATA/1gram-a.tsv" -o there
    expect_status 2
    client submit sum-range 5 --priority 101
    expect_status 2
    for command in 'wait' 'wait x' 'wait 5' 'cancel 5' 'status 5' 'wait 1 2 -o f'; do
        client $command
        expect_status 2
    done
    client status --format json
    [ "$(jq '.jobs | length' client-out)" -eq 0 ]
    [ "$(jq -r .coordinator.version client-out)" = "$("$MILLRACE" --version | cut -d ' ' -f 2)" ]
    end_serve
}

@test "the queue goes by priority; a job that waits is cancelled without having run" {
    serve
    client submit sum-range 1 -d
    client submit sum-range 2 -d --priority 60
    client submit sum-range 3 -d
    client cancel 3
    expect_status 0
    is 3 state cancelled
    join
    client wait 1 2 -q
    expect_status 0
    [ "$(cat client-out)" = $'1\t1\n2\t3' ]
    eventually said err 'job 1: done'
    [ "$(job 1 started_ms)" -ge "$(job 2 started_ms)" ]
    end_serve
}

@test "nobody there is told within 15 s" {
    endpoint=tcp://127.0.0.1:$((20000 + RANDOM % 12000))
    SECONDS=0
    client submit sum-range 5
    expect_status 7
    [ "$SECONDS" -le 15 ]
    expect_text client-err 'no coordinator answers; is millrace serve running there?'
    client status --connect nonsense
    expect_status 2
}

@test "the server is killed and comes back: who waits goes on, and has each row once" {
    serve
    join
    begin submit sum-range 1000 4000000000 2000 --progress json
    eventually has_lines client-out 2
    kill -KILL "$pid"
    wait "$pid" || true
    eventually no_coordinator_left
    serve
    end_client
    [ "$status" -eq 0 ]
    [ "$(sort client-out)" = "$(printf '1000\t500500\n2000\t2001000\n4000000000\t8000000002000000000')" ]
    cmp client-out S/jobs/1/output
    expect_text client-err '"event":"progress"'
    end_serve
}

@test "control bytes in a name are escaped where a person reads" {
    printf 'a\t2000\t1\t1\n' >$'x\033[31my'
    serve
    join
    client submit ngrams $'x\033[31my' -q
    expect_status 0
    client status
    grep -q -F 'x\x1b[31my' client-out
    client status 1
    ! grep -q $'\033' client-out || fail 'this must not be so'
    end_serve
}

state_of() {
    MILLRACE_CONNECT=$endpoint "$MILLRACE" status --format json | jq -e "$1" >/dev/null
}

# has_open PID FILE
has_open() {
    readlink "/proc/$1/fd"/* | grep -qxF "$2"
}

# What a thread still uses must be there until execution has ended it: that moment is drawn out here.
@test "a worker that still maps when its job ends executes itself anew, and works for the next" {
    strace -f -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
    local i slow
    for ((i = 0; i < 60; i++)); do printf '!sleep 20\n%4000s\n' x; done >text
    serve
    # Leaks cannot be looked for in who is traced.
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 \
        strace -f -qq -o /dev/null -e trace=execve -e inject=execve:delay_enter=300000 \
        "$WORKER" --connect "$endpoint" --threads 1 --tmp "$TMPDIR" 2>worker-0 3>&- &
    remote+=($!)
    eventually state_of '.workers | length == 1'
    slow=$(pgrep -P "${remote[0]}")
    begin submit faulty "$PWD/text" --chunk 1G --block 4K --lease 500ms --backup 0
    eventually has_open "$slow" "$PWD/text"
    kill -STOP "$slow"
    join
    end_client
    expect_status 0
    kill -TERM "${remote[2]}"
    wait "${remote[2]}"
    unset 'remote[2]'
    kill -CONT "$slow"
    eventually state_of '.workers | length == 1'
    client submit ngrams "$BATS_FILE_TMPDIR/text" -q
    expect_status 0
    kill -0 "$slow" || fail "the worker that was there has ended: $(<worker-0)"
    kill -TERM "$slow"
    wait "${remote[0]}"
    remote=()
    end_serve
}

@test "rows of a job that is done that are gone or cannot be read are an error, and no end" {
    serve
    join
    client submit ngrams "$BATS_FILE_TMPDIR/text" -q
    expect_status 0
    mv S/jobs/1/output kept
    client wait 1
    expect_status 4
    [ ! -s client-out ]
    expect_text client-err 'job 1: its rows cannot be read'
    mv kept S/jobs/1/output
    client wait 1 -q
    expect_status 0
    expect_same "$BATS_FILE_TMPDIR/serial" client-out
    end_serve
}
