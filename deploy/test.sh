#!/bin/sh
# Checks what is in deploy/: alert rules and their tests, the Kubernetes manifests, the systemd unit,
# the configuration. A check whose tool is missing is skipped and says so; nothing skipped counts as
# passed. Exits 1 when a check fails. Writes only to a temporary directory
# (and pip to its cache).
#
#   KUBERNETES_VALIDATE=path deploy/test.sh    uses this instead of installing one from PyPI
#   AUDITOR=path deploy/test.sh                builds an image (needs buildah) and a Debian package of this binary, and tries both

set -u
# A path is meant from where the script is called.
case ${AUDITOR:-/} in
    /*) ;;
    *) AUDITOR=$PWD/$AUDITOR ;;
esac
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

passed=0 failed=0 skipped=0

# check NAME COMMAND…: runs it; its output is shown only when it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$work/output"
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped $1: $2"
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- Prometheus

if have promtool; then
    check "alert rules are valid" promtool check rules --lint=all --lint-fatal prometheus/rules.yaml
    check "alert rules pass their tests" promtool test rules prometheus/rules.test.yaml prometheus/restart.test.yaml
else
    skip "alert rules" "promtool is not installed (Debian: apt-get install prometheus)"
fi

# Every alert has a test and a section in docs/operations.md.
every_alert() {
    status=0
    for alert in $(sed -n 's/^ *- alert: *//p' prometheus/rules.yaml); do
        grep -q "alertname: $alert\$" prometheus/rules.test.yaml || {
            echo "$alert: no test in which it fires"
            status=1
        }
        grep -q "alertname: $alert, .*exp_alerts: \[\]" prometheus/rules.test.yaml || {
            echo "$alert: no test in which it stays silent"
            status=1
        }
        grep -q "alertname=\"$alert\"" prometheus/restart.test.yaml || {
            echo "$alert: no test across a restart of an agent"
            status=1
        }
        grep -q "^## $alert\$" ../docs/operations.md || {
            echo "$alert: no section in docs/operations.md"
            status=1
        }
        anchor=$(echo "$alert" | tr '[:upper:]' '[:lower:]')
        grep -q "runbook: docs/operations.md#$anchor\$" prometheus/rules.yaml || {
            echo "$alert: no rule links to its section"
            status=1
        }
    done
    return $status
}
check "every alert has tests and a runbook" every_alert

# --- Kubernetes

# Renders one kustomization to a file.
render() {
    if have kustomize; then
        kustomize build "$1" >"$2"
    else
        kubectl kustomize "$1" >"$2"
    fi
}

manifests=
if have kustomize || { have kubectl && kubectl kustomize --help >/dev/null 2>&1; }; then
    for kustomization in base overlays/minimal overlays/patched-kernel overlays/conntrack overlays/events overlays/tail \
        overlays/one-namespace overlays/monitoring overlays/openshift; do
        rendered=$work/$(basename "$kustomization").yaml
        check "kustomize builds $kustomization" render "kubernetes/$kustomization" "$rendered"
        manifests="$manifests $rendered"
    done
else
    skip "kustomize build" "neither kustomize nor a kubectl with kustomize is installed; the files of the base are checked as they are"
    for file in crds/clusterdataflowpolicies crds/dataflowpolicies namespace serviceaccount rbac priorityclass daemonset; do
        manifests="$manifests kubernetes/base/$file.yaml"
    done
fi

validator=${KUBERNETES_VALIDATE:-}
reason=
if [ -z "$validator" ] && have kubernetes-validate; then
    validator=kubernetes-validate
elif [ -z "$validator" ]; then
    python=python3
    [ -x /usr/bin/python3 ] && python=/usr/bin/python3
    if ! have "$python"; then
        reason="there is no python3"
    elif ! "$python" -m venv "$work/venv" >"$work/output" 2>&1; then
        reason="no virtual environment could be made (Debian: apt-get install python3-venv)"
    elif ! "$work/venv/bin/pip" install --quiet kubernetes-validate==1.37.0 >"$work/output" 2>&1; then
        reason="pip could not install it: $(tail -n 1 "$work/output")"
    else
        validator=$work/venv/bin/kubernetes-validate
    fi
fi

# A python3 that reads YAML: the one that pip installed the validator for, or the system's.
yaml=
for candidate in "$work/venv/bin/python" python3 /usr/bin/python3; do
    "$candidate" -c 'import yaml' >/dev/null 2>&1 && yaml=$candidate && break
