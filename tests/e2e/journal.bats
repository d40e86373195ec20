#!/usr/bin/env bats
# The journal, end to end: whenever a coordinator dies or its disk fails, --resume gives the same bytes, and no committed task runs again.
load helpers

# Many small partials, so that there is much to be killed in between.
shape=(--chunk 10K -j 2 --workers 2 --flush 1ms)
job=(sum --key 1 --value 2 "$BATS_FILE_TMPDIR/keys")

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    distinct keys 150000
    total 1 2 keys >wanted
}

# Tests in which a coordinator is killed leave its scratch behind; its workers end by themselves.
wanted=$BATS_FILE_TMPDIR/wanted

faulty() { # faulty FAULT CALL N ARGUMENT...: millrace with this fault of its storage; see storage.c
    local fault="$1 $2 $3"
    shift 3
    leave_behind
    run_as=(env LD_PRELOAD="$tools/storage.so" STORAGE="$fault")
    mr "$@"
    run_as=()
}

# The journal names each committed task once; prints how many there are.
count_tasks() {
    "$tools/journal_tasks" "$1" >tasks
    [ -z "$(sort tasks | uniq -d)" ] || fail "committed twice: $(sort tasks | uniq -d)"
    wc -l <tasks
}

# resumes COUNT ARGUMENT...: it goes on, COUNT tasks were committed, and the rows are right.
resumes() {
    local count=$1
    shift
    ok run "$@" --resume
    expect_same "$wanted" out
    [ "$count" -eq 0 ] || expect_summary "; resumed: $count tasks were committed before"
    [ "$count" -ne 0 ] || ! grep -q resumed err || fail "$(<err)"
    [ -d J ] && [ -z "$(ls -A J)" ] || fail "left in J: $(ls -lA J)"
}

# goes_on: the job is resumed, perhaps with a warning of a torn tail; what the journal names is counted, and the rows are right.
goes_on() {
    local count
    count=$(count_tasks J/journal)
    mr run "${job[@]}" "${shape[@]}" --journal J --resume
    expect_status 0
    expect_same "$wanted" out
    [ "$count" -eq 0 ] || expect_summary "resumed: $count tasks were committed before"
}

# bats test_tags=threads
@test "a job with a journal: the same bytes, and nothing left but the directory" {
    ok run "${job[@]}" "${shape[@]}" --journal J
    expect_same "$wanted" out
    [ "$(stat -c %a J)" = 700 ]
    [ -z "$(ls -A J)" ]
    resumes 0 "${job[@]}" "${shape[@]}" --journal J
}

@test "killed in the middle and resumed: the same bytes, and no committed task runs again" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    faulty kill fdatasync 2 run "${job[@]}" "${shape[@]}" --journal J
    expect_status 137
    local first second
    first=$(count_tasks J/journal)
    [ "$first" -gt 0 ]
    faulty kill fdatasync 1 run "${job[@]}" "${shape[@]}" --journal J --resume
    expect_status 137
    second=$(count_tasks J/journal)
    [ "$second" -gt "$first" ]
    resumes "$second" "${job[@]}" --journal J # other numbers of threads and workers change no plan
}

@test "killed at each change of the disk, also while it resumes: the same bytes" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    local n
    for ((n = 1; ; n += n < 12 ? 1 : 5)); do
        rm -rf J
        faulty kill any "$n" run "${job[@]}" "${shape[@]}" --journal J
        [ "$status" -ne 0 ] || break
        expect_status 137
        faulty torn pwritev 1 run "${job[@]}" "${shape[@]}" --journal J --resume
        expect_status 137
        goes_on
    done
    [ "$n" -gt 8 ] || fail "only $n changes"
    expect_same "$wanted" out
}

@test "each write of the journal torn: cut with a warning, and resumed" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    local n
    for ((n = 3; ; n++)); do
        rm -rf J
        faulty torn pwritev "$n" run "${job[@]}" "${shape[@]}" --journal J
        [ "$status" -ne 0 ] || break
        goes_on
    done
    [ "$n" -gt 4 ] || fail "only $n writes"
}

