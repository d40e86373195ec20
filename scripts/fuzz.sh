#!/usr/bin/env bash
# fuzz.sh [--seconds N] [TARGET...] builds the fuzz targets (tests/fuzz, libFuzzer with ASan and UBSan) and runs each, or those named, for N
# seconds (default 30), as many at a time as there are processors. Each begins with the inputs kept in tests/fuzz/corpus/TARGET; what
# it finds besides stays in build/fuzz/corpus. An input that breaks a promise is kept, and the command that repeats it is printed.
. "$(dirname "$0")/lib.sh"

seconds=30
if [ "${1:-}" = --seconds ]; then
    seconds=$2
    shift 2
fi

install_missing "${build_packages[@]}" "${test_packages[@]}" "${fuzz_packages[@]}"
build fuzz -DMILLRACE_TESTS=ON
. scripts/sanitizers.sh
export ASAN_OPTIONS=$ASAN_OPTIONS:allocator_may_return_null=1:detect_stack_use_after_return=0
export ROOT=$PWD SECONDS_EACH=$seconds
mkdir -p build/fuzz/found build/fuzz/corpus

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(printf '%s\n' tests/fuzz/target_*.c | sed -E 's/.*target_(.*)\.c/\1/')

# Unbounded time or memory on a small input is a finding too.
fuzz_one() {
    local name=$1 log=$ROOT/build/fuzz/found/$1.log
    local program=$ROOT/build/fuzz/tests/fuzz/fuzz_$name input
    mkdir -p "build/fuzz/corpus/$name"
    if "$program" -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=512 -print_final_stats=1 \
        -artifact_prefix="$ROOT/build/fuzz/found/$name-" "$ROOT/build/fuzz/corpus/$name" "$ROOT/tests/fuzz/corpus/$name" >"$log" 2>&1; then
        printf 'ok %s: %s executions a second\n' "$name" "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")"
    else
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
        printf 'FAILED %s: %s\n' "$name" "$(grep -m1 -E 'does not hold|ERROR: |runtime error' "$log")"
        printf 'repeat it: build/fuzz/tests/fuzz/fuzz_%s %s\n' "$name" "${input#"$ROOT/"}"
    fi
}
export -f fuzz_one

say "fuzzing for $seconds s each: ${targets[*]}"
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one {}' | tee build/fuzz/found/results

passed=$(grep -c '^ok ' build/fuzz/found/results || true)
printf '%d passed, %d failed\n' "$passed" "$((${#targets[@]} - passed))"
[ "$passed" -eq "${#targets[@]}" ]
