#!/usr/bin/env bash
# check.sh runs the checks that run no program: formatting, clang-tidy, cppcheck, gcc's analyzer, sizes of functions and files. Each prints
# what it finds; the last line counts.
. "$(dirname "$0")/lib.sh"

install_missing "${build_packages[@]}" "${test_packages[@]}" "${check_packages[@]}"
cmake --preset debug -DMILLRACE_TESTS=ON >/dev/null # without LTO, whose flags clang does not know
mapfile -t sources < <(git ls-files -- '*.c')
mapfile -t headers < <(git ls-files -- '*.h')
mapfile -t product < <(git ls-files -- 'common/*.c' 'coordinator/*.c' 'worker/*.c')
mapfile -t scripts < <(git ls-files -- 'scripts/*.sh' '.ci/run')
passed=0 failed=0

check() {
    local name=$1
    shift
    say "$name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && printf 'FAILED: %s\n' "$name"; fi
}

format() {
    clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
}

tidy() {
    printf '%s\n' "${product[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p build/debug --quiet --warnings-as-errors='*' 2>/dev/null
}

run_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -j "$(nproc)" \
        --suppress=missingIncludeSystem -Icommon -Icommon/include -Icoordinator -Iworker \
        -D_GNU_SOURCE -D__x86_64__ "-DMILLRACE_VERSION=\"x\"" "${product[@]}"
}

# No absolute path of a machine, no stray binary.
clean_tree() {
    ! git grep -nIE '/(home|root|work)/[a-z]' -- . ':!scripts/check.sh' &&
        [ -z "$(git ls-files | grep -E '\.(o|a|so|pyc)$')" ]
}

shell_syntax() {
    local script
    for script in "${scripts[@]}"; do bash -n "$script" || return 1; done
}

check "clang-format" format
check "sizes of functions and files" scripts/check-sizes.sh
check "shell syntax" shell_syntax
check "clean tree" clean_tree
check "cppcheck" run_cppcheck
check "clang-tidy" tidy

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
