#!/bin/sh
# Builds the benchmarks' own tools into build/bench/ of the project (or the given folder).
#
# usage: build.sh [DIR]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../build/bench}
mkdir -p "$out"

# No fused multiply-add: the same seed must give the same bytes on every processor.
"${CC:-cc}" -std=c11 -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L -O2 -ffp-contract=off \
    -Wall -Wextra -Werror -o "$out/gen1grams" "$here"/gen1grams/*.c