@test "sum-range resumed prints all results" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    faulty kill fdatasync 2 run sum-range 30000000 20000000 7 --journal J
    expect_status 137
    ok run sum-range 30000000 20000000 7 --journal J --resume --order input
    expect_rows $'30000000\t450000015000000' $'20000000\t200000010000000' $'7\t28'
    expect_summary 'resumed: '
}

@test "killed when the output has its name: there is nothing left to do" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    faulty kill unlink 1 run "${job[@]}" --journal J -o rows
    expect_status 137
    expect_same "$wanted" rows
    local inode
    inode=$(stat -c %i rows)
    cp -r J before
    mr run "${job[@]}" --journal J -o rows --resume
    expect_status 0
    [ "$(<err)" = 'millrace: rows is complete; nothing was left to do' ] || fail "$(<err)"
    [ "$(stat -c %i rows)" = "$inode" ]
    [ -z "$(ls -A J)" ]
    cp before/journal J # and with another file there, the job is done again
    mv rows was
    cp was rows
    mr run "${job[@]}" --journal J -o rows --resume
    expect_status 2
    expect_error 'rows: exists already*'
    mr run "${job[@]}" --journal J -o rows --resume --overwrite
    expect_status 0
    expect_summary 'resumed: '
    expect_same "$wanted" rows
}

# ---- what ends a run, and how it says to go on ----

# A journal with something in it.
begun() {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    distinct a 80000
    distinct b 60000
    faulty kill fdatasync 2 run sum --key 1 --value 2 a b "${shape[@]}" --journal J
    expect_status 137
}

@test "a run that is ended says how to go on" {
    start_held 1 run "${job[@]}" --journal J
    kill -TERM "$pid"
    finish
    [ "$status" -eq 130 ]
    expect_text err 'run the same command with --resume'
    resumes 0 "${job[@]}" --journal J
}

# bats test_tags=threads
@test "Ctrl-C: the workers hand in what they have, and it is not done again" {
    big text 20
    local tasks resumed
    start run ngrams text --chunk 512 --workers 2 -j 2 --backup 0 --journal J -o rows # nothing is flushed by itself so early
    in_the_middle 2 2000000
    kill -INT "$pid"
    eventually grep -q 'the workers hand in what they have' err
    kill -CONT "${workers[0]}"
    finish
    expect_status 130
    expect_text err 'run the same command with --resume'
    [ ! -e rows ]
    ok run ngrams text --chunk 512 --workers 2 -j 2 --journal J --resume -o rows
    tasks=$(grep -o '[0-9]* tasks,' err | grep -o '[0-9]*')
    resumed=$(grep -o 'resumed: [0-9]*' err | grep -o '[0-9]*')
    [ "$resumed" -ge 20 ] && [ "$resumed" -lt "$tasks" ] || fail "$resumed of $tasks tasks were kept"
    total 1 3 text >serial
    expect_same serial rows
}

@test "Ctrl-C twice: at once" {
    big text 20
    start run ngrams text --chunk 512 --workers 2 -j 2 --backup 0 --journal J -o rows
    in_the_middle 2 2000000
    kill -INT "$pid"
    eventually grep -q 'the workers hand in what they have' err
    kill -INT "$pid" # while a worker is stopped, which has much to hand in
    finish
    expect_status 130
    ok run ngrams text --journal J --resume -o rows
    total 1 3 text >serial
    expect_same serial rows
}

@test "the disk fails or is full: status 4, no output, and resumable" {
    [ -z "$SANITIZED" ] || skip 'a sanitizer wants to be loaded first'
    local fault
    for fault in 'EIO pwritev 3' 'ENOSPC pwritev 3' 'EIO fdatasync 2' 'ENOSPC fdatasync 2' 'EIO fsync 1' 'ENOSPC pwritev 2'; do
        rm -rf J
        # shellcheck disable=SC2086
        faulty $fault run "${job[@]}" "${shape[@]}" --journal J -o rows
        expect_status 4
        expect_text err 'J'
        [ ! -e rows ]
        resumes "$(count_tasks J/journal)" "${job[@]}" "${shape[@]}" --journal J
    done
    faulty ENOSPC pwritev 3 run "${job[@]}" "${shape[@]}" --journal K
    expect_error 'K/journal:*: cannot write the journal: No space left on device; free space there; *run the same command with --resume'
}

