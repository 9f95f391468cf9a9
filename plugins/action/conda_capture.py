# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: write an environment that a node has down on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import capture, locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.missing_hashes import complete
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import with_pip
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import all_prefixes

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "found": {"type": "dict", "required": True},
    "platform": {"type": "str", "required": True},
    "virtual_packages": {"type": "dict", "required": True},
    "path": {"type": "path", "required": True},
    "mirrors": {"type": "dict", "default": {}},
    "pip_index": {"type": "str", "default": ""},
    "pip_indexes": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(Action):
    """Write environment.yml, the lock and the explicit file; nothing runs on the task's host."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        host = task_vars["inventory_hostname"]
        return self._capture(arguments, given_paths.absolute(arguments["path"], self._loader), host)

    def _capture(self, arguments: dict[str, Any], path: Path, host: str) -> dict[str, Any]:
        mirrors = mirrors_from(arguments["mirrors"])
        platform = arguments["platform"]
        used = Mirrors((*mirrors.pairs, *all_prefixes([platform])))
        found = capture.found_on(host, arguments["found"], used, arguments["pip_indexes"])
        text = capture.write_down(path, found)
        environment = capture.understood(path, text, found)
        asked = environment.on(platform)
        problem = Problem(
            packages=asked.packages,
            channels=asked.channels,
            platform=platform,
            virtual_packages=tuple(sorted(arguments["virtual_packages"].items())),
            pip=asked.pip,
            mirrors=mirrors,
            pip_index=arguments["pip_index"],
            constraints=asked.constraints,
            indexes=asked.indexes,
            find_links=asked.find_links,
        )
        of_conda = complete(path, found.conda, platform, mirrors)
        packages = _with_pip(problem, list(of_conda), found)
        plan = locking.plan(environment, {problem: packages}, None)
        changed = bool(plan.changed) or not path.exists()
        if changed and not self._task.check_mode:
            locking.apply(plan, {path: text})
        result = {"changed": changed, "path": str(path), "digest": digest(packages, found.variables)}
        return {**result, "diff": {"prepared": text + plan.diff}} if changed and self._task.diff else result


def _with_pip(problem: Problem, of_conda: list[Package], found: capture.Found) -> list[Package]:
    """Return ``with_pip``'s packages; where it fails, its error says what may come from another index."""
    try:
        return with_pip(problem, of_conda)
    except EvenkeelError as error:
        local = [f"{one.name}=={one.version}" for one in found.pip if "+" in one.version and not one.url]
        if not local or found.indexes:
            raise
        raise EvenkeelError(
            error.what,
            f"{error.remedy}. {', '.join(local)} may come from another index than the configured one; pip does not "
            "record it. Name its URL in export_pip_indexes",
        ) from error
