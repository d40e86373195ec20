#!/usr/bin/env bats
# Sweeps: the Nth call for memory fails, the Nth system call fails, signals rain, the clock jumps, files may not grow, the process is killed
# at each step of the commit. After each run: the right rows and status 0, or a status of the table with one line that says why and
# nothing at the output path; never other rows, never a hang, no process and no temporary file.
#
# SWEEP=full (scripts/sweep.sh --full) takes every N; else a stride keeps it short.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    distinct keys 20000
    sort keys >wanted
}

input() {
    keys=$BATS_FILE_TMPDIR/keys wanted=$BATS_FILE_TMPDIR/wanted
    aborted=0 completed=0 refused_runs=0
}

full() {
    [ "${SWEEP:-}" = full ]
}

# stride COUNT RUNS: the step with which COUNT is covered in about so many runs.
stride() {
    full && echo 1 || echo $(($1 / $2 + 1))
}

# Rows at the output path are the right ones, whatever became of the process.
right_or_none() {
    [ ! -e rows ] || expect_same "$wanted" rows || fail "$1: wrong rows"
}

# One line says why. The fsync of the directory is the last step: when it fails, the rows are there.
refused_well() {
    [ "$(grep -c '^millrace: error: ' err)" -eq 1 ] || fail "$1: status $status:" "$(<err)"
    [ ! -e rows ] || grep -q 'cannot write its directory to the disk' err || fail "$1: status $status, and rows:" "$(<err)"
}

# What libzmq, czmq and what these stand on say when they end the process: they do when memory or a descriptor fails them. The loader, and
# libzmq while it makes its context, crash without a word.
libraries='bad_alloc|OUT OF MEMORY|MEMORY EXHAUSTED|Assertion|\(src/[a-z_]*\.[ch]pp:|nss_'

