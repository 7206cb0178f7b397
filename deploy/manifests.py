#!/usr/bin/env python3
"""Checks what kubernetes-validate has no schema for: kinds of the Prometheus Operator and of OpenShift. Their schemas are in none
of the registries that tests reach, so the fields that are used are listed here, with their types; one that is not listed is an
error. Run by deploy/test.sh.

    manifests.py split FILE OUT   checks those kinds in FILE, and writes the others to OUT
    manifests.py rule             the PrometheusRule has the rules of prometheus/rules.yaml
    manifests.py write            writes it
"""

import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).parent
RULES = HERE / "prometheus" / "rules.yaml"
RULE = HERE / "kubernetes" / "components" / "monitoring" / "prometheusrule.yaml"

TEXTS = [str]
META = {"name": str, "namespace": str, "labels": {str: str}, "annotations": {str: str}}
STRATEGY = {"type": {"RunAsAny", "MustRunAs"}, "seLinuxOptions": {"type": str}}
RELABELING = {"sourceLabels": TEXTS, "targetLabel": str, "regex": str, "action": {"replace", "keep", "drop"}}
CAPABILITY = {"ALL", "BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_RESOURCE", "SYS_ADMIN"}
FORMS = {
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "metadata": META,
        "spec": {
            "jobLabel": str,
            "selector": {"matchLabels": {str: str}},
            "podMetricsEndpoints": [
                {
                    "port": str,
                    "path": str,
                    "scheme": {"http", "https"},
                    "interval": str,
                    "scrapeTimeout": str,
                    "relabelings": [RELABELING],
                }
            ],
        },
    },
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "metadata": META,
        "spec": {
            "groups": [
                {
                    "name": str,
                    "rules": [
                        {"alert": str, "expr": str, "for": str, "labels": {str: str}, "annotations": {str: str}}
                    ],
                }
            ]
        },
    },
    ("security.openshift.io/v1", "SecurityContextConstraints"): {
        "metadata": META,
        "users": TEXTS,
        "groups": TEXTS,
        "priority": int,
        "allowHostPID": bool,
        "allowHostIPC": bool,
        "allowHostNetwork": bool,
        "allowHostPorts": bool,
        "allowHostDirVolumePlugin": bool,
        "allowPrivilegedContainer": bool,
        "allowPrivilegeEscalation": bool,
        "allowedCapabilities": [CAPABILITY],
        "defaultAddCapabilities": [CAPABILITY],
        "requiredDropCapabilities": [CAPABILITY],
        "readOnlyRootFilesystem": bool,
        "runAsUser": STRATEGY,
        "fsGroup": STRATEGY,
        "supplementalGroups": STRATEGY,
        "seLinuxContext": STRATEGY,
        "seccompProfiles": [{"runtime/default"}],
        "volumes": [{"configMap", "hostPath", "projected"}],
    },
}


def wrong(value, form, path):
    """Where a value does not have its form."""
    if isinstance(form, type):
        if value is not None and type(value) is not form:
            yield f"{path} is no {form.__name__}"
    elif isinstance(form, set):
        if value not in form:
            yield f"{path} is {value}, and not one of {', '.join(sorted(form))}"
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for at, item in enumerate(value):
            yield from wrong(item, form[0], f"{path}[{at}]")
    elif not isinstance(value, dict):
        yield f"{path} is no object"
    else:
        for key, item in value.items():
            if key not in form and str not in form:
                yield f"{path}.{key} is no known field"
            else:
                yield from wrong(item, form.get(key, form.get(str)), f"{path}.{key}")


def split(source, out):
    others, errors, names = [], [], []
    for document in yaml.safe_load_all(pathlib.Path(source).read_text()):
        kind = document.get("apiVersion"), document.get("kind")
        if form := FORMS.get(kind):
            names.append(kind[1])
            rest = {key: value for key, value in document.items() if key not in ("apiVersion", "kind")}
            errors += wrong(rest, form, kind[1])
            errors += [f"{kind[1]} has no {key}" for key in form if key not in rest]
        else:
            others.append(document)
    pathlib.Path(out).write_text(yaml.safe_dump_all(others))
    print("\n".join(errors) or f"checked here: {', '.join(names) or 'nothing'}")
    return 1 if errors else 0


def written():
    """The file of the PrometheusRule as the rules make it: their lines, further in."""
    lines = RULES.read_text().splitlines()
    groups = "\n".join(f"  {line}" if line.strip() else "" for line in lines[lines.index("groups:") :])
    return f"""# Written from prometheus/rules.yaml by `deploy/manifests.py write`; deploy/test.sh compares the two.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: auditor
  namespace: auditor
  labels:
    app.kubernetes.io/name: auditor
    app.kubernetes.io/component: node-agent
spec:
{groups}
"""


def rule():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    if yaml.safe_load(RULE.read_text())["spec"]["groups"] != groups or RULE.read_text() != written():
        print(f"{RULE} is old: deploy/manifests.py write")
        return 1
    return 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["split", source, out]:
            sys.exit(split(source, out))
        case ["rule"]:
            sys.exit(rule())
        case ["write"]:
            RULE.write_text(written())
        case _:
            sys.exit(__doc__)
