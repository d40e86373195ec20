# Inputs that workers do not see: the coordinator sends them.
load helpers
load remote

setup_file() {
    local i
    mkdir "$BATS_FILE_TMPDIR/data"
    for ((i = 0; i < 40; i++)); do cat "$BATS_TEST_DIRNAME"/../data/1gram-{a,b,c}.tsv; done >"$BATS_FILE_TMPDIR/data/text"
}

text() {
    mkdir -p data none
    cp "$BATS_FILE_TMPDIR/data/text" data/text
}

expect_serial() {
    local serial=$BATS_FILE_TMPDIR/serial
    [ -e "$serial" ] || "$MILLRACE" run ngrams "$BATS_FILE_TMPDIR/data/text" -j 1 -q >"$serial"
    expect_status 0
    expect_same "$serial" rows
}

# blind [OPTION...] joins a worker that sees no input.
blind() {
    join --root none "$@"
}

# otherwise SCRIPT joins a worker for which SCRIPT, in a mount namespace of its own, has made the files others.
otherwise() {
    unshare -rum true 2>/dev/null || skip 'no namespaces here'
    # shellcheck disable=SC2016
    unshare -rum sh -c "set -e; $1"'; shift; exec "$@"' sh "$1" \
        "$WORKER" --connect "$endpoint" --threads 1 --tmp "$TMPDIR" --log-level info 2>"worker-${#remote[@]}" 3>&- &
    remote+=($!)
}

# bats test_tags=threads
@test "nobody sees the inputs, plain and gzip: the same rows" {
    text
    head -n 300000 data/text >data/plain
    tail -n +300001 data/text | gzip -1 >data/packed
    listen run ngrams data/plain data/packed --chunk 100K -o rows --log-level info
    blind --threads 3
    blind
    finish
    expect_serial
    said err 'MB of inputs were sent to workers that do not see them'
    said worker-0 "data/p[a-z]*: it is not beneath the worker's --root; the coordinator sends it"
}

@test "some see the inputs: those that do read them, the others are sent them" {
    text
    listen run ngrams data/text --chunk 16K -o rows
    join --root data
    blind
    finish
    expect_serial
    ! said worker-0 'the coordinator sends it'
    said worker-1 'the coordinator sends it'
}

@test "many small files, and an empty one, that nobody sees" {
    text
    split -l 300 data/text data/part-
    rm data/text
    : >data/none
    listen run ngrams --recursive data -o rows
    blind
    finish
    expect_serial
}

@test "standard input through a pipe: remote workers are sent it" {
    text
    local workers_endpoint=tcp://127.0.0.1:$((20000 + 3 * (RANDOM % 3900)))
    endpoint=$workers_endpoint
    blind --once
    status=0
    cat data/text | timeout "$PATIENCE" "$MILLRACE" run ngrams - --listen "$endpoint" --workers 0 -o rows >out 2>err || status=$?
    expect_serial
}

@test "another file of that name and size, with another time: the coordinator's is used" {
    text
    mkdir other
    tr 0-9 1-90 <data/text >other/text
    listen run ngrams data/text --chunk 100K -o rows
    otherwise 'mount --bind other data'
    finish
    expect_serial
    said worker-0 'data/text: changed during the job; the coordinator sends it'
}

@test "another file of that name, size and time: its content tells" {
    text
    mkdir other
    tr 0-9 1-90 <data/text >other/text
    touch -r data/text other/text
    listen run ngrams data/text --chunk 100K -o rows
    otherwise 'mount --bind other data'
    finish
    expect_serial
    said worker-0 'data/text: another file has this name here; the coordinator sends it'
}

@test "an input changes while it is sent: status 3, naming it" {
    text
    listen run ngrams data/text --chunk 16K -o rows
    caught "$pid" 0
    blind
    printf 'x\t1\n' >>data/text
    kill -CONT "$pid"
    finish
    expect_status 3
    tail -n 1 err >last
    mv last err
    expect_error 'data/text: changed during the job'
    [ ! -e rows ]
}

# bats test_tags=threads
@test "a worker is killed while inputs are sent to it: another does its tasks" {
    text
    listen run ngrams data/text --chunk 16K -o rows --lease 2s
    blind
    caught "$pid" 1000000
    kill -KILL "${remote[0]}"
    kill -CONT "$pid"
    blind
    finish
    expect_serial
}

# bats test_tags=threads
@test "a coordinator is killed while it sends inputs, and resumed: its workers go on" {
    text
    listen run ngrams data/text --chunk 16K -o rows --journal j --lease 2s
    blind --threads 2
    caught "$pid" 2000000
    kill -KILL "$pid"
    wait "$pid" || true
    left_behind=1
    listen run ngrams data/text --chunk 16K -o rows --journal j --lease 2s --resume
    finish
    expect_serial
    said worker-0 'the coordinator is back'
}

@test "a worker drains while the coordinator that sends its inputs is stopped" {
    text
    listen run ngrams data/text --chunk 100K -o rows --lease 60s
    blind
    caught "$pid" 1000000
    kill -TERM "${remote[0]}"
    eventually ended "${remote[0]}"
    kill -CONT "$pid"
    blind
    finish
    expect_serial
}

@test "--root: what is no directory is refused" {
    status=0
    "$WORKER" --connect tcp://127.0.0.1:9 --root /dev/null 2>err || status=$?
    expect_status 2
    expect_text err '--root /dev/null: Not a directory'
}

@test "run --root: no input is opened but beneath it, by local workers neither" {
    text
    echo secret >secret
    ln -s ../secret data/link
    ok run ngrams data/text --root data
    mv out rows
    expect_serial
    refused_early 3 'secret: not beneath --root' run ngrams secret --root data
    refused_early 3 'data/../secret: not beneath --root' run ngrams data/../secret --root data
    refused_early 3 'data/link: not beneath --root' run ngrams data/link --root data
    refused_early 2 '--root nothing: No such file or directory' run ngrams data/text --root nothing
}
