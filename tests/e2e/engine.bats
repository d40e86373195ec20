#!/usr/bin/env bats
# The engine: the same bytes whatever the shape of the cluster and whatever dies, and nothing left of what was interrupted.
load helpers

# A run that nothing happens to, and what its rows must be by other means.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    big text 20
    total 1 3 text >ngrams
    distinct keys $((SANITIZED ? 150000 : 400000))
    sort keys >keys.sorted
}

# ---- the same bytes ----

# same_rows WANTED JOB ARGUMENT...: in every shape of cluster.
same_rows() {
    local wanted=$1 shape
    shift
    local shapes=('-j 1 --workers 1 --chunk 1G --reducers 1 --block 4M' '--workers 2' '--workers 3 --chunk 1K' '--workers 4 -j 8 --chunk 7K'
        '-j 3 --workers 1 --chunk 100 --reducers 7' '--workers 2 --memory 1M --chunk 20K' '--block 100 --chunk 3000 -j 2'
        '--flush 1ms --chunk 5K --workers 2')
    for shape in "${shapes[@]}"; do
        # shellcheck disable=SC2086
        ok run "$@" $shape
        cmp -s "$wanted" out || fail "$* $shape: wrong rows:" "$(diff -a "$wanted" out | head -5)"
    done
}

# bats test_tags=threads
@test "ngrams: the same bytes for any workers, threads, chunks, reducers, blocks and memory" {
    total 1 3 "${SHARDS[@]}" >wanted
    same_rows wanted ngrams "${SHARDS[@]}"
    same_rows wanted ngrams "${SHARDS[@]/%/.gz}"
}

@test "sum: the same bytes" {
    total 2 4 "${SHARDS[@]}" >wanted
    same_rows wanted sum --key 2 --value 4 "${SHARDS[@]}"
}

@test "count: the same bytes" {
    cat "${SHARDS[@]}" | cut -f 1,3 | tr '\t' ' ' >lines
    count_lines lines >wanted
    same_rows wanted count lines
}

@test "wordcount: the same bytes" {
    cut -f 1 "${SHARDS[@]}" | tr '\t' ' ' | paste -s -d '   \n' >lines
    count_words lines >wanted
    same_rows wanted wordcount lines
}

# bats test_tags=threads
@test "rows by value, and the top rows: the same bytes" {
    total 1 3 "${SHARDS[@]}" | sort -t $'\t' -k 2,2nr -k 1,1 >wanted
    same_rows wanted ngrams "${SHARDS[@]}" --sort value
    head -20 wanted >top
    same_rows top ngrams "${SHARDS[@]}" --top 20
}

# bats test_tags=threads
@test "a small --memory spills, and changes nothing" {
    local keys=$BATS_FILE_TMPDIR/keys
    ok run sum "$keys" --memory 1M --workers 2 --threads 2
    expect_same "$keys.sorted" out
    expect_summary ' spilled'
    ok run sum "$keys" --memory 1M --workers 1 --threads 1 --chunk 1G --reducers 1 # one task that is larger than its table
    expect_same "$keys.sorted" out
    ok run sum "$keys" --memory 1M --sort value --reducers 3
    expect_same "$keys.sorted" out # all values are 1
    ok run sum "$keys" --memory 64M
    expect_same "$keys.sorted" out
    ! grep -q spilled err
}

@test "memory is bounded, in the merge too" {
    run_as=("$tools/peak" kilobytes)
    ok run ngrams "${SHARDS[0]}" --workers 1 --threads 1
    local least
    least=$(<kilobytes)
    ok run sum "$BATS_FILE_TMPDIR/keys" --memory 8M --workers 1 --threads 1 --reducers 2
    echo "peak: $(<kilobytes) KiB, of an almost empty run $least KiB"
    [ -n "$SANITIZED" ] || [ "$(<kilobytes)" -lt $((least + 8 * 1024 * 2)) ]
}

# ---- workers that die ----

