# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: review what a fleet runs and what its locks hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import format as drift_format
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git.committed import of_site
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import declared_driver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import relocking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import (
    advisories,
    in_use,
    locks,
    publish,
    report,
    summary,
    updates,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.branch import Branch
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.inventory_host import InventoryHost
from jinja2.exceptions import TemplateError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environments": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "environment": {"type": "path", "required": True},
            "cuda": {"type": "str"},
            "reason": {"type": "str"},
        },
    },
    "begun": {"type": "float", "required": True},
    "site": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0600"},
    "nodes": {"type": "path"},
    "driver_branch": {"type": "str", "default": ""},
    "conda_distribution": {"type": "str", "default": "miniconda"},
    "conda_versions": {"type": "dict", "default": {}},
    "advisories": {"type": "list", "elements": "path", "default": []},
    "update": {"type": "bool", "default": False},
    "branch": {"type": "str"},
    "fail_on": {"type": "list", "elements": "str", "choices": list(report.FAIL_ON), "default": []},
    **relocking.OPTIONS,
}
#: Options of an update of everything, without an exception.
_UPDATE = {"update": None, "drop_platforms": False, "accept_changed_hashes": False}
_NODES = "gpu_nodes"
_DRIVER = (declared_driver.VERSION, declared_driver.BRANCH, declared_driver.SOURCE, declared_driver.WITHOUT_GPU)
_NO_REPORT = "There is no drift report. Run drift.yml first, or name its report.json by review_nodes"

Arguments = Mapping[str, Any]


class ActionModule(Action):
    """Ask channels and read files on the control node; only a branch and the report's folder are written to."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        now = datetime.now(UTC)
        target = publish.Target(Path(arguments["directory"]).absolute(), arguments["mode"])
        target.require()
        branch = _branch(arguments, now)
        known = _advisories(arguments)
        nodes, uses = _of_nodes(arguments["nodes"])
        uses += in_use.by_inventory(*_declared(arguments, task_vars), arguments["targets"])
        sources = locks.Sources(mirrors_from(arguments["mirrors"], "lock_mirrors"), arguments["pip_index"], known)
        with tempfile.TemporaryDirectory() as rehearsed:
            wheels = [Path(rehearsed, str(number)) for number in range(len(arguments["environments"]))]
            reviewed = [
                self._reviewed(environment, folder, arguments, sources, task_vars)
                for environment, folder in zip(arguments["environments"], wheels, strict=True)
            ]
            uses += [use for one in reviewed if one.lock for use in in_use.by_lock(one.entry["name"], one.lock)]
            found = report.of_run(
                [one.entry for one in reviewed],
                uses,
                nodes=nodes,
                advisories=known,
                site=of_site(Path(arguments["site"]).absolute()),
                created=now,
                seconds=max(0, datetime.now(UTC).timestamp() - arguments["begun"]),
            )
            if branch:
                found["branch"] = self._written(branch, reviewed, wheels, now)
        page = publish.publish(found, target)
        for place, why in known.malformed.items() if known else ():
            warn(f"{place}: {why}")
        show("\n".join(["", *summary.lines(found), f"{page}", ""]))
        if wrong := report.failures(found, arguments["fail_on"]):
            raise EvenkeelError(f"review_fail_on: {'; '.join(wrong)}", f"See {page}", counts=found["counts"])
        return {"changed": bool((found["branch"] or {}).get("commit")), "counts": found["counts"], "page": str(page)}

    def _reviewed(
        self, environment: Arguments, wheels: Path, arguments: Arguments, sources: locks.Sources, task_vars: Arguments
    ) -> locks.Reviewed:
        wheels.mkdir()
        return locks.review(
            Path(environment["environment"]),
            partial(
                relocking.relocked,
                {**arguments, **environment, **_UPDATE},
                wheels,
                task_vars.get("hostvars", {}),
                partial(InventoryHost, self, task_vars=task_vars),
            ),
            sources,
        )

    def _written(
        self, branch: Branch, reviewed: Sequence[locks.Reviewed], wheels: Sequence[Path], now: datetime
    ) -> dict[str, Any]:
        """Write the updated locks to the branch, and return that part of the report."""
        planned = [
            (one.entry["name"], one.update, folder) for one, folder in zip(reviewed, wheels, strict=True) if one.update
        ]
        found, left = updates.chosen(planned, branch)
        commit = branch.write(found, now.date().isoformat()) if found and not self._task.check_mode else None
        return {
            "name": branch.name,
            "commit": commit,
            "locks": [one.name for one in found],
            "left": [{"lock": name, "why": why} for name, why in left.items()],
        }


def _branch(arguments: Arguments, now: datetime) -> Branch | None:
    if not arguments["update"] or not arguments["environments"]:
        return None
    folder = Path(arguments["environments"][0]["environment"]).parent
    branch = Branch(folder, arguments["branch"] or f"evenkeel-review-{now.date().isoformat()}")
    branch.require()
    return branch


def _advisories(arguments: Arguments) -> advisories.Advisories | None:
    if arguments["advisories"]:
        return advisories.read(Path(place).absolute() for place in arguments["advisories"])
    if report.VULNERABLE in arguments["fail_on"]:
        raise EvenkeelError(
            f"review_fail_on has {report.VULNERABLE}, and review_advisories is not set",
            "Name advisories in OSV's format by review_advisories",
        )
    return None


def _of_nodes(path: str | None) -> tuple[dict[str, Any], list[in_use.Use]]:
    """Return the drift report that says what nodes have, and what that is."""
    if not path:
        return {"report": None, "created": None, "hosts": 0, "note": _NO_REPORT}, []
    place = Path(path).absolute()
    found = drift_format.read(place)
    nodes = {"report": str(place), "created": found["created"], "hosts": len(found["hosts"]), "note": ""}
    return nodes, in_use.by_nodes(found)


def _declared(arguments: Arguments, task_vars: Arguments) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Return the driver and the distribution of conda that the inventory declares for each node."""
    drivers: dict[str, str] = {}
    conda: dict[str, tuple[str, str]] = {}
    for node in (task_vars.get("groups") or {}).get(_NODES, ()):
        known = dict(_known(task_vars["hostvars"][node], (*_DRIVER, "miniconda_distribution", "miniconda_version")))
        drivers[node] = declared_driver.declared(known, arguments["driver_branch"])
        distribution = str(known.get("miniconda_distribution") or arguments["conda_distribution"])
        default = arguments["conda_versions"].get(distribution, installers.LATEST)
        conda[node] = distribution, str(known.get("miniconda_version") or default)
    return drivers, conda


def _known(variables: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Return those variables of a host that can be known without facts of it."""
    for name in names:
        try:
            if (value := variables.get(name)) is not None:
                str(value)  # fails where it is undefined, which is a value here
                yield name, value
        except (AnsibleError, TemplateError):
            continue
