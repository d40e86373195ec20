#!/usr/bin/env bash
# keys.sh [ROUNDS] [INPUT...]: what keys cost. A coordinator and two workers on this machine, joined over tcp, run `ngrams` over the inputs with and without
# keys in turn. Prints for each round seconds and processor seconds (of all three processes) of both, then the medians and their ratios.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-7}
shift || true
[ $# -gt 0 ] || set -- build/bench/data/*
build=${MILLRACE_BUILD:-build/release}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$build/coordinator/millrace" keygen "$dir/keys" >"$dir/made"
port=27500

# run_once WITH INPUT... prints seconds and processor seconds.
run_once() {
    local with=$1 coordinator=() worker=()
    shift
    [ "$with" = no ] || { coordinator=(--keys "$dir/keys/coordinator"); worker=(--keys "$dir/keys/worker"); }
    port=$((port + 4))
    local TIMEFORMAT='%R %U %S'
    {
        time {
            local pids=()
            for _ in 1 2; do
                "$build/worker/millrace-worker" --connect "tcp://127.0.0.1:$port" --once --threads 1 "${worker[@]}" 2>>"$dir/errors" &
                pids+=($!)
            done
            "$build/coordinator/millrace" run ngrams "$@" --listen "tcp://127.0.0.1:$port" --workers 0 -q \
                "${coordinator[@]}" --output "$dir/rows" --overwrite 2>>"$dir/errors"
            wait "${pids[@]}"
        }
    } 2>"$dir/time"
    awk '{ print $1, $2 + $3 }' "$dir/time"
}

for ((round = 1; round <= rounds; round++)); do
    echo "$round $(run_once no "$@") $(run_once yes "$@")"
done | tee "$dir/rounds"

median() {
    sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
wall0=$(awk '{ print $2 }' "$dir/rounds" | median) cpu0=$(awk '{ print $3 }' "$dir/rounds" | median)
wall1=$(awk '{ print $4 }' "$dir/rounds" | median) cpu1=$(awk '{ print $5 }' "$dir/rounds" | median)
awk -v a="$wall0" -v b="$wall1" -v c="$cpu0" -v d="$cpu1" \
    'BEGIN { printf "medians: %.3f s without keys, %.3f s with, ratio %.3f; processor %.3f s, %.3f s, ratio %.3f\n", a, b, b / a, c, d, d / c }'
