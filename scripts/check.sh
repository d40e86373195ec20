#!/usr/bin/env bash
# check.sh runs the checks that run no program: formatting, clang-tidy, cppcheck, sizes of functions and files. Each prints
# what it finds; the last line counts.
. "$(dirname "$0")/lib.sh"

install_missing "${build_packages[@]}" "${test_packages[@]}" "${check_packages[@]}"
cmake --preset debug -DMILLRACE_TESTS=ON >/dev/null # without LTO, whose flags clang does not know
mapfile -t sources < <(git ls-files -- '*.c')
mapfile -t headers < <(git ls-files -- '*.h')
mapfile -t product < <(git ls-files -- 'common/*.c' 'coordinator/*.c' 'worker/*.c')
mapfile -t scripts < <(git ls-files -- 'scripts/*.sh' 'scripts/container/*' '.ci/run')
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

# Minutes of work, so it is not done again for a file of which nothing has changed: neither it, nor a header, nor what is asked of it.
tidy_one() {
    local sum
    sum=$({ clang-tidy --version && cat .clang-tidy build/debug/flags && clang -E -C -D_GNU_SOURCE -Icommon -Icommon/include -Icoordinator -Iworker "$1"; } 2>&1 | sha256sum)
    [ "$(cat "build/tidy/${1//\//_}" 2>/dev/null)" != "$sum" ] || return 0
    clang-tidy -p build/debug --quiet --warnings-as-errors='*' "$1" 2>/dev/null || return 1
    printf '%s\n' "$sum" >"build/tidy/${1//\//_}"
}
export -f tidy_one

tidy() {
    mkdir -p build/tidy
    sed -n 's/.*"command": "[^ ]* \(.*\) -o .*/\1/p' build/debug/compile_commands.json | sort -u >build/debug/flags
    printf '%s\n' "${product[@]}" | xargs -P "$(nproc)" -I{} bash -c 'tidy_one {}'
}

run_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -j "$(nproc)" \
        --suppress=missingIncludeSystem -Icommon -Icommon/include -Icoordinator -Iworker \
        -D_GNU_SOURCE -D__x86_64__ "-DMILLRACE_VERSION=\"x\"" "${product[@]}"
}

# No absolute path of a machine, no stray binary.
clean_tree() {
    ! git grep -nIE '/(home|root|work)/[a-z]' -- . ':!scripts/check.sh' &&
        ! git ls-files | grep -E '\.(o|a|so|pyc)$'
}

shell_scripts() {
    local script
    for script in "${scripts[@]}"; do bash -n "$script" || return 1; done
    shellcheck -S warning -x -P SCRIPTDIR "${scripts[@]}"
}

check "clang-format" format
check "sizes of functions and files" scripts/check-sizes.sh
check "shell scripts" shell_scripts
check "clean tree" clean_tree
check "cppcheck" run_cppcheck
check "clang-tidy" tidy

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
