#!/bin/sh
# Makes the benchmarks' 1-gram files: DIR/1gram-a, -b, -c of SIZE each, and their .gz.
#
# usage: make_data.sh GEN1GRAMS DIR SIZE SEED
#
# Does nothing if DIR holds the files of this size and seed already.
set -eu

[ $# -eq 4 ] || { echo "usage: make_data.sh GEN1GRAMS DIR SIZE SEED" >&2; exit 2; }
generator=$1
dir=$2
size=$3
seed=$4
# A generator that makes other bytes than the one that made DIR's files shows in a sample.
sample=$("$generator" --size 1MB --seed "$seed" --letters a --out /dev/stdout 2>/dev/null | cksum)
wanted="size $size seed $seed sample $sample"

if [ "$(cat "$dir/1gram.made" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
mkdir -p "$dir"
rm -f "$dir/1gram.made"
"$generator" --size "$size" --seed "$seed" --prefix "$dir/1gram-"
for letter in a b c; do
    # Plain gzip, as the real files: one member, no marks that help a parallel reader.
    gzip -6 -n -f -k "$dir/1gram-$letter" &
    pids="${pids:-} $!"
done
for pid in $pids; do
    wait "$pid"
done
echo "$wanted" >"$dir/1gram.made"