done

# Kinds that the validator has no schema for are checked by ours, and taken out of what it reads.
foreign=
others() {
    status=0
    for file in $manifests; do
        "$yaml" manifests.py split "$file" "$file.known" || status=1
    done
    return $status
}
if [ -n "$yaml" ] && [ -f "$work/base.yaml" ]; then
    check "kinds of the Prometheus Operator and of OpenShift have known fields only" others
    for file in $manifests; do
        foreign="$foreign $file.known"
    done
    manifests=$foreign
    check "the PrometheusRule is what prometheus/rules.yaml says" "$yaml" manifests.py rule
else
    skip "kinds of the Prometheus Operator and of OpenShift" "no python3 with PyYAML, or the manifests were not rendered"
    manifests=$(echo "$manifests" | tr ' ' '\n' | grep -v -e monitoring -e openshift | tr '\n' ' ')
fi
if [ -n "$validator" ]; then
    # The oldest release with appArmorProfile as a field, and the newest the validator knows.
    # $manifests is a list of files without spaces.
    # shellcheck disable=SC2086
    check "manifests fit the Kubernetes 1.30 schema" "$validator" --strict --kubernetes-version 1.30 $manifests
    # shellcheck disable=SC2086
    check "manifests fit the newest known Kubernetes schema" "$validator" --strict $manifests
else
    skip "kubernetes-validate" "$reason"
fi

# Prints the capabilities of a rendered DaemonSet, sorted, on one line.
capabilities() {
    sed -n '/^ *add:$/,/^ *drop:$/s/^ *- \([A-Z_]*\)$/\1/p' "$1" | sort | tr '\n' ' '
}

