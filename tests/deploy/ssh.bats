# launch-ssh.sh, with real sshds: three machines, each a network, a host name and mounts of its own, with users, homes and keys that the test makes.
load helpers

setup() {
    [ "$(id -u)" -eq 0 ] || skip "it needs root"
    [ -x /usr/sbin/sshd ] || skip "sshd is not here"
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR/tmp HOME=$BATS_TEST_TMPDIR/home
    mkdir "$TMPDIR" "$HOME"
    pid=
    endpoint=tcp://10.77.0.1:24200
    setup_machines 3
    run_as=(nsenter --target "${machines[0]}" --net --uts --)
    setup_ssh
}

teardown() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    end_machines
}

# Users of the machines: `worker`, whom our key lets in, and `stranger`, who would be asked for a password.
setup_ssh() {
    local i
    ssh-keygen -q -t ed25519 -N '' -f us
    ssh-keygen -q -t ed25519 -N '' -f host
    printf 'root:x:0:0::/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nworker:x:4321:4321::/srv/worker:/bin/sh\nstranger:x:4322:4322::/srv/stranger:/bin/sh\n' >passwd
    printf 'root:*:20000::::::\nsshd:*:20000::::::\nworker:*:20000::::::\nstranger:*:20000::::::\n' >shadow
    printf '* %s\n' "$(<host.pub)" >known
    cat >sshd_config <<END
Port 24222
HostKey $PWD/host
AuthorizedKeysFile /srv/%u/.ssh/authorized_keys
PasswordAuthentication yes
UsePAM no
PidFile none
END
    cat >ssh_config <<END
IdentityFile $PWD/us
IdentitiesOnly yes
UserKnownHostsFile $PWD/known
GlobalKnownHostsFile /dev/null
END
    for i in 1 2 3; do start_sshd "$i"; done
    for i in 1 2 3; do eventually answers "$((i + 1))"; done
}

# The inputs are not there: only the coordinator has them.
start_sshd() { # start_sshd MACHINE
    in_machine "$1" sh -c 'mount -t tmpfs none /run && mkdir /run/sshd && mount -t tmpfs -o mode=755 none /srv &&
        mount --bind passwd /etc/passwd && mount --bind shadow /etc/shadow &&
        mount -t tmpfs none "$0" && mkdir -p /srv/worker/.ssh /srv/stranger && cp us.pub /srv/worker/.ssh/authorized_keys &&
        chown -R 4321:4321 /srv/worker && chown 4322:4322 /srv/stranger' "$DATA"
    in_machine "$1" /usr/sbin/sshd -D -e -f "$PWD/sshd_config" >"sshd-$1" 2>&1 3>&- &
}

answers() {
    [ "$("${run_as[@]}" bash -c "exec 4<>/dev/tcp/10.77.0.$1/24222 && head -c 3 <&4" 2>/dev/null)" = SSH ]
}

launch() { # launch STATUS ARGUMENT...
    script "$1" launch-ssh.sh hosts -F ssh_config "${@:2}"
}

# What ssh is told from now on goes to ./told as well.
note_ssh() {
    mkdir -p bin
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>"%s/told"\nexec "%s" "$@"\n' "$PWD" "$(command -v ssh)" >bin/ssh
    chmod +x bin/ssh
    PATH=$PWD/bin:$PATH
}

# The copies of the keys are the user's alone, and the secret is in nobody's arguments, environment or messages.
keys_are_safe() {
    local i there secret
    secret=$(sed -n 's/.*secret-key = "\(.*\)"/\1/p' keys/worker/secret)
    [ "${#secret}" -eq 40 ]
    for i in 1 2 3; do
        there=$(workers_of "$i")
        [ "$(in_machine "$i" stat -c '%a %u' /srv/worker/.local/state/millrace/keys-ssh{,/secret})" = $'700 4321\n600 4321' ]
        tr '\0' '\n' <"/proc/$there/cmdline" | grep -q -x '.*/keys-ssh'
        ! grep -q -a -F -e "$secret" "/proc/$there/cmdline" "/proc/$there/environ"
        in_machine "$i" test ! -e "${SHARDS[0]}"
    done
    [ -s told ] && ! grep -q -F -e "$secret" told said client-err err
}

list() {
    printf '%s\n' "$@" >hosts
}

@test "ssh: three machines get the program and keys, do a submitted job over inputs they do not see, are drained and stopped" {
    list '# THREADS/USER@HOST:PORT' '' '2/worker@10.77.0.2:24222' 'worker@10.77.0.3:24222 # the second' '  1/worker@10.77.0.4:24222'
    note_ssh
    serve_with_keys
    launch 0 --connect "$endpoint" --worker "$WORKER" --tmp /tmp --keys keys/worker
    submit ngrams "${SHARDS[@]}"
    said_lines 3 ': started, process [0-9]+'
    said_lines 1 '^2/worker@10.77.0.2:24222: started, .* 2 threads'
    submitted
    keys_are_safe
    ok run ngrams "${SHARDS[@]}"
    expect_same out rows
    # What stays when ssh has ended is told, and not started again.
    launch 0 --status
    said_lines 3 ": runs, process [0-9]+, .* for $endpoint"
    launch 0 --connect "$endpoint" --worker "$WORKER" --keys keys/worker
    said_lines 3 ': runs already$'
    [ "$(workers_of 1 | wc -l) $(workers_of 2 | wc -l) $(workers_of 3 | wc -l)" = '1 1 1' ]
    [ "$(stat -c %u "/proc/$(workers_of 2)")" = 4321 ]
    launch 0 --stop
    said_lines 3 ': drained$'
    [ -z "$(workers_of 1)$(workers_of 2)$(workers_of 3)" ]
    launch 0 --stop
    said_lines 3 ': no worker ran$'
    end_serve
}

@test "ssh: each machine on which it fails is told with the reason, and the others work" {
    sed 's/libisal\.so\.2/libisal.so.9/' "$WORKER" >elsewhere
    chmod +x elsewhere
    list worker@10.77.0.2:24222 stranger@10.77.0.3:24222 worker@10.77.0.4:1 worker@10.77.0.99:24222
    launch 1 --connect "$endpoint" --worker "$WORKER"
    said_lines 1 '^worker@10.77.0.2:24222: started'
    said_lines 1 '^stranger@10.77.0.3:24222: failed: .*Permission denied'
    said_lines 1 '^worker@10.77.0.4:1: failed: .*Connection refused'
    said_lines 1 '^worker@10.77.0.99:24222: failed: .*(No route to host|timed out)'
    list worker@10.77.0.3:24222
    launch 1 --connect "$endpoint" --worker ./elsewhere
    said_lines 1 'failed: the program was copied but does not run there: install these libraries: libisal.so.9'
    launch 1 --connect "$endpoint" --remote-worker /opt/millrace-worker
    said_lines 1 'failed: /opt/millrace-worker: no such program'
    launch 1 --connect "$endpoint" --worker "$WORKER" -- --nothing
    said_lines 1 'failed: worker 1 has ended, status 2.*--nothing'
    # One that stops in the middle of an answer.
    kill -STOP "$(pgrep -f "sshd.*$PWD/sshd_config" --ns "${machines[2]}" --nslist net | head -n 1)"
    launch 1 --status --timeout 2
    said_lines 1 'failed: no answer within 2 s'
}
