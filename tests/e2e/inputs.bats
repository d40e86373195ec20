#!/usr/bin/env bats
# Every row of the table of inputs: what is refused, with which exit status and words, and what comes of the rest.
load helpers

# ---- names ----

@test "a missing file is refused before any task runs" {
    refused_early 3 'nosuch: No such file or directory' run count nosuch
    refused_early 3 'nosuch: No such file or directory' run count "${SHARDS[0]}" nosuch
    refused_early 3 'nosuch: No such file or directory (and 1 more input problem)' run count nosuch "$DATA" "${SHARDS[0]}"
    refused_early 3 "'': No such file or directory" run count ''
}

@test "a pattern that matches nothing is refused before any task runs" {
    refused_early 3 '\*.gz: no file has this name or matches this pattern' run count '*.gz'
    refused_early 3 'none/\[ab\]: no file has this name or matches this pattern' run count 'none/[ab]'
}

@test "a pattern that the shell left alone is expanded, and a file of just that name is not" {
    echo a >1.txt && echo b >2.txt
    ok run count '*.txt'
    expect_rows $'a\t1' $'b\t1'
    echo c >'*.txt'
    ok run count '*.txt'
    expect_rows $'c\t1'
}

@test "an unreadable file is refused before any task runs" {
    echo a >secret && chmod 000 secret
    # Root reads everything, unless it is told to do without.
    [ "$(id -u)" -ne 0 ] || run_as=(setpriv --bounding-set=-dac_override,-dac_read_search)
    refused_early 3 'secret: Permission denied' run count secret
}

@test "a directory is refused, and taken with --recursive" {
    mkdir -p d/deep && echo a >d/1 && echo b >d/deep/2
    refused_early 3 'd: is a directory (use --recursive)' run count d
    ok run count --recursive d
    expect_rows $'a\t1' $'b\t1'
    mkdir empty
    refused_early 3 'no input: what was named holds no files' run count -r empty
}

@test "a FIFO or a device is refused and not opened" {
    mkfifo fifo
    refused_early 3 'fifo: not a regular file (use - for stdin)' run count fifo
    refused_early 3 '/dev/zero: not a regular file (use - for stdin)' run count /dev/zero
    refused_early 3 '/dev/stdin: not a regular file (use - for stdin)' run count /dev/stdin < <(echo)
    mkdir d && mv fifo d && echo a >d/file
    ok run count -r d
    expect_rows $'a\t1'
}

@test "a file without a size of its own is refused" {
    refused_early 3 '/proc/self/status: its size is not known (use - for stdin)' run count /proc/self/status
}

@test "stdin is read as -: a pipe, a file, a file from its middle, twice never" {
    printf 'a\nb\na\n' >in
    ok run count - < <(cat in)
    expect_rows $'a\t2' $'b\t1'
    ok run count - <in
    expect_rows $'a\t2' $'b\t1'
    { read -r && ok run count -; } <in
    expect_rows $'a\t1' $'b\t1'
    ok run count - in < <(echo c)
    expect_rows $'a\t2' $'b\t1' $'c\t1'
    ok run ngrams - < <(cat "${SHARDS[@]/%/.gz}")
    total 1 3 "${SHARDS[@]}" >wanted
    expect_same wanted out
    refused_early 2 'standard input can be read only once: name - once' run count - - <in
    refused 3 'standard input:16: truncated gzip' run count - < <(head -c 16 "${SHARDS[0]}.gz")
}

@test "a loop of links is refused; a walk visits each file once" {
    mkdir d && echo a >d/file
    ln -s . d/up && ln -s file d/again && ln d/file d/hard && ln -s "$PWD/d" d/me
    ok run count -r d
    expect_rows $'a\t1'
    expect_summary ' 1 files, 2 B, '
    ln -s self self
    refused_early 3 'self: Too many levels of symbolic links' run count self
    ln -s nowhere d/dangling
    refused_early 3 'd/dangling: No such file or directory (a symbolic link that leads nowhere)' run count -r d
}

@test "files named twice are read twice" {
    echo a >in
    ok run count in in ./in
    expect_rows $'a\t3'
}

