# Inputs named by URLs, from a web server that plays faults (server.py).
load helpers
load remote

setup_file() {
    local i
    mkdir "$BATS_FILE_TMPDIR/data"
    for ((i = 0; i < 20; i++)); do cat "$BATS_TEST_DIRNAME"/../data/1gram-{a,b,c}.tsv; done >"$BATS_FILE_TMPDIR/data/text"
    gzip -1 -k "$BATS_FILE_TMPDIR/data/text"
    cp "$BATS_FILE_TMPDIR/data/text" "$BATS_FILE_TMPDIR/data/text.signed"
    : >"$BATS_FILE_TMPDIR/data/empty"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR/tmp HOME=$BATS_TEST_TMPDIR/home
    mkdir "$TMPDIR" "$HOME"
    unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY CURL_CA_BUNDLE SSL_CERT_FILE
    pid='' left_behind='' server=
    serve "$BATS_FILE_TMPDIR/data"
}

teardown() {
    local worker
    for worker in "${remote[@]}" $pid $server; do
        kill -KILL "$worker" 2>/dev/null || true
        wait "$worker" 2>/dev/null || true
    done
    [ -n "$left_behind" ] || [ -z "$(ls -A "$TMPDIR")" ] || fail "left in TMPDIR: $(ls -A "$TMPDIR")"
}

# serve FOLDER [CERTIFICATE] starts a server at $web; its log is ./web.
serve() {
    [ -z "$server" ] || { kill "$server" && wait "$server" || true; }
    while :; do
        rm -f web
        port=$((20000 + RANDOM % 12000))
        python3 "$BATS_TEST_DIRNAME/server.py" "$1" "$port" ${2:+"$2"} >web 2>web-errors 3>&- &
        server=$!
        eventually serves_or_ended
        ! ended "$server" || continue
        web=http${2:+s}://127.0.0.1:$port
        break
    done
}

serves_or_ended() {
    grep -q -s listening web || ended "$server"
}

# rows_of ARGUMENT...: these inputs must give the rows of the text.
rows_of() {
    ok run ngrams "$@" --chunk 500K
    expect_same_text out
}

expect_same_text() {
    local serial=$BATS_FILE_TMPDIR/serial
    [ -e "$serial" ] || "$MILLRACE" run ngrams "$BATS_FILE_TMPDIR/data/text" -j 1 -q >"$serial"
    expect_same "$serial" "$1"
}

# asked PATTERN COUNT: so many requests at least.
asked() {
    [ "$(requests "$1")" -ge "$2" ]
}

requests() {
    grep -c -E "$1" web
}

@test "by ranges, in several tasks" {
    rows_of "$web/text" -j 2
    [ "$(requests '^GET /text bytes=0-4095 206')" -eq 2 ] # planned, and looked at again at the end
    [ "$(requests '^GET /text bytes=.* 206')" -ge 14 ]
    [ "$(requests ' 200$')" -eq 0 ]
}

@test "gzip is told by content, not by name" {
    cp "$BATS_FILE_TMPDIR/data/text.gz" "$BATS_FILE_TMPDIR/data/packed"
    rows_of "$web/packed"
    rows_of "$web/packed?plain"
}

@test "an empty one, a small one, and files beside them; names from a list" {
    printf 'x\t2000\t1\t1\n' >small
    cp small "$BATS_FILE_TMPDIR/data/small"
    printf '%s\n' "$web/empty" "$web/small" "$web/small?plain" small >list
    ok run ngrams --files-from list
    expect_rows $'x\t3'
}

@test "a server without ranges: one task" {
    rows_of "$web/text?plain" -j 2
    expect_summary ' 1 tasks'
}

@test "a server that does not tell the size: status 3, and what to do" {
    refused_early 3 "$web/text: the server does not tell its size; read it through a pipe*" run ngrams "$web/text?unsized"
}

@test "503 for a while: asked again" {
    rows_of "$web/text?fail=2"
    [ "$(requests ' 503$')" -eq 2 ]
}