@test "a file system without room: status 4, and resumable when there is room" {
    unshare -rm mount -t tmpfs none /mnt 2>/dev/null || skip 'no mount namespaces here'
    mkdir small
    # shellcheck disable=SC2016
    timeout "$PATIENCE" unshare -rm bash -c '
        mount -t tmpfs -o size=200k none small
        "$@" -o rows; echo $?
        ls rows 2>/dev/null
        mount -o remount,size=100m small
        "$@" --resume -o rows; echo $?' \
        bash "$MILLRACE" run "${job[@]}" "${shape[@]}" --journal small >out 2>err 3>&-
    expect_rows 4 0
    expect_text err 'small/journal:'
    expect_text err 'No space left on device; free space there; to go on from here, run the same command with --resume'
    expect_text err '; resumed: '
    expect_same "$wanted" rows
}

# bats test_tags=threads
@test "a second coordinator on a journal is refused, and the first is not disturbed" {
    start_held 1 run "${job[@]}" --journal J
    local first=$pid
    mv err first.err
    mv out first.out
    mr run "${job[@]}" --journal J --resume
    expect_status 2
    expect_error "J/journal: another coordinator (process $first) is using this journal*"
    pid=$first
    release
    finish
    [ "$status" -eq 0 ]
    expect_same "$wanted" first.out
}

@test "an unfinished job is not gone on with, nor overwritten, unasked" {
    begun
    refused 2 'J/journal: it holds an unfinished job; add --resume to go on with it, or remove it' run sum --key 1 --value 2 a b --journal J
    refused 2 '--resume: needs --journal DIR*' run sum --key 1 --value 2 a b --resume
}

@test "a changed input is refused by name" {
    begun
    cp -p J/journal kept
    touch -d '2001-02-03' b
    refused 3 'b: changed since the job was begun (it was modified); to do it anew, remove J/journal' run sum --key 1 --value 2 a b --journal J --resume
    printf 'x\t1\n' >>b
    refused 3 'b: changed since the job was begun (it had * bytes and has *' run sum --key 1 --value 2 a b --journal J --resume
    rm b
    refused 3 'b: *' run sum --key 1 --value 2 a b --journal J --resume
    cmp kept J/journal
}

@test "another job, option or input is refused" {
    begun
    local word="J/journal: it is of another job: that one has"
    refused 2 "$word 'job sum', this one 'job wordcount'*" run wordcount a b --journal J --resume
    refused 2 "$word *'--only x'*" run sum --key 1 --value 2 a b --only x --journal J --resume
    refused 2 "$word *" run sum --key 1 --value 2 a --journal J --resume
    refused 2 "$word *" run sum --key 1 --value 2 b a --journal J --resume
    refused 2 "$word '--max-record 67108864', this one '--max-record 1024'*" run sum --key 1 --value 2 a b --max-record 1K --journal J --resume
    total 1 2 a b >wanted.ab
    ok run sum --key 1 --value 2 a b --journal J --resume --chunk 1K -j 1 --format tsv
    expect_same wanted.ab out
}

@test "a damaged journal is refused with file and offset" {
    begun
    printf '\377' | dd of=J/journal bs=1 seek=200 conv=notrunc status=none
    refused 4 'J/journal:*: the journal is damaged: *remove it to begin anew' run sum --key 1 --value 2 a b --journal J --resume
}

@test "standard input: a file can be read again, a pipe cannot" {
    cp "$BATS_FILE_TMPDIR/keys" all
    mr run sum --key 1 --value 2 - --journal J <all
    expect_status 0
    expect_same "$wanted" out
    status=0
    cat all | "$MILLRACE" run sum --key 1 --value 2 - --journal J >out 2>err || status=$?
    expect_status 2
    expect_error 'standard input: with --journal it must be a file*'
    [ -z "$(ls -A J)" ]
}
