#!/bin/bash
# Measures what many workers cost a coordinator: registration, processor, memory, descriptors, fairness. The workers are played by one process
# (tests/crowd), which shares this machine with the coordinator: figures are the coordinator's processor time, not the wall's.
#
# usage: crowd.sh [WORKERS...]    default 100 1000 2500
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
build=${MILLRACE_BUILD:-$root/build/release}
lanes=20000-27999
workers=("${@:-100}")
[ $# -gt 0 ] || workers=(100 1000 2500)

ulimit -n "$(ulimit -Hn)"
[ -x "$build/tests/crowd" ] || (cd "$root" && build release -DMILLRACE_TESTS=ON)

# crowd WORKERS TASKS CROWD-OPTION...: the report of one job.
crowd() {
    local count=$1 tasks=$2
    shift 2
    "$build/tests/crowd" --workers "$count" "$@" -- "$build/coordinator/millrace" run noop --tasks "$tasks" --workers 0 \
        --listen 'tcp://127.0.0.1:*' --lane-ports $lanes --log-level error
}

# Two kinds of job tell what a message costs and what a task: in one each message has one task, in the other many.
figures() {
    awk -v workers="$1" '
        $1 == "joined" { joined = $2 }
        $1 == "join-cpu" { join = $2 }
        $1 == "memory" { memory = $2 }
        $1 == "descriptors" { files = $2 }
        $1 == "job" { job[++jobs] = $2 }
        $1 == "cpu-task" { task[jobs] = $2 }
        $1 == "cpu-lane" { lane[jobs] = $2 }
        $1 == "cpu-message" { message[jobs] = $2 }
        $1 == "fairness" { fair[jobs] = $2 }
        END {
            printf "| %d | %s s | %.0f us | %.0f KiB | %.2f | %.1f us | %.1f us | %s | %.2f us | %.0f /s |\n", workers, joined,
                   join, memory, files, lane[1], message[1], fair[1], task[2], 1000 * workers / job[2]
        }' "$2"
}

report=$(mktemp)
trap 'rm -f "$report"' EXIT
echo "| workers | joined | join, CPU each | memory each | descriptors each | CPU a lane message, one task in each | a message of any kind | most / least | CPU a task, many in a message | tasks |"
echo "|-|-|-|-|-|-|-|-|-|-|"
for count in "${workers[@]}"; do
    crowd "$count" $((20 * count)) --work-us "${WORK_US:-$((count * 100))}" >"$report"
    crowd "$count" $((1000 * count)) >>"$report"
    figures "$count" "$report"
done
