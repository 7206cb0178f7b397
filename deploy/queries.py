#!/usr/bin/env python3
"""Checks the queries of alert rules and dashboards: promtool parses each, and every metric, label and label value in them is one of
docs/metrics.md, which is written from the code. Run by deploy/test.sh.

    queries.py WORK         WORK is a folder for what promtool reads
    queries.py --self-test  mistakes of each kind are found
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "metrics.md"
# What Prometheus and its service discovery add to every series.
OF_TARGETS = {"job", "instance", "le", "alertname", "alertstate", "severity"}
# Series that are not ours.
OTHERS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
# Variables of dashboards that stand for a time.
TIMES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "6h"}
# Words of the language that stand before parentheses with labels in them.
GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
TOKEN = re.compile(r"""\s+|\#.*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[[^\]]*\]|[A-Za-z_:][A-Za-z0-9_:]*|=~|!~|!=|[0-9.]+[a-z]*|.""")


def known(page):
    """The labels of each metric, and what each label of each metric can say, where that is a list."""
    labels, values = {}, {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 6 and cells[0].startswith("`auditor_"):
            name = cells[0].strip("`")
            labels[name] = set(re.findall(r"`([^`]+)`", cells[3]))
            if cells[1] == "histogram":
                for series in ("bucket", "sum", "count"):
                    labels[f"{name}_{series}"] = labels[name]
        elif len(cells) == 3 and re.fullmatch(r"(`auditor_\w+` ?)+", cells[1]):
            if re.fullmatch(r"(`[^`]*` ?)+", cells[2]):
                for name in re.findall(r"`([^`]+)`", cells[1]):
                    values[name, cells[0].strip("`")] = set(re.findall(r"`([^`]*)`", cells[2]))
    return labels, values


def wrong(query, labels, values):
    """What is wrong with the names in a query."""
    tokens = [token for token in TOKEN.findall(query) if token.strip() and not token.startswith("#")]
    metrics, grouped, at = [], set(), 0
    while at < len(tokens):
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token in GROUPINGS and after == "(":
            end = tokens.index(")", at)
            grouped |= {word for word in tokens[at + 2 : end] if word != ","}
            at = end
        elif re.fullmatch(r"[A-Za-z_:]\w*", token) and after != "(" and (token in OTHERS or token.startswith("auditor")):
            metrics.append(token)
            of = OTHERS.get(token, labels.get(token))
            if of is None:
                yield f"there is no metric {token}"
            if after == "{":
                end = tokens.index("}", at)
                yield from wrong_matchers(token, tokens[at + 2 : end], of, values)
                at = end
        at += 1
    if not metrics:
        yield "there is no metric in it"
    there = OF_TARGETS.union(*(OTHERS.get(name, labels.get(name, set())) for name in metrics))
    for label in sorted(grouped - there):
        yield f"no metric in it has the label {label}"


def wrong_matchers(metric, tokens, labels, values):
    for at in range(0, len(tokens) - 2, 4):
        label, operator, value = tokens[at : at + 3]
        if labels is not None and label not in labels | OF_TARGETS:
            yield f"{metric} has no label {label}"
        words = value[1:-1].split("|") if "~" in operator else [value[1:-1]]
        can_say = values.get((metric, label))
        for word in words:
            if can_say is not None and "$" not in word and word not in can_say:
                yield f"{label} of {metric} never says {word}"


def plain(query):
    """A query of a dashboard with something in place of its variables."""
    for name, value in TIMES.items():
        query = query.replace(name, value)
    return re.sub(r"\$(\w+|\{\w+\})", "x", query)


def of_dashboard(dashboard):
    """Where each query of a dashboard is, the query, and the labels that its legend shows."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
            yield f"variable {variable['name']}", found[1], [found[2]]


def form(dashboard):
    """What is wrong with a dashboard besides its queries."""
    names = {variable["name"] for variable in dashboard["templating"]["list"]} | {name[1:] for name in TIMES}
    for name in set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - names:
        yield f"there is no variable {name}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        if place["x"] + place["w"] > 24 or cells & taken:
            yield f"{panel['title']} has no room where it is"
        taken |= cells
        if panel["type"] != "row" and panel["datasource"]["uid"] != "${datasource}":
            yield f"{panel['title']} has a data source of its own"


def parses(queries, work):
    """What promtool says of queries that it can not parse; its rules need not be alerts."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path = pathlib.Path(work) / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", "--lint=none", path], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr + done.stdout


def self_test():
    labels, values = known(PAGE.read_text())
    assert len(labels) > 40 and len(values) > 20, (len(labels), len(values))
    good = 'sum by (ledger) (rate(auditor_bytes_total{account=~"gap|limit", job=~"$job"}[5m]))'
    assert list(wrong(good, labels, values)) == [], list(wrong(good, labels, values))
    for query, why in [
        ("rate(auditor_byte_total[5m])", "no metric auditor_byte_total"),
        ('auditor_bytes_total{acount="gap"}', "no label acount"),
        ('auditor_bytes_total{account="gaps"}', "never says gaps"),
        ("sum by (sink) (auditor_bytes_total)", "label sink"),
        ("vector(1)", "no metric in it"),
    ]:
        assert any(why in error for error in wrong(query, labels, values)), query
    with tempfile.TemporaryDirectory() as work:
        assert parses([plain(good)], work) is None
        assert parses([plain(good), "sum by (ledger (auditor_bytes_total)"], work)


def main(work):
    labels, values = known(PAGE.read_text())
    errors, queries = [], []
    for group in yaml.safe_load((HERE / "prometheus" / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            queries.append(rule["expr"])
            errors += [f"{rule['alert']}: {error}" for error in wrong(rule["expr"], labels, values)]
    dashboards = sorted((HERE / "grafana").glob("*.json"))
    uids = set()
    for path in dashboards:
        dashboard = json.loads(path.read_text())
        uids.add(dashboard["uid"])
        errors += [f"{path.name}: {error}" for error in form(dashboard)]
        for where, query, shown in of_dashboard(dashboard):
            queries.append(plain(query))
            errors += [f"{path.name}: {where}: {error}" for error in wrong(query, labels, values)]
            there = OF_TARGETS.union(*(labels.get(name, set()) for name in re.findall(r"auditor_\w+", query)))
            errors += [f"{path.name}: {where}: no metric has the label {label}" for label in shown if label not in there]
    if len(uids) != len(dashboards) or len(dashboards) < 3:
        errors.append(f"{len(dashboards)} dashboards with {len(uids)} uids")
    if said := parses(queries, work):
        errors.append(said)
    print("\n".join(errors) or f"{len(queries)} queries in {len(dashboards)} dashboards and the rules")
    return 1 if errors else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        self_test()
    else:
        sys.exit(main(sys.argv[1]))