@test "odd file names: lists of lines and of NULs, and messages that cannot drive a terminal" {
    local odd=$'new\nline \e[31m\\ "q" \xff*?' lines=$'  two spaces\ttab '
    echo a >"$odd"
    echo b >"$lines"
    echo c >./-dash
    printf '%s\0' "$odd" "$lines" ./-dash >list0
    ok run count --files0-from list0
    expect_rows $'a\t1' $'b\t1' $'c\t1'
    printf '%s\n%s' "$lines" ./-dash >list
    ok run count --files-from list
    expect_rows $'b\t1' $'c\t1'
    ok run count --files-from - < <(cat list)
    expect_rows $'b\t1' $'c\t1'
    ok run count -- -dash "$odd"
    expect_rows $'a\t1' $'c\t1'
    rm -- "$odd"
    refused_early 3 'new\\x0aline \\x1b\[31m\\ "q" \\xff\*\?: No such file or directory' run count --files0-from list0
}

@test "a list names its line when a name in it cannot be" {
    printf 'a\n\nb\n' >list
    refused_early 3 'a: No such file or directory (and 2 more input problems)' run count --files-from list
    touch a b
    refused_early 3 'list:2: an empty file name' run count --files-from list
    printf 'a\nb\0c\n' >list
    refused_early 3 'list:2: a NUL in a file name (use --files0-from)' run count --files-from list
    refused_early 3 'nosuch: No such file or directory' run count --files-from nosuch
    : >list
    refused_early 3 'no input: what was named holds no files' run count --files-from list
    printf '*\n' >list # a list is taken as it is
    refused_early 3 '\*: No such file or directory' run count --files-from list
}

@test "a message about a very long path keeps its reason" {
    local name path
    name=$(printf 'x%.0s' {1..200})
    path=$name
    for _ in {1..11}; do path=$path/$name; done
    mkdir -p "$path"
    refused_early 3 '*: No such file or directory' run count "$path/nosuch"
    (cd "$path" && printf 'a\t1\nb\n' >in)
    refused 3 '*:4: bad record: too few columns (--skip-bad N allows N of them)' run sum "$path/in"
}

# ---- bytes ----

@test "an empty file is fine; a .gz of 0 bytes is truncated" {
    : >empty
    ok run count empty
    expect_rows
    expect_summary '1 files, 0 B, 0 records = 0 reduced + 0 rejected, 0 rows'
    ok run ngrams empty empty "${SHARDS[0]}" empty
    total 1 3 "${SHARDS[0]}" >wanted
    expect_same wanted out
    : >empty.gz
    refused_early 3 'empty.gz: truncated gzip (the file is empty)' run count empty.gz
    gzip -c empty >nothing.gz
    ok run count nothing.gz
    expect_rows
}

@test "a last line without newline is counted once" {
    printf 'a\nb\na' >in
    ok run count in
    expect_rows $'a\t2' $'b\t1'
    expect_summary '3 records = 3 reduced'
    printf a >in
    ok run count in in
    expect_rows $'a\t2'
    printf '\n' >in
    ok run count in
    expect_rows $'\t1'
}

@test "CR LF: one CR is stripped, and counted" {
    printf 'a\r\nb\r\r\nc\rd\r\ne\r' >in
    ok run count in
    expect_rows $'a\t1' $'b\r\t1' $'c\rd\t1' $'e\r\t1'
    expect_summary '3 lines ended in CR LF'
}

@test "the output is the same for every chunk size from 1 byte up" {
    printf '\xef\xbb\xbfna\xc3\xafve\t1\r\n\t2\n\xe2\x82\xac\t3\r\nb\t4\n\r\t5\nna\xc3\xafve\t6' >in
    printf '\t2\n\r\t5\nb\t4\nna\xc3\xafve\t7\n\xe2\x82\xac\t3\n' >wanted
    local size chunk
    size=$(stat -c %s in)
    for ((chunk = 1; chunk <= size + 1; chunk++)); do
        ok run sum in --chunk $chunk --threads 2
        expect_same wanted out
        expect_summary '6 records = 6 reduced + 0 rejected, 5 rows'
        expect_summary '2 lines ended in CR LF'
    done
    ok run sum in --chunk 1 --block 1
    expect_same wanted out
}

