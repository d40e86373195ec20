#!/usr/bin/env bash
# docker-test.sh [--keep] plays what happens to a cluster of containers, with the real engine and the docker-compose.yml of the project: containers
# that are killed, added and taken away, paused, cut off, stopped, and one with a wrong key. Each time the totals must be those of a run on this machine.
# Without an engine it says so and counts nothing. Nothing of it is left but the base image (scripts/docker-base.sh); --keep keeps the
# image, and what the engine needs to build it again soon.
. "$(dirname "$0")/lib.sh"

keep=
[ "${1:-}" != --keep ] || keep=1
if ! docker info >/dev/null 2>&1; then
    say "docker: SKIPPED, nothing was tested: no docker engine answers here"
    echo "0 passed, 0 failed"
    exit 0
fi
docker compose version >/dev/null 2>&1 || install_missing docker-compose
install_missing "${build_packages[@]}" "${test_packages[@]}"

PATIENCE=60 # seconds until a condition that does not come true is a failure
scratch=$(mktemp -d)
project=millrace-test-$$
export COMPOSE_PROJECT_NAME=$project MILLRACE_IMAGE=millrace-test MILLRACE_BASE=millrace-base DOCKER_BUILDKIT=0 DOCKER_CLI_HINTS=false
export MILLRACE_DATA=$scratch/data MILLRACE_KEYS_DIR=$scratch/keys MILLRACE_PORT=$((20000 + $$ % 12000)) LC_ALL=C
files=(-f docker-compose.yml)
passed=0 failed=0
: >"$scratch/err"
: >"$scratch/log"

# ---- the engine ----

compose() {
    if docker compose version >/dev/null 2>&1; then docker compose "${files[@]}" "$@"; else docker-compose "${files[@]}" "$@"; fi </dev/null >>"$scratch/log" 2>&1
}

clean_up() {
    docker ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r docker unpause >/dev/null 2>&1 || true
    compose down --volumes --remove-orphans --timeout 1 || true
    if [ -z "$keep" ]; then
        docker image rm -f "$MILLRACE_IMAGE" >/dev/null 2>&1 || true
        docker image prune -f --filter label=millrace=build >/dev/null 2>&1 || true
    fi
    as_root rm -rf "$scratch"
}
trap clean_up EXIT

# containers SERVICE
containers() {
    docker ps -q --no-trunc --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"
}

coordinator() {
    containers coordinator
}

# The worker that was started N-th of those that are here.
worker() {
    containers worker | sed -n "$1p"
}

millrace() {
    docker exec "$(coordinator)" millrace "$@"
}

scale() {
    compose up -d --no-recreate --scale "worker=$1"
}

# ---- judging ----

fail() {
    printf '%s\n' "$@" >&2
    return 1
}

eventually() {
    local deadline=$((SECONDS + PATIENCE))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within $PATIENCE s: $*" || return
        sleep 0.05
    done
}

# try NAME COMMAND... counts.
try() {
    local name=$1 began=$SECONDS status
    shift
    set +e # (in a condition, nothing would end the subshell)
    (set -e && "$@")
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        printf 'ok %s (%d s)\n' "$name" $((SECONDS - began))
    else
        failed=$((failed + 1))
        printf 'not ok %s\n' "$name"
        : >"$scratch/log"
        compose logs --tail 4
        grep -v "^Attaching" "$scratch/log" | tail -n 30 >&2
        tail -n 8 "$scratch/err" >&2
    fi
}

# ---- jobs ----

# submit submits the main job and leaves a client that waits for it.
submit() {
    : >"$scratch/err"
    docker exec "$(coordinator)" millrace submit ngrams /data/1gram-{a,b,c} --progress json >"$scratch/out" 2>"$scratch/err" </dev/null &
    client=$!
}

# speed MICROSECONDS: what each worker may compute in 100 ms. Workers are slow until what is to happen during a job has happened.
speed() {
    containers worker | xargs docker update --cpu-period 100000 --cpu-quota "$1" >/dev/null
}

# slow_job: three workers, slow ones, have begun a job.
slow_job() {
    scale 3
    eventually all_are_back
    speed 2000
    submit
    eventually reached 3
    still_running
}

