# SPDX-License-Identifier: GPL-3.0-or-later
"""Where conda is questioned: the lab's stand-in answers, unless EVENKEEL_CONDA names another conda."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.recording import load

STANDIN = Path(__file__).parents[2] / "lab" / "upstream" / "conda" / "standin"


@dataclass(frozen=True)
class Answer:
    """How a call ended; paths and URLs are those of the recordings."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The JSON answer."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class World:
    """A home, a package cache and a place for environments, and the conda that is questioned about them."""

    folder: Path
    mirror: Path
    server: str

    @property
    def envs(self) -> Path:
        """Where environments are made; the recordings call it ``/srv/envs``."""
        return self.folder / "envs"

    def here(self, text: str) -> str:
        """Return ``text`` of a recording with the paths and URLs of this world."""
        text = text.replace("http://mirror.example", self.server).replace("/srv/mirror", str(self.mirror))
        return text.replace("/srv/envs", str(self.envs))

    def recorded(self, text: str) -> str:
        """Return ``text`` of this world with the paths and URLs of the recordings."""
        text = text.replace(self.server, "http://mirror.example").replace(str(self.envs), "/srv/envs")
        return text.replace(str(self.mirror), "/srv/mirror")

    def command(self) -> str:
        """Return the command line of the conda that is questioned."""
        return os.environ.get("EVENKEEL_CONDA") or f"{sys.executable} -m conda_standin"

    def environ(self) -> dict[str, str]:
        """Return the variables that it sees."""
        real = "EVENKEEL_CONDA" in os.environ
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "CONDA_PKGS_DIRS": str(self.envs / "pkh"),
            **({} if real else {"CONDA_ROOT_PREFIX": str(self.folder / "root"), "PYTHONPATH": str(STANDIN)}),
        }

    def run(self, *argv: str, stdin: str = "") -> Answer:
        """Question conda."""
        done = subprocess.run(
            [*self.command().split(), *map(self.here, argv)],
            check=False,
            capture_output=True,
            text=True,
            env=self.environ(),
            cwd=self.folder,
            input=stdin,
        )
        if "EVENKEEL_CONDA" in os.environ and done.returncode == -signal.SIGSEGV:
            pytest.skip("py-rattler's threads crashed this conda, which lets Python tear itself down: no exit status")
        return Answer(done.returncode, self.recorded(done.stdout), self.recorded(done.stderr))

    def repeat(self, name: str) -> Answer:
        """Question conda as in the recording ``name``."""
        return self.run(*load(name).argv)
