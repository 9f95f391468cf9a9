# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node as its users have it: ansible-core in a virtual environment, and the collection from its archive."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import cache, locks, paths
from lab.nodes import podman
from tests.artifact import wheels

#: On a node of the lab.
PLACE_ON_A_NODE = "/root/evenkeel"
#: What ansible-test runs in place of get-pip, which it would download.
BOOTSTRAP = """\
import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "{pip}/pip", "install", *packages], check=True)
"""
#: Names of Pythons that modules or the control node may run on.
PYTHONS = tuple(f"python3.{minor}" for minor in range(9, 15))


@dataclass(frozen=True)
class ControlNode:
    """This machine, or a container of the lab, with one ansible-core.

    Parameters
    ----------
    core
        Such as ``2.19``.
    place
        The directory there that holds all that is made.
    container
        The container's name; empty for this machine.
    """

    core: str
    place: str
    container: str = ""

    def run(
        self, *argv: str, venv: str = "core", cwd: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of a virtual environment, with nothing of this machine's environment."""
        known = {
            "HOME": f"{self.place}/home",
            "PATH": f"{self.place}/{venv}/bin:{self.place}/pythons:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": f"{self.place}/collections",
            **environment,
        }
        there = ["podman", "exec", self.container] if self.container else []
        settings = [f"{name}={value}" for name, value in known.items()]
        moved = ["sh", "-c", 'cd "$0" && exec "$@"', cwd or self.place]
        return subprocess.run(
            [*there, "env", "-i", *settings, *moved, *argv],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def succeeds(self, *argv: str, venv: str = "core", cwd: str = "", **environment: str) -> str:
        """Run a program that has to succeed; return what it printed."""
        done = self.run(*argv, venv=venv, cwd=cwd, **environment)
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def put(self, path: Path, name: str) -> str:
        """Copy a file or a folder below the place; return its path there."""
        if self.container:
            podman.run("cp", str(path), f"{self.container}:{self.place}/{name}")
        elif path.is_dir():
            shutil.copytree(path, f"{self.place}/{name}", dirs_exist_ok=True)
        else:
            shutil.copy(path, f"{self.place}/{name}")
        return f"{self.place}/{name}"

    def write(self, name: str, text: str) -> str:
        """Write a file below the place; return its path there."""
        scratch = paths.STATE / f"artifact-{os.getpid()}"
        scratch.write_text(text)
        try:
            return self.put(scratch, name)
        finally:
            scratch.unlink()


def local(core: str, place: Path) -> ControlNode:
    """Return this machine with an ansible-core beside the project's own, from this Python."""
    folder = wheels.gather(core, f"{sys.version_info.major}.{sys.version_info.minor}")
    kept = paths.CACHE / "control-nodes" / f"{folder.name}-{cache.key(Path(__file__))}"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("core", "complete", "home", "pythons"):
        (place / name).symlink_to(kept / name)
    with locks.held("control-nodes"):
        if not (kept / "complete.txt").exists():
            shutil.rmtree(kept, ignore_errors=True)
            (kept / "pythons").mkdir(parents=True)
            for python, program in pythons().items():
                (kept / "pythons" / python).symlink_to(program)
            equip(ControlNode(core, str(kept)), sys.executable, str(folder), wheels.pip_version(folder))
            (kept / "complete.txt").touch()  # virtual environments cannot be moved, so no rename says it
    return ControlNode(core, str(place))


def on_a_node(core: str, container: str, python: str) -> ControlNode:
    """Return a fresh container of the lab with an ansible-core."""
    node = ControlNode(core, PLACE_ON_A_NODE, container)
    podman.run("exec", container, "mkdir", "--parents", f"{PLACE_ON_A_NODE}/pythons")
    folder = wheels.gather(core, python)
    equip(node, f"/usr/bin/python{python}", node.put(folder, "wheels"), wheels.pip_version(folder))
    return node


def equip(node: ControlNode, python: str, folder: str, pip_version: str) -> None:
    """Make what a control node consists of, offline, from a folder with wheels.

    ``core`` is a virtual environment with ansible-core alone, ``complete`` has what the collection requires too. Some
    distributions have no ensurepip, so pip comes from its wheel.
    """
    pip = f"{folder}/pip-{pip_version}-py3-none-any.whl"
    node.succeeds("mkdir", "-p", "home/.config/pip", "home/.ansible/test/cache")
    node.write("home/.config/pip/pip.conf", f"[global]\nno-index = true\nfind-links = {folder}\n")
    node.write(f"home/.ansible/test/cache/get_pip_{pip_version.replace('.', '_')}.py", BOOTSTRAP.format(pip=pip))
    node.put(wheels.REQUIREMENTS, "home/requirements.txt")
    for venv, requirements in (("core", ()), ("complete", ("--requirement", "home/requirements.txt"))):
        node.succeeds(python, "-m", "venv", "--without-pip", venv)
        install = [f"{venv}/bin/python", f"{pip}/pip", "install", "--quiet", "pip", f"ansible-core=={node.core}.*"]
        node.succeeds(*install, *requirements)


def pythons() -> dict[str, str]:
    """Return the Pythons of this machine that really run, by name.

    pyenv puts names on the path that run only where they were chosen, and the Pythons elsewhere.
    """
    folders = [*os.get_exec_path(), *map(str, Path("~/.pyenv/versions").expanduser().glob("*/bin"))]
    found: dict[str, str] = {}
    for name, folder in itertools.product(PYTHONS, folders):
        program = shutil.which(name, path=folder)
        if name in found or not program:
            continue
        if not subprocess.run([program, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode:
            found[name] = str(Path(program).resolve())
    return found