@test "a line longer than a chunk is one record; longer than --max-record it is bad" {
    { printf 'a\n' && head -c 300000 /dev/zero | tr '\0' x && printf '\t7\nb\t1\n'; } | tail -c +3 >in
    ok run sum in --chunk 1K --block 1K
    total 1 2 in >wanted
    expect_same wanted out
    refused 3 'in:0: bad record: the record is longer than --max-record (--skip-bad N allows N of them)' \
        run sum in --max-record 300001
    ok run sum in --max-record 300002
    expect_same wanted out
    mr run sum in --max-record 1K --skip-bad 1
    expect_status 0
    expect_rows $'b\t1'
    expect_summary '2 records = 1 reduced + 1 rejected'
}

@test "invalid UTF-8, NUL and a lone CR are data" {
    printf '\xff\xfe\xfd\na\0b\na\0b\na\0c\nx\ry\n\xc3\n' >in
    # The first two bytes would be a UTF-16 mark at the beginning of a file.
    { printf 'z\n' && cat in; } >in2
    ok run count in2
    printf 'a\0b\t2\na\0c\t1\nx\ry\t1\nz\t1\n\xc3\t1\n\xff\xfe\xfd\t1\n' >wanted
    expect_same wanted out
}

@test "a UTF-8 mark at the beginning is stripped, elsewhere it is data" {
    printf '\xef\xbb\xbfa\t1\n\xef\xbb\xbfa\t2\n' >in
    ok run sum in
    printf 'a\t1\n\xef\xbb\xbfa\t2\n' >wanted
    expect_same wanted out
    gzip -c in >in.gz
    ok run sum in.gz
    expect_same wanted out
    printf '\xef\xbb\xbf' >in
    ok run count in
    expect_rows
}

@test "UTF-16 is refused" {
    printf '\xff\xfea\0\n\0' >in
    refused_early 3 'in: UTF-16 is not supported*' run count in
    printf '\xfe\xff\0a\0\n' >in
    refused_early 3 'in: UTF-16 is not supported*' run count in
    gzip in
    refused 3 'in.gz: UTF-16 is not supported*' run count in.gz
}

# ---- records ----

# bad_value TEXT REASON [ARGUMENT...]: the second of three lines has this value.
bad_value() {
    local text=$1 reason=$2
    shift 2
    printf 'a\t1\nb\t%s\nc\t3\n' "$text" >in
    refused 3 "in:4: bad record: $reason (--skip-bad N allows N of them)" run sum in "$@"
}

@test "values that are no numbers are bad records, named by file and offset" {
    bad_value '' 'the value is empty'
    bad_value 12abc 'the value is not a whole number'
    bad_value 1e3 'the value is not a whole number'
    bad_value ' 7' 'the value is not a whole number'
    bad_value '7 ' 'the value is not a whole number'
    bad_value +7 'the value is not a whole number'
    bad_value 7.0 'the value is not a whole number'
    bad_value 0x7 'the value is not a whole number'
    bad_value -1 'the value is negative'
    bad_value - 'the value is empty' --signed
    bad_value --1 'the value is not a whole number' --signed
    bad_value 18446744073709551616 'the value is past 2^64-1'
    bad_value 99999999999999999999999 'the value is past 2^64-1'
    bad_value -18446744073709551616 'the value is past 2^64-1' --signed
    printf 'b\t18446744073709551615\nc\t0000000000000000000000000000001\n' >in
    ok run sum in
    expect_rows $'b\t18446744073709551615' $'c\t1'
}

@test "a wrong number of columns is a bad record" {
    printf 'a\t1\nb\n' >in
    refused 3 'in:4: bad record: too few columns *' run sum in
    printf 'a\t1\n\n' >in
    refused 3 'in:4: bad record: too few columns *' run sum in
    { cat "${SHARDS[0]}" && printf 'word\t1999\t1\n'; } >in
    refused 3 "in:$(stat -c %s "${SHARDS[0]}"): bad record: too few columns *" run ngrams in
    { cat "${SHARDS[0]}" && printf 'word\t1999\t1\t1\t1\n'; } >in
    refused 3 "in:$(stat -c %s "${SHARDS[0]}"): bad record: too many columns *" run ngrams in --chunk 1K
    gzip in
    refused 3 "in.gz:$(stat -c %s "${SHARDS[0]}"): bad record: too many columns *" run ngrams in.gz
}