@test "503 for ever, and no server: status 3 after some tries" {
    refused_early 3 "$web/text: the server says 503 (tried 3 times)" run ngrams "$web/text?fail=1000"
    kill "$server"
    wait "$server" || true
    refused_early 3 "$web/text: its host cannot be reached (tried 3 times)" run ngrams "$web/text"
}

@test "connections that end in the middle: read on from the byte reached, with ranges or without" {
    rows_of "$web/text?cut=150000"
    rows_of "$web/text?cut=1500000&plain"
}

@test "redirects are followed, but only to the web" {
    rows_of "$web/to?$web/text"
    refused_early 3 "$web/loop: it is redirected again and again" run ngrams "$web/loop"
    refused_early 3 "$web/to: it leads to what is neither http nor https*" run ngrams "$web/to?file:///etc/passwd"
}

@test "it changes between two requests: status 3" {
    refused 3 "$web/text: changed during the job" run ngrams "$web/text?tag=a&tag=a&tag=a&tag=b" --chunk 500K -j 1
}

@test "it changes at the very end: status 3, and no rows" {
    cp "$BATS_FILE_TMPDIR/data/text" mine
    serve "$PWD"
    refused 3 "$web/mine: changed during the job" run ngrams "$web/mine?tag=a&tag=a&tag=b" --chunk 1G -j 1
}

@test "a server that tells neither ETag nor time is read all the same" {
    rows_of "$web/text?notag"
}

@test "a signature is asked with, and told to nobody" {
    local signed="$web/text.signed?sign=SECRET"
    rows_of "$signed" --log-level debug
    ! grep -q SECRET err || fail "$(grep SECRET err)"
    refused_early 3 "$web/text.signed: the server says 403: it may not be read (has its signature expired?)" run ngrams "$web/text.signed"
    refused 3 "$web/text.signed:[0-9]*: bad record*" run sum --column 9 "$signed"
    start run ngrams "$web/text.signed?sign=SECRET&slow=20" --chunk 500K --journal j -o rows --log-level debug -j 1
    eventually test -s j/journal
    kill -TERM "$pid"
    finish
    ! grep -r -q -a SECRET j err || fail "$(grep -r -a SECRET j err)"
    ok run ngrams "$web/text.signed?sign=OTHER" --chunk 500K --journal j -o rows --resume
    expect_same_text rows
}

@test "a name of a user is not told either" {
    refused_early 3 "$web/none: the server says 404: it is not there" run ngrams "http://me:SECRET@127.0.0.1:$port/none"
}

@test "./http: is a file; s3:// is told what to do; a host that is not there" {
    mkdir -p http:/a
    printf 'x\t2000\t1\t1\n' >http:/a/b
    ok run ngrams ./http://a/b
    expect_rows $'x\t1'
    refused_early 3 's3://bucket/key: not read; a pre-signed URL is (aws s3 presign s3://bucket/key)' run ngrams s3://bucket/key
    refused_early 3 'http://nowhere.invalid/x: its host is not known' run ngrams http://nowhere.invalid/x
}

@test "https: certificates are verified" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    cat key certificate >both
    serve "$BATS_FILE_TMPDIR/data" both
    refused_early 3 "$web/text: the server's certificate is not trusted*" run ngrams "$web/text"
    SSL_CERT_FILE=$PWD/certificate rows_of "$web/text"
    CURL_CA_BUNDLE=$PWD/certificate rows_of "$web/text"
    SSL_CERT_FILE=$PWD/certificate refused_early 3 "$web/to: it leads to*from https to http" run ngrams "$web/to?http://127.0.0.1:$port/text"
}

# bats test_tags=threads
@test "remote workers read URLs themselves, and one of them is killed" {
    listen run ngrams "$web/text?slow=5" --chunk 100K -o rows --lease 2s
    join --threads 2
    join
    eventually asked '^GET /text bytes=[1-9]' 5
    kill -KILL "${remote[1]}"
    finish
    expect_status 0
    expect_same_text rows
}

@test "a worker that is stopped while it waits for a server that does not answer" {
    start run ngrams "$web/text?slow=1000" --chunk 500K -j 1
    eventually asked '^GET /text bytes=0-5' 1
    kill -INT "$pid"
    SECONDS=0
    finish
    expect_status 130
    [ "$SECONDS" -lt 6 ]
}
