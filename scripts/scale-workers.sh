#!/usr/bin/env bash
# scale-workers.sh makes it so many workers on this machine: it starts some, or drains the newest, and does nothing if the number is right.
#
# A worker's record is a file in the pool's folder: its process, the time that process was started, and the boot: a number that another process
# has got since is never taken for the worker. The folder is not in $XDG_RUNTIME_DIR, which goes with the session, and workers stay.
# It needs nothing but bash, util-linux and coreutils, and changes nothing elsewhere: launch-ssh.sh sends it to other machines as it is.
set -uo pipefail

usage() {
    cat <<'END'
Usage: scale-workers.sh N [--connect ENDPOINT] [options] [-- WORKER_OPTION...]
       scale-workers.sh --status

  scale-workers.sh 4 --connect tcp://coordinator:5555 --keys keys/worker
  scale-workers.sh 0                      # drains and ends all

Makes it N worker processes on this machine, for one coordinator. Those that are too many are drained (SIGTERM), the newest first: they hand
in what they have, so nothing is lost or done twice. What ended by itself is told of, and replaced at the next call, not before.

  --connect ENDPOINT   the coordinator's (default: that of the workers here, or tcp://127.0.0.1:5555)
  --threads N          of each new worker (default: the processors, divided by the workers; at least 1)
  --keys DIR           the worker's keys
  --root DIR, --tmp DIR, --idle-timeout TIME, --log-level LEVEL
                       of each new worker: millrace-worker --help
  --worker PATH        the program (default: of a build beside this script, or in PATH)
  --name NAME          another pool of workers, as for another coordinator (default: workers)
  --status             say which workers there are; change nothing
  --help

Records and logs are in $XDG_STATE_HOME/millrace/NAME-HOST (~/.local/state/millrace/NAME-HOST).
Exit status: 0 as asked; 1 a worker could not be started or does not end; 2 usage; 6 a worker had been refused (its keys or its version).
END
}

say() { printf '%s\n' "$*"; }
warn() { printf 'scale-workers: %s\n' "$*" >&2; }
die() {
    warn "error: $2"
    exit "$1"
}

wanted='' connect='' threads='' keys='' worker='' name=workers status_only='' passed=()

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --connect | --threads | --keys | --worker | --name | --root | --tmp | --idle-timeout | --log-level)
            [ $# -gt 1 ] || die 2 "$1 needs a value"
            take "$1" "$2"
            shift
            ;;
        --status) status_only=1 ;;
        --help) usage && exit 0 ;;
        --)
            shift
            passed+=("$@")
            break
            ;;
        -*) die 2 "unknown option $1; --help lists the options" ;;
        *)
            [ -z "$wanted" ] || die 2 "one number of workers, not two: $wanted and $1"
            wanted=$1
            [[ $wanted =~ ^[0-9]{1,4}$ ]] || die 2 "$wanted: how many workers? A number, 0 to 9999"
            wanted=$((10#$wanted))
            ;;
        esac
        shift
    done
    [ -n "$wanted$status_only" ] || die 2 "how many workers? --help says more"
    [ -z "$wanted" ] || [ -z "$status_only" ] || die 2 "--status changes nothing: leave out the $wanted"
}

take() {
    case $1 in
    --connect) connect=$2 ;;
    --threads) threads=$2 ;;
    --keys) keys=$(cd "$2" && pwd) || die 2 "$2: no such folder of keys" ;;
    --worker) worker=$2 ;;
    --name)
        name=$2
        [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || die 2 "$name: a name has letters, digits, '.', '_' and '-'"
        ;;
    *) passed+=("$1" "$2") ;;
    esac
}

# ---- records: FOLDER/NUMBER has "PID STARTED BOOT" while it runs; FOLDER/NUMBER.ended has "STATUS PID" when it has ended ----

# `started PID`: the time at which it was started, in ticks since the boot.
started() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] && printf '%s\n' "${fields[19]}"
}

