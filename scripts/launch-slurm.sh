#!/usr/bin/env bash
# launch-slurm.sh gives Slurm a job array, each element of which is a worker: it starts where and when there is room, alone, and gives its
# node back alone. Slurm's SIGTERM (scancel, preemption, the end of the time) drains it within 5 s, and KillWait is 30 s by default. A worker that
# nobody gives work to for --idle-timeout ends: nodes that cost something do not wait for nothing.
set -uo pipefail

usage() {
    cat <<'END'
Usage: launch-slurm.sh N --connect ENDPOINT [options] [-- SBATCH_OPTION...]
       launch-slurm.sh --status | --stop [--name NAME]

  launch-slurm.sh 20 --connect tcp://head:5555 --threads 16 --keys keys/worker -- --partition=short --time=2:00:00

Submits N workers to Slurm, as a job array; called again it adds N more. The program, the keys and the working directory must be seen on the
nodes. Messages of a worker go to millrace-JOB_ELEMENT.log in the working directory.

  --connect ENDPOINT   the coordinator's, as the nodes reach it
  --threads N          processors of each worker (default: what sbatch gives, 1)
  --idle-timeout TIME  a worker ends, status 7, after so long without a coordinator (2m); 0: never
  --keys DIR           the worker's keys
  --root DIR, --tmp DIR, --log-level LEVEL
                       millrace-worker --help
  --worker PATH        the program (default: of a build beside this script, or in PATH)
  --one-job            one job of N tasks instead, which starts when there is room for all of them
  --name NAME          of the job (millrace-worker)
  --status             what Slurm says about this user's jobs of that name
  --stop               drain and end them all
  --help

Exit status: 0; 1 Slurm refused; 2 usage.
END
}

die() {
    printf 'launch-slurm: error: %s\n' "$2" >&2
    exit "$1"
}

count='' connect='' threads='' idle=2m keys='' worker='' one_job='' name=millrace-worker do=submit passed=() slurm=()

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --connect | --threads | --idle-timeout | --keys | --worker | --name | --root | --tmp | --log-level)
            [ $# -gt 1 ] || die 2 "$1 needs a value"
            take "$1" "$2"
            shift
            ;;
        --one-job) one_job=1 ;;
        --status | --stop) do=${1#--} ;;
        --help) usage && exit 0 ;;
        --)
            shift
            slurm+=("$@")
            break
            ;;
        -*) die 2 "unknown option $1; --help lists the options" ;;
        *)
            [ -z "$count" ] || die 2 "one number of workers, not two: $count and $1"
            [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] || die 2 "$1: how many workers? A number from 1 to 99999"
            count=$1
            ;;
        esac
        shift
    done
    [ "$do" != submit ] || [ -n "$count" ] || die 2 "how many workers? --help says more"
    [ "$do" != submit ] || [ -n "$connect" ] || die 2 "--connect: to which coordinator?"
}

take() {
    case $1 in
    --connect) connect=$2 ;;
    --threads) threads=$2 ;;
    --idle-timeout) idle=$2 ;;
    --keys) keys=$(cd "$2" && pwd) || die 2 "$2: no such folder of keys" ;;
    --worker) worker=$2 ;;
    --name) name=$2 ;;
    *) passed+=("$1" "$2") ;;
    esac
}

find_worker() {
    local here candidate
    here=$(cd "$(dirname "$0")" && pwd)
    for candidate in "$here/../build/release/worker/millrace-worker" "$here/../bin/millrace-worker" "$(command -v millrace-worker)"; do
        [ -n "$worker" ] || [ ! -x "$candidate" ] || worker=$candidate
    done
    [ -x "$worker" ] || die 2 "${worker:-millrace-worker}: no such program; name it with --worker PATH"
    worker=$(cd "$(dirname "$worker")" && pwd)/${worker##*/}
}

# The worker takes the place of the script (or srun does), so that it gets the script's signals.
batch_script() {
    printf '#!/bin/bash\nexec %s' "${one_job:+srun --kill-on-bad-exit=0 }"
    printf '%q ' "$worker" --connect "$connect" --idle-timeout "$idle" ${keys:+--keys "$keys"} "${passed[@]}"
    # shellcheck disable=SC2016
    printf -- '--threads "${SLURM_CPUS_PER_TASK:-1}"\n'
}

submit() {
    local id options=(--parsable --job-name="$name" --open-mode=append ${threads:+--cpus-per-task="$threads"})
    find_worker
    # TERM half a minute before the time is over: to the script, or to the tasks of srun.
    if [ -n "$one_job" ]; then
        options+=(--ntasks="$count" --signal=TERM@30 --output=millrace-%j.log)
    else
        options+=(--ntasks=1 --array="1-$count" --signal=B:TERM@30 --output=millrace-%A_%a.log)
    fi
    id=$(batch_script | sbatch "${options[@]}" "${slurm[@]}") || die 1 "sbatch has not taken the job"
    printf 'job %s: %s workers for %s; end them with scancel %s\n' "${id%%;*}" "$count" "$connect" "${id%%;*}"
}

stop() {
    scancel --name="$name" --user="$(id -un)"
}

status() {
    squeue --name="$name" --user="$(id -un)" --array --format='%.18i %.9T %.10M %.4C %R'
}

parse "$@"
command -v sbatch >/dev/null || die 2 "sbatch is not here: this is for a machine from which jobs are given to Slurm"
"$do"