# expect_right: the job ended well with the right rows.
expect_right() {
    finish
    expect_status 0
    expect_same "${1:-$BATS_FILE_TMPDIR/ngrams}" rows
}

# Two workers; the first is let go and has the job to itself, and is stopped in the middle of it.
first_in_the_middle() {
    start_held 2 run ngrams "$BATS_FILE_TMPDIR/text" --chunk 2K --backup 0 -o rows "$@"
    kill -CONT "${workers[0]}"
    caught "${workers[0]}" 2000000
}

# bats test_tags=threads
@test "a worker is killed in the middle: the same bytes, and the loss is told" {
    first_in_the_middle
    kill -KILL "${workers[0]}"
    release
    expect_right
    expect_text err "warning: worker process ${workers[0]}: killed by signal 9 (Killed*); its tasks are queued again"
    [ "$(summary_number retries)" -gt 0 ]
    expect_summary '1 files, 20.'
}

@test "a worker crashes in the middle: the same bytes" {
    ulimit -c 0
    first_in_the_middle
    kill -SEGV "${workers[0]}"
    release
    expect_right
    expect_text err "worker process ${workers[0]}: "
    [ "$(summary_number retries)" -gt 0 ]
}

# bats test_tags=threads
@test "all workers are killed, three times" {
    local text=$BATS_FILE_TMPDIR/text # three times, so that it lasts until they all are there for the third time
    start run ngrams "$text" "$text" "$text" --chunk 1K --backup 0 --workers 3 --threads 3 -o rows
    for _ in 1 2 3; do
        in_the_middle 3 1000000
        kill -KILL "${workers[@]}"
        for worker in "${workers[@]}"; do
            eventually ended "$worker"
        done
    done
    mawk -F '\t' '{ printf "%s\t%.0f\n", $1, 3 * $2 }' "$BATS_FILE_TMPDIR/ngrams" >thrice
    expect_right thrice
    [ "$(grep -c 'killed by signal 9' err)" -eq 9 ]
    [ "$(summary_number retries)" -gt 0 ]
}

@test "a worker of sum-range is killed: the same sums" {
    start_held 2 run sum-range 2000000000 1000 -o rows
    kill -CONT "${workers[0]}"
    eventually find_output
    eventually grep -q -s 1000 "$output"
    kill -KILL "${workers[0]}"
    release
    finish
    expect_status 0
    expect_text err 'killed by signal 9'
    printf '1000\t500500\n2000000000\t2000000001000000000\n' >wanted
    expect_same wanted rows
}

# bats test_tags=threads
@test "a stopped worker is replaced when its lease runs out" {
    first_in_the_middle --lease 1s
    kill -CONT "${workers[1]}"
    touch held/millrace-worker.free
    expect_right
    expect_text err "${workers[0]} has been silent for 1.0 s; its tasks are queued again"
    [ "$(grep -c warning err)" -eq 1 ]
    [ "$(summary_number retries)" -gt 0 ]
}

@test "a worker that is stopped for less than its lease is kept" {
    first_in_the_middle
    release
    expect_right
    ! grep -q warning err
    expect_summary ' 0 retries, 0 duplicates discarded'
}

# Of those that were drained; one that was just starting may die of the signal.
no_complaints() {
    grep -E 'warning|error' err >complaints || return 0
    ! grep -v 'killed by signal 15' complaints || fail "$(<err)"
}

# bats test_tags=threads
@test "SIGTERM drains a worker: the same bytes, and no warning" {
    first_in_the_middle
    kill -TERM "${workers[0]}"
    release
    eventually ended "${workers[0]}"
    expect_right
    no_complaints
    expect_summary ' 0 duplicates discarded'
}

@test "SIGTERM to all workers, twice" {
    start run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --backup 0 --workers 2 --threads 2 -o rows
    for _ in 1 2; do
        in_the_middle 2 1000000
        kill -TERM "${workers[@]}"
        kill -CONT "${workers[0]}" 2>/dev/null || true
        for worker in "${workers[@]}"; do
            eventually ended "$worker"
        done
    done
    expect_right
    no_complaints
}