boot() {
    cat /proc/sys/kernel/random/boot_id
}

# `lives NUMBER` sets pid and since.
lives() {
    local of_boot
    { read -r pid since of_boot <"$folder/$1"; } 2>/dev/null || return
    [ "$of_boot" = "$this_boot" ] && [ "$(started "$pid")" = "$since" ]
}

# Numbers of the workers that run, the newest first, into `running`; of those that ended by themselves into `gone`.
look() {
    local file number pid since lines=
    gone=()
    for file in "$folder"/[0-9]*; do
        number=${file##*/}
        [[ $number =~ ^[0-9]+$ ]] || continue
        if lives "$number"; then lines+="$since $number"$'\n'; else gone+=("$number"); fi
    done
    mapfile -t running < <(printf %s "$lines" | sort -k 1,1nr -k 2,2nr | cut -d ' ' -f 2)
}

meaning() {
    case $1 in
    0) echo 'it was drained' ;;
    2) echo 'it was called wrongly' ;;
    4) echo 'its storage failed' ;;
    6) echo 'it was refused: its keys or its version' ;;
    7) echo 'it found no coordinator' ;;
    126 | 127) echo 'the program cannot be started' ;;
    '') echo 'nobody saw how' ;;
    *) [ "$1" -gt 128 ] && echo "signal $(kill -l $(($1 - 128)) 2>/dev/null)" || echo 'it failed' ;;
    esac
}

# Tells of those that have ended; `refused` is set if one of them was.
tell_gone() {
    local number status pid
    for number in "${gone[@]}"; do
        status='' pid=
        await 2 test -s "$folder/$number.ended" # it is written down a moment after the end
        read -r status pid 2>/dev/null <"$folder/$number.ended"
        [ "$status" != 6 ] || refused=1
        warn "worker $number has ended${status:+, status $status}: $(meaning "$status")$(last_words "$number")"
    done
}

last_words() {
    local line
    line=$(tail -n 1 "$folder/$1.log" 2>/dev/null)
    [ -z "$line" ] || printf '; %s.log ends: %s' "$folder/$1" "${line:0:300}"
}

forget() {
    rm -f "$folder/$1" "$folder/$1.ended"
}

# ---- up ----

