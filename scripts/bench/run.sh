#!/bin/sh
# Runs the benchmarks: builds their tools, makes their data, runs Millrace against its peers.
#
# usage: run.sh [--data DIR] [--size SIZE] [--seed N] [options of compare.py]
#        run.sh --prepare [--data DIR] [--size SIZE] [--seed N]     tools and data only
# example: run.sh --suite ngrams-plain,ngrams-gz --rounds 7 --json figures.json --plot figures.svg
#
# Needs: cc, python3 with venv, gzip, mawk, parallel, a word list (package wamerican-huge); for wordcount
# apt-get and dpkg-deb. Everything made goes to build/bench, or --data, and is kept for the next time.
# `compare.py --help` tells the other options.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/bench
data=$build/data
size=500MB
seed=1
prepare_only=

# Our own options are taken out of "$@", the rest stays.
count=$#
while [ "$count" -gt 0 ]; do
    case $1 in
    --data | --size | --seed)
        [ "$count" -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
        case $1 in --data) data=$2 ;; --size) size=$2 ;; --seed) seed=$2 ;; esac
        shift 2
        count=$((count - 2))
        ;;
    --prepare)
        prepare_only=1
        shift
        count=$((count - 1))
        ;;
    *)
        argument=$1
        shift
        set -- "$@" "$argument"
        count=$((count - 1))
        ;;
    esac
done

need() {
    for tool; do
        command -v "$tool" >/dev/null || { echo "run.sh: needs $tool" >&2; exit 1; }
    done
}

prepare_python() {
    need python3
    if ! cmp -s "$here/requirements.txt" "$build/venv/requirements.txt"; then
        python3 -m venv "$build/venv"
        "$build/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$build/venv/requirements.txt"
    fi
}

# The kernel's text is for the suite wordcount, which is one of the default ones.
wants_kernel_text() {
    case "$*" in
    *--suite*wordcount* | *--suite*all*) return 0 ;;
    *--suite*) return 1 ;;
    esac
}

prepare_data() {
    need cc gzip mawk parallel
    "$here/build.sh" "$build"
    "$here/make_data.sh" "$build/gen1grams" "$data" "$size" "$seed"
    if wants_kernel_text "$@"; then
        "$here/fetch_kernel_text.sh" "$data"
    fi
}

# Wrong options shall show before anything is made.
check_options() {
    need python3
    python3 -B "$here/compare.py" --data "$data" "$@" --dry-run >/dev/null
}

case " $* " in
*" --help "* | *" -h "* | *" --dry-run "*) exec python3 -B "$here/compare.py" --data "$data" "$@" ;;
esac
check_options "$@"
prepare_python
case " $* " in
*" --from-json"*) ;;
*) prepare_data "$@" ;;
esac
[ -z "$prepare_only" ] || exit 0

exec "$build/venv/bin/python" -B "$here/compare.py" --data "$data" "$@"
