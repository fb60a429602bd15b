#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""metric_names.py METRICS FILE...: every metric and label that dashboards (.json) and rules (.yaml) use
is one that `xmesh metrics` exports. METRICS is its output. Prints what is not, and fails.

A use is one query with its legend, or one alert with its texts: a label outside of a selector must be
of one of the metrics of that use.
"""
import json
import re
import sys

OF_PROMETHEUS = {"instance", "job", "le"}
SELECTOR = re.compile(r"\b(xmesh_[a-z0-9_]+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
LEGEND = re.compile(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*[|}]")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def exported(path):
    """Name -> labels; a family without a sample has those that it was declared with: none."""
    labels = {}
    for line in open(path):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
                labels.setdefault(name + suffix, set())
        elif not line.startswith("#"):
            name, rest = re.match(r"([a-z0-9_]+)(.*)", line).groups()
            labels.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', rest))
    return labels


def walk(node):
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"], node["expr"] + " " + node.get("legendFormat", "")
        elif isinstance(node.get("query"), str) and "xmesh_" in node["query"]:
            m = re.match(r"label_values\((.*), ([a-z]+)\)$", node["query"])
            yield m[1], m[1] + " {{" + m[2] + "}}"
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def uses(path):
    """Pairs of an expression and all text around it."""
    if path.endswith(".json"):
        yield from walk(json.load(open(path)))
        return
    for alert in open(path).read().split("- alert: ")[1:]:
        yield alert.split(" annotations:")[0], alert


def main():
    metrics, faults, seen = exported(sys.argv[1]), [], 0
    for path in sys.argv[2:]:
        for expr, text in uses(path):
            known = set(OF_PROMETHEUS)
            for name, selector in SELECTOR.findall(expr):
                seen += 1
                if name not in metrics:
                    faults.append(f"{path}: {name} is not exported: {expr}")
                    continue
                known |= metrics[name]
                for label in re.findall(r"([a-z_]+)\s*(?:=|!)", TEXT.sub('""', selector)):
                    if label not in metrics[name] | OF_PROMETHEUS:
                        faults.append(f"{path}: {name} has no label {label}: {expr}")
            wanted = {w.strip() for g in GROUPING.findall(expr) for w in g.split(",")}
            for label in sorted(((wanted | set(LEGEND.findall(text))) - known) - {""}):
                faults.append(f"{path}: no metric has the label {label}: {expr}")
    print("\n".join(faults) or f"{seen} uses, all of metrics that are exported")
    sys.exit(bool(faults) or not seen)


main()
