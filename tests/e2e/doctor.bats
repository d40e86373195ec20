# millrace doctor: what usually goes wrong is found from all ends, with what to do.
load helpers
load serving

doctor() {
    status=0
    MILLRACE_CONNECT=$endpoint timeout -k 5 "$PATIENCE" "$MILLRACE" doctor "$@" >found 2>found-err 3>&- || status=$?
}

two_are_here() {
    [ "$(MILLRACE_CONNECT=$endpoint "$MILLRACE" status --format json | jq '.workers | length')" -eq 2 ]
}

@test "all is well: each port is reached from each worker, and each sees the input" {
    echo line >input
    serve --lane-ports 31900-31910
    join
    join
    eventually two_are_here
    doctor input
    expect_status 0
    for what in control sink inputs 'lane: tcp://127.0.0.1:31900' 'lane: tcp://127.0.0.1:31910' clock descriptors scratch 'input: '; do
        [ "$(grep -c "^ok    worker .*  $what" found)" -eq 2 ] || fail "not twice: $what" "$(cat found)"
    done
    expect_text found 'ok    here  coordinator: '*' reached in '
    expect_text found 'ok    coordinator  workers: 2 are here'
    ! grep -q -E '^(FAIL|warn)  (here|worker)' found || fail 'this must not be so'
    end_serve
}

@test "what is wrong is told with its fix: no worker, an input that is not there, a name that workers cannot resolve" {
    serve --advertise nowhere.invalid
    doctor nosuch
    expect_status 1
    expect_text found 'FAIL  coordinator  workers: 0 are here'*'-> start one: millrace-worker --connect'
    expect_text found 'nosuch: No such file or directory'*'-> put it where'
    join
    join
    eventually two_are_here
    doctor
    expect_status 1
    expect_text found 'FAIL  worker '*'  sink: tcp://nowhere.invalid:'*'the name cannot be resolved'*'-> mend the name'
    expect_text found-err 'checks failed'
    end_serve
}

@test "beyond the root of serve no file is told to be there" {
    mkdir top
    echo line >top/input
    echo secret >outside
    serve --root "$PWD/top"
    doctor top/input outside "$PWD/top/../outside" /no/such
    expect_text found 'ok    coordinator  input: '*'top/input: is seen here'
    [ "$(grep -c '^FAIL  coordinator  input: .*: not beneath --root' found)" -eq 3 ] || fail "told" "$(cat found)"
    end_serve
}

@test "nobody there: the port is spoken of, and status 7" {
    endpoint=tcp://127.0.0.1:$((20000 + RANDOM % 12000))
    doctor
    expect_status 7
    expect_text found 'FAIL  here  coordinator: '*'Connection refused'*'-> start the coordinator there'
}

@test "with keys: a client's are let in; a worker's, and a secret that others can read, are refused in words" {
    "$MILLRACE" keygen keys >made
    serve --keys "$PWD/keys/coordinator"
    join --keys "$PWD/keys/worker"
    eventually one_is_here
    doctor --keys keys/client
    expect_status 0
    expect_text found 'ok    here  keys: '*"/keys/client: a client's"
    expect_text found 'ok    coordinator  workers: 1 are here'
    doctor --keys keys/worker
    expect_status 6
    expect_text found 'FAIL  here  keys: '*'these are the keys of a worker, not of a client'*"-> give --keys a client's folder"
    expect_text found-err 'these are the keys of a worker, not of a client'
    chmod 644 keys/client/secret
    doctor --keys keys/client
    expect_status 6
    expect_text found 'FAIL  here  keys: '*'others can read it (mode 0644)'*'-> '
    doctor --keys keys/nobody
    expect_status 2
    expect_text found 'FAIL  here  keys: '*'No such file or directory'*'-> '
    doctor
    expect_status 6
    expect_text found-err 'admits only who has keys'
    end_serve
}

one_is_here() {
    MILLRACE_CONNECT=$endpoint "$MILLRACE" status --keys keys/client --format json >seen 2>&1 3>&- && [ "$(jq '.workers | length' seen)" -eq 1 ]
}