# judge WHAT: the run that `mr ... -o rows` made.
judge() {
    right_or_none "$1" || return
    case $status in
    0) completed=$((completed + 1)) && [ -e rows ] || fail "$1: no rows" ;;
    [1-7]) refused_runs=$((refused_runs + 1)) && refused_well "$1" ;;
    127) grep -q 'loading shared libraries' err || fail "$1: status $status:" "$(<err)" ;;
    134 | 139) aborted=$((aborted + 1)) && { [ ! -s err ] || grep -q -E "$libraries" err || fail "$1: status $status:" "$(<err)"; } ;;
    *) fail "$1: status $status:" "$(<err)" ;;
    esac || return
    eventually no_process_left || fail "$1: a process is left" || return
    [ "$status" -ge 128 ] || [ -z "$(ls -A "$TMPDIR"; compgen -G 'rows.millrace-*')" ] || fail "$1: left: $(ls -A "$TMPDIR" .)" "$(<err)"
    rm -rf rows rows.millrace-* "${TMPDIR:?}"/*
}

tell() {
    echo "# $1: $completed completed, $refused_runs refused, $aborted aborted" >&3
}

# ---- memory ----

# memory_sweep PROGRAM RUNS ARGUMENT... with `once` not empty: in one process of that name, else in each.
memory_sweep() {
    ulimit -c 0
    [ -z "$SANITIZED" ] || skip "the sanitizer has the allocator"
    local program=$1 runs=$2 at count step
    shift 2
    input
    run_as=(env "LD_PRELOAD=$tools/fail_memory.so" "FAIL_IN=$program" FAIL_COUNT=count FAIL_AT=0)
    mr run sum "$keys" -o rows "$@"
    judge "none fails"
    count=$(<count) step=$(stride "$count" "$runs")
    for ((at = 1 + RANDOM % step; at <= count; at += step)); do
        run_as=(env "LD_PRELOAD=$tools/fail_memory.so" "FAIL_IN=$program" "FAIL_AT=$at" ${once:+"FAIL_ONCE=failed-$at"})
        mr run sum "$keys" -o rows "$@"
        judge "$program, call $at of $count for memory"
    done
    tell "$program, $count calls, every ${step}th fails"
}

@test "sweep: the coordinator's Nth call for memory fails" {
    memory_sweep millrace 40 --workers 1 -j 1 --reducers 1
}

@test "sweep: each worker's Nth call for memory fails" {
    memory_sweep millrace-worker 15 --workers 1 -j 2
}

@test "sweep: the first worker's Nth call for memory fails, and another does its work" {
    local once=1
    memory_sweep millrace-worker 25 --workers 1 -j 2
}

# ---- system calls ----

can_trace() {
    strace -f -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
    [ -z "$SANITIZED" ] || skip "the sanitizer's own system calls would fail"
}

@test "sweep: the Nth system call of a kind fails" {
    can_trace
    input
    local fault at
    local faults=(read:EIO pread64:EIO pread64:EINTR pwrite64:ENOSPC openat:EMFILE fsync:EIO
        renameat:EIO renameat2:EIO linkat:EIO fstat:EIO newfstatat:EIO mmap:ENOMEM socket:EMFILE accept4:EMFILE fallocate:ENOSPC clone3:EAGAIN)
    local places=(2 9)
    full && places=(1 2 3 4 5 6 7 8 9 10 12 14 16 20 25 30 40 50 70 100 200 500)
    for fault in "${faults[@]}"; do
        for at in "${places[@]}"; do
            run_as=(strace -f -o /dev/null -e "inject=${fault%:*}:error=${fault#*:}:when=$at")
            mr run sum "$keys" -o rows --workers 1 -j 1 --memory 1M --worker-timeout 3s
            judge "$fault, the ${at}th of each thread"
        done
    done
    tell "system calls"
}

# Of writes only those of rows: one to an eventfd cannot fail so.
@test "sweep: the Nth write of rows to stdout fails" {
    can_trace
    input
    local at last=2
    full && last=12
    for ((at = 1; at <= last; at++)); do
        for fault in EINTR:0 EIO:4 ENOSPC:4; do
            : >out
            run_as=(strace -f -o /dev/null -P "$PWD/out" -e "inject=write:error=${fault%:*}:when=$at")
            mr run sum "$keys" --workers 1 -j 1
            [ "$status" -eq "${fault#*:}" ] || [ "$status" -eq 0 ] || fail "${fault%:*} $at: status $status:" "$(<err)"
            [ "$status" -ne 0 ] || expect_same "$wanted" out || fail "${fault%:*} $at: status 0 and other rows"
            [ "$at" -gt 1 ] || expect_status "${fault#*:}"
        done
    done
}

# ---- the commit ----

@test "sweep: killed at each system call of the commit, the path holds the old rows or the new" {
    can_trace
    input
    local call at last
    for call in fsync fdatasync openat renameat renameat2 rename linkat unlinkat close; do
        last=3
        full && last=60
        for ((at = 1; at <= last; at++)); do
            echo old >rows
            run_as=(strace -o /dev/null -e "inject=$call:signal=KILL:when=$at")
            mr run sum "$keys" -o rows --overwrite --workers 1 -j 1
            [ "$status" -eq 0 ] || [ "$(<rows)" = old ] || expect_same "$wanted" rows || fail "killed at $call $at: a mix"
            [ "$status" -ne 0 ] || expect_same "$wanted" rows || fail "$call $at: status 0 and other rows"
            eventually no_process_left
            rm -rf rows rows.millrace-* "${TMPDIR:?}"/*
        done
    done
}

# ---- signals, clock, limits ----

# bats test_tags=threads
@test "signals a thousand times a second, and short stops: the same bytes" {
    input
    distinct many 300000
    sort many >sorted
    start run sum many -o rows --workers 2 -j 2 --chunk 64K
    eventually has_workers 2
    "$tools/pester" "$pid" "${workers[@]}" >rounds &
    finish
    wait $!
    expect_status 0
    expect_same sorted rows
}

@test "the wall clock jumps an hour back and forth: the same bytes" {
    local library
    library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
    [ -n "$library" ] || skip "libfaketime is not here"
    [ -z "$SANITIZED" ] || skip "libfaketime does not go with the sanitizer"
    input
    echo '+0' >clock
    export FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
    run_as=(env "LD_PRELOAD=$library")
    distinct many 300000
    sort many >sorted
    start run sum many -o rows --workers 2 -j 2 --chunk 64K
    while ! ended "$pid"; do
        echo '+3600' >clock
        sleep 0.02
        echo '-3600' >clock
        sleep 0.02
    done
    finish
    expect_status 0
    expect_same sorted rows
}

@test "a file that may not grow: status 4, nothing at the path" {
    input
    local size
    for size in 4 16 64; do
        run_as=(prlimit "--fsize=$((size * 1024))")
        mr run sum "$keys" -o rows --workers 1 -j 1
        [ "$status" -eq 4 ] || fail "limit of $size KiB: status $status:" "$(<err)"
        judge "files of at most $size KiB"
    done
}

@test "64 descriptors: the rows, or a refusal" {
    input
    run_as=(prlimit --nofile=64)
    mr run sum "$keys" -o rows --workers 2 -j 2
    judge "64 descriptors"
}

@test "a full disk under --tmp, or under the output: status 4, nothing at the path" {
    unshare -m true 2>/dev/null || skip "no mount namespace to be had here"
    input
    mkdir small
    distinct many 300000
    # shellcheck disable=SC2016
    run_as=(unshare -m sh -c 'mount -t tmpfs -o size=256k none small && exec "$@"' sh)
    mr run sum many -o small/rows --workers 1 -j 1
    expect_status 4
    expect_text err 'No space left on device'
    mr run sum many -o rows --workers 1 -j 1 --memory 1M --tmp small
    expect_status 4
    expect_text err 'No space left on device'
    [ ! -e rows ]
}
