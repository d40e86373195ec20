#!/bin/sh
# The comparison program in mawk under GNU parallel.
#
# usage: peer_mawk.sh ngrams|wordcount OUTPUT JOBS FILE...     (files all plain, or for ngrams all .gz)
#
# ngrams:    word TAB year TAB match_count TAB ... -> word TAB sum of match_count
# wordcount: a word is a run of ASCII letters, digits, _ and bytes >= 0x80 -> word TAB how often
# Both sorted by the words' bytes. Totals are exact up to 2^53, mawk's numbers being doubles.
set -eu
export LC_ALL=C

[ $# -ge 4 ] || { sed -n '4p' "$0" >&2; exit 2; }
mode=$1
output=$2
jobs=$3
shift 3

# A run of equal words is folded before it is printed: on grouped data 10 % faster than an array, and
# right on any data, since the last mawk adds up what remains.
fold_ngrams='
    BEGIN { FS = "\t" }
    $1 == word { sum += $3; next }
    { if (NR > 1) printf "%s\t%.0f\n", word, sum; word = $1; sum = $3 + 0 }
    END { if (NR) printf "%s\t%.0f\n", word, sum }'

# Of the ways to cut words (RS or FS as an expression, gsub, tr before it) tr is the fastest by far.
fold_words='
    { count[$0]++ }
    END { delete count[""]; for (word in count) printf "%s\t%.0f\n", word, count[word] }'
word_bytes='A-Za-z0-9_\200-\377'

add_up='
    BEGIN { FS = "\t" }
    { sum[$1] += $2 }
    END { for (word in sum) printf "%s\t%.0f\n", word, sum[word] }'

# in_blocks COMMAND...: runs COMMAND on blocks of whole lines of the files.
in_blocks() {
    parallel --will-cite -q -j "$jobs" --pipepart --block 64M $inputs "$@"
}

# parallel wants "-a FILE" for each file; its options are split at blanks here.
inputs=
for file; do
    case $file in
    *[[:space:]]*) echo "peer_mawk.sh: no blanks in file names, please: $file" >&2; exit 2 ;;
    esac
    inputs="$inputs -a $file"
done

map() {
    case $mode:$1 in
    ngrams:*.gz) parallel --will-cite -q -j "$jobs" sh -c 'zcat "$1" | mawk "$2"' sh {} "$fold_ngrams" ::: "$@" ;;
    ngrams:*) in_blocks mawk "$fold_ngrams" ;;
    wordcount:*) in_blocks sh -c 'tr -cs "$1" "\n" | mawk "$2"' sh "$word_bytes" "$fold_words" ;;
    *) echo "peer_mawk.sh: ngrams or wordcount, not $mode" >&2; exit 2 ;;
    esac
}

# A tab sorts before every byte of a word, so sorting whole lines sorts by word.
map "$@" | mawk "$add_up" | sort >"$output"
