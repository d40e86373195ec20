# helpers.bash - what the end-to-end tests share: running the real binaries, saying what must come of it, and waiting.
#
# Every test runs in an empty folder of its own, with an empty TMPDIR. When it is over, whatever it did, no process of it may be left,
# nor a file in TMPDIR (leave_behind says that a test expects to leave some).
#
# MILLRACE_BUILD names the build to test: build/release unless told otherwise.
bats_require_minimum_version 1.5.0

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
MILLRACE_BUILD=$(cd "${MILLRACE_BUILD:-$root/build/release}" && pwd)
MILLRACE=$MILLRACE_BUILD/coordinator/millrace
WORKER=$MILLRACE_BUILD/worker/millrace-worker
DATA=$root/tests/data
SHARDS=("$DATA"/1gram-{a,b,c}.tsv)
tools=${BATS_SUITE_TMPDIR:-}
PATIENCE=60 # seconds until a condition that does not come true is a failure
export LC_ALL=C

# With a sanitizer: slower, and memory means nothing.
grep -q -m1 -a -E '__(asan|tsan)_init' "$MILLRACE" && SANITIZED=1 || SANITIZED=

# ---- around each test ----

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR/tmp HOME=$BATS_TEST_TMPDIR/home
    mkdir "$TMPDIR" "$HOME"
    unset XDG_CONFIG_HOME
    local name
    for name in $(compgen -e MILLRACE_); do
        [ "$name" = MILLRACE_BUILD ] || unset "$name"
    done
    pid= left_behind=
}

teardown() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    eventually no_process_left
    [ -n "$left_behind" ] || [ -z "$(ls -A "$TMPDIR")" ] || fail "left in TMPDIR: $(ls -A "$TMPDIR")"
}

# Local workers are told an endpoint below TMPDIR, so this finds them whatever became of their parent.
no_process_left() {
    ! cat /proc/[0-9]*/cmdline 2>/dev/null | grep -q -a "[i]pc://$TMPDIR"
}

leave_behind() {
    left_behind=1
}

fail() {
    printf '%s\n' "$@" >&2
    return 1
}

# eventually COMMAND... waits until it succeeds.
eventually() {
    local deadline=$((SECONDS + PATIENCE))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within $PATIENCE s: $*" || return
        sleep 0.005
    done
}

# ---- running and judging ----

# mr ARGUMENT... runs millrace: rows to ./out, messages to ./err, the exit status to $status.
mr() {
    status=0
    timeout -k 5 "$PATIENCE" "${run_as[@]}" "$MILLRACE" "$@" >out 2>err 3>&- || status=$?
}

# millrace must succeed, without a warning.
ok() {
    mr "$@"
    expect_status 0
    ! grep -q -E '^millrace(-worker)?: (warning|error)' err || fail "unexpected: $(cat err)"
}

# `refused STATUS MESSAGE ARGUMENT...`: millrace must fail so, with one line on stderr and nothing on stdout. MESSAGE is a pattern.
refused() {
    local want=$1 message=$2
    shift 2
    mr "$@"
    expect_status "$want"
    expect_error "$message"
    [ ! -s out ] || fail "rows were printed: $(head -c 300 out)"
}

# The same, of a millrace that could not start a worker: whatever it says, it says before any task runs.
refused_early() {
    local MILLRACE=$BATS_TEST_TMPDIR/alone/millrace
    mkdir -p alone
    place "$MILLRACE"
    refused "$@"
}

expect_status() {
    [ "$status" -eq "$1" ] || fail "exit status $status, not $1; stderr:" "$(head -c 2000 err)"
}

# Stderr is one line: `millrace: error: ` and what fits the pattern; and no control byte.
expect_error() {
    local text
    text=$(<err)
    [ "$(wc -l <err)" -eq 1 ] || fail "stderr is not one line:" "$text"
    # shellcheck disable=SC2053
    [[ $text == "millrace: error: "$1 ]] || fail "stderr:" "$text" "does not fit:" "millrace: error: $1"
    ! grep -q $'[\001-\011\013-\037\177]' err || fail "control bytes on stderr: $(cat -v err)"
}

# expect_text FILE PATTERN
expect_text() {
    # shellcheck disable=SC2053
    [[ $(<"$1") == *$2* ]] || fail "$1 does not have '$2':" "$(head -c 2000 "$1")"
}

# expect_rows [ROW...]: stdout is exactly these lines.
expect_rows() {
    [ $# -gt 0 ] && printf '%s\n' "$@" >wanted || : >wanted
    expect_same wanted out
}

expect_same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ:" "$(diff -a "$1" "$2" | head -20 | cut -c 1-300 | cat -v)"
}

