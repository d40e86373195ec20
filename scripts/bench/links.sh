#!/bin/bash
# How well inputs that no worker sees fill a network: a coordinator and workers, each in a network namespace of its own behind a link of
# 1 Gbit/s, and one job. Needs root, iproute2 and a kernel with tbf. The namespaces go when it ends.
#
# usage: links.sh [--workers N] [--threads N] [--rate RATE] [--open] [--build DIR] [--job JOB] FILE...
# example: scripts/bench/links.sh build/bench/data/1gram-[abc]
#
#   --workers N    3
#   --threads N    threads of each, 1
#   --rate RATE    of each link, as tc says it: 1gbit
#   --open         the coordinator's own link has no limit, so that all workers' links can be full
#   --job JOB      ngrams
#
# Prints the rate of the job and what share of the links that could be full it is. The links' rate counts headers too.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/release
workers=3 threads=1 rate=1gbit job=ngrams open=
while [[ ${1:-} == --* ]]; do
    case $1 in
    --workers) workers=$2 && shift ;;
    --threads) threads=$2 && shift ;;
    --rate) rate=$2 && shift ;;
    --build) build=$2 && shift ;;
    --job) job=$2 && shift ;;
    --open) open=1 ;;
    *) echo "links.sh: $1: no such option" >&2 && exit 2 ;;
    esac
    shift
done
[ $# -gt 0 ] || { echo 'links.sh: name the files to read' >&2 && exit 2; }
[ "$(id -u)" = 0 ] || { echo 'links.sh: needs root, for network namespaces' >&2 && exit 1; }

name=millrace-$$
scratch=$(mktemp -d)
started=()

clean_up() {
    local each
    for each in "${started[@]}"; do
        kill "$each" 2>/dev/null || true
        wait "$each" 2>/dev/null || true
    done
    for each in $(ip netns list | grep -o "^$name-[a-z0-9]*"); do
        ip netns delete "$each"
    done
    rm -rf "$scratch"
}
trap clean_up EXIT

limit() { # NAMESPACE INTERFACE
    ip netns exec "$1" tc qdisc add dev "$2" root tbf rate "$rate" burst 256kb latency 20ms
}

# host NUMBER: a namespace with the address 10.9.0.NUMBER, and a link to the switch, limited both ways unless it is `wide`.
host() {
    local to=$name-h$1
    ip netns add "$to"
    ip -n "$name-switch" link add "p$1" type veth peer name eth0 netns "$to"
    ip -n "$name-switch" link set "p$1" master bridge up
    ip -n "$to" address add "10.9.0.$1/24" dev eth0
    ip -n "$to" link set eth0 up
    ip -n "$to" link set lo up
    [ "${2:-}" = wide ] || { limit "$to" eth0 && limit "$name-switch" "p$1"; }
}

ip netns add "$name-switch"
ip -n "$name-switch" link add bridge type bridge
ip -n "$name-switch" link set bridge up
host 1 ${open:+wide}
for ((i = 2; i <= workers + 1; i++)); do
    host "$i"
done

mkdir "$scratch/nothing"
ip netns exec "$name-h1" "$build/coordinator/millrace" run "$job" "$@" --listen tcp://10.9.0.1:5555 --insecure --workers 0 \
    --threads $((workers * threads)) -o "$scratch/rows" 2>"$scratch/err" &
coordinator=$!
started+=($!)
until grep -q 'listening on' "$scratch/err"; do
    kill -0 "$coordinator" 2>/dev/null || { cat "$scratch/err" >&2 && exit 1; }
    sleep 0.01
done
for ((i = 2; i <= workers + 1; i++)); do
    ip netns exec "$name-h$i" "$build/worker/millrace-worker" --connect tcp://10.9.0.1:5555 --once --threads "$threads" \
        --root "$scratch/nothing" --tmp "$scratch" 2>>"$scratch/worker" &
    started+=($!)
done
wait "$coordinator" || { cat "$scratch/err" "$scratch/worker" >&2 && exit 1; }
cat "$scratch/err" "$scratch/worker" >&2
count=${open:+$workers}
python3 - "$rate" "${count:-1}" "$(grep -o '[0-9.]* s, [0-9.]* [GM]B/s' "$scratch/err")" "$@" <<'END'
import os, re, sys

limit, links, summary, files = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
number, unit = re.fullmatch(r"([0-9.]+)(mbit|gbit)", limit).groups()
link = float(number) * {"mbit": 1e6, "gbit": 1e9}[unit] / 8
size = sum(os.path.getsize(file) for file in files)
seconds = float(summary.split()[0])
print(f"{size / 1e6:.0f} MB in {seconds:.2f} s: {size / seconds / 1e6:.1f} MB/s, "
      f"{100 * size / seconds / (links * link):.1f} % of {links} x {link / 1e6:.0f} MB/s")
END
