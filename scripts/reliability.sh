#!/usr/bin/env bash
# reliability.sh [--rounds N] [--size MB,MB] [--keys N] [killed|silent|stopped|keys]... measures, with a release build, what docs/reliability.md quotes;
# the first three over loopback TCP:
#
#   killed   seconds from SIGKILL of a remote worker until its tasks are queued again
#   silent   the same from SIGSTOP, at the default lease
#   stopped  the job with one of four workers stopped for good, beside three workers alone, in turn, for each size of input
#   keys     N (100,000,000) distinct keys with --memory 512M, in a cgroup that ends what takes more than twice that and a tenth (root); needs
#            60 bytes of disk a key below TMPDIR
#
# The first three unless told. Figures go to stdout; the rows of every run are compared with a serial run's.
. "$(dirname "$0")/lib.sh"

export LC_ALL=C
rounds=5 sizes=1500,3000 keys=100000000 what=()
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 && shift ;;
    --size) sizes=$2 && shift ;;
    --keys) keys=$2 && shift ;;
    killed | silent | stopped | keys) what+=("$1") ;;
    *) sed -n '2,11p' "$0" >&2 && exit 2 ;;
    esac
    shift
done
[ "${#what[@]}" -gt 0 ] || what=(killed silent stopped)

[ -n "${MILLRACE_BUILD:-}" ] || { install_missing "${build_packages[@]}" && build release; }
bin=${MILLRACE_BUILD:-build/release}
dir=$(mktemp -d)
cc -O1 -o "$dir/catch" tests/e2e/catch.c
workers=() coordinator=

end_all() {
    [ -z "$coordinator" ] || kill -KILL "$coordinator" 2>/dev/null || true
    [ "${#workers[@]}" -eq 0 ] || kill -KILL "${workers[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    coordinator='' workers=()
}
trap 'end_all; rm -rf "$dir"' EXIT

make_input() { # MB
    local i
    input=$dir/text-$1
    [ ! -e "$input" ] || return 0
    for ((i = 0; i < 10; i++)); do cat tests/data/1gram-{a,b,c}.tsv; done >"$dir/part"
    for ((i = 0; i < $1 / 3; i++)); do cat "$dir/part"; done >"$input"
    "$bin/coordinator/millrace" run ngrams "$input" -q >"$input.rows"
}

# begin COUNT [OPTION...]: a coordinator whose messages get the time put before them, and so many workers, all joined.
begin() {
    local count=$1 i endpoint=
    shift
    rm -f "$dir/rows" "$dir/log"
    "$bin/coordinator/millrace" run ngrams "$input" -o "$dir/rows" --listen 'tcp://127.0.0.1:*' --workers 0 --log-level info \
        --progress none "$@" 2> >(while IFS= read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done >"$dir/log") &
    coordinator=$!
    await 'listening on'
    endpoint=$(sed -n 's/.*listening on //p' "$dir/log")
    for ((i = 0; i < count; i++)); do
        "$bin/worker/millrace-worker" --connect "$endpoint" --threads 1 --once 2>/dev/null &
        workers+=($!)
        disown
    done
}

await() { # PATTERN
    local until=$((SECONDS + 60))
    until grep -q -s "$1" "$dir/log"; do
        [ "$SECONDS" -lt "$until" ] || { printf 'error: not within 60 s: %s\n' "$1" >&2; cat "$dir/log" >&2; exit 1; }
        sleep 0.002
    done
}

# Until the end; then the rows must be the right ones.
finish() {
    wait "$coordinator"
    coordinator=
    cmp "$dir/rows" "$input.rows"
    end_all
}

since() { # EPOCHREALTIME PATTERN: seconds from then to the line
    mawk -v from="$1" -v pattern="$2" '$0 ~ pattern { printf "%.3f\n", $1 - from; exit }' "$dir/log"
}