@test "--skip-bad leaves out and counts so many, and no more" {
    printf 'a\t1\nb\tx\nc\t3\nd\na\t5\n' >in
    refused 3 'in:4: bad record: *' run sum in -o rows
    [ ! -e rows ]
    mr run sum in --skip-bad 2
    expect_status 0
    expect_rows $'a\t6' $'c\t3'
    expect_summary '5 records = 3 reduced + 2 rejected, 2 rows'
    expect_text err 'in:4: bad record skipped: the value is not a whole number'
    expect_text err 'in:12: bad record skipped: too few columns'
    mr run sum in --skip-bad 1
    expect_status 3
    # Two workers that each skip one skip two.
    mr run sum in in in in --skip-bad 7 --workers 4 --chunk 1
    expect_status 3
    expect_text err 'error: '
    mr run sum in in in in --skip-bad 8 --workers 4 --chunk 1
    expect_status 0
    expect_rows $'a\t24' $'c\t12'
    expect_summary '20 records = 12 reduced + 8 rejected'
}

@test "many bad records are counted, not kept" {
    mawk 'BEGIN { for (i = 0; i < 200000; i++) print (i % 2 ? "k\t1" : "k\tx") }' >in
    mr run sum in --skip-bad 100000
    expect_status 0
    expect_rows $'k\t100000'
    expect_summary '200000 records = 100000 reduced + 100000 rejected'
    [ "$(wc -l <err)" -lt 100 ]
    mr run sum in --skip-bad 99999
    expect_status 3
}

@test "a sum that overflows ends the job and names the key, wherever it overflows" {
    local most=18446744073709551615
    printf 'ok\t1\nthe \e key\t%s\nthe \e key\t1\n' $most >in
    refused 1 '*the \\x1b key*' run sum in # in one table
    refused 1 '*the \\x1b key*' run sum in --chunk 1 --workers 3 # in the merge of runs, early or late
    refused 1 '*the \\x1b key*' run sum in --chunk 1 --workers 2 --flush 1ms --reducers 3 -o rows
    [ ! -e rows ]
    printf 'k\t%s\nk\t0\n' $most >in
    ok run sum in
    expect_rows $'k\t'$most
    printf 'k\t-%s\nk\t-1\n' $most >in
    refused 1 '*k*' run sum in --signed
}

@test "an empty key is valid" {
    printf '\t1\n\t2\na\t4\n' >in
    ok run sum in
    expect_rows $'\t3' $'a\t4'
    ok run sum in --only ''
    expect_rows $'\t3'
}

@test "keys up to 1 MiB are valid, longer ones are bad records" {
    head -c 65537 /dev/zero | tr '\0' x >k64
    head -c 1048576 /dev/zero | tr '\0' y >k1024
    { cat k64 && printf '\t1\n' && cat k1024 && printf '\t2\n' && cat k64 && printf '\t4\n' && cat k1024 && printf '\t8\n'; } >in
    { cat k64 && printf '\t5\n' && cat k1024 && printf '\t10\n'; } >wanted
    ok run sum in --chunk 100K --workers 2
    expect_same wanted out
    ok run count k1024
    { printf 'a\t1\ny' && cat k1024 && printf '\t1\n'; } >in
    refused 3 'in:4: bad record: the key is longer than 1 MiB *' run sum in
    { printf 'a\ny' && cat k1024; } >in
    refused 3 'in:2: bad record: the key is longer than 1 MiB *' run count in
    refused 3 'in:2: bad record: a word is longer than 1 MiB *' run wordcount in
}

# ---- gzip ----

@test "a truncated .gz is refused wherever it is cut, and nothing of it is reduced" {
    local size cut
    size=$(stat -c %s "${SHARDS[0]}.gz")
    for cut in 1 2 3 9 10 17 18 1000 $((size / 2)) $((size - 9)) $((size - 8)) $((size - 4)) $((size - 1)); do
        head -c $cut "${SHARDS[0]}.gz" >cut.gz
        mr run ngrams cut.gz "${SHARDS[1]}" -o rows
        expect_status 3
        [ ! -e rows ]
        [ $cut -lt 3 ] || expect_error "cut.gz:$cut: truncated gzip"
    done
}

