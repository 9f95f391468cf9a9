# SPDX-License-Identifier: GPL-3.0-or-later
"""A builder host that is this machine with another cache directory."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import wheel_build


class BuilderHost:
    """Does what it is asked, keeps count of its steps, and says of itself what it is given."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.directory = name, directory
        self.kernel = f"Linux {platform.machine()}"
        self.problem = ""
        self.says: dict[str, str] = {}
        self.steps: list[str] = []
        self.sent: list[int] = []
        self.is_open = True
        self.fails_at, self.failure = "", "the connection was closed"

    def uname(self) -> str:
        return self.kernel

    def python_problem(self) -> str:
        return self.problem

    def step(self, options: Mapping[str, Any]) -> dict[str, Any]:
        self.steps.append(options["step"])
        if options["step"] == self.fails_at:
            raise AnsibleConnectionFailure(self.failure)
        defaults = {name: about.get("default") for name, about in wheel_build.ARGUMENT_SPEC.items()}
        with patch.dict(os.environ, XDG_CACHE_HOME=str(self.directory)):
            result = wheel_build.converge({**defaults, **options}, False)
        return {**result, **(self.says if options["step"] == wheel_build.BEGIN else {})}

    def send(self, path: str, target: str) -> None:
        self.sent.append(Path(path).stat().st_size)
        shutil.copyfile(path, target)

    def fetch(self, path: str, target: str) -> None:
        shutil.copyfile(path, target)

    def close(self) -> None:
        self.is_open = False

    @property
    def files(self) -> list[Path]:
        """What is left of builds."""
        return list(self.directory.rglob("*"))
