#!/usr/bin/env bats
# What each job computes, and the forms its rows can have.
load helpers

# ---- ngrams and sum ----

@test "ngrams adds up the third of exactly four columns, over all years and files" {
    total 1 3 "${SHARDS[@]}" >wanted
    ok run ngrams "${SHARDS[@]}"
    expect_same wanted out
    expect_summary '3 files, 307 kB, 13647 records = 13647 reduced + 0 rejected, 227 rows'
    ok run sum --key 1 --value 3 --columns 4 --delimiter tab "${SHARDS[@]}"
    expect_same wanted out
}

@test "quotes, apostrophes, tags and UTF-8 in words are only bytes" {
    printf '"a\t1\t1\t1\nit'"'"'s_NOUN\t1\t2\t1\nna\xc3\xafve\t1\t4\t1\n"a\t2\t8\t1\n""\t1\t16\t1\n\\N\t1\t32\t1\n' >in
    ok run ngrams in
    printf '"a\t9\n""\t16\n\\N\t32\nit'"'"'s_NOUN\t2\nna\xc3\xafve\t4\n' | sort >wanted
    expect_same wanted out
}

@test "words whose lines are not together, and the same words in many files" {
    paste -d '\n' "${SHARDS[@]}" | grep . >mixed
    total 1 3 mixed "${SHARDS[@]}" >wanted
    ok run ngrams mixed "${SHARDS[@]}" --chunk 10K
    expect_same wanted out
}

@test "sum: key, value, delimiter and number of columns are free" {
    printf 'x,1,a\ny,2,b,more\nx,3,a\n' >in
    ok run sum --delimiter comma --key 3 --value 2 in
    expect_rows $'a\t4' $'b\t2'
    refused 3 'in:6: bad record: too many columns *' run sum --delimiter , --key 3 --value 2 --columns 3 in
    printf '1 x\n2 y\n3 x\n' >in
    ok run sum --delimiter space --key 2 --value 1 in
    expect_rows $'x\t4' $'y\t2'
    printf '1;1\n7;7\n' >in
    ok run sum --delimiter semicolon --key 1 --value 1 in
    expect_rows $'1\t1' $'7\t7'
    printf 'a|1\n' >in
    ok run sum --delimiter '|' in
    expect_rows $'a\t1'
    refused_early 2 'sum: --columns 2: there would be no column 3' run sum --value 3 --columns 2 in
    refused_early 2 "sum: --delimiter 'ab': must be *" run sum --delimiter ab in
    refused_early 2 'sum: --key 0: must be a whole number from 1 to 1000000' run sum --key 0 in
}

@test "sum --signed: negative values and totals" {
    printf 'a\t-5\nb\t7\na\t3\nb\t-7\nc\t-18446744073709551615\nd\t18446744073709551615\nd\t-1\n' >in
    ok run sum --signed in
    expect_rows $'a\t-2' $'b\t0' $'c\t-18446744073709551615' $'d\t18446744073709551614'
    ok run sum --signed in --chunk 1 --workers 3
    expect_rows $'a\t-2' $'b\t0' $'c\t-18446744073709551615' $'d\t18446744073709551614'
}

@test "sums past 2^53 are exact" {
    printf 'a\t9007199254740993\na\t1\nb\t18446744073709551614\nb\t1\n' >in
    ok run sum in
    expect_rows $'a\t9007199254740994' $'b\t18446744073709551615'
}

# ---- count and wordcount ----

@test "count: lines, or one column" {
    cat "${SHARDS[@]}" | cut -f 2 >years
    count_lines years >wanted
    ok run count years
    expect_same wanted out
    ok run count --key 2 "${SHARDS[@]}"
    expect_same wanted out
    printf '\na b\n\n' >in
    ok run count in
    expect_rows $'\t2' $'a b\t1'
    refused 3 'in:0: bad record: too few columns *' run count --key 2 in
    ok run count --key 1 --delimiter ' ' in
    expect_rows $'\t2' $'a\t1'
}

@test "wordcount: what a word is" {
    printf "don't x_1, na\xc3\xafve na\xc3\xafve! \xe2\x80\x9cx_1\xe2\x80\x9d\xc2\xa0end\xe2\x80\x94End 3.14\n\n--\n" >in
    ok run wordcount in
    printf '14\t1\n3\t1\nEnd\t1\ndon\t1\nend\t1\nna\xc3\xafve\t2\nt\t1\nx_1\t2\n' >wanted
    expect_same wanted out
    ok run wordcount --lower in
    printf '14\t1\n3\t1\ndon\t1\nend\t2\nna\xc3\xafve\t2\nt\t1\nx_1\t2\n' >wanted
    expect_same wanted out
    expect_summary '3 records = 3 reduced'
}

