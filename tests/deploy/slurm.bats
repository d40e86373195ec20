# launch-slurm.sh, with a real Slurm of one machine: munged, slurmctld and slurmd in a network and mounts of the test's own.
load helpers

setup_file() {
    command -v slurmctld slurmd munged sbatch >/dev/null || skip "Slurm is not here"
}

setup() {
    [ "$(id -u)" -eq 0 ] || skip "it needs root"
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR/tmp HOME=$BATS_TEST_TMPDIR/home
    mkdir "$TMPDIR" "$HOME"
    pid=
    endpoint=tcp://127.0.0.1:24100
    setup_machines 0
    run_as=(nsenter --target "${machines[0]}" --net --mount --uts --wdns="$PWD" --)
    export SLURM_CONF=$PWD/slurm.conf
    start_slurm
}

teardown() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    end_machines
}

start_slurm() {
    local log
    mkdir -m 700 munge state spool
    head -c 1024 /dev/urandom >munge/key
    chmod 400 munge/key
    cat >slurm.conf <<END
ClusterName=test
SlurmctldHost=machine-0(127.0.0.1)
SlurmctldPort=24110
SlurmdPort=24111
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$PWD/munge/socket
CredType=cred/munge
StateSaveLocation=$PWD/state
SlurmdSpoolDir=$PWD/spool
SlurmctldPidFile=$PWD/slurmctld.pid
SlurmdPidFile=$PWD/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
NodeName=machine-0 NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=NO
END
    "${run_as[@]}" munged --foreground --force --socket="$PWD/munge/socket" --key-file="$PWD/munge/key" --log-file="$PWD/munge/log" \
        --pid-file="$PWD/munge/pid" --seed-file="$PWD/munge/seed" >munged.log 2>&1 3>&- &
    eventually test -S munge/socket
    "${run_as[@]}" slurmctld -D -f "$SLURM_CONF" >slurmctld.log 2>&1 3>&- &
    "${run_as[@]}" slurmd -D -N machine-0 -f "$SLURM_CONF" >slurmd.log 2>&1 3>&- &
    for log in slurmctld slurmd; do eventually test -e "$log.pid"; done
    eventually idle
}

idle() {
    "${run_as[@]}" sinfo -h -o %T 2>/dev/null | grep -q -x idle
}

no_jobs() {
    [ -z "$("${run_as[@]}" squeue -h 2>/dev/null)" ]
}

states() { # states COUNT STATE
    [ "$("${run_as[@]}" squeue -h -r -t "$2" | wc -l)" -eq "$1" ]
}

launch() { # launch ARGUMENT...
    script 0 launch-slurm.sh "$1" --connect "$endpoint" --worker "$WORKER" "${@:2}"
}

@test "slurm: a job array of workers with keys does the main job, submitted; those that find no coordinator end by themselves" {
    serve_with_keys
    launch 3 --threads 1 --idle-timeout 2s --keys keys/worker -- --time=5
    said_lines 1 '^job [0-9]+: 3 workers'
    submit ngrams "${SHARDS[@]}"
    submitted
    end_serve
    ok run ngrams "${SHARDS[@]}"
    expect_same out rows
    eventually no_jobs
}

@test "slurm: scancel drains: all elements of an array, and all tasks of one job" {
    coordinator $(slow_job 60 1500000000)
    launch 3 --threads 1 --idle-timeout 0 --log-level info
    eventually states 3 RUNNING
    eventually workers_compute 3
    script 0 launch-slurm.sh --status
    said_lines 3 ' RUNNING '
    script 0 launch-slurm.sh --stop
    eventually no_jobs
    # Status 0 of all three: drained, and not killed.
    [ "$("${run_as[@]}" scontrol show job | grep -c 'JobState=CANCELLED')" -eq 3 ]
    [ "$("${run_as[@]}" scontrol show job | grep -c 'ExitCode=0:0')" -eq 3 ]
    launch 2 --threads 1 --idle-timeout 0 --one-job --log-level info
    eventually workers_compute 2
    script 0 launch-slurm.sh --stop
    eventually no_jobs
    [ "$("${run_as[@]}" scontrol show job | grep -c 'ExitCode=0:0')" -eq 4 ]
    kill -INT "$pid"
    finish
    expect_status 130
    ! grep -E 'warning' err
    script 2 launch-slurm.sh --connect "$endpoint"
}

workers_compute() {
    local there
    mapfile -t there < <(workers_of 0)
    [ "${#there[@]}" -eq "$1" ] && have_computed "${there[@]}"
}
