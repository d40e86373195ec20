#!/usr/bin/env bash
# check-sizes.sh: the product's functions have a median of at most 12 lines, a 90th percentile of at most 35 and none over 60; its
# files have at most 400 lines.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files -- 'common/*.[ch]' 'coordinator/*.[ch]' 'worker/*.[ch]')
status=0

long_files=$(wc -l "${files[@]}" | awk '$2 != "total" && $1 > 400 { print "  " $2 ": " $1 " lines" }')
if [ -n "$long_files" ]; then
    printf 'files over 400 lines:\n%s\n' "$long_files"
    status=1
fi

ctags -x --c-kinds=f --_xformat='%{end} %n %N %F' "${files[@]}" |
    awk '{ print $1 - $2 + 1, $4 ":" $2, $3 }' | sort -n | awk '
    { size[NR] = $1; if ($1 > 60) { print "  " $2 " " $3 ": " $1 " lines"; long++ } }
    END {
        median = size[int((NR + 1) / 2)]; p90 = size[int(NR * 0.9 + 0.999)]
        printf "%d functions, median %d lines, p90 %d, longest %d\n", NR, median, p90, size[NR]
        exit long > 0 || median > 12 || p90 > 35
    }' || status=1
exit "$status"
