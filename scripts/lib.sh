# shellcheck shell=bash disable=SC2034 # others use the lists
# lib.sh - what the scripts share. Source it; it changes into the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What a build needs, and what the tests need beyond that (Debian's names).
build_packages=(gcc g++ cmake ninja-build pkg-config libzmq3-dev libczmq-dev libmsgpack-dev libisal-dev libsqlite3-dev libjansson-dev
    libcurl4-openssl-dev)
test_packages=(libcmocka-dev zlib1g-dev bats parallel jq mawk gzip procps psmisc strace libfaketime util-linux python3 python3-msgpack python3-zmq openssl wamerican-huge xxd)
chaos_packages=(iproute2 nftables)
deploy_packages=(openssh-server openssh-client slurmctld slurmd slurm-client munge systemd iproute2 procps python3-yaml)
check_packages=(shellcheck clang clang-format clang-tidy cppcheck universal-ctags libclang-rt-14-dev)
fuzz_packages=(clang libclang-rt-14-dev)

say() {
    printf '== %s\n' "$*" >&2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        printf 'error: to install packages, run as root or install sudo: %s\n' "$*" >&2
        return 2
    fi
}

# install_missing PACKAGE... installs those that are not there; asks nothing and touches nothing if all are.
install_missing() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        printf 'error: apt-get is not here; install by hand: %s\n' "${missing[*]}" >&2
        return 2
    fi
    say "installing: ${missing[*]}"
    (
        flock 9 # scripts may run side by side, and apt-get does not wait
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
    ) 9>"${TMPDIR:-/tmp}/millrace-install-$(id -u).lock"
}

# build PRESET [CMAKE_OPTION...] [--target TARGET] configures and builds into build/PRESET; by way of ccache, if it is here.
build() {
    local preset=$1 options=() target=()
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" = --target ]; then
            target=("$1" "$2")
            shift
        else
            options+=("$1")
        fi
        shift
    done
    ! command -v ccache >/dev/null || options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    say "building $preset"
    cmake --preset "$preset" "${options[@]}" >/dev/null
    cmake --build --preset "$preset" "${target[@]}" >"build/$preset/build.log" 2>&1 || {
        grep -E 'error|warning|undefined' -A5 "build/$preset/build.log" >&2 || tail -30 "build/$preset/build.log" >&2
        return 1
    }
}
