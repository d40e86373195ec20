#!/usr/bin/env bash
# chaos.sh [--budget SECONDS] [--seed N | --seeds A-B] [--only kill|stop|reset|net|coordinator] [--preset PRESET] builds, and plays seeded
# scenes with the real binaries for so many seconds (60): workers and coordinators that are killed or stopped, connections that are reset,
# networks that are cut, lose packets or are slow. What fails is told with the command that repeats it; the last line counts.
# The networks are namespaces of the test's own: it needs root for them, and nothing of them is left.
. "$(dirname "$0")/lib.sh"

preset=release
arguments=()
while [ $# -gt 0 ]; do
    if [ "$1" = --preset ]; then
        preset=$2
        shift 2
    else
        arguments+=("$1")
        shift
    fi
done

install_missing "${build_packages[@]}" "${test_packages[@]}" "${chaos_packages[@]}"
build "$preset" -DMILLRACE_TESTS=ON -DMILLRACE_WERROR=ON
. scripts/sanitizers.sh
say "chaos ($preset)"
exec "build/$preset/tests/chaos" --build "build/$preset" "${arguments[@]}"