replaced() { # SIGNAL PATTERN
    local signal=$1 pattern=$2 round from
    make_input 300
    for ((round = 0; round < rounds; round++)); do
        begin 2 --chunk 16K --block 1K --backup 0 # else the job is over before a lease
        "$dir/catch" "${workers[0]}" 8000000
        from=$EPOCHREALTIME
        kill "-$signal" "${workers[0]}"
        await "$pattern"
        since "$from" "$pattern"
        finish
    done | sort -n | mawk '{ v[NR] = $1 } END { printf "median %s, least %s, most %s s of %d\n", v[int((NR + 1) / 2)], v[1], v[NR], NR }'
}

seconds() {
    sed -n 's/.*discarded; \([0-9.]*\) s, .*/\1/p' "$dir/log"
}

median() {
    printf '%s\n' "$@" | sort -n | mawk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

one_of_four() { # MB
    local round three=() four=()
    make_input "$1"
    for ((round = 0; round < rounds; round++)); do
        begin 3 --chunk 64K --block 1K
        finish
        three+=("$(seconds)")
        begin 4 --chunk 64K --block 1K
        "$dir/catch" "${workers[0]}" 5000000
        finish
        four+=("$(seconds)")
    done
    printf '%s MB: three alone %s; four, one stopped %s; ratio of medians %s\n' "$1" "${three[*]}" "${four[*]}" \
        "$(mawk -v a="$(median "${four[@]}")" -v b="$(median "${three[@]}")" 'BEGIN { printf "%.2f", a / b }')"
}

# cgroup BYTES: makes one; its folder is $group.
cgroup() {
    if [ -d /sys/fs/cgroup/memory ]; then
        group=/sys/fs/cgroup/memory/millrace-$$
        mkdir "$group" && echo "$1" >"$group/memory.limit_in_bytes"
    else
        group=/sys/fs/cgroup/millrace-$$
        echo +memory >/sys/fs/cgroup/cgroup.subtree_control
        mkdir "$group" && echo "$1" >"$group/memory.max" && echo 0 >"$group/memory.swap.max"
    fi
}

many_keys() {
    local group limit=$((512 * 1024 * 1024 * 22 / 10)) from status=0
    cc -O1 -o "$dir/peak" tests/e2e/peak.c
    mawk -v n="$keys" 'BEGIN { for (i = 0; i < n; i++) printf "key-%d-%d\t1\n", (i * 7919) % 1000003, i }' >"$dir/keys"
    cgroup "$limit"
    from=$EPOCHREALTIME
    TMPDIR=$dir bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' bash "$group" \
        "$dir/peak" "$dir/kilobytes" "$bin/coordinator/millrace" run sum "$dir/keys" --memory 512M -o "$dir/rows" || status=$?
    printf 'keys: status %d after %.0f s; largest process %d KiB of %d; killed for memory %s times\n' "$status" \
        "$(mawk -v a="$EPOCHREALTIME" -v b="$from" 'BEGIN { print a - b }')" "$(<"$dir/kilobytes")" $((512 * 1024)) \
        "$(cat "$group"/memory.{oom_control,events} 2>/dev/null | sed -n 's/^oom_kill //p')"
    rmdir "$group"
    # Ascending, each once, each one of those that were made, and as many: so it is exactly they.
    sort -c -u "$dir/rows"
    mawk -F '[-\t]' -v n="$keys" '$2 != ($3 * 7919) % 1000003 || $3 >= n || $4 != 1 { exit 1 } END { exit NR != n }' "$dir/rows"
    echo 'keys: the rows are right'
}

for each in "${what[@]}"; do
    case $each in
    killed) printf 'killed: queued again after %s\n' "$(replaced KILL 'its connection closed')" ;;
    silent) printf 'silent: queued again after %s\n' "$(rounds=$(((rounds + 2) / 3)) && replaced STOP 'has been silent')" ;;
    keys) many_keys ;;
    stopped) for size in ${sizes//,/ }; do one_of_four "$size"; done ;;
    esac
done
