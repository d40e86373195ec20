#!/usr/bin/env bash
# launch-ssh.sh has a worker run on each machine of a list, by ssh: it brings the program and the keys there if need be, and hands the rest to
# scale-workers.sh, which it sends along. Nothing is asked: a machine that wants a password has failed, and so has one that does not answer.
set -uo pipefail

usage() {
    cat <<'END'
Usage: launch-ssh.sh HOSTFILE --connect ENDPOINT [options] [-- WORKER_OPTION...]
       launch-ssh.sh HOSTFILE --status | --stop

  launch-ssh.sh hosts --connect tcp://10.0.0.1:5555 --keys keys/worker

A line of HOSTFILE is [THREADS/][USER@]HOST[:PORT]; an address with colons stands in brackets. A worker is started on each, with that many
threads (its processors), unless one runs already. It stays when ssh ends, and is ended by --stop, which drains it.

  --connect ENDPOINT   the coordinator's, as those machines reach it
  --keys DIR           the worker's keys; they are copied
  --root DIR, --tmp DIR, --idle-timeout TIME, --log-level LEVEL
                       there: millrace-worker --help
  --worker PATH        the program here, which is copied to where it is not (default: of a build beside this script, or in PATH)
  --remote-worker PATH the program there; nothing is copied
  --name NAME          another set of workers on the same machines, as for another coordinator (default: ssh)
  --status, --stop     say which workers there are; drain and end them
  --timeout SECONDS    for each connection (60)
  --at-once N          so many machines side by side (16)
  -F FILE, -o OPTION   as of ssh
  --help

There, all is in ~/.local/state/millrace. Exit status: 0 as asked, on all machines; 1 not on all; 2 usage.
END
}

warn() { printf 'launch-ssh: %s\n' "$*" >&2; }
die() {
    warn "error: $2"
    exit "$1"
}

here=$(cd "$(dirname "$0")" && pwd)
hostfile='' connect='' keys='' worker='' remote_worker='' name=ssh do=start timeout=60 at_once=16 passed=() ssh_options=()

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --connect | --keys | --worker | --remote-worker | --name | --timeout | --at-once | --root | --tmp | --idle-timeout | --log-level | -F | -o)
            [ $# -gt 1 ] || die 2 "$1 needs a value"
            take "$1" "$2"
            shift
            ;;
        --status | --stop) do=${1#--} ;;
        --help) usage && exit 0 ;;
        --)
            shift
            passed+=("$@")
            break
            ;;
        -*) die 2 "unknown option $1; --help lists the options" ;;
        *)
            [ -z "$hostfile" ] || die 2 "one list of machines, not two: $hostfile and $1"
            hostfile=$1
            ;;
        esac
        shift
    done
    [ -n "$hostfile" ] || die 2 "on which machines? --help says more"
    [ "$do" != start ] || [ -n "$connect" ] || die 2 "--connect: to which coordinator?"
}

take() {
    case $1 in
    --connect) connect=$2 ;;
    --keys)
        keys=$2
        [ -r "$keys/secret" ] || die 2 "$keys: not a folder with a worker's keys, as millrace keygen makes it"
        ;;
    --worker) worker=$2 ;;
    --remote-worker) remote_worker=$2 ;;
    --name) name=$2 ;;
    --timeout | --at-once)
        [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || die 2 "$1 $2: not a number from 1"
        if [ "$1" = --timeout ]; then timeout=$2; else at_once=$2; fi
        ;;
    -F | -o) ssh_options+=("$1" "$2") ;;
    *) passed+=("$1" "$2") ;;
    esac
}

