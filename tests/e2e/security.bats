# Keys, and strangers: docs/security.md.
load helpers

setup_file() {
    local MILLRACE=${MILLRACE_BUILD:-$BATS_TEST_DIRNAME/../../build/release}/coordinator/millrace
    (cd "$BATS_FILE_TMPDIR" && "$MILLRACE" keygen keys >made && "$MILLRACE" keygen others >>made)
    begin_trying
}

teardown_file() {
    local each
    while read -r each; do
        kill -KILL "$each" 2>/dev/null || true
    done <"$BATS_FILE_TMPDIR/trying"
}

# What takes 20 s goes on beside the other tests: two workers that have nobody to work for, and what one of them finds.
begin_trying() {
    cd "$BATS_FILE_TMPDIR" || return
    python3 -u - >echo 2>echo-err 3>&- <<'END' &
import socketserver

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

server = Server(("127.0.0.1", 0), Echo)
print(server.server_address[1])
server.serve_forever()
END
    echo $! >trying
    eventually test -s echo
    tries lonely tcp://127.0.0.1:9
    tries misled "tcp://127.0.0.1:$(<echo)"
}

# tries LOG ENDPOINT
tries() {
    "$WORKER" --connect "$2" --keys "$(keys worker)" --idle-timeout 120s --tmp "$BATS_FILE_TMPDIR" >"$1" 2>&1 3>&- &
    echo $! >>trying
}

teardown() {
    local each
    for each in "${strangers[@]}" $pid; do
        kill -KILL "$each" 2>/dev/null || true
        wait "$each" 2>/dev/null || true
    done
    [ -z "$(ls -A "$TMPDIR")" ] || [ -n "$left_behind" ] || fail "left in TMPDIR: $(ls -A "$TMPDIR")"
}

strangers=()

