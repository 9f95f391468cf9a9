# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The layers of a host in a drift report, of what the survey of its roles has found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.difference import text_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import DRIFTED, EQUAL, UNKNOWN

#: The roles of layers, bottom up.
ROLES: Mapping[str, str] = {
    "driver": "nvidia_driver",
    "cuda": "cuda_toolkit",
    "container_toolkit": "nvidia_container_toolkit",
    "distribution": "miniconda",
    "condarc": "condarc",
    "environments": "conda_environments",
    "jupyter": "jupyter",
    "access": "remote_access",
    "front_door": "front_door",
}
TITLES: Mapping[str, str] = {
    "driver": "Driver",
    "kernel": "Kernel",
    "cuda": "CUDA",
    "container_toolkit": "Container toolkit",
    "distribution": "Conda distribution",
    "condarc": ".condarc",
    "environments": "Environment tools",
    "jupyter": "Jupyter",
    "access": "Remote access",
    "front_door": "Front door",
}
#: Before the name of an environment.
ENVIRONMENT = "environment:"

Found = Mapping[str, Any]


def of_host(survey: Found, declared: Found, provenance: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return the layers of a host that was surveyed, by id.

    Parameters
    ----------
    survey
        The result of the module survey, with ``by_item``.
    declared
        ``driver``, the choice of the driver; empty where none is declared.
    provenance
        Of each environment by its name, what declares it.
    """
    facts = (survey.get("ansible_facts") or {}).get("evenkeel_gpu") or {}
    found: dict[str, dict[str, Any]] = {}
    for layer, role in ROLES.items():
        if role in survey["asked"]:
            items = (survey.get("items") or {}).get(role)
            if items is None:
                found[layer] = _of_role(layer, survey["layers"].get(role) or {}, facts, declared)
            else:
                found[layer] = _layer(items[""])
                found |= {
                    ENVIRONMENT + name: _of_environment(one, provenance.get(name) or {})
                    for name, one in items.items()
                    if name
                }
        if layer == "driver":
            found |= _kernel(survey["layers"], facts)
    return found


def titled(ids: Iterable[str]) -> list[dict[str, str]]:
    """Return layers in their order, bottom up, each with its title."""
    there = set(ids)
    environments = sorted(one for one in there if one.startswith(ENVIRONMENT))
    order = [id_ for known in TITLES for id_ in (known, *(environments if known == "environments" else ()))]
    return [
        {"id": one, "title": TITLES.get(one) or f"Environment {one.removeprefix(ENVIRONMENT)}"}
        for one in order
        if one in there
    ]


def digest_of(value: Any) -> str:
    """Return a digest of a value of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode(errors="surrogatepass")).hexdigest()[:16]


def _of_role(layer: str, found: Found, facts: Found, declared: Found) -> dict[str, Any]:
    states = {key: value for state in (found.get("state") or {}).values() for key, value in state.items()}
    if layer == "driver":
        driver = facts.get("driver") or {}
        there = {"version": driver.get("installed"), "flavour": driver.get("installed_flavour")}
        choice = declared.get("driver") or {}
        wanted = {"version": choice.get("version") or choice.get("branch"), "flavour": choice.get("flavour")}
        return _layer(found, {**there, "loaded": driver.get("loaded")}, wanted)
    if layer == "cuda":
        cuda = facts.get("cuda") or {}
        toolkits = [one["version"] for one in cuda.get("toolkits") or ()]
        return _layer(found, {"toolkits": toolkits, "default": cuda.get("default")}, states)
    # What a module says of a node that it would change, the node has only afterwards.
    return _layer(found, {} if found.get("changes") else states, states)


def _of_environment(found: Found, provenance: Found) -> dict[str, Any]:
    state: dict[str, Any] = next(iter((found.get("state") or {}).values()), {})
    wanted = {key: state.get(key) for key in ("digest", "generation")}
    layer = _layer(found, {"digest": state.get("was")}, wanted, provenance)
    # Beside the digest: nodes with the same environment are alike, whenever each has built it.
    return {**layer, "origin": dict(state.get("origin") or {})}


def _kernel(layers: Mapping[str, Found], facts: Found) -> dict[str, dict[str, Any]]:
    """Return the layer of the kernel that runs, which is another than declared where a reboot is due."""
    kernels = facts.get("kernels") or []
    why = reboot(layers)
    if not kernels and not why:
        return {}
    modules = [
        f"{one['release']}: " + (f"{module['version']} {module['flavour']}".strip() if module else "none")
        for one in kernels
        for module in [next(iter(one.get("modules") or ()), None)]
    ]
    running = next((one["release"] for one in kernels if one.get("running")), "")
    changes = [{"task": "reboot", "plan": why}] if why else []
    return {"kernel": _layer({"changes": changes}, {"running": running, "modules": modules})}


def reboot(layers: Mapping[str, Found]) -> list[str]:
    """Return why a node has to be rebooted, by all of its roles."""
    return _once(text for layer in layers.values() for text in layer.get("reboot") or ())


def restarts(layers: Mapping[str, Found]) -> list[str]:
    """Return what waits for a restart on a node."""
    return _once(text for layer in layers.values() for text in layer.get("restarts") or ())


def _layer(
    found: Found, there: Found | None = None, declared: Found | None = None, provenance: Found | None = None
) -> dict[str, Any]:
    changes = [_change(one) for one in found.get("changes") or ()]
    problems, unknown = _once(found.get("problems") or ()), _once(found.get("unknown") or ())
    notes = list(found.get("warnings") or ())
    notes += [f"{user}: {text}" for user, texts in (found.get("user_problems") or {}).items() for text in texts]
    state = UNKNOWN if problems or unknown else DRIFTED if changes else EQUAL
    shown = _facts(there or {})
    return {
        "state": state,
        "changes": changes,
        "problems": problems,
        "unknown": unknown,
        "notes": _once(notes),
        "found": shown,
        "declared": _facts(declared or {}),
        "provenance": dict(provenance or {}),
        "digest": digest_of([state, shown, changes, problems, unknown]),
    }


def _change(change: Found) -> dict[str, Any]:
    diff = text_of(change.get("diff") or {})
    plan = [str(line) for line in change.get("plan") or ()]
    # The plan of an environment is its diff.
    return {"what": str(change["task"]), "why": [] if plan == diff.splitlines() else plan, "diff": diff}


def _facts(values: Found) -> dict[str, str | list[str]]:
    """Return the values that there are as texts and lists of texts."""
    return {
        key: [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
        for key, value in values.items()
        if value
    }


def _once(texts: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(text) for text in texts))
