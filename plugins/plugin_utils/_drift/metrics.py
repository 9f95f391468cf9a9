# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A drift report as metrics in Prometheus' text format, for the textfile collector of node_exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import ORDER

#: By name, what each metric is. All are gauges.
HELP: Mapping[str, str] = {
    "evenkeel_drift_report_timestamp_seconds": "When the drift report was made.",
    "evenkeel_drift_report_duration_seconds": "How long the run that made it took.",
    "evenkeel_drift_report_complete": "Whether the run asked all nodes; 0 with --limit.",
    "evenkeel_drift_site_info": "The commit that nodes were compared with.",
    "evenkeel_drift_site_dirty": "Whether the site's files differ from the commit.",
    "evenkeel_drift_hosts": "How many hosts are in each state.",
    "evenkeel_drift_host_state": "1 for the state that a host is in, 0 for the other three.",
    "evenkeel_drift_host_since_timestamp_seconds": "Since when a host is not equal.",
    "evenkeel_drift_host_reboot_required": "Whether a host has to be rebooted.",
    "evenkeel_drift_host_restarts_waiting": "How many servers on a host wait for a restart.",
    "evenkeel_drift_host_pull_info": "How the last run of a node that pulls ended, and which commit it has.",
    "evenkeel_drift_host_pull_timestamp_seconds": "When the last run of a node that pulls ended.",
    "evenkeel_drift_layer_changes": "How many tasks would change a layer of a host that is not equal.",
}

Sample = tuple[Mapping[str, str], float]


def render(report: Mapping[str, Any]) -> str:
    """Return the report's metrics."""
    samples: dict[str, list[Sample]] = {
        "evenkeel_drift_report_timestamp_seconds": [({}, _seconds(report["created"]))],
        "evenkeel_drift_report_duration_seconds": [({}, report["seconds"])],
        "evenkeel_drift_report_complete": [({}, not report["limit"])],
        **_of_site(report["site"]),
        "evenkeel_drift_hosts": [({"state": state}, number) for state, number in report["counts"].items()],
        **_of_hosts(report["hosts"]),
    }
    return "".join(line for name in HELP if samples.get(name) for line in _lines(name, samples[name]))


def _of_site(site: Mapping[str, Any]) -> dict[str, list[Sample]]:
    info = {"commit": site["commit"] or "", "branch": site["branch"] or "", "tag": site["tag"] or ""}
    found: dict[str, list[Sample]] = {"evenkeel_drift_site_info": [(info, 1)]}
    if site["dirty"] is not None:
        found["evenkeel_drift_site_dirty"] = [({}, site["dirty"])]
    return found


def _of_hosts(hosts: Mapping[str, Any]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {name: [] for name in HELP if "_host_" in name or "_layer_" in name}
    for name, host in hosts.items():
        own = {"host": name}
        found["evenkeel_drift_host_state"] += [({**own, "state": one}, one == host["state"]) for one in ORDER]
        if host["since"]:
            found["evenkeel_drift_host_since_timestamp_seconds"].append((own, _seconds(host["since"])))
        if "pull" in host:
            info = {**own, "outcome": host["pull"]["outcome"], "commit": host["pull"]["commit"]}
            found["evenkeel_drift_host_pull_info"].append((info, 1))
            found["evenkeel_drift_host_pull_timestamp_seconds"].append((own, _seconds(host["pull"]["ended"])))
        if not host["layers"]:
            continue
        found["evenkeel_drift_host_reboot_required"].append((own, bool(host["reboot"])))
        found["evenkeel_drift_host_restarts_waiting"].append((own, len(host["restarts"])))
        found["evenkeel_drift_layer_changes"] += [
            ({**own, "layer": id_, "state": layer["state"]}, len(layer["changes"]))
            for id_, layer in host["layers"].items()
            if layer["state"] != "equal"
        ]
    return found


def _lines(name: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{shown}}} {_number(value)}\n" if shown else f"{name} {_number(value)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if int(value) == value else repr(float(value))


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
