#!/bin/sh
# Tests the benchmarks' own tools on small data: the generator's promises, and that all peers agree.
#
# usage: test.sh [PYTHON]     (a python3 that has duckdb; without it DuckDB is left out)
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "test.sh: FAILED: $*" >&2
    exit 1
}

same() {
    cmp "$1" "$2" || fail "$3"
}

generate() {
    "$work/gen1grams" "$@" 2>/dev/null || fail "gen1grams $*"
}

"$here/build.sh" "$work"

# Any size, both orders: well formed, grouped, ascending.
for size in 1 1KB 64K 3MB; do
    for order in shards random; do
        generate --size $size --order $order --out "$work/out"
        [ "$(wc -c <"$work/out")" -le "$(numfmt --from=auto "$(echo $size | sed 's/KB/000/; s/MB/000000/; s/K$/Ki/')")" ] ||
            fail "size $size exceeded"
        mawk -f "$here/check_1grams.awk" "$work/out" >"$work/figures" || fail "size $size, order $order"
    done
done

# The seed decides.
generate --size 100K --seed 7 --out "$work/one"
generate --size 100K --seed 7 --out "$work/two"
generate --size 100K --seed 8 --out "$work/three"
same "$work/one" "$work/two" "the same seed gives other bytes"
! cmp -s "$work/one" "$work/three" || fail "another seed gives the same bytes"

# All peers agree, with a plain mawk and sort as the judge.
generate --size 3MB --prefix "$work/g-"
gzip -k "$work"/g-?
mawk -F '\t' '{ s[$1] += $3 } END { for (w in s) printf "%s\t%.0f\n", w, s[w] }' "$work"/g-? | sort >"$work/expected"
for suffix in "" .gz; do
    files="$work/g-a$suffix $work/g-b$suffix $work/g-c$suffix"
    "$here/peer_mawk.sh" ngrams "$work/mawk" 2 $files
    same "$work/expected" "$work/mawk" "peer_mawk.sh ngrams $suffix"
    "$python" "$here/peer_python.py" "$work/python" 2 $files 2>"$work/progress"
    same "$work/expected" "$work/python" "peer_python.py $suffix"
    if "$python" -c 'import duckdb' 2>/dev/null; then
        "$python" "$here/peer_duckdb.py" "$work/duckdb" 2 $files
        same "$work/expected" "$work/duckdb" "peer_duckdb.py $suffix"
    else
        echo "test.sh: no duckdb in $python: not tested" >&2
    fi
done

# Words: letters, digits, _ and bytes from 0x80 on; nothing else, and none empty.
printf 'a_1 a-1 (caf\303\251)\n\n  \302\240x ;; a\nlast line without end a' >"$work/text"
printf '1\t1\na\t3\na_1\t1\ncaf\303\251\t1\nend\t1\nlast\t1\nline\t1\nwithout\t1\n\302\240x\t1\n' >"$work/expected"
"$here/peer_mawk.sh" wordcount "$work/words" 2 "$work/text"
same "$work/expected" "$work/words" "peer_mawk.sh wordcount"

"$python" -B "$here/compare.py" --suite all --dry-run >"$work/commands" || fail "compare.py --dry-run"
[ "$(grep -c '^#' "$work/commands")" -eq 9 ] || fail "compare.py --dry-run does not show all suites"
echo "test.sh: ok"
