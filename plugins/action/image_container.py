# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: have a working container of buildah on the control node, and remove those of runs that ended."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import this_run
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import (
    bill_of_materials,
    buildah,
    labels,
    oci_layout,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "image": {"type": "str", "required": True},
    "base": {"type": "str"},
    "directory": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "sbom": {"type": "bool", "default": True},
    "push": {"type": "bool", "default": False},
}


class ActionModule(Action):
    """Begin with a fresh container each time; nothing of others is touched."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC, required_if=[("state", "present", ["base"])])
        image, _tag = labels.split(arguments["image"])  # all its tags are written to one folder
        version = buildah.version()
        own = buildah.container_name(image, this_run.of(task_vars).process)
        ended, running = buildah.left_over(image, buildah.containers())
        removed = [*ended, *(name for name in running if name == own)]
        if arguments["state"] == "absent":
            self._remove(removed)
            return {"changed": bool(removed), "removed": removed}
        if others := [name for name in running if name != own]:
            raise EvenkeelError(
                f"Another run builds {image}: its working container is {others[0]}",
                "Wait for it, or end it, and run again",
            )
        labels.made((), os.environ)
        if arguments["directory"]:
            oci_layout.folder_of(image, arguments["directory"])
        if arguments["sbom"]:
            bill_of_materials.require()
        if arguments["push"]:
            buildah.require_pusher()
        base = buildah.base(arguments["base"])
        self._remove(removed)
        if not self._task.check_mode:
            buildah.begin(own, base)
        return {"changed": True, "container": own, "base": asdict(base), "buildah": version, "removed": removed}

    def _remove(self, names: list[str]) -> None:
        for name in names if not self._task.check_mode else ():
            buildah.remove(name)