# reached PERCENT: of the job that was submitted, so much is mapped.
reached() {
    local now
    now=$(grep -o '"percent":[0-9]*' "$scratch/err" | tail -n 1)
    [ -n "$now" ] && [ "${now#*:}" -ge "$1" ] || ! kill -0 "$client" 2>/dev/null
}

still_running() {
    if grep -q '"phase":"merge"' "$scratch/err" || ! kill -0 "$client" 2>/dev/null; then
        fail "the job is over already"
    fi
}

right_totals() {
    local status=0
    wait "$client" || status=$?
    [ "$status" -eq 0 ] || fail "submit: status $status"
    cmp "$scratch/out" "$scratch/expected"
}

# ---- what is tried ----

# The engine's part is long where others want the processors too: then only Millrace's is judged.
first_result_in_time() {
    local began up ms
    began=$(date +%s%N)
    scale 3
    up=$((($(date +%s%N) - began) / 1000000))
    millrace submit sum-range 1000000 -q >"$scratch/out"
    ms=$((($(date +%s%N) - began) / 1000000))
    [ "$(<"$scratch/out")" = $'1000000\t500000500000' ]
    printf 'from docker compose up to the first result: %d ms, of which docker compose took %d; load %s\n' "$ms" "$up" "$(cut -d ' ' -f 1 /proc/loadavg)"
    if awk -v processors="$(nproc)" '{ exit $1 <= 1.5 * processors }' /proc/loadavg; then
        [ $((ms - up)) -le 2000 ]
    else
        [ "$ms" -le 5000 ]
    fi
}

well() {
    # shellcheck disable=SC2046 # one word a container
    [ "$(docker inspect -f '{{.State.Health.Status}}' $(containers coordinator) $(containers worker) | sort | uniq -c | tr -s ' ')" = " 4 healthy" ]
}

nobody_is_root() {
    local container
    for container in $(coordinator) $(containers worker); do
        [ "$(docker top "$container" -eo pid,uid | awk 'NR > 1 { print $2 }' | sort -u)" = 10001 ] || fail "$(docker top "$container" -eo pid,uid,args)"
        docker exec "$container" grep -qE '^CapEff:\s0+$' /proc/1/status || fail "$container has capabilities"
        docker exec "$container" sh -c '! touch /data/x 2>/dev/null' || fail "$container may write to /data"
    done
}

each_has_its_key_only() {
    [ "$(docker exec "$(worker 1)" find /run/secrets -name secret)" = /run/secrets/worker/secret ]
    [ "$(docker exec "$(coordinator)" find /run/secrets -name secret | sort | xargs)" = "/run/secrets/client/secret /run/secrets/coordinator/secret" ]
}

only_loopback_is_published() {
    [ "$(docker port "$(coordinator)")" = "5555/tcp -> 127.0.0.1:$MILLRACE_PORT" ]
    [ -z "$(docker port "$(worker 1)")" ]
}

main_job() {
    submit
    right_totals
}

killed() {
    slow_job
    docker kill "$(worker 2)" >/dev/null
    still_running
    speed 200000
    right_totals
}

scaled() {
    slow_job
    speed 1000
    scale 5
    [ "$(containers worker | wc -l)" -eq 5 ]
    still_running
    scale 1
    [ "$(containers worker | wc -l)" -eq 1 ]
    still_running
    speed 200000
    right_totals
    [ "$(grep -c 'its tasks are queued again' "$scratch/err")" -eq 0 ] || fail "a worker that was taken away was not drained"
}

# A container that may hardly compute can hardly be paused either.
paused() {
    local container
    slow_job
    container=$(worker 1)
    docker update --cpu-period 100000 --cpu-quota 100000 "$container" >/dev/null
    docker pause "$container" >/dev/null
    still_running
    docker update --cpu-quota 200000 "$(worker 2)" "$(worker 3)" >/dev/null
    right_totals
    docker unpause "$container" >/dev/null
    eventually all_are_back
}

cut_off() {
    local container
    slow_job
    container=$(worker 3)
    docker network disconnect "${project}_default" "$container"
    still_running
    speed 200000
    right_totals
    docker network connect "${project}_default" "$container"
    eventually all_are_back
}

