# Workers that others start: they join over tcp, go, come back, and wait for the next coordinator.
load helpers
load remote

setup_file() {
    local i
    for ((i = 0; i < 40; i++)); do cat "$BATS_TEST_DIRNAME"/../data/1gram-{a,b,c}.tsv; done >"$BATS_FILE_TMPDIR/text"
}

serial() {
    [ -e "$BATS_FILE_TMPDIR/serial" ] || "$MILLRACE" run ngrams "$BATS_FILE_TMPDIR/text" -j 1 -q >"$BATS_FILE_TMPDIR/serial"
}

expect_serial() {
    serial
    expect_status 0
    expect_same "$BATS_FILE_TMPDIR/serial" rows
}

# bats test_tags=threads
@test "three remote workers: the same bytes, and they wait for the next job" {
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 16K -o rows
    join
    join
    join
    finish
    expect_serial
    rm rows
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 8K -o rows
    finish
    expect_serial
    for worker in "${remote[@]}"; do ! ended "$worker"; done
    kill -TERM "${remote[@]}"
    for worker in "${remote[@]}"; do wait "$worker"; done
    remote=()
}

# bats test_tags=threads
@test "--once: a worker ends with its first job" {
    listen run ngrams "$BATS_FILE_TMPDIR/text" -o rows
    join --once
    finish
    expect_serial
    wait "${remote[0]}"
    remote=()
}

# bats test_tags=threads
@test "--idle-timeout: a worker without a coordinator ends, status 7" {
    endpoint=tcp://127.0.0.1:9
    join --idle-timeout 300ms
    local code=0
    wait "${remote[0]}" || code=$?
    remote=()
    [ "$code" -eq 7 ]
    said worker-0 'no coordinator for .*--idle-timeout'
}

# bats test_tags=threads
@test "local and remote workers share a job" {
    start run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --listen tcp://127.0.0.1:* --workers 1 -j 1 --log-level info -o rows
    eventually grep -q -s 'listening on' err
    endpoint=$(sed -n 's/^millrace: listening on //p' err)
    join
    finish
    expect_serial
    kill -TERM "${remote[0]}"
}

# bats test_tags=threads
@test "a remote worker is killed: its connection closed, and its tasks go to another at once" {
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --lease 60s
    join
    eventually caught "${remote[0]}" 2000000
    kill -KILL "${remote[0]}"
    join
    finish
    expect_serial
    said err 'its connection closed; its tasks are queued again'
}

# bats test_tags=threads
@test "a remote worker is stopped past its lease and comes back with what it has" {
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --lease 300ms --log-level info
    join
    caught "${remote[0]}" 2000000
    eventually said err 'has been silent for 0.3 s; its tasks are queued again'
    kill -CONT "${remote[0]}"
    eventually said err 'says what it holds: .* [1-9][0-9]* done'
    finish
    expect_serial
}

silent_times() {
    [ "$(grep -c 'has been silent' err)" -ge "$1" ]
}

@test "a task whose workers fall silent four times ends the job, and the error says so" {
    local i
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 1G --lease 300ms -o rows
    for i in 1 2 3 4; do
        join
        caught "${remote[-1]}" 3000000
        eventually silent_times "$i"
        kill -KILL "${remote[-1]}"
    done
    finish
    expect_status 1
    expect_text err 'text:0: the task failed 4 times; the last time: its worker '
    expect_text err ' was silent for 0.3 s (--lease)'
    [ ! -e rows ]
}

# bats test_tags=threads
@test "a coordinator is killed and resumed: its workers come back with what they hold, and nothing committed runs again" {
    local first
    leave_behind
    endpoint=tcp://127.0.0.1:*
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --flush 20ms -o rows --backup 0 --journal J --lease 2s
    join
    join
    caught "${remote[0]}" 2000000
    eventually has_committed J/journal
    kill -KILL "$pid"
    wait "$pid" || true
    first=$("$tools/journal_tasks" J/journal | sort -u | wc -l)
    kill -CONT "${remote[0]}"
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --flush 20ms -o rows --backup 0 --journal J --lease 2s --resume --log-level info
    finish
    expect_serial
    expect_text err "resumed: $first tasks were committed before"
    eventually said worker-1 'the coordinator is back; going on with what is here'
    said err 'says what it holds'
}

# bats test_tags=threads
@test "Ctrl-C with a journal: remote workers hand in what they have once, and wait for the resumed job" {
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --backup 0 --journal J --log-level info
    join
    join
    eventually both_joined
    caught "${remote[0]}" 2000000
    kill -INT "$pid"
    eventually said err 'the workers hand in what they have'
    kill -CONT "${remote[0]}"
    finish
    expect_status 130
    [ "$(grep -c 'has joined' err)" -eq 2 ] || fail "a worker that had left joined again: $(<err)"
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --backup 0 --journal J --resume
    finish
    expect_serial
    expect_text err 'resumed: '
}