# The privileges are a promise of docs/security-model.md: a change must be made here too.
privileges() {
    status=0
    base=$(capabilities "$work/base.yaml")
    minimal=$(capabilities "$work/minimal.yaml")
    [ "$base" = "BPF DAC_READ_SEARCH PERFMON SYS_ADMIN SYS_PTRACE SYS_RESOURCE " ] || {
        echo "base adds: $base"
        status=1
    }
    [ "$minimal" = "BPF DAC_READ_SEARCH PERFMON SYS_PTRACE SYS_RESOURCE " ] || {
        echo "minimal adds: $minimal"
        status=1
    }
    conntrack=$(capabilities "$work/conntrack.yaml")
    [ "$conntrack" = "BPF DAC_READ_SEARCH NET_ADMIN PERFMON SYS_ADMIN SYS_PTRACE SYS_RESOURCE " ] || {
        echo "conntrack adds: $conntrack"
        status=1
    }
    for overlay in events monitoring one-namespace openshift patched-kernel; do
        [ "$(capabilities "$work/$overlay.yaml")" = "$base" ] || {
            echo "$overlay adds other capabilities than the base"
            status=1
        }
    done
    # OpenShift admits exactly those, and exactly the account of the agent.
    admitted=$(sed -n '/^allowedCapabilities:$/,/^[^-]*:$/s/^- \([A-Z_]*\)$/\1/p' "$work/openshift.yaml" | sort | tr '\n' ' ')
    accounts=$(sed -n '/^users:$/,/^volumes:$/s/^- //p' "$work/openshift.yaml")
    [ "$admitted" = "$base" ] && [ "$accounts" = system:serviceaccount:auditor:auditor ] || {
        echo "the constraints of OpenShift admit $accounts with $admitted"
        status=1
    }
    grep -q 'node: true' "$work/one-namespace.yaml" && {
        echo "one-namespace watches the whole node"
        status=1
    }
    # Its one further role makes Events and changes them.
    more=$(sed -n '/^  name: auditor-events$/,/^---$/p' "$work/events.yaml" | sed -n '/^rules:$/,/^---$/p' | tr -d ' \n')
    [ "$more" = "rules:-apiGroups:-events.k8s.ioresources:-eventsverbs:-create-patch---" ] || {
        echo "the role of events: $more"
        status=1
    }
    [ "$(capabilities "$work/tail.yaml")" = "$base" ] || {
        echo "tail adds other capabilities than the base"
        status=1
    }
    # Its one further role of the agent asks who somebody is and what they may; the roles of users are bound to nobody.
    for role in "auditor-tail=-apiGroups:-authentication.k8s.ioresources:-tokenreviewsverbs:-create-apiGroups:-authorization.k8s.ioresources:-subjectaccessreviewsverbs:-create---" \
        "auditor-findings-viewer=-apiGroups:-auditor.devresources:-findingsverbs:-watch---" \
        "auditor-agents-viewer=-apiGroups:-\"\"resources:-podsverbs:-list-watch---"; do
        more=$(awk -v RS='---\n' -v name="  name: ${role%%=*}\n" '/kind: ClusterRole\n/ && index($0, name) {print $0 "---"}' "$work/tail.yaml" |
            sed -n '/^rules:$/,/^---$/p' | sed 1d | tr -d ' \n')
        [ "$more" = "${role#*=}" ] || {
            echo "the role ${role%%=*}: $more"
            status=1
        }
    done
    [ "$(grep -c '^kind: ClusterRoleBinding$' "$work/tail.yaml")" -eq 2 ] && ! grep -q '^kind: RoleBinding$' "$work/tail.yaml" || {
        echo "tail binds more than the roles of the agent"
        status=1
    }
    # The key is not for everybody in the pod, and the port is the one that clients expect.
    for line in "defaultMode: 256" "containerPort: 9479" "secretName: auditor-tail"; do
        grep -q -- "^ *-* *$line\$" "$work/tail.yaml" || {
            echo "tail has no line '$line'"
            status=1
        }
    done
    grep -q "pub const PORT: u16 = 9479;" ../auditor/src/serve/remote.rs || {
        echo "the port of the agents is another one in the code"
        status=1
    }
    for rendered in "$work/base.yaml" "$work/minimal.yaml" "$work/conntrack.yaml" "$work/monitoring.yaml" \
        "$work/one-namespace.yaml" "$work/openshift.yaml" "$work/patched-kernel.yaml"; do
        for line in "privileged: false" "readOnlyRootFilesystem: true" "hostNetwork: false" \
            "automountServiceAccountToken: true" "type: RuntimeDefault" "- ALL"; do
            grep -q -- "^ *$line\$" "$rendered" || {
                echo "$(basename "$rendered"): no line '$line'"
                status=1
            }
        done
        # The token may list and watch, and nothing else.
        verbs=$(sed -n '/^kind: ClusterRole$/,/^---$/p' "$rendered" | grep -c -e '- list$' -e '- watch$')
        others=$(sed -n '/^kind: ClusterRole$/,/^---$/p' "$rendered" |
            grep -c -e '- get$' -e '- create$' -e '- update$' -e '- patch$' -e '- delete$' -e "'\*'" -e secrets)
        [ "$verbs" -eq 6 ] && [ "$others" -eq 0 ] || {
            echo "$(basename "$rendered"): the role has other verbs than list and watch"
            status=1
        }
    done
    return $status
}
if [ -f "$work/base.yaml" ] && [ -f "$work/minimal.yaml" ]; then
    check "the DaemonSet has the documented privileges and no others" privileges
else
    skip "privileges of the DaemonSet" "the manifests were not rendered"
fi

# Every query of the rules and of grafana/ parses, and names nothing that docs/metrics.md does not have.
if [ -n "$yaml" ] && have promtool; then
    check "the check of queries finds mistakes" "$yaml" queries.py --self-test
    check "queries of rules and dashboards parse and name what there is" "$yaml" queries.py "$work"
else
    skip "queries of rules and dashboards" "no promtool, or no python3 with PyYAML"
fi

# --- systemd

# Verifies the unit with a program that exists here in place of auditor.
unit() {
    sed 's|^ExecStart=/usr/bin/auditor |ExecStart=/bin/true |' systemd/auditor.service >"$work/auditor.service"
    systemd-analyze verify --man=no "$work/auditor.service" >"$work/unit" 2>&1
    status=$?
    cat "$work/unit"
    # Unknown settings are only warnings to systemd-analyze.
    [ $status -eq 0 ] && ! grep -q auditor.service "$work/unit"
}
if have systemd-analyze; then
    check "the systemd unit is valid" unit
else
    skip "the systemd unit" "systemd-analyze is not installed (Debian: apt-get install systemd)"
fi

# The unit may do what the container may.
same_capabilities() {
    sed -n 's/^CapabilityBoundingSet=//p' systemd/auditor.service | tr ' ' '\n' | sed 's/^CAP_//' | sort | tr '\n' ' ' >"$work/unit-caps"
    capabilities "$work/base.yaml" >"$work/base-caps"
    echo "unit and base differ:"
    diff "$work/unit-caps" "$work/base-caps"
}
if [ -f "$work/base.yaml" ]; then
    check "the unit and the DaemonSet have the same capabilities" same_capabilities
