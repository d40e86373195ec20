# Checks 1-gram data: fields, years ascending, every word in one place of one file, and prints its figures.
#
# usage: LC_ALL=C mawk -f check_1grams.awk FILE...     (it remembers each word: about 100 bytes a word)
# Exit status 1 and the first bad line if something is wrong.

BEGIN { FS = "\t" }

function bad(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0 > "/dev/stderr"
    failed = 1
    exit 1
}

FNR == 1 { word = "" }
NF != 4 { bad("not four fields") }
$1 == "" { bad("no word") }
$2 !~ /^[0-9][0-9][0-9][0-9]$/ { bad("not a year") }
$3 !~ /^[1-9][0-9]*$/ || $4 !~ /^[1-9][0-9]*$/ { bad("not a count") }
$4 + 0 > $3 + 0 { bad("more volumes than matches") }

$1 != word {
    if ($1 in seen) bad("a word in two places")
    if (FNR > 1 && $1 < word) descents++
    seen[$1] = 1
    word = $1
    year = 0
    words++
    tagged += $1 ~ /_[A-Z.]+$/
    quoted += $1 ~ /"/
    utf8 += $1 ~ /[\200-\377]/
}

{
    if ($2 <= year) bad("years do not ascend")
    year = $2
    bytes += length($0) + 1
}

END {
    if (failed || NR == 0) exit failed
    printf "%.0f bytes, %d lines, %d words; %.1f lines a word, %.1f bytes a line; ", bytes, NR, words, NR / words, bytes / NR
    printf "%d tagged, %d with quotes, %d with UTF-8; %d ends of sorted shards\n", tagged, quoted, utf8, descents
}
