# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The drift report, as report.schema.json describes it, of what was found on the hosts of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.unreachable import why
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import layers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import FORMAT, KIND
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import (
    DRIFTED,
    EQUAL,
    UNKNOWN,
    UNREACHABLE,
    counts,
    worst,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.table import gpus, in_order
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import gpus_of

Found = Mapping[str, Any]


def of_run(
    hosts: Mapping[str, Found],
    *,
    site: Found,
    limit: str,
    created: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return the report of a run, with no ``since``.

    Parameters
    ----------
    hosts
        What ``of_host`` returned, by name; at least one.
    site
        The repository of what is declared, as the schema describes it.
    created
        Now, in UTC.
    """
    ordered = in_order(hosts)
    states = [host["state"] for host in ordered.values()]
    report: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "created": created.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "limit": limit,
        "site": dict(site),
        "status": worst(states),
        "counts": counts(states),
        "layers": layers.titled(id_ for host in ordered.values() for id_ in host["layers"]),
        "hosts": ordered,
    }
    shown: dict[str, Any] = sanitised(_masked(report))
    return shown


def of_host(found: Found, groups: Sequence[str], provenance: Mapping[str, Found]) -> dict[str, Any]:
    """Return a host's entry.

    Parameters
    ----------
    found
        ``survey``, the module's result, empty where there is none; ``release``; ``declared``, as ``layers.of_host``
        takes it; and why it was not surveyed: ``unreachable``, ``failed``, or ``limit``, the seconds that it exceeded.
    groups
        Its groups in the inventory.
    provenance
        Of each environment by its name, what declares it.
    """
    survey: Found = found.get("survey") or {}
    entry: dict[str, Any] = {
        "state": EQUAL,
        "message": "",
        "groups": sorted(set(groups) - {"all", "ungrouped"}),
        "release": str(found.get("release") or "").strip(),
        "gpus": [],
        "seconds": None,
        "digest": None,
        "since": None,
        "reboot": [],
        "restarts": [],
        "layers": {},
    }
    if not survey:
        return {**entry, **_unasked(found)}
    of_layers = layers.of_host(survey, found.get("declared") or {}, provenance)
    states = [layer["state"] for layer in of_layers.values()]
    waits = layers.reboot(survey["layers"])
    return {
        **entry,
        "state": worst([*states, DRIFTED] if waits else states),
        "gpus": [gpus([one]) for one in gpus_of(survey)],
        "seconds": survey.get("took"),
        "digest": layers.digest_of({id_: layer["digest"] for id_, layer in of_layers.items()}),
        "reboot": waits,
        "restarts": layers.restarts(survey["layers"]),
        "layers": of_layers,
    }


def _unasked(found: Found) -> dict[str, str]:
    """Return the state of a host that was not surveyed, and why."""
    if found.get("unreachable"):
        return {"state": UNREACHABLE, "message": why(str(found["unreachable"]))}
    if found.get("limit"):
        return {"state": UNKNOWN, "message": f"It took longer than {found['limit']} seconds (drift_host_seconds)"}
    said = str(found.get("failed") or "It was not asked: the run's output says why")
    return {"state": UNKNOWN, "message": said}


def _masked(value: Any) -> Any:
    """Return a value of JSON without the passwords and keys that its texts hold."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return value