@test "wordcount --lower maps letters past ASCII" {
    printf '\xc3\x89T\xc3\x89 \xc3\xa9t\xc3\xa9 \xce\xa9 \xd0\x96\n' >in
    ok run wordcount --lower in
    printf '\xc3\xa9t\xc3\xa9\t2\n\xcf\x89\t1\n\xd0\xb6\t1\n' >wanted
    expect_same wanted out
}

@test "wordcount of a text, against tr, sort and uniq" {
    cat "$root"/scripts/*.sh "$root"/tests/e2e/*.bats >text
    count_words text >wanted
    ok run wordcount text --chunk 1000 --workers 2
    expect_same wanted out
    tr A-Z a-z <text >lower
    count_words lower >wanted
    ok run wordcount --lower text
    expect_same wanted out
}

# ---- sum-range ----

@test "sum-range adds 0..N; an N given twice gives two rows" {
    ok run sum-range 0 1 10 20000000 10
    sort -n out >sorted
    printf '0\t0\n1\t1\n10\t55\n10\t55\n20000000\t200000010000000\n' >wanted
    expect_same wanted sorted
    ok run sum-range 0 1 10 20000000 10 --order input --workers 3
    expect_rows $'0\t0' $'1\t1' $'10\t55' $'20000000\t200000010000000' $'10\t55'
}

@test "sum-range: a small N asked for after a large one comes first, unless --order input" {
    ok run sum-range 2000000000 50000000
    expect_rows $'50000000\t1250000025000000' $'2000000000\t2000000001000000000'
    ok run sum-range 2000000000 50000000 --order input
    expect_rows $'2000000000\t2000000001000000000' $'50000000\t1250000025000000'
}

@test "sum-range: a row is there as soon as it is ready, in a pipe too" {
    local line
    mkfifo pipe
    env --default-signal=INT "$MILLRACE" run sum-range 6074000999 6074000999 6074000999 7 >pipe 2>err 3>&- &
    pid=$!
    exec 7<pipe
    read -r -t "$PATIENCE" line <&7
    [ "$line" = $'7\t28' ]
    ! ended "$pid" || fail 'the first row came when all was over'
    kill -INT "$pid"
    ! read -r line <&7 || fail "a row more: $line"
    finish
    expect_status 130
}

@test "sum-range refuses what is no N, before any task runs" {
    refused_early 2 'sum-range: give at least one N, *' run sum-range
    refused_early 2 'sum-range 1x: must be a whole number from 0 to 6074000999' run sum-range 5 1x
    refused_early 2 'sum-range 6074001000: the sum would pass 2^64-1; the largest N is 6074000999' run sum-range 6074001000
    refused_early 2 'sum-range -1: must be *' run sum-range -- -1
    refused_early 2 '--top: means nothing for sum-range, *' run sum-range 5 --top 1
}

@test "sum-range to a file, in all formats" {
    ok run sum-range 4 3 --order input -o rows --format csv
    printf 'key,sum\n4,10\n3,6\n' >wanted
    expect_same wanted rows
    ok run sum-range 4 3 --order input --format json
    expect_rows '{"key":"4","sum":10}' '{"key":"3","sum":6}'
}

# ---- noop ----

@test "noop counts its tasks" {
    ok run noop --tasks 20000 --workers 2
    expect_rows $'tasks\t20000'
    expect_summary ' 20000 tasks, 0 retries'
    ok run noop --tasks 0
    expect_rows
    refused_early 2 'noop x: takes no arguments, only --tasks N' run noop x
}

# ---- which rows, in which order ----

@test "--top: the largest, equal ones by key" {
    printf 'b\t2\na\t2\nc\t9\nd\t1\ne\t2\n' >in
    ok run sum in --top 3
    expect_rows $'c\t9' $'a\t2' $'b\t2'
    ok run sum in --top 1
    expect_rows $'c\t9'
    ok run sum in --top 100
    expect_rows $'c\t9' $'a\t2' $'b\t2' $'e\t2' $'d\t1'
    ok run sum in --top 0
    expect_rows $'a\t2' $'b\t2' $'c\t9' $'d\t1' $'e\t2'
    expect_summary ' 5 rows;'
}

@test "--sort: by key, by value, and --sort none has all rows" {
    total 1 3 "${SHARDS[@]}" >wanted
    ok run ngrams "${SHARDS[@]}" --sort key
    expect_same wanted out
    sort -t $'\t' -k 2,2nr -k 1,1 wanted >by_value
    ok run ngrams "${SHARDS[@]}" --sort value
    expect_same by_value out
    ok run ngrams "${SHARDS[@]}" --sort none
    sort -t $'\t' -k 1,1 out >sorted
    expect_same wanted sorted
}

@test "--only: one key, exactly" {
    local word
    word=$(tail -n 1 "${SHARDS[1]}" | cut -f 1)
    total 1 3 "${SHARDS[@]}" | grep "^$word"$'\t' >wanted
    ok run ngrams "${SHARDS[@]}" --only "$word" --chunk 1K
    expect_same wanted out
    expect_summary ' 13647 reduced + 0 rejected, 1 rows'
    ok run ngrams "${SHARDS[@]}" --only "${word:0:-1}"
    expect_rows
    printf 'a\t1\n\t2\n' >in
    ok run sum in --only ''
    expect_rows $'\t2'
    # What is not asked for is checked all the same.
    printf 'a\t1\nb\tx\n' >in
    refused 3 'in:4: bad record: *' run sum in --only a
}

# ---- formats ----

odd_keys() {
    printf 'tab\there\na,b\n"q"\n\nback\\slash\nna\xc3\xafve\n\xff\xfe\x01\ncr\rhere\n new\\n\n' >"$1"
}

@test "tsv: a TAB in a key is escaped, everything else is as it was" {
    odd_keys in2 && { echo && cat in2; } >in
    ok run count in
    printf '\t2\n new\\n\t1\n"q"\t1\na,b\t1\nback\\slash\t1\ncr\rhere\t1\nna\xc3\xafve\t1\ntab\\there\t1\n\xff\xfe\x01\t1\n' >wanted
    expect_same wanted out
}

@test "csv: quoted where it must be, and read back by Python's module" {
    odd_keys in
    ok run count in --format csv
    printf 'key,count\n"",1\n new\\n,1\n"""q""",1\n"a,b",1\nback\\slash,1\n"cr\rhere",1\nna\xc3\xafve,1\ntab\there,1\n\xff\xfe\x01,1\n' >wanted
    expect_same wanted out
    : >empty
    ok run count empty --format csv
    expect_rows key,count
    command -v python3 >/dev/null || skip 'no python3 to read it back'
    ok run count in --format csv
    python3 - <<'P'
import csv
rows = list(csv.reader(open("out", encoding="latin-1", newline=""), strict=True))
keys = sorted(open("in", encoding="latin-1", newline="").read().split("\n")[:-1])
assert rows[0] == ["key", "count"], rows[0]
assert [row[0] for row in rows[1:]] == keys, rows
P
}

@test "json: an object a line, read back by jq" {
    odd_keys in
    ok run count in --format json
    [ "$(jq -s length out)" -eq 9 ]
    [ "$(jq -r 'select(.key == "tab\there") | .count' out)" -eq 1 ]
    [ "$(jq -r 'select(.key == "") | .count' out)" -eq 1 ]
    [ "$(jq -r 'select(.key == "cr\rhere") | .count' out)" -eq 1 ]
    [ "$(jq -r 'select(.key_base64) | .key_base64' out | base64 -d | xxd -p)" = fffe01 ]
    total 1 3 "${SHARDS[@]}" >wanted
    ok run ngrams "${SHARDS[@]}" --format json
    jq -r '[.key, .match_count] | @tsv' out | sed 's/\\\\/\\/g' >back
    expect_same wanted back
}

@test "json: numbers past 2^53 have all their digits" {
    printf 'a\t18446744073709551615\n' >in
    ok run sum in --format json
    expect_rows '{"key":"a","sum":18446744073709551615}'
}

@test "formats with --top and --sort value" {
    printf 'b\t2\n"\t3\n' >in
    ok run sum in --top 1 --format json
    expect_rows '{"key":"\"","sum":3}'
    ok run sum in --sort value --format csv
    expect_rows key,sum '"""",3' b,2
}