both_joined() {
    [ "$(grep -c 'has joined' err)" -eq 2 ]
}

has_committed() {
    [ "$("$tools/journal_tasks" "$1" | wc -l)" -gt 0 ]
}

# ---- a sink that is stalled ----

high_water() { # PID: KiB
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# A job whose rows are several times the sink's memory; what a coordinator and a worker take with hardly any, in KiB, is `least`.
with_keys() {
    distinct keys 400000
    sort keys >wanted
    run_as=("$tools/peak" kilobytes)
    ok run ngrams "${SHARDS[0]}" --workers 1 -j 1
    least=$(<kilobytes)
}

# Of the coordinator and of each worker: no more than that, --memory 8M and a tenth of it.
expect_bounded() {
    local worker most=$((least + 8 * 1024 * 11 / 10))
    echo "peaks: $(<kilobytes) KiB, of an almost empty run $least KiB; workers $(for worker in "${remote[@]}"; do high_water "$worker"; done | paste -s -d ' ')"
    [ "$(<kilobytes)" -lt "$most" ]
    for worker in "${remote[@]}"; do
        [ "$(high_water "$worker")" -lt "$most" ]
    done
}

@test "a sink on a slow disk: memory is bounded, workers wait, the same bytes" {
    [ -z "$SANITIZED" ] || skip 'memory means nothing with a sanitizer'
    local least
    with_keys
    run_as+=(env LD_PRELOAD="$tools/storage.so" SLOW=100)
    listen run sum keys --memory 8M --chunk 64K --reducers 1 -o rows
    join
    join
    finish
    expect_status 0
    expect_same wanted rows
    expect_summary ' 0 retries, 0 duplicates discarded'
    expect_summary ' spilled'
    expect_bounded
}

@test "a coordinator that is stopped: its workers wait with bounded memory, and nobody is given up" {
    [ -z "$SANITIZED" ] || skip 'memory means nothing with a sanitizer'
    local least coordinator
    with_keys
    listen run sum keys --memory 8M --chunk 64K --lease 1s --backup 0 --log-level info -o rows
    coordinator=$(cat "/proc/$pid/task/$pid/children")
    join
    caught "${remote[0]}" 1500000
    join
    eventually both_joined
    kill -STOP "$coordinator"
    eventually stopped "${coordinator% }"
    kill -CONT "${remote[0]}"
    sleep 1.5 # longer than a lease; there is nothing to be waited for where nothing shall happen
    kill -CONT "$coordinator"
    finish
    expect_status 0
    expect_same wanted rows
    ! said err 'queued again'
    expect_bounded
}

# capture ARGUMENT...: capture.py in the background, until it says that it is.
capture() {
    python3 "$BATS_TEST_DIRNAME/capture.py" "$@" >ready 3>&- &
    remote+=($!)
    eventually grep -q -s ready ready
}

# How many the closing summary counts.
stale_messages() {
    grep -o '[0-9]* stale messages dropped' err | grep -o '[0-9]*' || echo 0
}

@test "what a worker sent is recorded and played back, to its own coordinator and to later ones: dropped, counted, the same bytes" {
    local port=$((20000 + 2 * (RANDOM % 4000)))
    endpoint=tcp://127.0.0.1:$port
    mkdir record
    capture tap "$port" 28800-28809 record
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 4K --flush 20ms -o rows --lane-ports 28800-28809
    endpoint=tcp://127.0.0.2:$port join
    caught "${remote[1]}" 4000000
    cp -r record half
    capture play "$port" half
    endpoint=tcp://127.0.0.1:$port join
    kill -CONT "${remote[1]}"
    finish
    expect_serial
    end_remote
    rm rows
    endpoint=tcp://127.0.0.1:$port
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 4K -o rows --lane-ports 28800-28809
    capture play "$port" record
    capture play "$port" record
    join
    finish
    expect_serial
    echo "recorded: $(wc -c <record/control) and $(wc -c <record/sink) bytes; $(stale_messages) stale messages"
    [ "$(stale_messages)" -gt 20 ]
    expect_summary ' 0 retries, 0 duplicates discarded'
}

# The coordinator's clock runs ten times as fast.
hurry() {
    local library
    library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
    [ -n "$library" ] || skip 'libfaketime is not here'
    [ -z "$SANITIZED" ] || skip 'libfaketime does not go with the sanitizer'
    run_as=(env "LD_PRELOAD=$library" 'FAKETIME=+0 x10' NO_FAKE_STAT=1)
}

lonely_lines() {
    [ "$(grep -c 'no worker since [0-9]* s; waiting at tcp://' err)" -ge "$1" ]
}

@test "all workers are gone: a line every 10 s says so, and the next that comes goes on" {
    hurry
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --worker-timeout 10m --progress none
    join
    caught "${remote[0]}" 2000000
    kill -KILL "${remote[0]}"
    eventually lonely_lines 3
    mapfile -t since < <(sed -n 's/.*no worker since \([0-9]*\) s.*/\1/p' err)
    for i in 0 1 2; do
        [ "${since[i]}" -ge $((10 * (i + 1))) ] && [ "${since[i]}" -lt $((10 * (i + 1) + 8)) ] || fail "at ${since[*]} s"
    done
    join
    finish
    expect_serial
}

@test "all workers are gone for --worker-timeout: exit 7, and the job can be gone on with" {
    hurry
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --flush 20ms -o rows --backup 0 --journal J --worker-timeout 15s
    join
    caught "${remote[0]}" 2000000
    kill -KILL "${remote[0]}"
    finish
    expect_status 7
    lonely_lines 1
    expect_text err 'no worker for 15 s (--worker-timeout); to go on from here, run the same command with --resume'
    [ ! -e rows ]
    run_as=()
    listen run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 -o rows --backup 0 --journal J --resume
    join
    finish
    expect_serial
}

# bats test_tags=threads
@test "one of four workers is stopped for good: backup attempts end the job long before its lease" {
    for _ in {1..8}; do cat "$BATS_FILE_TMPDIR/text"; done >large
    "$MILLRACE" run ngrams large -q >wanted-rows
    listen run ngrams large --chunk 256K --block 16K -o rows --lease 20s --log-level info
    join
    join
    join
    join
    eventually grep -q -s -c 'has joined' err
    caught "${remote[0]}" 2000000
    finish
    expect_status 0
    expect_same wanted-rows rows
    ! said err 'has been silent'
}

# bats test_tags=threads
@test "a host on which every task fails is set aside, and the job ends right" {
    unshare -rum true 2>/dev/null || skip 'no namespaces here'
    mkdir data
    cp "$BATS_FILE_TMPDIR/text" data/
    listen run ngrams data/text --chunk 512 -o rows --log-level info
    join
    caught "${remote[0]}" 2000000 # it has done some tasks: what fails elsewhere is not the tasks' fault
    # The bad host sees an empty folder where the inputs are; by the private endpoint it is sent none, as if the coordinator had started it.
    # shellcheck disable=SC2016
    unshare -rum sh -c 'hostname bad && mount -t tmpfs none data && exec "$@"' sh \
        "$WORKER" --connect "ipc://$(echo "$TMPDIR"/millrace-*/control)" --threads 1 --tmp "$TMPDIR" 2>bad 3>&- &
    remote+=($!)
    eventually said err 'host bad: task after task failed there, and not elsewhere'
    kill -CONT "${remote[0]}"
    finish
    expect_serial
}

@test "two coordinators cannot listen on the same endpoint, tcp or ipc" {
    local each
    for each in tcp://127.0.0.1:* "ipc://$TMPDIR/c"; do
        endpoint=$each
        listen run ngrams "$BATS_FILE_TMPDIR/text" -o rows
        cp err first
        status=0
        timeout "$PATIENCE" "$MILLRACE" run sum-range 5 --listen "$endpoint" --workers 0 >out 2>err || status=$?
        expect_status 2
        expect_error '*another program listens there*'
        cp first err
        join --once
        finish
        expect_serial
        wait "${remote[0]}"
        remote=()
        rm rows
    done
}

@test "an endpoint that others can reach is refused without --insecure" {
    refused_early 2 '--listen tcp://0.0.0.0:5: anyone who reaches it could join*' run sum-range 5 --listen tcp://0.0.0.0:5
    refused_early 2 "--listen: 'tcp://x' is not an endpoint*" run sum-range 5 --listen tcp://x
    refused 2 '--workers: 0 is out of range (1 to 1024)' run sum-range 5 --workers 0
    mr run sum-range 5 --listen tcp://0.0.0.0:* --insecure
    expect_status 0
    expect_text err 'anyone who reaches it can join'
    expect_rows $'5\t15'
}

@test "lanes are bound in the range that is given" {
    endpoint=tcp://127.0.0.1:*
    listen run ngrams "$BATS_FILE_TMPDIR/text" -o rows --lane-ports 28700-28799 --chunk 4K
    join --once
    finish
    expect_serial
}

# bats test_tags=threads
@test "a worker that others started executes itself anew when a task runs longer than --task-timeout" {
    { head -n 200 "$BATS_TEST_DIRNAME/../data/1gram-a.tsv" | cut -f 1 && printf '!hang\n'; } >lines
    grep -v '!hang' lines | sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)$/\2\t\1/' >wanted
    listen run faulty lines --chunk 1K --task-timeout 300ms --skip-bad 1 -o rows
    join
    finish
    expect_status 0
    expect_same wanted rows
    expect_text err 'it ran longer than --task-timeout 300ms (on '
    expect_text worker-0 'bad record skipped: it runs longer than --task-timeout 300ms'
    ! ended "${remote[0]}" # the same process all the time
}