# bats test_tags=threads
@test "SIGTERM to a worker that has spilled a large task" {
    start_held 2 run sum "$BATS_FILE_TMPDIR/keys" --memory 1M --chunk 3M -o rows
    kill -CONT "${workers[0]}"
    caught "${workers[0]}" 1000000
    kill -TERM "${workers[0]}"
    release
    expect_right "$BATS_FILE_TMPDIR/keys.sorted"
}

@test "a task that kills every worker ends the job after four attempts, and is named" {
    [ -z "$SANITIZED" ] || skip 'what is preloaded would come before the sanitizer'
    export tools
    worker_is 'ulimit -c 0; exec env LD_PRELOAD="$tools/crash.so" "$WORKER" "$@"'
    MILLRACE=held/millrace
    { head -c 50000 "${SHARDS[0]}" | sed '$d' && printf 'CRASH!\t1999\t1\t1\n' && tail -n 1000 "${SHARDS[0]}"; } >in
    mr run ngrams in --chunk 4K --block 1K --workers 2 -o rows
    expect_status 1
    [[ $(grep error err) == 'millrace: error: in:'*': the task failed 4 times; the last time: its worker process '*': killed by signal 11 (Segmentation fault)' ]]
    # The task is the one with that line in it.
    [[ $(grep error err) =~ in:([0-9]+): ]]
    tail -c +$((BASH_REMATCH[1] + 1)) in | head -c 5000 | grep -q CRASH
    [ "$(grep -c warning err)" -ge 3 ]
    [ ! -e rows ]
}

@test "workers that die at once are not started for ever" {
    worker_is 'exit 1'
    MILLRACE=held/millrace
    mr run ngrams "${SHARDS[0]}" -o rows
    expect_status 7
    expect_text err 'error: workers died '
    [ ! -e rows ]
}

@test "a parent that ignores SIGCHLD does not keep deaths from being seen" {
    run_as=(env --ignore-signal=CHLD)
    first_in_the_middle
    kill -KILL "${workers[0]}"
    release
    expect_right
    expect_text err 'killed by signal 9'
}

# ---- many workers ----

@test "too few descriptors: the limit is raised, or the job is refused" {
    total 1 3 "${SHARDS[@]}" >wanted
    (ulimit -Sn 64 && ok run ngrams "${SHARDS[@]}" --workers 20 --chunk 1K)
    expect_same wanted out
    local count=$((SANITIZED ? 10 : 60)) # and at the very limit, spilling
    (ulimit -n $((32 + 9 * count)) && ok run sum "$BATS_FILE_TMPDIR/keys" --workers $count --memory 1M)
    expect_same "$BATS_FILE_TMPDIR/keys.sorted" out
    (ulimit -n 64 && refused 2 '20 workers and 20 threads need 212 open files, and the limit is 64 *' run ngrams "${SHARDS[@]}" --workers 20)
}

@test "a TMPDIR too long for the name of a socket" {
    local long=$PWD/tmp/${BATS_TEST_NAME:0:90}
    mkdir "$long"
    TMPDIR=$long ok run sum "$BATS_FILE_TMPDIR/keys" --memory 1M
    expect_same "$BATS_FILE_TMPDIR/keys.sorted" out
    expect_summary ' spilled'
    rmdir "$long"
}

# ---- no workers ----

@test "no worker program, or none that joins: exit 7" {
    mkdir alone && place alone/millrace
    MILLRACE=alone/millrace
    refused 7 'millrace-worker: cannot start it: No such file or directory (install millrace-worker beside millrace)' \
        run ngrams "${SHARDS[0]}"
    worker_is 'exec sleep 1000'
    MILLRACE=held/millrace
    refused 7 'no worker for * s (--worker-timeout)' run ngrams "${SHARDS[0]}" --worker-timeout 300ms
}