# expect_summary PATTERN: in the closing line.
expect_summary() {
    # shellcheck disable=SC2053
    [[ $(grep '^millrace: [0-9]* files' err) == *$1* ]] || fail "the summary does not have '$1':" "$(<err)"
}

# summary_number 'retries': the number before this word in the closing line.
summary_number() {
    grep '^millrace: [0-9]* files' err | sed -E "s/.* ([0-9]+) $1.*/\1/"
}

# ---- in the background ----

# start ARGUMENT... starts millrace; its process is $pid.
start() {
    # The shell makes what it starts in the background deaf to Ctrl-C.
    env --default-signal=INT,QUIT "${run_as[@]}" "$MILLRACE" "$@" >out 2>err 3>&- &
    pid=$!
}

# start_held N ARGUMENT... starts millrace with N worker processes of one thread, which are stopped before they have done anything
# at all; the plan is made by then. kill -CONT lets one go, release lets all go that are there or still come.
start_held() {
    local MILLRACE=$BATS_TEST_TMPDIR/held/millrace worker count=$1
    shift
    worker_is '[ -e "$0.free" ] || kill -STOP $$; exec "$WORKER" "$@"'
    start "$@" --workers "$count" --threads "$count"
    eventually has_workers "$count"
    for worker in "${workers[@]}"; do
        eventually stopped "$worker"
    done
}

release() {
    [ ! -d held ] || touch held/millrace-worker.free
    kill -CONT "${workers[@]}" 2>/dev/null || true
}

# worker_is SCRIPT makes held/millrace, the workers of which are this.
worker_is() {
    mkdir -p held
    place held/millrace
    printf '#!/bin/sh\n%s\n' "$1" >held/millrace-worker
    chmod +x held/millrace-worker
    rm -f held/millrace-worker.free
    export WORKER
}

# Puts the program there; a link would be followed to the folder it comes from.
place() {
    ln -f "$MILLRACE_BUILD/coordinator/millrace" "$1" 2>/dev/null || cp "$MILLRACE_BUILD/coordinator/millrace" "$1"
}

# Waits until it has ended; sets $status.
finish() {
    eventually ended "$pid"
    status=0
    wait "$pid" || status=$?
    pid=
}

# Gone, or a zombie that waits to be waited for.
ended() {
    local state
    read_state "$1" || return 0
    [[ $state == [ZX] ]]
}

stopped() {
    local state
    read_state "$1" && [ "$state" = T ]
}

read_state() {
    { read -r state <"/proc/$1/stat"; } 2>/dev/null || return
    state=${state##*) }
    state=${state:0:1}
}

# The file that is to become the output of $pid, into `output`. It may have no name yet.
find_output() {
    output=$(find "/proc/$pid/fd" -lname "$PWD/#*" -o -lname "$PWD/rows.millrace-*" 2>/dev/null)
    [ -n "$output" ]
}

# Worker processes of $pid, into the array `workers`.
list_workers() {
    local child name
    workers=()
    for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
        read -r name 2>/dev/null <"/proc/$child/comm" && [ "$name" = millrace-worker ] && ! ended "$child" && workers+=("$child")
    done
    return 0
}

has_workers() {
    list_workers
    [ "${#workers[@]}" -ge "$1" ]
}

# in_the_middle WORKERS BYTES waits until there are so many workers, and stops the first of them when it has read that much.
in_the_middle() {
    eventually has_workers "$1"
    caught "${workers[0]}" "$2"
}

# caught WORKER BYTES
caught() {
    timeout "$PATIENCE" "$tools/catch" "$@" || fail "worker $1 never read $2 bytes"
    eventually stopped "$1"
}

# ---- inputs ----

# big FILE MEGABYTES: 1-gram lines, enough to be caught in the middle of.
big() {
    local i
    for ((i = 0; i < $2 * 10 / 3; i++)); do
        cat "${SHARDS[@]}"
    done >"$1"
}

# distinct FILE COUNT: lines KEY TAB 1, all keys different and in no order.
distinct() {
    mawk -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "key-%d-%d\t1\n", (i * 7919) % 1000003, i }' >"$1"
}

# ---- what must come out, by other means ----

total() { # total KEY VALUE FILE...
    local key=$1 value=$2
    shift 2
    cat "$@" | mawk -F '\t' -v k="$key" -v v="$value" '{ t[$k] += $v } END { for (w in t) printf "%s\t%.0f\n", w, t[w] }' |
        sort -t $'\t' -k 1,1
}

count_lines() {
    sort "$@" | uniq -c | sed -E 's/^ *([0-9]+) (.*)$/\2\t\1/'
}

# Of text whose only bytes past ASCII are letters.
count_words() {
    cat "$@" | tr -c 'A-Za-z0-9_\200-\377' '\n' | grep -v '^$' | count_lines
}
