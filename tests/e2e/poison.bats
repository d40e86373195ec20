#!/usr/bin/env bats
# Records that crash or hang the process they are mapped in, tasks that do so wherever they run, and workers that are told to leave while they run
# something long. The job `faulty` maps lines like `count`; its lines `!crash`, `!hang` and so on do what they say.
load helpers

export ASAN_OPTIONS=handle_segv=0:handle_abort=0 # they are to die of the signal

# good FILE LINES; poison FILE IN EVERY WORD...: the same with a bad line after every so many good ones, the words in turn.
good() {
    mawk -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "key-%d\t%d\n", (i * 7919) % 1009, i }' >"$1"
}

poison() {
    local file=$1 in=$2 every=$3
    shift 3
    mawk -v every="$every" -v words="$*" 'BEGIN { n = split(words, word, " ") }
        { print } NR % every == 0 { print word[k++ % n + 1] "\t0" }' "$in" >"$file"
}

serial() {
    ok run faulty "$1" --workers 1 -j 1 --chunk 1G
    mv out wanted
}

# expect_skipped N FILE: the rows are those of the good lines, N bad ones are counted, and each is named that is: FILE:OFFSET is where it is.
expect_skipped() {
    local count=$1 file=$2 offset named=0
    expect_status 0
    expect_same wanted out
    expect_summary " $count rejected"
    for offset in $(grep -o "$file:[0-9]*: bad record skipped: it " err | cut -d : -f 2); do
        [ "$(tail -c +$((offset + 1)) "$file" | head -c 1)" = ! ] || fail "no bad line at $offset"
        named=$((named + 1))
    done
    [ "$named" -ge $((count < 5 ? count : 5)) ] || fail "only $named of $count named" "$(<err)"
}

# bats test_tags=threads
@test "records that crash the job are found and left out, those only" {
    good lines 40000
    serial lines
    poison bad lines 15000 '!crash' '!abort'
    mr run faulty bad --chunk 32K --workers 2 --skip-bad 2
    expect_skipped 2 bad
    expect_text err 'bad record skipped: it crashes the job (killed by signal 11 (Segmentation fault))'
    expect_text err 'bad record skipped: it crashes the job (killed by signal 6 (Aborted))'
}

@test "many in one task, and in many tasks" {
    good lines 20000
    serial lines
    poison bad lines 500 '!crash' '!exit' '!abort'
    mr run faulty bad --chunk 1G --skip-bad 40
    expect_skipped 40 bad
    mr run faulty bad --chunk 8K --workers 2 --skip-bad 40
    expect_skipped 40 bad
}

@test "in a gzip file, in lines that end in CR LF, and in small files packed together" {
    good lines 20000
    serial lines
    poison bad lines 9000 '!crash'
    gzip -k bad
    mr run faulty bad.gz --skip-bad 2
    expect_status 0
    expect_same wanted out
    expect_summary ' 2 rejected'
    offset=$(grep -b -o '!crash' bad | head -n 1 | cut -d : -f 1)
    expect_text err "bad.gz:$offset: bad record skipped: it crashes the job"
    sed 's/$/\r/' bad >crlf
    mr run faulty crlf --chunk 64K --skip-bad 2
    expect_skipped 2 crlf
    split -l 500 bad part-
    mr run faulty part-* --skip-bad 2
    expect_status 0
    expect_same wanted out
    expect_summary ' 2 rejected'
}

@test "one more than --skip-bad allows ends the job" {
    good lines 2000
    poison bad lines 600 '!crash'
    mr run faulty bad --skip-bad 2 --chunk 1G -o rows
    expect_status 3
    offset=$(grep -b -o '!crash' bad | tail -n 1 | cut -d : -f 1)
    expect_text err "error: bad:$offset: bad record: it crashes the job (killed by signal 11 (Segmentation fault)) (--skip-bad N allows N of them)"
    [ ! -e rows ]
}

@test "without --skip-bad the job ends after four attempts and names the record" {
    good lines 2000
    poison bad lines 1500 '!crash'
    mr run faulty bad --chunk 8K --workers 2 -o rows
    expect_status 1
    offset=$(grep -b -o '!crash' bad | cut -d : -f 1)
    expect_text err "the task failed 4 times; the last time: bad:$offset: this record crashes the job (killed by signal 11 (Segmentation fault)); --skip-bad 1 skips it"
    [ "$(grep -c 'killed by signal 11.*its tasks are queued again' err)" -eq 2 ] # the other two attempts were careful
    [ ! -e rows ]
}

# ---- tasks that take too long ----

# bats test_tags=threads
@test "a record that hangs is ended by --task-timeout, found, and left out" {
    good lines 20000
    serial lines
    poison bad lines 9000 '!hang' '!fork'
    mr run faulty bad --chunk 16K --workers 2 --task-timeout 400ms --skip-bad 2
    expect_skipped 2 bad
    expect_text err 'it ran longer than --task-timeout 400ms (on '
    expect_text err 'bad record skipped: it runs longer than --task-timeout 400ms'
}

@test "without --skip-bad a record that hangs ends the job after four attempts" {
    good lines 2000
    poison bad lines 1500 '!hang'
    mr run faulty bad --chunk 8K --workers 2 -j 4 --task-timeout 300ms -o rows
    expect_status 1
    offset=$(grep -b -o '!hang' bad | cut -d : -f 1)
    expect_text err "the task failed 4 times; the last time: bad:$offset: this record runs longer than --task-timeout 300ms; --skip-bad 1 skips it (on "
    [ ! -e rows ]
}

@test "a task that is only slow now and then is not hurt by --task-timeout" {
    good lines 3000
    printf '!sleep 100\t0\n' >>lines
    serial lines
    ok run faulty lines --chunk 8K --workers 2 --task-timeout 20s
    expect_same wanted out
}

# ---- kernels that take long ----

# wide_awake FILE: what its rows must be, in `wanted`, without sleeping for them.
wide_awake() {
    sed 's/^!sleep/!slept/' "$1" >awake
    ok run faulty awake --workers 1 -j 1
    sed 's/^!slept/!sleep/' out | sort -t $'\t' -k 1,1 >wanted
}

@test "compute that blocks every thread for ten leases disconnects nobody" {
    good lines 100
    { printf '!sleep 3000\t0\n' && cat lines && printf '!sleep 3001\t0\n'; } >blocking
    wide_awake blocking
    mr run faulty blocking --chunk 1K --workers 1 -j 2 --lease 300ms --backup 0
    expect_status 0
    expect_same wanted out
    expect_summary ' 0 retries, 0 duplicates discarded'
    ! grep -q 'queued again' err
}

seconds_to_end() { # PID
    local from=${EPOCHREALTIME/./}
    kill -TERM "$1"
    eventually ended "$1"
    echo $(((${EPOCHREALTIME/./} - from) / 1000))
}

# bats test_tags=threads
@test "SIGTERM to a worker that sleeps in a kernel: it is gone within 5 s, and nothing is counted against the task" {
    good lines 100
    cp lines blocking
    printf '!sleep 6000\t0\n' >>blocking
    wide_awake blocking
    start run faulty blocking --workers 1 -j 1 -o rows
    eventually has_workers 1
    eventually asleep "${workers[0]}"
    local took
    took=$(seconds_to_end "${workers[0]}")
    echo "it took $took ms"
    [ "$took" -lt 5000 ]
    finish
    expect_status 0
    expect_same wanted rows
    ! grep -E 'warning|error' err
}

asleep() {
    cat /proc/"$1"/task/*/wchan 2>/dev/null | grep -q -a nanosleep
}