else
    skip "capabilities of the unit" "the manifests were not rendered"
fi

# --- Configuration and image

# Takes the comment marks off config.yaml's keys and looks that it is YAML and what its sections are.
# Whether auditor accepts every key is tested in the auditor crate, not here.
configuration() {
    sed -E 's/^( *)# ([a-z_]+:( .*)?|- ".*")$/\1\2/' config.yaml >"$work/config.yaml"
    "$yaml" - "$work/config.yaml" kubernetes/base/config.yaml <<'PYTHON'
import json, sys, yaml

full, base = (yaml.safe_load(open(path)) for path in sys.argv[1:])
assert base == {"scope": {"node": True}}, base
keys = {section: sorted(value) if isinstance(value, dict) else value for section, value in full.items()}
assert keys == {
    "scope": ["cgroups", "containers", "except", "exclude", "node", "pids", "select"],
    "capture": ["detach_after_seconds", "leave_out", "max_call_bytes", "max_message_bytes", "ring_bytes", "socket_hook"],
    "limits": ["cpu_percent"],
    "content": ["descriptors", "reflection"],
    "detect": ["key_file", "min_confidence", "states"],
    "detectors": [],
    "identity": ["conntrack", "kubernetes", "labels", "mesh", "runtimes", "sockets", "trust_domain", "wait_seconds"],
    "masking": ["max_age_days", "max_bytes", "max_fields", "path", "targets"],
    "drift": ["enabled", "learning_seconds", "rate_factor"],
    "policy": ["files", "kubernetes", "presets"],
    "report": ["cluster", "events", "interval_seconds", "journal", "max_live", "otlp", "queue_bytes", "stdout", "webhook"],
    "serve": ["history", "http", "max_series", "socket"],
    "tail": ["audience", "cert_file", "key_file", "listen", "max_streams", "recheck_seconds"],
    "state_dir": "/var/lib/auditor",
}, keys
assert sorted(full["report"]["journal"]) == ["enabled", "format", "keep", "max_bytes", "path", "sync"], full["report"]

# What is commented out shows the default that docs/configuration.md names, and nothing is missing. A unit
# test of the auditor crate compares that table with the code.
defaults = {}
for line in open("../docs/configuration.md"):
    if line.startswith("| `"):
        key, _, default = (cell.strip().strip("`") for cell in line.split("|")[1:4])
        defaults[key] = default
derived = {"detect.key_file": "/var/lib/auditor/key", "report.journal.path": "/var/lib/auditor/findings.jsonl",
           "masking.path": "/var/lib/auditor/masking.redb"}
examples = {"scope.node", "scope.pids", "scope.cgroups", "scope.containers", "scope.select", "scope.except", "scope.exclude",
            "capture.leave_out", "content.descriptors", "masking.targets", "identity.sockets", "identity.labels", "identity.trust_domain",
            "identity.kubernetes.kubeconfig", "identity.kubernetes.node_name", "report.cluster", "report.otlp.endpoint", "report.webhook.url",
            "report.webhook.secret_file", "tail.listen", "tail.cert_file", "tail.key_file", "tail.audience",
            *(f"report.{sink}.{file}_file" for sink in ("otlp", "webhook") for file in ("headers", "ca", "cert", "key"))}
def flat(value, path=()):
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flat(inner, (*path, name))
        else:
            yield ".".join((*path, name)), inner
shown = dict(flat(full))
assert shown.keys() == defaults.keys(), shown.keys() ^ defaults.keys()
for key, value in shown.items():
    expected = derived.get(key, defaults[key])
    text = json.dumps(value) if isinstance(value, (bool, list)) else str(value)
    assert key in examples or text == expected, f"{key}: {text} is shown, {expected} is the default"
PYTHON
}
if [ -n "$yaml" ]; then
    check "the configuration files are YAML with the documented sections" configuration
else
    skip "configuration files" "no python3 with PyYAML (Debian: apt-get install python3-yaml)"
fi

# The lines that say what the image is: all of Dockerfile.scratch but its files, and the last stage of Dockerfile.
about_the_image() {
    sed -n '/^FROM/h;/^FROM/!H;${x;p;}' "$1" | grep -v -e '^#' -e '^FROM' -e '^COPY' -e '^$'
}
same_image() {
    about_the_image Dockerfile >"$work/image"
    about_the_image Dockerfile.scratch >"$work/image-scratch"
    [ -s "$work/image" ] && diff "$work/image" "$work/image-scratch"
}
check "both Dockerfiles say the same about the image" same_image

