# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: hand a node the wheels that the module of the same name lacks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.shown_progress import shown_progress
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.wheels import (
    Source,
    Wheel,
    at_hand,
    download_with_pip,
    gather,
)

DEFAULT_ROOT = "/opt/evenkeel"


class ActionModule(Action):
    """Offer the module the wheels that there are; fetch and bring what it lacks, and run it again."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        directory = self._task.args.get("wheels")
        place = given_paths.absolute(directory, self._loader) if directory else None
        sources = {name: Source(name, place, Path(constants.DEFAULT_LOCAL_TMP)) for name in PLATFORMS.values()}
        available = {name: wheels for name, source in sources.items() if (wheels := at_hand(source))}
        result = yield self._call(available)
        wanted = result.get("wanted")
        if wanted and wanted["platform"] not in available:
            available[wanted["platform"]] = gather(sources[wanted["platform"]], download_with_pip)
            result = yield self._call(available)
            wanted = result.get("wanted")
        if wanted:
            lacking = [wheel for wheel in available[wanted["platform"]] if wheel.path.name in wanted["wheels"]]
            result = yield self._call(available, brought=bring(self, [wheel.path for wheel in lacking]))
        return result

    def _call(self, available: Mapping[str, list[Wheel]], **handed: str) -> Call:
        offered = {
            platform: [{"name": wheel.path.name, "sha256": wheel.sha256} for wheel in wheels]
            for platform, wheels in available.items()
        }
        return Call("conda_runtime", self._task.args, {"available": offered, **handed})

    def watched(self, call: Call) -> AbstractContextManager[None]:
        return shown_progress(self, f"{call.options.get('root', DEFAULT_ROOT)}/progress/runtime", "runtime")