find_worker() {
    local here=${BASH_SOURCE[0]:-} candidate
    here=${here:+$(dirname "$here")}
    for candidate in "$worker" ${worker:+''} ${here:+"$here/../build/release/worker/millrace-worker" "$here/../bin/millrace-worker"} \
        "$(command -v millrace-worker)"; do
        [ -x "$candidate" ] && break
        [ -z "$worker" ] || die 2 "$worker: no such program"
    done
    [ -x "$candidate" ] || die 2 "millrace-worker is neither built here nor in PATH; name it: --worker PATH"
    worker=$(cd "$(dirname "$candidate")" && pwd)/${candidate##*/}
    "$worker" --version >/dev/null 2>"$folder/why" || die 1 "$worker does not run here: $(head -c 500 "$folder/why")"
}

# In a session of its own, so that neither Ctrl-C nor a hangup gets there: a worker, and the shell that writes down how it ended.
# shellcheck disable=SC2016
keeper='record=$1; shift; trap "" HUP INT
"$@" & pid=$!
read -r stat <"/proc/$pid/stat"; set -- ${stat##*) }
read -r boot </proc/sys/kernel/random/boot_id
echo "$pid ${20} $boot" >"$record.new" && mv "$record.new" "$record"
wait "$pid"; echo "$? $pid" >"$record.ended"'

start() {
    local number=$1
    setsid sh -c "$keeper" sh "$folder/$number" "$worker" --connect "$connect" --threads "$threads" ${keys:+--keys "$keys"} "${passed[@]}" \
        </dev/null >>"$folder/$number.log" 2>&1 {lock}>&- &
}

# It has read its options when it has threads; or it has ended.
is_up() {
    [ -e "$folder/$1.ended" ] || { lives "$1" && [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ]; }
}

# `await SECONDS COMMAND...` until it succeeds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return
        sleep 0.02
    done
}

grow() {
    local number=0 missing=$1 new=() pid since failed=0
    find_worker
    while [ "${#new[@]}" -lt "$missing" ]; do
        number=$((number + 1))
        [ -e "$folder/$number" ] && continue
        rm -f "$folder/$number.log"
        start "$number"
        new+=("$number")
    done
    printf '%s\n' "$connect" >"$folder/endpoint"
    for number in "${new[@]}"; do
        if await 10 is_up "$number" && [ ! -e "$folder/$number.ended" ]; then
            lives "$number"
            say "worker $number: started, process $pid, $threads threads, log $folder/$number.log"
        else
            gone=("$number")
            tell_gone
            lives "$number" || forget "$number"
            failed=1
        fi
    done
    return "$failed"
}

# ---- down ----

is_gone() {
    local pid since
    ! lives "$1"
}

# `shrink NUMBER...` drains these side by side.
shrink() {
    local number pid since failed=0
    for number in "$@"; do
        lives "$number" && kill -TERM "$pid" 2>/dev/null
    done
    for number in "$@"; do
        if await 15 is_gone "$number"; then
            await 2 test -s "$folder/$number.ended"
            gone=("$number")
            read -r status _ 2>/dev/null <"$folder/$number.ended"
            if [ "${status:-}" = 0 ]; then say "worker $number: drained"; else tell_gone; fi
            forget "$number"
        else
            lives "$number" && warn "error: worker $number, process $pid, does not end. Is it stopped? kill -CONT $pid lets it go on, kill -KILL $pid ends it"
            failed=1
        fi
    done
    return "$failed"
}

# ---- all of it ----

print_status() {
    local number pid since
    for number in "${running[@]}"; do
        lives "$number" && say "worker $number: runs, process $pid, since $(ps -o lstart= -p "$pid" 2>/dev/null), for $(cat "$folder/endpoint"), log $folder/$number.log"
    done
    say "${#running[@]} workers run"
    tell_gone
    [ -z "$refused" ] || exit 6
}

choose_endpoint() {
    local before=
    [ ! -e "$folder/endpoint" ] || before=$(<"$folder/endpoint")
    connect=${connect:-${before:-tcp://127.0.0.1:5555}}
    [ "${#running[@]}" -eq 0 ] || [ "$wanted" -eq 0 ] || [ "$connect" = "$before" ] ||
        die 2 "the ${#running[@]} workers here are for $before: end them first (scale-workers.sh 0), or give the others a name (--name)"
}

main() {
    local running gone refused='' failed=0 state number
    parse "$@"
    state=${XDG_STATE_HOME:-${HOME:?}/.local/state}/millrace
    folder=$state/$name-$(uname -n)
    this_boot=$(boot)
    umask 077
    mkdir -p "$folder" || exit 1
    exec {lock}>"$folder/lock" || exit 1
    flock -w 60 "$lock" || die 1 "$folder/lock: another call of this script does not end"
    look
    [ -z "$status_only" ] || { print_status && return; }
    choose_endpoint
    tell_gone
    for number in "${gone[@]}"; do forget "$number"; done
    threads=${threads:-$((wanted > 0 && $(nproc) / wanted > 1 ? $(nproc) / wanted : 1))}
    if [ "${#running[@]}" -lt "$wanted" ]; then
        grow $((wanted - ${#running[@]})) || failed=1
    elif [ "${#running[@]}" -gt "$wanted" ]; then
        shrink "${running[@]:0:$((${#running[@]} - wanted))}" || failed=1
    fi
    look
    say "${#running[@]} workers run"
    [ "$failed" -eq 0 ] || return 1
    [ -z "$refused" ] || return 6
}

main "$@"
