# The systemd units and the Kubernetes manifest: what can be said of them without a systemd or a cluster that runs them.
load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    :
}

@test "systemd: the units are understood, hardened, and do not start again what was refused" {
    local unit
    for unit in millrace-worker millrace-serve; do
        # The program is not installed here.
        sed 's#^ExecStart=millrace #ExecStart=/bin/true #' "$SCRIPTS/systemd/$unit.service" >"$unit.service"
        systemd-analyze verify --man=no "./$unit.service" >said 2>&1 || fail "$unit: $(<said)"
        [ ! -s said ] || fail "$unit: $(<said)"
        systemd-analyze security --offline=true --threshold=25 "./$unit.service" >said || fail "$unit: $(tail -n 2 said)"
        grep -q -x 'RestartPreventExitStatus=2 6' "$unit.service"
    done
}

@test "Kubernetes: the manifest is YAML, names fit, nobody is root, and a drain has time" {
    /usr/bin/python3 - "$SCRIPTS/kubernetes.yaml" <<'END'
import sys, yaml

service, coordinator, workers = yaml.safe_load_all(open(sys.argv[1]))
assert [d["kind"] for d in (service, coordinator, workers)] == ["Service", "StatefulSet", "Deployment"]
assert coordinator["spec"]["serviceName"] == service["metadata"]["name"]
assert service["spec"]["selector"] == coordinator["spec"]["template"]["metadata"]["labels"]
for owner in coordinator, workers:
    template = owner["spec"]["template"]
    pod = template["spec"]
    assert owner["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["terminationGracePeriodSeconds"] > 5
    volumes = {v["name"] for v in pod["volumes"]}
    volumes |= {c["metadata"]["name"] for c in owner["spec"].get("volumeClaimTemplates", [])}
    for container in pod["initContainers"] + pod["containers"]:
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {m["name"] for m in container["volumeMounts"]} <= volumes
    assert "readinessProbe" in pod["containers"][0]
for name, owner in ("coordinator", coordinator), ("worker", workers):
    open(name, "w").write(owner["spec"]["template"]["spec"]["initContainers"][0]["command"][2])
connect = workers["spec"]["template"]["spec"]["containers"][0]["command"]
assert f'tcp://{service["metadata"]["name"]}:{service["spec"]["ports"][0]["port"]}' in connect
END
    [ "$(id -u)" -eq 0 ] || skip "what the pods do with keys needs root"
    keys_are_unpacked
}

# What the pods do at their start, and again when they are started anew: as their user, in a folder that is root's and that their group may write to.
keys_are_unpacked() {
    "$MILLRACE" keygen keys >made
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -e -c '
        mount -t tmpfs -o mode=755 none /mnt
        for role in coordinator worker client; do
            mkdir -p "/mnt/secret/$role" && tar -C "keys/$role" -cf "/mnt/secret/$role/keys.tar" .
            chmod 644 "/mnt/secret/$role/keys.tar"
        done
        install -d -g 10001 -m 2777 /mnt/keys
        for name in coordinator worker coordinator worker; do
            command=$(sed "s# /secret# /mnt/secret#g; s# /keys# /mnt/keys#g" "$name")
            (cd / && setpriv --reuid 10001 --regid 10001 --clear-groups sh -c "$command")
        done
        stat -c "%a %u %n" /mnt/keys/*/secret' >unpacked
    [ "$(<unpacked)" = "$(printf '600 10001 /mnt/keys/%s/secret\n' client coordinator worker)" ] || fail "$(<unpacked)"
    grep -q -e '--keys, /keys/worker,' "$SCRIPTS/kubernetes.yaml"
    grep -q -e '--keys, /keys/coordinator,' "$SCRIPTS/kubernetes.yaml"
}
