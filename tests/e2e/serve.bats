# A coordinator that stays: jobs of a queue run in turn, by workers that outlive them; whatever is killed, the queue goes on.
load helpers
load serving

setup_file() {
    local i
    for ((i = 0; i < 40; i++)); do cat "$BATS_TEST_DIRNAME"/../data/1gram-{a,b,c}.tsv; done >"$BATS_FILE_TMPDIR/text"
    "$MILLRACE" run ngrams "$BATS_FILE_TMPDIR/text" -j 1 -q >"$BATS_FILE_TMPDIR/serial"
}

# queue JOB WORD... adds a job while no server runs.
queue() {
    "$MILLRACE_BUILD/tests/enqueue" S "${priority:-0}" "$@"
}

# expect_jobs LINE...: the queue after the server's end, without the messages.
expect_jobs() {
    local have
    have=$("$MILLRACE_BUILD/tests/enqueue" S | cut -f 1-4 | tr '\t' ' ')
    [ "$have" = "$(printf '%s\n' "$@")" ] || fail "the queue:" "$have"
}

ngrams() {
    queue ngrams "$BATS_FILE_TMPDIR/text" "$@"
}

expect_serial() {
    expect_same "$BATS_FILE_TMPDIR/serial" "S/jobs/$1/output"
}

@test "jobs in turn by the same worker process: by priority, then by arrival; what ends is kept" {
    ngrams
    queue sum-range 3 200000 100
    priority=1 queue wordcount "$BATS_FILE_TMPDIR/text" --top 2
    serve
    join
    eventually said err 'job 2: done'
    [ "$(grep -o 'job [0-9]: done' err | tr '\n' ' ')" = 'job 3: done job 1: done job 2: done ' ]
    ! ended "${remote[0]}"
    expect_serial 1
    [ "$(sort S/jobs/2/output)" = "$(printf '100\t5050\n200000\t20000100000\n3\t6')" ]
    [ "$(wc -l <S/jobs/3/output)" -eq 2 ]
    grep -q 'records reduced' S/jobs/1/messages || grep -q 'records = ' S/jobs/1/messages
    [ ! -e S/jobs/1/journal ]
    [ "$(grep -c 'has joined' err)" -eq 1 ] # the worker that executed itself anew is the same
    end_serve
    expect_jobs '1 done 1 0' '2 done 1 0' '3 done 1 0'
    kill -TERM "${remote[0]}"
    wait "${remote[0]}"
    remote=()
}

@test "a job waits for a worker, and one that fails does not hold up the next" {
    queue sum --key 1 --value 2 --delimiter , "$BATS_FILE_TMPDIR/text"
    queue ngrams "$BATS_TEST_TMPDIR/nosuch"
    ngrams
    serve
    [ ! -e S/jobs/1 ]
    join
    eventually said err 'job 3: done'
    end_serve
    expect_jobs '1 failed 1 3' '2 failed 1 3' '3 done 1 0'
    "$MILLRACE_BUILD/tests/enqueue" S | grep -q 'nosuch: No such file'
    expect_serial 3
}

@test "a worker is killed in the middle: another does its tasks, and it is struck off the roll" {
    ngrams --chunk 512
    serve --lease 500ms
    join
    caught "${remote[0]}" 2000000
    join
    eventually said err 'worker .* has joined .* 2 workers'
    kill -KILL "${remote[0]}"
    eventually said err 'job 1: done'
    expect_serial 1
    eventually said err 'left: it was silent for a lease; 1 workers are here'
    end_serve
}

@test "the server is killed in the middle: no coordinator outlives it, the next goes on, and the worker brings what it holds" {
    local before
    ngrams --chunk 512 --flush 20ms --lease 2s
    ngrams
    serve
    join
    join
    caught "${remote[0]}" 2000000
    eventually has_committed S/jobs/1/journal/journal
    kill -KILL "$pid"
    wait "$pid" || true
    eventually no_coordinator_left
    before=$("$tools/journal_tasks" S/jobs/1/journal/journal | sort -u | wc -l)
    [ "$before" -gt 0 ]
    kill -CONT "${remote[0]}"
    serve
    eventually said err 'job 2: done'
    expect_serial 1
    expect_serial 2
    grep -q "resumed: $before tasks were committed before" S/jobs/1/messages
    said worker-0 'the coordinator is back; going on with what is here'
    end_serve
    expect_jobs '1 done 2 0' '2 done 1 0'
}

has_committed() {
    [ -n "$("$tools/journal_tasks" "$1" 2>/dev/null)" ]
}