@test "a worker of another version: exit 6, and both versions are named" {
    local version
    version=$("$MILLRACE" --version)
    version=${version#* }
    sed "s/${version//./\\.}/${version//[0-9]/9}/g" "$WORKER" >other && chmod +x other
    WORKER=$PWD/other
    worker_is 'exec "$WORKER" "$@"'
    MILLRACE=held/millrace
    mr run ngrams "${SHARDS[0]}" -o rows
    expect_status 6
    expect_text err "has version ${version//[0-9]/9} (protocol "
    expect_text err "the coordinator (version $version, protocol "
    expect_text err 'install the same version of Millrace on both'
    [ ! -e rows ]
}

# ---- Ctrl-C ----

expect_interrupted() {
    finish
    expect_status 130
    expect_error "interrupted by signal $1; no output was written"
    no_process_left || fail 'a worker is left'
    [ -z "$(compgen -G 'rows*')" ] || fail "left: $(ls)"
}

# bats test_tags=threads
@test "Ctrl-C while mapping leaves nothing behind" {
    local number
    for number in 2 15 1; do
        start run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --backup 0 --workers 2 -o rows
        in_the_middle 2 1000000
        kill -$number "$pid"
        kill -CONT "${workers[0]}" 2>/dev/null || true
        expect_interrupted $number
    done
}

@test "Ctrl-C with stopped workers leaves nothing behind" {
    first_in_the_middle # the other is stopped as well
    kill -INT "$pid"
    expect_interrupted 2
}

# bats test_tags=threads
@test "Ctrl-C while rows are merged leaves nothing behind" {
    mkfifo pipe
    exec 7<>pipe # a reader that does not read
    env --default-signal=INT "$MILLRACE" run sum "$BATS_FILE_TMPDIR/keys" --memory 1M --progress json >pipe 2>log 3>&- 7>&- &
    pid=$!
    eventually grep -q '"phase":"merge"' log
    kill -INT "$pid"
    grep -v '^{' log >err || true
    eventually ended "$pid"
    grep -v '^{' log >err
    expect_interrupted 2
    exec 7>&-
}

@test "Ctrl-C while a file is written leaves nothing behind" {
    for _ in {1..10}; do
        start run sum "$BATS_FILE_TMPDIR/keys" --memory 1M --reducers 1 -o rows
        eventually find_output_or_ended
        eventually written_or_ended
        kill -INT "$pid" 2>/dev/null || true
        eventually ended "$pid"
        if [ -s err ] && grep -q interrupted err; then
            expect_interrupted 2
            return
        fi
        expect_right "$BATS_FILE_TMPDIR/keys.sorted" # it was too late for the signal
        rm rows
    done
    fail 'was never caught in the middle of writing'
}

find_output_or_ended() {
    find_output || ended "$pid"
}

written_or_ended() {
    [ -s "$output" ] || ended "$pid"
}

@test "Ctrl-C while stdin is read leaves nothing behind" {
    mkfifo pipe
    exec 7<>pipe
    echo word >&7
    env --default-signal=INT "$MILLRACE" run count - -o rows <pipe >out 2>err 3>&- 7>&- &
    pid=$!
    eventually spooling
    kill -INT "$pid"
    expect_interrupted 2
    exec 7>&-
}

spooling() {
    grep -q -s word "$TMPDIR"/millrace-*/stdin
}

@test "what nohup protects is not interrupted" {
    run_as=(env --ignore-signal=HUP,INT)
    first_in_the_middle
    kill -HUP "$pid"
    kill -INT "$pid"
    release
    expect_right
}

@test "a killed coordinator leaves no worker and no output; the next one removes its folder in TMPDIR" {
    start run ngrams "$BATS_FILE_TMPDIR/text" --chunk 512 --backup 0 --workers 3 -o rows
    in_the_middle 3 1000000
    kill -KILL "$pid"
    finish
    expect_status 137
    eventually no_process_left
    [ -z "$(compgen -G 'rows*')" ] || fail "left: $(ls)"
    [ "$(find "$TMPDIR" -name 'millrace-*' | wc -l)" -eq 1 ]
    ok run ngrams "${SHARDS[0]}"
    [ -z "$(ls -A "$TMPDIR")" ]
}