all_are_back() {
    [ "$(millrace status --format json 2>/dev/null | jq '.workers | length')" = 3 ]
}

# Workers are drained long before they would be killed, and the job goes on where it was.
stopped() {
    local job all began
    scale 3
    eventually all_are_back
    speed 2000
    job=$(millrace submit ngrams /data/1gram-{a,b,c} --detach)
    all=$(containers worker)
    eventually has_begun "$job"
    began=$SECONDS
    compose stop
    [ $((SECONDS - began)) -le 25 ]
    [ "$(docker inspect -f '{{.State.ExitCode}}' $all | sort -u)" = 0 ] || fail "a worker was not drained"
    compose start
    speed 200000
    eventually millrace status >/dev/null
    millrace wait "$job" >"$scratch/out"
    cmp "$scratch/out" "$scratch/expected"
}

has_begun() {
    [ "$(millrace status "$1" --format json | jq '.jobs[0].progress.bytes // 0')" -gt 1000000 ]
}

wrong_key() {
    local status=0 began
    MILLRACE_KEYS_DIR=$scratch/other compose run --rm keys
    began=$SECONDS
    docker run --rm --init --network "${project}_default" -v "$scratch/other/worker:/run/secrets/worker:ro" "$MILLRACE_IMAGE" \
        millrace-respawn millrace-worker --connect tcp://coordinator:5555 --keys /run/secrets/worker >"$scratch/refused" 2>&1 || status=$?
    cat "$scratch/refused"
    [ "$status" -eq 6 ]
    [ $((SECONDS - began)) -le 16 ] || fail "after $((SECONDS - began)) s" # and a second for the container
    [ "$(grep -c 'error: .*public key' "$scratch/refused")" -eq 1 ] || fail "the worker did not say why, or more than once"
    docker logs "$(coordinator)" 2>&1 | grep 'refused' | grep -q 'key' || fail "the coordinator did not say why"
}

# ---- the play ----

docker image inspect "$MILLRACE_BASE" >/dev/null 2>&1 || scripts/docker-base.sh "$MILLRACE_BASE"
say "building the image"
began=$SECONDS
docker build --network host --build-arg "BASE=$MILLRACE_BASE" -t "$MILLRACE_IMAGE" . >"$scratch/build.log" 2>&1 || {
    tail -n 40 "$scratch/build.log" >&2
    echo "0 passed, 1 failed"
    exit 1
}
# shellcheck disable=SC2046,SC2183 # two words
printf 'the image: %s (%s without its base), built in %d s\n' \
    $(docker image inspect -f '{{.Size}}' "$MILLRACE_IMAGE" "$MILLRACE_BASE" | awk '{ size[NR] = $1 } END { printf "%.1fMB %.1fMB", size[1] / 1e6, (size[1] - size[2]) / 1e6 }') $((SECONDS - began))

build release -DMILLRACE_TESTS=ON -DMILLRACE_WERROR=ON
scripts/bench/build.sh
mkdir "$MILLRACE_DATA"
build/bench/gen1grams --size 300M --seed 2012 --prefix "$MILLRACE_DATA/1gram-" >/dev/null 2>&1
build/release/coordinator/millrace run ngrams "$MILLRACE_DATA"/1gram-{a,b,c} -o "$scratch/expected" --quiet
chmod -R a+rX "$scratch"

say "a cluster in containers"
try "docker compose run keys" compose run --rm keys
try "the first result within 5 s" first_result_in_time
try "the main job" main_job
try "all are healthy" eventually well
try "nobody is root" nobody_is_root
try "each has its key only" each_has_its_key_only
try "only loopback is published" only_loopback_is_published
try "a wrong key is told, and not tried again" wrong_key

say "slow workers, so that it happens during a job"
cat >"$scratch/slow.yml" <<'SLOW'
services:
  worker:
    cpu_period: 100000
    cpu_quota: 2000
SLOW
files+=(-f "$scratch/slow.yml")
compose down
try "a killed container" killed
try "scaled to 5 and to 1" scaled
try "a paused container" paused
try "a container cut off its network" cut_off
try "docker compose stop and start" stopped

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
