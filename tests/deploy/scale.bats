# scale-workers.sh: as many workers as asked, whatever was before, and nothing lost or done twice when they become fewer.
load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR/tmp HOME=$BATS_TEST_TMPDIR/home
    mkdir "$TMPDIR" "$HOME"
    unset XDG_CONFIG_HOME XDG_STATE_HOME
    pid=
    endpoint=ipc://$BATS_TEST_TMPDIR/c
    records=$HOME/.local/state/millrace/workers-$(uname -n)
}

teardown() {
    "$SCRIPTS/scale-workers.sh" 0 >/dev/null 2>&1 3>&- || true
    [ -z "${client:-}" ] || kill -KILL "$client" 2>/dev/null || true
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    ! grep -l -a "$BATS_TEST_TMPDIR" /proc/[0-9]*/cmdline 2>/dev/null | grep -v -e "/$$/" -e self | xargs -r -n 1 dirname | xargs -r -I{} cat {}/comm 2>/dev/null | grep -x millrace-worker
}

scale() { # scale STATUS ARGUMENT...
    script "$1" scale-workers.sh "${@:2}" --worker "$WORKER"
}

record() { # record NUMBER: its process
    cut -d ' ' -f 1 "$records/$1"
}

@test "scale: up and down, the newest first, and nothing when the number is right" {
    scale 0 2 --connect "$endpoint" --threads 1
    said_lines 2 ': started, process [0-9]+, 1 threads'
    first=$(record 1) second=$(record 2)
    scale 0 3
    said_lines 1 'worker 3: started'
    third=$(record 3)
    scale 0 3
    said_lines 0 'started|drained'
    said_lines 1 '^3 workers run$'
    scale 0 1
    said_lines 2 ': drained$'
    ended "$second" && ended "$third" && ! ended "$first"
    script 0 scale-workers.sh --status
    said_lines 1 "worker 1: runs, process $first, .* for $endpoint"
    scale 2 2 --connect ipc:///elsewhere
    said_lines 1 'the 1 workers here are for'
    scale 0 0
    ended "$first"
    [ -z "$(ls "$records" | grep -E '^[0-9]+$')" ]
}

@test "scale: with keys, workers that become fewer in the middle of a submitted job cost no task" {
    endpoint=
    serve_with_keys
    submit $(slow_job 50)
    scale 0 4 --connect "$endpoint" --threads 1 --keys keys/worker
    eventually have_computed "$(record 1)" "$(record 2)" "$(record 3)" "$(record 4)"
    scale 0 1
    said_lines 3 ': drained$'
    ! ended "$client" || fail "the job was over before the workers were fewer"
    scale 0 2 --keys keys/worker
    said_lines 1 ': started'
    slow_job_went_well 50
    scale 0 0
    said_lines 2 ': drained$'
    end_serve
}

@test "scale: what ended by itself is told of, a process of another with its number is not touched" {
    scale 0 2 --connect "$endpoint" --threads 1
    kill -KILL "$(record 2)"
    eventually test -e "$records/2.ended"
    script 0 scale-workers.sh --status
    said_lines 1 'worker 2 has ended, status 137: signal KILL'
    # The number of the first is another's now: that was started at another time, or at another boot.
    sleep 1000 3>&- &
    other=$!
    mine=$(record 1)
    cp "$records/1" kept
    echo "$other $(cut -d ' ' -f 2- kept)" >"$records/1"
    scale 0 0
    said_lines 0 drained
    ! ended "$other"
    kill "$other"
    echo "$(cut -d ' ' -f 1-2 kept) another-boot" >"$records/1"
    scale 0 0
    ! ended "$mine"
    cp kept "$records/1"
    scale 0 0
    said_lines 1 'worker 1: drained'
}

@test "scale: a worker that is refused, one that cannot be started, one that does not end" {
    printf '#!/bin/sh\n[ "$1" = --version ] || { sleep 0.2; echo "error: refused: another version" >&2; exit 6; }\n' >refused
    chmod +x refused
    script 1 scale-workers.sh 1 --worker ./refused --connect "$endpoint"
    said_lines 1 'worker 1 has ended, status 6: it was refused: its keys or its version; .*another version'
    scale 1 1 --connect "$endpoint" --threads x
    said_lines 1 "status 2: it was called wrongly.*'x' is not a number"
    script 2 scale-workers.sh 1 --worker ./absent
    script 2 scale-workers.sh many
    script 2 scale-workers.sh
    # Refused later than at its start: told at the next call, with a status of its own.
    scale 0 1 --connect "$endpoint" --threads 1
    kill -KILL "$(record 1)"
    eventually test -e "$records/1.ended"
    echo "6 $(record 1)" >"$records/1.ended"
    script 6 scale-workers.sh --status
    scale 6 1
    said_lines 1 'worker 1: started'
}

@test "ssh: a list that is wrong" {
    printf '%s\n' 'worker@10.77.0.2:24222' 'one two' >hosts
    script 2 launch-ssh.sh hosts --connect "$endpoint"
    said_lines 1 "hosts:2: 'one two' is not"
    printf '%s\n' '-oProxyCommand=touch' >hosts
    script 2 launch-ssh.sh hosts --connect "$endpoint"
    printf '%s\n' '# nobody' >hosts
    script 2 launch-ssh.sh hosts --connect "$endpoint"
    said_lines 1 'no machine in it'
    script 2 launch-ssh.sh absent --connect "$endpoint"
    printf '%s\n' worker@10.77.0.2 >hosts
    script 2 launch-ssh.sh hosts
    said_lines 1 'to which coordinator'
    script 2 launch-ssh.sh hosts --connect "$endpoint" --keys "$PWD"
}