# Of the job of that number.
coordinator_of() {
    coordinator=$(grep -l -a -s "$BATS_TEST_TMPDIR/[S]/jobs/$1/journal" /proc/[0-9]*/cmdline | head -1)
    coordinator=${coordinator#/proc/}
    coordinator=${coordinator%/cmdline}
    [ -n "$coordinator" ]
}

@test "a job's coordinator is killed: another goes on, with the same workers" {
    ngrams --chunk 512 --flush 20ms --lease 2s
    serve
    join
    caught "${remote[0]}" 2000000
    eventually coordinator_of 1
    kill -KILL "$coordinator"
    eventually said err 'its coordinator ended: killed by signal 9 .*another goes on'
    kill -CONT "${remote[0]}"
    eventually said err 'job 1: done'
    expect_serial 1
    said worker-0 'the coordinator is back; going on with what is here'
    end_serve
    expect_jobs '1 done 2 0'
}

@test "rows that grow: those that were printed before a kill are printed again, and in the same order" {
    queue sum-range $(seq 40000000 3000000 160000000) --flush 20ms --lease 2s
    serve
    join
    join
    eventually test -s S/jobs/1/output
    eventually coordinator_of 1
    kill -STOP "$coordinator"
    cp S/jobs/1/output before
    kill -KILL "$coordinator"
    eventually said err 'job 1: done'
    cmp -n "$(stat -c %s before)" before S/jobs/1/output
    [ "$(cut -f 1 S/jobs/1/output | sort -n)" = "$(seq 40000000 3000000 160000000)" ]
    end_serve
    expect_jobs '1 done 2 0'
}

@test "a job works in its folder, and the settings of the server's environment are not its own" {
    mkdir -p in/some
    cp "$BATS_FILE_TMPDIR/text" in/some/text
    echo 'top = 2' >in/some/millrace.conf
    (cd in/some && "$MILLRACE_BUILD/tests/enqueue" ../../S 0 ngrams text)
    cd in
    MILLRACE_TOP=1 MILLRACE_DRY_RUN=1 MILLRACE_QUIET=1 start serve --state ../S --listen tcp://127.0.0.1:* --workers 1 -j 1 --log-level info
    cd ..
    eventually said in/err 'job 1: done'
    [ "$(wc -l <S/jobs/1/output)" -eq 2 ]
    end_serve
}

@test "a port that another program has: the job waits until it is free" {
    ngrams
    serve
    python3 -c 'import socket, sys, time
held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("held", flush=True)
time.sleep(600)' $((${endpoint##*:} + 2)) >held 3>&- &
    local holder=$!
    eventually said held held
    join
    eventually said err 'warning: job 1 waits: another program listens at some of the ports'
    [ ! -e S/jobs/1 ]
    kill "$holder"
    wait "$holder" || true
    eventually said err 'job 1: done'
    end_serve
}

@test "a job whose coordinators are killed again and again has failed; the next runs" {
    local last=
    ngrams --chunk 512
    ngrams
    serve
    join
    caught "${remote[0]}" 2000000
    for _ in 1 2 3 4 5; do
        eventually another_coordinator
        last=$coordinator
        kill -KILL "$coordinator"
    done
    eventually said err 'job 1: failed: its coordinator ended 5 times; the last time: killed by signal 9'
    kill -CONT "${remote[0]}"
    eventually said err 'job 2: done'
    expect_serial 2
    end_serve
    expect_jobs '1 failed 5 1' '2 done 1 0'
}

another_coordinator() {
    coordinator_of 1 && [ "$coordinator" != "$last" ]
}

@test "--at-once 2: two jobs share two workers, and the one that is left gets both" {
    ngrams --chunk 256
    queue ngrams "$BATS_FILE_TMPDIR/text" --chunk 16K
    serve --at-once 2
    join
    join
    eventually said err 'job 2: done'
    eventually said err 'job 1: done'
    cat worker-? | grep -q 'job 1: its coordinator'
    cat worker-? | grep -q 'job 2: its coordinator'
    expect_serial 1
    expect_serial 2
    end_serve
}

@test "SIGTERM: the jobs wind up, the workers stay, and it says how to go on" {
    ngrams --chunk 512
    ngrams
    serve
    join
    caught "${remote[0]}" 2000000
    kill -TERM "$pid"
    kill -CONT "${remote[0]}"
    finish
    expect_status 0
    said err '2 jobs are to be gone on with, by millrace serve --state .*/S --listen '
    expect_jobs '1 running 1 0' '2 queued 0 0'
    ! ended "${remote[0]}"
    serve
    eventually said err 'job 2: done'
    expect_serial 1
    expect_serial 2
    grep -q 'resumed: [1-9][0-9]* tasks' S/jobs/1/messages
    end_serve
}

@test "local workers: --workers 1, and nothing is left of them" {
    ngrams
    queue sum-range 10
    endpoint=
    start serve --state S --listen tcp://127.0.0.1:* --workers 1 -j 1 --log-level info
    eventually said err 'job 2: done'
    expect_serial 1
    [ "$(<S/jobs/2/output)" = $'10\t55' ]
    end_serve
    eventually no_process_left
}

@test "what has ended is removed after --keep, with its rows" {
    queue sum-range 10
    serve --keep 0
    join
    eventually said err 'job 1: done'
    end_serve
    serve --keep 0
    eventually test ! -e S/jobs/1
    end_serve
    expect_jobs ''
}

@test "a second server of the same state, one that others can reach, and wrong options are refused" {
    serve
    cp err first
    MILLRACE_STATE=S refused 2 '*S: another millrace serve uses this state*' serve --listen tcp://127.0.0.1:*
    refused 2 "--listen tcp://0.0.0.0:5555: anyone who reaches it could join*" serve --state T --listen tcp://0.0.0.0:5555
    refused 2 "unknown option '--kep'; did you mean --keep?" serve --kep 1
    refused 2 "--at-once: 0 is out of range (1 to 64)" serve --state T --at-once 0
    refused 2 "unexpected argument 'x'*" serve x
    refused 2 "--workers: that is for the coordinator to say; leave it out" run ngrams --submitted --workers 3 x
    end_serve
}

@test "status shows a URL without its secrets" {
    "$MILLRACE_BUILD/tests/enqueue" S 0 ngrams 'https://me:pass@127.0.0.1:9/text?sign=hidden#part' plain
    serve
    MILLRACE_CONNECT=$endpoint "$MILLRACE" status --format json >shown
    [ "$(jq -r '.jobs[0].words | join(" ")' shown)" = 'ngrams https://127.0.0.1:9/text plain' ] || fail "shown" "$(cat shown)"
    ! grep -q -E 'pass|hidden' shown || fail "a secret" "$(cat shown)"
    end_serve
}