skip "Dockerfile" "it starts from base images, and none are pulled here"

# Builds Dockerfile.scratch around $AUDITOR in a store of its own, twice: the second time from files that are older and
# were made in another order. Both have to be the same image to the byte. Runs the program in it.
image() {
    mkdir -p "$work/root/usr/bin" "$work/root-again" && cp -- "$AUDITOR" "$work/root/usr/bin/auditor" || return 1
    # Nothing is listed for a static binary.
    for library in $(ldd "$AUDITOR" | grep -o '/[^ )]*'); do
        install -D -m 0755 "$library" "$work/root$library" || return 1
    done
    (cd "$work/root" && find . | sort -r | tar --create --no-recursion --files-from=-) |
        tar --extract --preserve-permissions --directory="$work/root-again" || return 1
    find "$work/root-again" -exec touch --no-dereference --date=@1000000000 {} + || return 1
    store="--root $work/store --runroot $work/store-run --storage-driver vfs"
    status=0
    for root in root root-again; do
        # $store is options without spaces in them.
        # shellcheck disable=SC2086
        buildah $store build --isolation chroot --no-cache --timestamp 1700000000 --tag "auditor-$root" \
            --file Dockerfile.scratch "$work/$root" &&
            buildah $store push --quiet "localhost/auditor-$root" "oci:$work/image-of-$root" || status=1
    done
    # shellcheck disable=SC2086
    [ $status -eq 0 ] && container=$(buildah $store from --pull-never localhost/auditor-root) &&
        buildah $store run --isolation chroot "$container" -- /usr/bin/auditor --version >"$work/version"
    status=$?
    # Without root the store has files of other user ids, which only buildah can remove.
    # shellcheck disable=SC2086
    { buildah $store rm --all; buildah $store rmi --all; } >/dev/null 2>&1
    # Manifest, configuration and layers, each under its digest.
    [ $status -eq 0 ] && "$AUDITOR" --version | diff - "$work/version" &&
        [ -s "$work/image-of-root/index.json" ] && diff --recursive "$work/image-of-root" "$work/image-of-root-again"
}
if ! have buildah; then
    skip "the image" "buildah is not installed (Debian: apt-get install buildah)"
elif [ -z "${AUDITOR:-}" ]; then
    skip "the image" "AUDITOR does not name a binary to put into it"
else
    check "an image of $(basename "$AUDITOR") is reproducible and runs" image
fi

# --- Debian package

# Builds the package of $AUDITOR twice, compares the two, and installs it on a throw-away copy of this system.
package() {
    SOURCE_DATE_EPOCH=1700000000 DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1
    export SOURCE_DATE_EPOCH DPKG_DEB_COMPRESSOR_TYPE DPKG_DEB_COMPRESSOR_LEVEL
    first=$(debian/build.sh "$AUDITOR" "$work/first") || return 1
    second=$(debian/build.sh "$AUDITOR" "$work/second") || return 1
    cmp "$first" "$second" && ./package-test.sh "$first"
}
if [ -z "${AUDITOR:-}" ]; then
    skip "the Debian package" "AUDITOR does not name a binary to put into it"
elif ! have dpkg-deb || ! have dpkg-shlibdeps || ! have strip; then
    skip "the Debian package" "dpkg-dev or binutils is not installed (Debian: apt-get install dpkg-dev binutils)"
elif [ "$(id -u)" != 0 ]; then
    skip "the Debian package" "to install it on a copy of this system takes root"
elif ! unshare --mount --propagation private sh -c 'mount -t tmpfs t "$1" && mkdir "$1/a" "$1/b" "$1/c" &&
    mount -t overlay -o "lowerdir=/,upperdir=$1/a,workdir=$1/b" t "$1/c"' sh "$work" 2>/dev/null; then
    skip "the Debian package" "this kernel mounts no overlay here, so there is no copy of this system to install it on"
else
    check "the Debian package is reproducible; it is installed, upgraded, removed and purged" package
fi
if [ -n "${AUDITOR:-}" ] && have lintian && [ -n "${first:-}" ]; then
    check "lintian finds nothing in the Debian package" lintian --allow-root --fail-on error,warning "$first"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
