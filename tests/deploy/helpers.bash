# helpers.bash - for tests of the scripts that launch workers. To those of tests/e2e it adds machines: processes that keep a network, a host name and mounts
# of their own, joined by a bridge. `in_machine N COMMAND...` runs something there; the kernel removes all of it with the last process.
load ../e2e/helpers
load ../e2e/serving

SCRIPTS=$root/scripts
machines=() # process ids; 0 is the one with the bridge, 10.77.0.1

setup_machines() { # setup_machines COUNT
    local i
    for ((i = 0; i <= $1; i++)); do
        unshare --net --mount --uts --propagation private sleep infinity 3>&- &
        machines+=($!)
    done
    for ((i = 0; i <= $1; i++)); do
        eventually apart "${machines[i]}"
        in_machine "$i" hostname "machine-$i"
        in_machine "$i" ip link set lo up
    done
    in_machine 0 ip link add bridge type bridge
    in_machine 0 ip address add 10.77.0.1/24 dev bridge
    in_machine 0 ip link set bridge up
    for ((i = 1; i <= $1; i++)); do
        in_machine 0 ip link add "to-$i" type veth peer name eth0 netns "${machines[i]}"
        in_machine 0 ip link set "to-$i" master bridge up
        in_machine "$i" ip address add "10.77.0.$((i + 1))/24" dev eth0
        in_machine "$i" ip link set eth0 up
    done
}

apart() {
    [ "$(readlink "/proc/$1/ns/uts")" != "$(readlink /proc/self/ns/uts)" ] && [ "$(cat "/proc/$1/comm")" = sleep ]
}

in_machine() {
    local machine=${machines[$1]}
    shift
    nsenter --target "$machine" --net --mount --uts --wdns="$PWD" -- "$@"
}

# Ends all that runs in the networks of the machines, whoever started it, and what that starts meanwhile.
end_machines() {
    local machine network
    for machine in "${machines[@]}"; do
        network=$(readlink "/proc/$machine/ns/net") || continue
        [ "$network" = "$(readlink /proc/self/ns/net)" ] || eventually network_is_empty "$network"
        kill -KILL "$machine" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    machines=()
}

network_is_empty() {
    local process found=0
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$1" ] && ! ended "${process#/proc/}" || continue
        kill -KILL "${process#/proc/}" 2>/dev/null || true
        found=1
    done
    return "$found"
}

# workers_of MACHINE: the processes of workers in its network.
workers_of() {
    local process network
    network=$(readlink "/proc/${machines[$1]}/ns/net")
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$network" ] && [ "$(cat "$process/comm" 2>/dev/null)" = millrace-worker ] &&
            ! ended "${process#/proc/}" && printf '%s\n' "${process#/proc/}"
    done
    return 0
}

# script STATUS NAME ARGUMENT... runs a script of scripts/; what it says is in ./said.
script() {
    local want=$1 got=0
    shift
    timeout -k 5 "$PATIENCE" "${run_as[@]}" "$SCRIPTS/$1" "${@:2}" >said 2>&1 3>&- || got=$?
    [ "$got" -eq "$want" ] || fail "$1: status $got, not $want:" "$(head -c 3000 said)"
}

said_lines() { # said_lines COUNT PATTERN
    [ "$(grep -c -E "$2" said)" -eq "$1" ] || fail "not $1 lines '$2':" "$(<said)"
}

# coordinator ARGUMENT... starts millrace run in machine 0 (`machines` empty: here) and waits until it listens at $endpoint.
coordinator() {
    local run_as=("${run_as[@]}")
    [ "${#machines[@]}" -eq 0 ] || run_as=(nsenter --target "${machines[0]}" --net --uts --)
    start run "$@" --listen "$endpoint" --insecure --workers 0
    eventually listening_or_ended
    grep -q 'listening on' err || fail "it ended: $(<err)"
}

listening_or_ended() {
    grep -q -s 'listening on' err || ended "$pid"
}

# serve_with_keys starts `millrace serve` as $pid, where `run_as` says, and waits until it serves at $endpoint; keys/ has everybody's keys.
serve_with_keys() {
    "$MILLRACE" keygen keys >made
    serve --keys keys/coordinator "$@"
}

# submit JOB ARGUMENT... gives it a job, as $client: rows go to ./rows, messages to ./client-err. `submitted` waits for the end, which must be a good one.
submit() {
    "${run_as[@]}" "$MILLRACE" submit "$@" --connect "$endpoint" --keys keys/client >rows 2>client-err 3>&- &
    client=$!
}

submitted() {
    eventually ended "$client"
    status=0
    wait "$client" || status=$?
    [ "$status" -eq 0 ] || fail "submit: status $status: $(<client-err)" "the server: $(<err)"
    ! grep -h -E 'warning|error' client-err err | grep -v 'no worker has joined' # Slurm may take its time
}

# The arguments of a job of so many rows that take a while each: `slow_job ROWS [NUMBER]`.
slow_job() {
    printf 'sum-range\n'
    for _ in $(seq "$1"); do printf '%s\n' "${2:-400000000}"; done
    printf '%s\n' --chunk 20000000
}

# The summary's retries count what was given back before it was begun, too; what was computed twice would be a duplicate.
slow_job_went_well() {
    submitted
    expect_text client-err " 0 rejected, $1 rows"
    expect_text client-err ' 0 duplicates discarded'
    [ "$(sort rows | uniq -c | sed 's/^ *//')" = "$1 400000000"$'\t80000000200000000' ] || fail "the rows are wrong: $(<rows)"
}

# have_computed PROCESS...: each has used a fifth of a second of a processor.
have_computed() {
    local process stat
    for process in "$@"; do
        { read -r stat <"/proc/$process/stat"; } 2>/dev/null || return
        read -ra stat <<<"${stat##*) }"
        [ "${stat[11]}" -ge 20 ] || return
    done
}