@test "a flipped bit in a .gz is refused, with an offset in the file" {
    local size at
    size=$(stat -c %s "${SHARDS[0]}.gz")
    for at in 10 11 100 $((size / 2)) $((size - 100)) $((size - 8)) $((size - 5)) $((size - 4)) $((size - 1)); do
        cp "${SHARDS[0]}.gz" bad.gz
        printf "\\$(printf %o $((16#$(xxd -s $at -l 1 -p bad.gz) ^ 4)))" | dd of=bad.gz bs=1 seek=$at conv=notrunc status=none
        mr run ngrams bad.gz -o rows
        expect_status 3
        [ ! -e rows ]
        [[ $(<err) =~ ^'millrace: error: 'bad.gz:([0-9]+): ]] || fail "$(<err)"
        [ "${BASH_REMATCH[1]}" -le "$size" ]
        # Damaged data may make bad records before the checksum tells; after the last byte, nothing but the checksum can.
        [ $at -lt $((size - 8)) ] || expect_error "*: damaged gzip data (checksum differs)"
    done
}

@test "garbage behind a .gz is refused, with its offset" {
    local size
    size=$(stat -c %s "${SHARDS[0]}.gz")
    { cat "${SHARDS[0]}.gz" && echo garbage; } >bad.gz
    refused 3 "bad.gz:$size: trailing garbage after the gzip data" run ngrams bad.gz
    { cat "${SHARDS[0]}.gz" && head -c 100 /dev/zero; } >bad.gz
    refused 3 "bad.gz:$size: trailing garbage after the gzip data" run ngrams bad.gz
}

# bats test_tags=threads
@test "all members of a .gz are read, also empty ones and lines across them" {
    { gzip -c "${SHARDS[0]}" && gzip -c </dev/null && gzip -1c "${SHARDS[1]}" && gzip -c </dev/null; } >in.gz
    total 1 3 "${SHARDS[@]:0:2}" >wanted
    ok run ngrams in.gz
    expect_same wanted out
    split -b 5000 --filter='gzip -c' "${SHARDS[0]}" >in.gz
    total 1 3 "${SHARDS[0]}" >wanted
    ok run ngrams in.gz --block 100
    expect_same wanted out
}

@test "content tells the format, not the name" {
    cp "${SHARDS[0]}" plain.gz
    cp "${SHARDS[1]}.gz" zipped.txt
    cp "${SHARDS[2]}.gz" other
    total 1 3 "${SHARDS[@]}" >wanted
    ok run ngrams plain.gz zipped.txt other
    expect_same wanted out
}

# ---- a file that changes ----

expect_changed() {
    release
    finish
    expect_status 3
    expect_error "*${1:-in}: changed during the job*"
    [ ! -e rows ]
}

@test "a file that grew, shrank, was touched, replaced or removed before it was read" {
    local change
    for change in 'cat "${SHARDS[0]}" >>in' 'truncate -s 1000 in' 'truncate -s 0 in' 'touch in' 'mv other in' 'cat other >in'; do
        cp "${SHARDS[0]}" in && cp "${SHARDS[1]}" other
        start_held 1 run ngrams in -o rows
        eval "$change"
        expect_changed
    done
    cp "${SHARDS[0]}" in
    start_held 1 run ngrams in -o rows
    rm in
    release
    finish
    expect_status 3
    expect_error 'in: No such file or directory'
}

@test "a file that grows or shrinks while it is read" {
    local change
    for change in 'echo >>in' 'truncate -s 20000 in'; do
        big in 8
        start run ngrams in --workers 1 --threads 1 --chunk 512 -o rows
        in_the_middle 1 1000000
        eval "$change"
        expect_changed
    done
}

@test "a .gz that shrinks while it is read" {
    big text 20
    gzip -1 text && mv text.gz in
    start run ngrams in --workers 1 --threads 1 --block 64 -o rows
    in_the_middle 1 500000
    truncate -s 200000 in
    expect_changed
}