# Lines of HOSTFILE into `lines`.
read_hosts() {
    local line number=0
    [ -r "$hostfile" ] || die 2 "$hostfile: cannot be read"
    lines=()
    while read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%%#*}
        line=${line%"${line##*[![:space:]]}"}
        [ -n "$line" ] || continue
        [[ $line =~ $form ]] || die 2 "$hostfile:$number: '$line' is not [THREADS/][USER@]HOST[:PORT]"
        lines+=("$line")
    done <"$hostfile"
    [ "${#lines[@]}" -gt 0 ] || die 2 "$hostfile: no machine in it"
}
form='^(([1-9][0-9]{0,3})/)?(([A-Za-z0-9._][A-Za-z0-9._-]*)@)?(([A-Za-z0-9._][A-Za-z0-9._-]*)|\[([0-9a-fA-F:.%a-z]+)\])(:([0-9]{1,5}))?$'

find_worker() {
    local candidate
    for candidate in "$here/../build/release/worker/millrace-worker" "$here/../bin/millrace-worker" "$(command -v millrace-worker)"; do
        [ -n "$worker" ] || [ ! -x "$candidate" ] || worker=$candidate
    done
    [ -z "$worker" ] || [ -x "$worker" ] || die 2 "$worker: no such program"
}

# ---- one machine ----

# `remote COMMAND` runs it there with the stdin of this; what ssh and it say is in $said.
remote() {
    timeout -k 2 "$timeout" ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -T "${ssh_options[@]}" "${target[@]}" "$1" >"$said" 2>&1
    local status=$?
    case $status in
    0) return 0 ;;
    124 | 137) why="no answer within $timeout s" ;;
    *)
        why=$(grep '^scale-workers:' "$said" | tail -n 1)
        why=${why:-$(grep -v -e '^Warning: Permanently added' -e '^$' "$said" | tail -n 1)}
        why=${why#scale-workers: } why=${why#error: }
        ;;
    esac
    return "$status"
}

# Words for a shell, whatever is in them.
quoted() {
    local word
    for word in "$@"; do printf " '%s'" "${word//\'/\'\\\'\'}"; done
}

# Says which program there is, that is the same as the one here: "found PATH" or "absent ARCHITECTURE", with what it found wrong.
# shellcheck disable=SC2016
probe='version=$1 sum=$2
home=${XDG_STATE_HOME:-$HOME/.local/state}/millrace
set -- $(command -v millrace-worker) "$home/bin/millrace-worker"
for program; do
    [ -x "$program" ] || continue
    found=$("$program" --version 2>&1) || continue
    [ -z "$version" ] || [ "$found" = "$version" ] || continue
    case $program in "$home"/*) [ -z "$sum" ] || [ "$(sha256sum <"$program")" = "$sum" ] || continue;; esac
    echo "found $program"; exit
done
echo "absent $(uname -sm)"'

# Puts stdin to where the probe looks; what it cannot be loaded without is said.
# shellcheck disable=SC2016
receive='umask 077; home=${XDG_STATE_HOME:-$HOME/.local/state}/millrace; mkdir -p "$home/bin" && cat >"$home/bin/new.$$" && chmod 700 "$home/bin/new.$$" || exit 1
if why=$("$home/bin/new.$$" --version 2>&1); then mv "$home/bin/new.$$" "$home/bin/millrace-worker"; exit; fi
missing=$(ldd "$home/bin/new.$$" 2>/dev/null | sed -n "s/ => not found.*//p" | tr -d "\t" | tr "\n" " "); rm -f "$home/bin/new.$$"
echo "the program was copied but does not run there: ${missing:+install these libraries: $missing}${missing:-$why}"; exit 1'

# Root's tar would give them to the number of the user here, and keep their modes.
# shellcheck disable=SC2016
receive_keys='umask 077; home=${XDG_STATE_HOME:-$HOME/.local/state}/millrace; rm -rf "$home/keys-$1.new.$$"; mkdir -p "$home/keys-$1.new.$$" && cd "$home/keys-$1.new.$$" && tar -x --no-same-owner --no-same-permissions -f - &&
rm -rf "$home/keys-$1" && mv "$home/keys-$1.new.$$" "$home/keys-$1" && echo "$home/keys-$1"'

