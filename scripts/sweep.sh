#!/usr/bin/env bash
# sweep.sh [--full] runs the sweeps of tests/e2e/sweep.bats on a release build: short, as the tests do, or with every N.
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = --full ]; then
    export SWEEP=full
fi
install_missing "${build_packages[@]}" "${test_packages[@]}"
build release -DMILLRACE_TESTS=ON
MILLRACE_BUILD=$PWD/build/release bats --timing tests/e2e/sweep.bats