# listen ARGUMENT... starts a coordinator at any port: $endpoint, $port.
listen() {
    start run ngrams "${SHARDS[@]}" --listen tcp://127.0.0.1:* --workers 0 -o rows "$@"
    eventually said err 'listening on|error'
    endpoint=$(sed -n 's/^millrace: listening on //p' err)
    port=${endpoint##*:}
    [ -n "$endpoint" ] || fail "$(<err)"
}

said() {
    grep -q -s -E "$2" "$1"
}

keys() {
    echo "$BATS_FILE_TMPDIR/keys/$1"
}

expect_serial() {
    "$MILLRACE" run ngrams "${SHARDS[@]}" -q >serial
    expect_status 0
    expect_same serial rows
}

# joins STATUS [OPTION...]: a worker for one job must end so, within 15 s.
joins() {
    local want=$1 got=0
    shift
    timeout -k 1 15 "$WORKER" --connect "$endpoint" --once --tmp "$TMPDIR" "$@" >worker 2>&1 3>&- || got=$?
    [ "$got" -eq "$want" ] || fail "status $got, not $want: $(<worker)"
}

@test "keygen: secrets are mode 0600, nothing is overwritten, names stay in the folder" {
    ok keygen K
    ok keygen K --worker w2 --client bob
    [ -z "$(find K -name secret ! -perm 600)" ]
    [ "$(find K -name secret | wc -l)" -eq 6 ]
    sum=$(find K -type f -exec sha256sum {} + | sort)
    refused 2 '*exists already; keys are never overwritten*' keygen K
    refused 2 '*exists already*' keygen K --worker w2
    refused 2 "*cannot be the name of keys*" keygen K --client ../bob
    refused 2 "*begin with millrace keygen DIR alone" keygen L --client bob
    [ "$sum" = "$(find K -type f -exec sha256sum {} + | sort)" ]
}

@test "with keys a job is the same, bytes and all" {
    listen --keys "$(keys coordinator)"
    MILLRACE_KEYS=$(keys worker) joins 0
    finish
    expect_serial
}

@test "local workers need no keys, and share a job with those that have some" {
    start run ngrams "${SHARDS[@]}" --listen tcp://127.0.0.1:* --workers 1 -j 1 --keys "$(keys coordinator)" -o rows
    finish
    expect_serial
}

@test "an address that others can reach needs keys, or --insecure" {
    refused 2 '*anyone who reaches it could join; give it --keys DIR*' run ngrams "${SHARDS[@]}" --listen tcp://0.0.0.0:*
    refused 2 '*anyone who reaches it could join; give it --keys DIR*' serve --listen tcp://0.0.0.0:20001 --state S
}

@test "no keys, unknown keys, another coordinator's, and a client's: status 6 within 15 s, and both sides say why" {
    listen --keys "$(keys coordinator)"
    joins 6
    said worker 'admits only who has keys; give them with --keys DIR'
    eventually said err '127.0.0.1: (it has no keys|again and again)'
    mkdir mixed
    cp -p "$BATS_FILE_TMPDIR/others/worker/secret" "$(keys worker)/coordinator.pub" mixed
    joins 6 --keys mixed
    said worker 'the coordinator does not admit the key in .*/mixed'
    eventually said err '127.0.0.1: its key is not among those in .*/keys/coordinator: refused'
    joins 6 --keys "$BATS_FILE_TMPDIR/others/worker"
    said worker 'is not the coordinator whose public key is in .*/others/worker/coordinator.pub'
    eventually said err 'it has another coordinator.s public key'
    joins 6 --keys "$(keys client)"
    said worker 'these are the keys of a client, not of a worker'
    # Also when it says that it is a worker.
    mkdir liar
    sed 's/role = "client"/role = "worker"/' "$(keys client)/secret" >liar/secret
    chmod 600 liar/secret
    cp "$(keys client)/coordinator.pub" liar
    joins 6 --keys liar
    eventually said err "its key is a client's, and not for this: refused"
    joins 0 --keys "$(keys worker)"
    finish
    expect_serial
}

@test "keys on the worker only: it does not trust a coordinator without, and both say so" {
    listen
    joins 6 --keys "$(keys worker)"
    said worker 'the coordinator there has no keys, and is not trusted'
    eventually said err '127.0.0.1: (it has keys, and this coordinator has none|again and again)'
    joins 0
    finish
    expect_serial
}

@test "a key that was removed is refused from then on" {
    cp -rp "$(keys coordinator)" mine
    listen --keys mine
    mv mine/workers/worker.pub .
    joins 6 --keys "$(keys worker)"
    mv worker.pub mine/workers/
    joins 0 --keys "$(keys worker)"
    finish
    expect_serial
}

@test "a secret that others can read is refused" {
    cp -rp "$(keys worker)" open
    chmod 640 open/secret
    endpoint=tcp://127.0.0.1:9
    joins 6 --keys open
    said worker 'others can read it \(mode 0640\)'
    refused 2 '*no secret is there*' run ngrams "${SHARDS[@]}" --listen tcp://127.0.0.1:* --keys "$BATS_FILE_TMPDIR/keys"
}

@test "without its ZAP handler a coordinator does not start" {
    [ -z "$SANITIZED" ] || skip 'a preloaded library and a sanitizer'
    run_as=(env LD_PRELOAD="$tools/no_zap.so")
    refused 6 '*a key that nobody knows was let in; this coordinator does not start' \
        run ngrams "${SHARDS[@]}" --listen tcp://127.0.0.1:* --workers 0 --keys "$(keys coordinator)"
}

@test "who speaks a ZMTP without keys gets nothing" {
    listen --keys "$(keys coordinator)"
    "$tools/knock" 127.0.0.1 "$port" zmtp1 >said
    said said '^closed after'
    "$tools/knock" 127.0.0.1 "$port" huge >said
    said said '^closed after ([0-9]|[1-5][0-9]|6[0-4]) bytes'
    joins 0 --keys "$(keys worker)"
    finish
}

@test "a message of 1 TB is cut off, and takes no memory" {
    listen
    "$tools/knock" 127.0.0.1 "$port" huge >said
    said said '^closed after'
    [ -n "$SANITIZED" ] || [ "$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")" -lt 200000 ]
    joins 0
    finish
    expect_serial
}

@test "hundreds of connections that say nothing keep no worker out" {
    listen --keys "$(keys coordinator)"
    mkfifo hold
    "$tools/knock" 127.0.0.1 "$port" idle 400 <hold >flood 3>&- &
    strangers+=($!)
    exec 9>hold
    eventually said flood open
    joins 0 --keys "$(keys worker)"
    finish
    expect_serial
    exec 9>&-
}

said_twice() {
    [ "$(grep -c -E "$2" "$1")" -ge 2 ]
}

# has_secret FILE...: one of the lines of ./secrets is in one of them. A file that cannot be read fails the test.
has_secret() {
    local found=0
    grep -q -a -F -f secrets -- "$@" || found=$?
    [ "$found" -le 1 ] || fail "cannot be searched: $*"
    return "$found"
}

@test "secrets are in no argument, environment or message" {
    local each
    listen --keys "$(keys coordinator)" --log-level debug
    sed -n 's/.*secret-key = "\(.*\)"/\1/p' "$(keys coordinator)/secret" "$(keys worker)/secret" >secrets
    [ "$(grep -c -E '^.{40}$' secrets)" -eq 2 ] || fail "not two secrets of 40 characters"
    # The search finds what is there.
    has_secret "$(keys worker)/secret"
    # Looked at while both are there: the job goes on only then.
    kill -STOP "$pid"
    MILLRACE_KEYS=$(keys worker) "$WORKER" --connect "$endpoint" --once --threads 1 --tmp "$TMPDIR" --log-level debug >worker 2>&1 3>&- &
    strangers+=($!)
    eventually grep -q -a -F 'millrace-worker' "/proc/$!/cmdline"
    for each in "$pid" "$!"; do
        cat "/proc/$each/cmdline" "/proc/$each/environ" >"seen-$each"
        grep -q -a -F -e keys/ "seen-$each"
    done
    kill -CONT "$pid"
    finish
    expect_serial
    eventually ended "${strangers[0]}"
    for each in seen-* err worker rows; do
        if has_secret "$each"; then fail "a secret is in $each"; fi
    done
}

@test "serve with keys: its own workers and clients with keys, and nobody else" {
    endpoint=tcp://127.0.0.1:$((20000 + 4 * (RANDOM % 3000)))
    start serve --state S --listen "$endpoint" --keys "$(keys coordinator)" --workers 1 -j 1 --tmp "$TMPDIR"
    eventually said err 'serving at'
    timeout 30 "$MILLRACE" submit ngrams "${SHARDS[@]}" --connect "$endpoint" --keys "$(keys client)" -q >rows 3>&-
    "$MILLRACE" run ngrams "${SHARDS[@]}" -q >serial
    expect_same serial rows
    status=0
    timeout 15 "$MILLRACE" status --connect "$endpoint" >out 2>refusal 3>&- || status=$?
    expect_status 6
    said refusal 'admits only who has keys'
    status=0
    timeout 15 "$MILLRACE" status --connect "$endpoint" --keys "$(keys worker)" >out 2>refusal 3>&- || status=$?
    expect_status 6
    said refusal 'these are the keys of a worker, not of a client'
    kill -TERM "$pid"
    finish
}

@test "nothing that listens, and something that is no coordinator: the worker says every 10 s where it tries, and what is there" {
    cd "$BATS_FILE_TMPDIR"
    eventually said_twice lonely 'tcp://127.0.0.1:9: no coordinator has answered for [0-9]+ s; still trying$'
    eventually said_twice misled "tcp://127.0.0.1:$(<echo): no coordinator has answered for [0-9]+ s; still trying; something listens there, but"
}

@test "a worker that speaks in another's name, with keys of its own, is heard by nobody" {
    local i
    for ((i = 0; i < 40; i++)); do cat "${SHARDS[@]}"; done >text
    "$MILLRACE" run ngrams text -q >serial
    (cd "$BATS_FILE_TMPDIR" && [ -e keys/liar ] || "$MILLRACE" keygen keys --worker liar >/dev/null)
    start run ngrams text --chunk 256K --listen tcp://127.0.0.1:* --workers 0 -o rows --keys "$(keys coordinator)"
    eventually said err 'listening on|error'
    endpoint=$(sed -n 's/^millrace: listening on //p' err)
    /usr/bin/python3 "$BATS_TEST_DIRNAME/forge.py" "$endpoint" "$(keys liar)" "$("$MILLRACE" --version | cut -d ' ' -f 2)" >liar 2>liar-err 3>&- &
    strangers+=($!)
    eventually test -s liar
    "$WORKER" --connect "$endpoint" --keys "$(keys worker)" --threads 1 --tmp "$TMPDIR" --once 2>worker 3>&- &
    strangers+=($!)
    finish
    expect_status 0
    expect_same serial rows
    grep -q -E ' 0 retries, 0 duplicates discarded; .*; [1-9][0-9]* stale messages dropped' err || fail "$(<err)" "$(<liar-err)"
    [ "$(cat liar)" = 'at it' ]
}
