#!/usr/bin/env bash
# test.sh [PRESET] installs what the tests need, builds PRESET (release, debug, asan or tsan; default release) with warnings
# as errors, and runs the tests: unit and simulation (cmocka), then the real binaries end to end (bats). With tsan only those in which threads
# meet: the unit tests that tests/CMakeLists.txt lists as THREADED, and what is tagged `threads` in tests/e2e.
. "$(dirname "$0")/lib.sh"

preset=${1:-release}
log=build/$preset/tests.log

unit_tests=() end_to_end=() targets=()
if [ "$preset" = tsan ]; then
    unit_tests=(-L threads)
    end_to_end=(--filter-tags threads)
    targets=(--target threaded)
fi

install_missing "${build_packages[@]}" "${test_packages[@]}"
build "$preset" -DMILLRACE_TESTS=ON -DMILLRACE_WERROR=ON "${targets[@]}"
. scripts/sanitizers.sh

say "unit tests and simulation ($preset)"
unit=0
ctest --test-dir "build/$preset" "${unit_tests[@]}" -V -j "$(nproc)" >"$log" 2>&1 || unit=$?
passed=$(grep -c '\[       OK \]' "$log" || true)
failed=$(grep -cE '\[  FAILED  \] [a-z]' "$log" || true)
if [ "$unit" -ne 0 ]; then
    grep -vE '\[ RUN|\[       OK|Test command|Working Directory' "$log" | tail -60 >&2
    [ "$failed" -gt 0 ] || failed=1
fi

say "end to end ($preset)"
# Files side by side: most tests wait more than they compute.
at_once=()
[ "$(nproc)" -lt 2 ] || at_once=(--jobs $(($(nproc) + 1)) --no-parallelize-within-files)
MILLRACE_BUILD=$PWD/build/$preset bats "${at_once[@]}" "${end_to_end[@]}" --tap tests/e2e >"$log.tap" 2>"$log.err" || true
passed=$((passed + $(grep -c '^ok ' "$log.tap" || true)))
e2e_failed=$(grep -c '^not ok ' "$log.tap" || true)
grep -E -A12 '^not ok ' "$log.tap" >&2 || true
if ! grep -qE '^1\.\.[0-9]+$' "$log.tap"; then
    cat "$log.err" >&2
    e2e_failed=1
fi
failed=$((failed + e2e_failed))

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