@test "a file that changes after it was read, while others are" {
    cp "${SHARDS[0]}" first
    big in 8
    start run ngrams first in --workers 1 --threads 1 --chunk 512 -o rows
    in_the_middle 1 1000000
    echo >>first
    expect_changed first
}

# ---- the output ----

@test "an output that exists, is an input, or cannot be is refused before any task runs" {
    cp "${SHARDS[0]}" in && ln -s in link && ln in hard && echo old >old
    refused_early 2 'old: exists already (use --overwrite to replace it)' run ngrams in -o old
    [ "$(<old)" = old ]
    for name in in ./in link hard; do
        refused_early 2 "$name: *" run ngrams in -o $name
        refused_early 2 "$name: the output is one of the inputs" run ngrams in -o $name --overwrite
    done
    cmp in "${SHARDS[0]}"
    refused_early 4 'none/rows: cannot open its directory: No such file or directory (make it first)' run ngrams in -o none/rows
    refused_early 4 'old/rows: cannot *: Not a directory*' run ngrams in -o old/rows
    refused_early 2 'alone: is a directory (name a file in it)' run ngrams in -o alone
    refused_early 2 'alone: is a directory (name a file in it)' run ngrams in -o alone --overwrite
    mkdir locked && chmod 555 locked
    [ "$(id -u)" -ne 0 ] || run_as=(setpriv --bounding-set=-dac_override,-dac_read_search)
    refused_early 4 'locked/rows: cannot make a file beside it: Permission denied*' run ngrams in -o locked/rows
    run_as=()
    ok run ngrams in -o old --overwrite
    total 1 3 in >wanted
    expect_same wanted old
    [ -z "$(compgen -G '*millrace-*')" ] || fail "a temporary file is left: $(ls -A)"
}

@test "an output that appears while the job runs is left alone" {
    cp "${SHARDS[0]}" in
    start_held 1 run ngrams in -o rows
    echo mine >rows
    release
    finish
    expect_status 4
    expect_error 'rows: cannot be given its name: File exists (it appeared while the job ran; use --overwrite to replace it)'
    [ "$(<rows)" = mine ]
}

# ---- many ----

@test "twenty thousand small files: packed into tasks, with few open files and little memory" {
    mkdir d
    seq 20000 | split -l 1 -a 4 - d/
    run_as=("$tools/peak" kilobytes)
    (ulimit -n 64 && ok run count -r d --workers 1)
    seq 20000 | sort | sed 's/$/\t1/' >wanted
    expect_same wanted out
    expect_summary '20000 files, 109 kB, 20000 records'
    [ "$(summary_number tasks)" -le 100 ]
    echo "peak: $(<kilobytes) KiB"
    [ -n "$SANITIZED" ] || [ "$(<kilobytes)" -lt 60000 ]
}

# Colliding pairs can't be made for a keyed hash; but keys that weak ones are flooded with can.
@test "hash flooding: keys that differ where weak hashes are blind take no more than twice the time" {
    [ -z "$SANITIZED" ] || skip 'times mean nothing with a sanitizer'
    mawk 'BEGIN { for (i = 0; i < 300000; i++) printf "%016.0f\t1\n", i * 4294967296 * 7 % 9007199254740992 }' >random
    mawk 'BEGIN { for (i = 0; i < 300000; i++) printf "%08x%08x\t1\n", i, i }' >flood1
    mawk 'BEGIN { for (i = 0; i < 300000; i++) printf "%08x%s\t1\n", i * 4096, "        " }' >flood2
    local name best=()
    for name in random flood1 flood2; do
        ok run sum $name -j 1
        [ "$(wc -l <out)" -ge 290000 ]
        best+=("$(fastest run sum $name -j 1)")
    done
    echo "milliseconds: ${best[*]}"
    [ "${best[1]}" -le $((2 * best[0] + 100)) ]
    [ "${best[2]}" -le $((2 * best[0] + 100)) ]
}

# The least of three times, in ms.
fastest() {
    local i started ms least=999999
    for i in 1 2 3; do
        started=$(date +%s%N)
        mr "$@"
        ms=$((($(date +%s%N) - started) / 1000000))
        [ $ms -ge $least ] || least=$ms
    done
    echo $least
}
