#!/usr/bin/env bash
# chaos-serve.sh [--seconds N] [--seed N] [--at-once N] [--preset PRESET] builds, fills a queue, and for so many seconds (30) kills, stops and restarts
# the server, its jobs' coordinators and the workers at random. Then it lets them finish: every job must be done, with the right rows.
# The last line counts jobs. The seed draws what is done and when; what that hits depends on the machine.
. "$(dirname "$0")/lib.sh"

seconds=30 seed=$RANDOM at_once=1 preset=release
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2 ;;
        --seed) seed=$2 ;;
        --at-once) at_once=$2 ;;
        --preset) preset=$2 ;;
        *) printf 'error: %s: no such option\n' "$1" >&2 && exit 2 ;;
    esac
    shift 2
done

install_missing "${build_packages[@]}" "${test_packages[@]}"
build "$preset" -DMILLRACE_TESTS=ON
bin=$PWD/build/$preset
dir=$(mktemp -d)
endpoint=tcp://127.0.0.1:$((20000 + 10 * (RANDOM % 1100)))
jobs=40 workers=() server=
RANDOM=$seed
say "serve under kills for $seconds s, seed $seed, $at_once at once"

clean() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null
    [ "${#workers[@]}" -eq 0 ] || kill -KILL "${workers[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap clean EXIT

start_server() {
    "$bin/coordinator/millrace" serve --state "$dir/S" --listen "$endpoint" --workers 0 --lease 2s --tmp "$dir" --at-once "$at_once" \
        --log-level info 2>>"$dir/log" &
    server=$!
}

start_worker() {
    "$bin/worker/millrace-worker" --connect "$endpoint" --threads 1 --tmp "$dir" 2>>"$dir/worker-log" &
    workers[$1]=$!
}

# Processes whose command line names a job's journal; the shell's own are none of them.
coordinators() {
    grep -l -a -s "$dir/S/jobs/[0-9]*/[j]ournal" /proc/[0-9]*/cmdline | tr -dc '0-9\n'
}

one_act() {
    local victim=$((RANDOM % 3)) pause=0.$((RANDOM % 10))
    case $((RANDOM % 8)) in
        0 | 1) kill -KILL "${workers[victim]}"; wait "${workers[victim]}"; start_worker "$victim" ;;
        2) kill -TERM "${workers[victim]}"; wait "${workers[victim]}"; start_worker "$victim" ;;
        3) kill -STOP "${workers[victim]}"; sleep "$pause"; kill -CONT "${workers[victim]}" ;;
        4 | 5) coordinators | xargs -r kill -KILL ;;
        6) kill -KILL "$server"; wait "$server"; start_server ;;
        7) kill -TERM "$server"; wait "$server"; start_server ;;
    esac 2>/dev/null
}

inputs() {
    local i
    for ((i = 0; i < 40; i++)); do cat tests/data/1gram-{a,b,c}.tsv; done
}

# All have been started, and none has a journal any more.
settled() {
    local folders=("$dir"/S/jobs/*)
    [ "${#folders[@]}" -eq "$jobs" ] && ! compgen -G "$dir/S/jobs/*/journal" >/dev/null
}

inputs >"$dir/text"
"$bin/coordinator/millrace" run ngrams "$dir/text" -q | sort >"$dir/want-0"
"$bin/coordinator/millrace" run sum-range 20000000 1000000 30000000 5 -q | sort >"$dir/want-1"
for ((i = 0; i < jobs; i += 2)); do
    "$bin/tests/enqueue" "$dir/S" 0 ngrams "$dir/text" --chunk 2K --flush 20ms --lease 1s
    "$bin/tests/enqueue" "$dir/S" 0 sum-range 20000000 1000000 30000000 5 --flush 20ms --lease 1s
done >/dev/null
start_server
for i in 0 1 2; do start_worker "$i"; done

end=$((SECONDS + seconds)) acts=0
while [ "$SECONDS" -lt "$end" ]; do
    sleep 0.$((RANDOM % 6 + 1))
    one_act || true
    acts=$((acts + 1))
done
end=$((SECONDS + 120))
until { settled && sleep 1 && settled; } || [ "$SECONDS" -ge "$end" ]; do sleep 0.1; done
kill -TERM "$server"
wait "$server" || true
server=

"$bin/tests/enqueue" "$dir/S" >"$dir/table"
passed=0 failed=0
for ((i = 1; i <= jobs; i++)); do
    if grep -q "^$i	done	" "$dir/table" && sort "$dir/S/jobs/$i/output" | cmp -s - "$dir/want-$(((i + 1) % 2))"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep "^$i	" "$dir/table"
    fi
done
say "$acts acts; coordinators of all jobs: $(awk '{ n += $3 } END { print n }' "$dir/table")"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
