# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: answer on the control node what the module of the same name can't know on its node."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import file_of, is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import delivery
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.shown_progress import shown_progress
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import origin
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.asked_for import asked_for
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import (
    load,
    request_of,
    variables_of,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import require_files

DEFAULT_ROOT = "/opt/evenkeel"
DEFAULT_CONNECTIONS = 5


class ActionModule(Action):
    """Run the module with the packages of its source; solve them here first when neither it nor a lock knows them.

    Where the task is asynchronous, the module is rehearsed first, and started if there is something to do.
    """

    _supports_async = True

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        result = super().act(task_vars)
        if "ansible_job_id" not in result:  # no module is left that removes what was brought for it
            self.cleanup(force=True)
        return result

    def execute(self, call: Call, task_vars: dict[str, Any]) -> dict[str, Any]:
        if not self._task.async_val:
            return super().execute(call, task_vars)
        self._task.check_mode = True
        rehearsed = super().execute(call, task_vars)
        self._task.check_mode = False
        if "wanted" in rehearsed:
            return {**rehearsed, "changed": False}
        if rehearsed.get("failed") or not rehearsed["changed"]:
            return rehearsed
        return {**rehearsed, **self._run_on_node(call, task_vars, background=self._task.async_val)}

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        arguments = self._arguments(task_vars)
        if arguments.get("state") == "absent" or arguments.get("generation"):
            return (yield Call("conda_environment", arguments))
        return (yield from self._present(arguments, task_vars))

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the task's options, with paths of the control node as they are here, and the node's connections."""
        arguments = dict(self._task.args)
        of_node = str(arguments.get("connections", DEFAULT_CONNECTIONS))
        of_batch = str(arguments.get("batch_connections", 0))
        if of_batch != "0" and of_node.isdecimal() and of_batch.isdecimal():  # the module reports what is no number
            nodes = len(task_vars.get("ansible_play_batch", ())) or 1
            arguments["connections"] = min(int(of_node), max(1, int(of_batch) // nodes))
        for option in ("environment", "lock", "explicit"):
            if arguments.get(option):
                arguments[option] = str(given_paths.absolute(arguments[option], self._loader))
        return arguments

    def _present(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> Steps:
        platform = PLATFORMS.get(task_vars.get("ansible_facts", {}).get("architecture", ""), "")
        request = request_of(arguments, platform)
        if request is None:
            if platform:
                return (yield from self._resolved(arguments, None, platform, {}))
            result = yield Call("conda_environment", arguments)
        else:
            asked = {"request": request, "variables": variables_of(arguments)}
            result = yield Call("conda_environment", arguments, asked)
        unresolved = result.get("unresolved")
        if unresolved is None:
            return result
        return (yield from self._resolved(arguments, request, unresolved["platform"], unresolved["virtual_packages"]))

    def _resolved(
        self,
        arguments: dict[str, Any],
        request: dict[str, Any] | None,
        platform: str,
        virtual_packages: dict[str, str],
    ) -> Steps:
        """Find the packages here, for the node to build an environment of them, and bring the files that it lacks."""
        found = load(arguments, platform, virtual_packages, Path(constants.DEFAULT_LOCAL_TMP))
        wheels = {file_of(package): Path(package.url) for package in found.packages if is_built(package)}
        packages = [
            asdict(replace(package, url=file_of(package)) if is_built(package) else package)
            for package in found.packages
        ]
        asked = {"specs": asked_for(arguments, platform)} if request is None else {"request": found.request}
        handed = {"resolved": packages, "variables": found.variables, **asked}
        compiled = delivery.compiled(arguments, platform, found.packages) if request is None else None
        for line in delivery.outdated(arguments, platform, found.packages) if request is None else ():
            warn(line)
        if compiled:
            handed["bytecode"] = asdict(compiled.offer)
        if not self._task.check_mode:  # where nothing changes, a survey is all that runs
            handed["origin"] = origin.of_environment(arguments, found.packages, Path(constants.DEFAULT_LOCAL_TMP))
        result = yield Call("conda_environment", arguments, handed)
        wanted = result.pop("wanted", ())
        lacking = [wheels[name] for name in wanted if name in wheels]
        require_files(lacking)
        if wanted and not result["changed"]:  # a rehearsal goes on without them
            archives = [name for name in wanted if name not in wheels]
            bundles = [compiled.bundle(archives, Path(constants.DEFAULT_LOCAL_TMP))] if compiled and archives else []
            brought = bring(self, [*lacking, *bundles])
            result = yield Call("conda_environment", arguments, {**handed, "brought": brought})
        return result

    def watched(self, call: Call) -> AbstractContextManager[None]:
        name, root = call.options.get("name", ""), call.options.get("root", DEFAULT_ROOT)
        return shown_progress(self, f"{root}/progress/environment-{name}", name)
