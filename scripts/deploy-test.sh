#!/usr/bin/env bash
# deploy-test.sh [PRESET] runs the scripts that launch workers (scale-workers.sh, launch-ssh.sh, launch-slurm.sh) against real sshds and a real Slurm, which
# the tests start in networks of their own and end; and looks at the systemd units and the Kubernetes manifest. It needs root for the networks. The last line counts.
. "$(dirname "$0")/lib.sh"

preset=${1:-release}
install_missing "${build_packages[@]}" "${test_packages[@]}" "${deploy_packages[@]}"
build "$preset" -DMILLRACE_TESTS=ON -DMILLRACE_WERROR=ON
. scripts/sanitizers.sh

say "launching workers ($preset)"
log=build/$preset/deploy.tap
MILLRACE_BUILD=$PWD/build/$preset bats --tap tests/deploy >"$log" 2>"$log.err" || true
grep -E -A12 '^not ok ' "$log" >&2 || true
passed=$(grep -c '^ok ' "$log" || true)
failed=$(grep -c '^not ok ' "$log" || true)
grep -qE '^1\.\.[0-9]+$' "$log" || { cat "$log.err" >&2 && failed=$((failed + 1)); }
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