# Sets program.
bring_program() {
    local version='' sum='' found
    program=$remote_worker
    [ -z "$program" ] || return 0
    [ -z "$worker" ] || { version=$("$worker" --version 2>/dev/null); sum=$(sha256sum <"$worker"); }
    remote "sh -c$(quoted "$probe" sh "$version" "$sum")" </dev/null || return
    found=$(tail -n 1 "$said")
    if [[ $found == absent* ]]; then
        [ -n "$worker" ] || { why="millrace-worker is not there, and not here to be copied: install it, or name it with --worker PATH" && return 1; }
        [ "$found" = "absent $(uname -sm)" ] || { why="${version:-millrace-worker} is not there, and this machine's is for $(uname -sm), not ${found#absent }: install it there" && return 1; }
        remote "sh -c$(quoted "$receive")" <"$worker" || return
        remote "sh -c$(quoted "$probe" sh "$version" "$sum")" </dev/null || return
        found=$(tail -n 1 "$said")
    fi
    program=${found#found }
    [[ $found == found* ]] || { why="the program was copied but is not found there" && return 1; }
}

bring_keys() {
    remote_keys=
    [ -n "$keys" ] || return 0
    tar -C "$keys" -cf - . | remote "sh -c$(quoted "$receive_keys" sh "$name")" || return
    remote_keys=$(tail -n 1 "$said")
}

# `scale N ARGUMENT...`: scale-workers.sh there. Its status 6 is about a worker that was there before.
scale() {
    remote "bash -s --$(quoted --name "$name" "$@")" <"$here/scale-workers.sh" || { [ $? -eq 6 ] && [ "$1" != --status ]; }
}

start() {
    local program remote_keys
    bring_program && bring_keys &&
        scale 1 --connect "$connect" --worker "$program" ${threads:+--threads "$threads"} ${remote_keys:+--keys "$remote_keys"} -- "${passed[@]}" || return
    why=$(sed -n 's/^worker [0-9]*: started, //p' "$said")
    if [ -n "$why" ]; then why="started, $why"; else why='runs already'; fi
    told "$(grep '^scale-workers:' "$said")"
}

stop() {
    scale 0 || return
    if grep -q ': drained$' "$said"; then why=drained; else why='no worker ran'; fi
    told "$(grep '^scale-workers:' "$said")"
}

status() {
    scale --status || return
    why=$(sed -n 's/^worker [0-9]*: runs, /runs, /p' "$said")
    why=${why:-no worker runs}
    told "$(grep '^scale-workers:' "$said")"
}

# Adds what scale-workers.sh has to tell of a worker that has ended.
told() {
    [ -z "$1" ] || why+="; ${1#scale-workers: }"
}

# `one NUMBER LINE` says what became of it to $scratch/NUMBER.
one() {
    local why='' said=$scratch/$1.said threads target=() failed=0
    [[ $2 =~ $form ]]
    threads=${BASH_REMATCH[2]}
    [ -z "${BASH_REMATCH[9]}" ] || target+=(-p "${BASH_REMATCH[9]}")
    [ -z "${BASH_REMATCH[4]}" ] || target+=(-l "${BASH_REMATCH[4]}")
    target+=(-- "${BASH_REMATCH[6]}${BASH_REMATCH[7]}")
    "$do" || failed=1
    if [ "$failed" -eq 0 ]; then
        printf '%s: %s\n' "$2" "$why" >"$scratch/$1"
    else
        printf '%s: failed: %s\n' "$2" "${why:-ssh says nothing about it}" >"$scratch/$1"
        : >"$scratch/failed"
    fi
}

main() {
    local lines i
    parse "$@"
    read_hosts
    [ "$do" != start ] || [ -n "$remote_worker" ] || find_worker
    scratch=$(mktemp -d) || exit 1
    trap 'rm -rf "$scratch"' EXIT
    for ((i = 0; i < ${#lines[@]}; i++)); do
        [ "$(jobs -rp | wc -l)" -lt "$at_once" ] || wait -n
        one "$i" "${lines[i]}" &
    done
    wait
    for ((i = 0; i < ${#lines[@]}; i++)); do cat "$scratch/$i"; done
    [ ! -e "$scratch/failed" ]
}

main "$@"
