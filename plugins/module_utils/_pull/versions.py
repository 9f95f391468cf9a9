# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The versions of the program on a node, each with its environment of ansible-core, and the switch between them.

ROOT/launch.py                   what the unit starts
ROOT/current, previous           links to versions
ROOT/versions/ID/                the program, and a link to its environment; complete when it has a manifest
ROOT/venvs/ID/                   an environment, which versions with the same packages share
ROOT/venvs/ID/wheels/            of the environment, what the node's own runs install to link packages of conda
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, offline_venv
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    link_atomically,
    make_directories,
    remove_at_once,
    sync_file_systems,
    write_atomically,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.launch import (
    BROKEN,
    CURRENT,
    PREVIOUS,
    PROGRAM,
    PYTHON,
    STATUSES,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.playbook_run import WHEELS

#: What there may be in the folder of all versions.
PARTS = re.compile(r"launch\.py|\.?(current|previous)(\.partial)?|(versions|venvs)(\.old)?")
#: Follows the name of a folder that is being removed.
DOOMED = ".old"
MANIFEST = "manifest.json"
#: The oldest Python that ansible-core runs on here, and the names that it may have.
OLDEST = (3, 11)
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
FOLDERS = ("/usr/bin", "/usr/local/bin")
#: How the names of the wheels begin that are kept.
_KEPT = ("py_rattler-", "uv-")
#: For ansible's first start.
_SECONDS = 600


@dataclass(frozen=True)
class Version:
    """What a version is made of.

    Parameters
    ----------
    root
        The folder of all versions.
    python
        The node's Python.
    packages
        Versions by the names of the packages beside it.
    program
        The archive.
    """

    root: str
    python: str
    packages: Mapping[str, str]
    program: bytes = field(repr=False)

    @property
    def venv_id(self) -> str:
        return _hash(json.dumps([self.python, sorted(self.packages.items())]).encode())

    @property
    def id(self) -> str:
        return _hash(self.venv_id.encode() + self.program)

    @property
    def path(self) -> str:
        return os.path.join(self.root, "versions", self.id)

    @property
    def venv(self) -> str:
        return os.path.join(self.root, "venvs", self.venv_id)

    @property
    def has_venv(self) -> bool:
        return os.path.isfile(os.path.join(self.venv, MANIFEST))

    @property
    def complete(self) -> bool:
        return os.path.isfile(os.path.join(self.path, MANIFEST)) and self.has_venv

    @property
    def broken(self) -> bool:
        """Whether this version has run and could not."""
        return os.path.exists(os.path.join(self.path, BROKEN))

    @property
    def current(self) -> bool:
        """Whether the node runs this version."""
        return current(self.root) == self.id


def current(root: str) -> str:
    """Return the id of the version that the node runs; empty where it has none."""
    try:
        return os.path.basename(os.readlink(os.path.join(root, CURRENT)))
    except OSError:
        return ""


def find_python(given: str, folders: tuple[str, ...] = FOLDERS) -> str:
    """Return the node's Python that is new enough: the given one, or the newest that the distribution has.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    if given:
        if not os.path.isfile(given):
            raise EvenkeelError(
                "There is no %s" % given, "Set python (pull_agent_python of the role) to a Python that the node has"
            )
        return given
    for name in PYTHONS:
        for folder in folders:
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
    raise EvenkeelError(
        "The node has no Python %d.%d or newer, which ansible-core needs" % OLDEST,
        "Install one beside the distribution's, such as python3.12, or set python (pull_agent_python of the role) to "
        "its path",
    )


def tag_of(python: str) -> str:
    """Return the version of a Python, such as ``3.11``.

    Raises
    ------
    EvenkeelError
        It does not run, or is too old.
    """
    asked = [python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    tag = command.require(asked, "Set python (pull_agent_python of the role) to a Python that runs", timeout=60).strip()
    if tuple(map(int, tag.split("."))) < OLDEST:
        raise EvenkeelError(
            "%s is Python %s, and ansible-core needs %d.%d or newer" % (python, tag, *OLDEST),
            "Set python (pull_agent_python of the role) to a newer one",
        )
    return tag


def build(version: Version, brought: str) -> None:
    """Have the version's environment and program; ``brought`` is the folder with the wheels of the environment."""
    if not version.has_venv:
        _build_venv(version, brought)
    if not os.path.isfile(os.path.join(version.path, MANIFEST)):
        _remove(version.path)
        make_directories(version.path)
        with open(os.path.join(version.path, PROGRAM), "wb") as stream:
            stream.write(version.program)
        os.symlink(os.path.relpath(version.venv, version.path), os.path.join(version.path, "venv"))
        sync_file_systems([version.path])
        write_atomically(
            os.path.join(version.path, MANIFEST), json.dumps({"format": 1, "venv": version.venv_id}) + "\n"
        )


def require_runs(version: Version) -> None:
    """Refuse a version that does not start.

    Raises
    ------
    EvenkeelError
        Its program or its ansible-core does not.
    """
    python = os.path.join(version.path, PYTHON)
    program = [version.python, "-I", os.path.join(version.path, PROGRAM), "--python", python, "status"]
    for argv in ([python, "-m", "ansible", "playbook", "--version"], program):
        done = command.run(argv, timeout=_SECONDS, extra={"HOME": version.path, "ANSIBLE_LOCAL_TEMP": version.path})
        if done.status not in STATUSES:
            raise EvenkeelError(
                "The new version of the pull agent can't run: `%s` ended with status %d: %s"
                % (" ".join(argv), done.status, done.last_words(3)),
                "The node keeps the version that it has. See whether %s and the wheels fit together" % version.python,
            )


def switch(version: Version) -> None:
    """Have the node run this version from now on."""
    before = current(version.root)
    if before and before != version.id:
        link_atomically(os.path.join(version.root, PREVIOUS), os.path.join("versions", before))
    link_atomically(os.path.join(version.root, CURRENT), os.path.join("versions", version.id))


def prune(root: str) -> None:
    """Remove versions and environments that neither the current version nor the one before needs."""
    kept, venvs = set(), set()
    for link in (CURRENT, PREVIOUS):
        path = os.path.realpath(os.path.join(root, link))
        kept.add(os.path.basename(path))
        venvs.add(os.path.basename(os.path.realpath(os.path.join(path, "venv"))))
    for folder, keep in (("versions", kept), ("venvs", venvs)):
        for path in glob.glob(os.path.join(root, folder, "*")) + glob.glob(os.path.join(root, folder, ".*")):
            name = os.path.basename(path)
            # What could not run is remembered, so that it is not tried again.
            if name not in keep and not os.path.exists(os.path.join(path, BROKEN)):
                _remove(path)


def _build_venv(version: Version, brought: str) -> None:
    """Make the version's environment of the wheels, without an index and without a network."""
    wheels = sorted(glob.glob(os.path.join(brought, "*.whl")))
    offline_venv.make(version.python, version.venv, wheels, "of the pull agent", "pull_agent_wheels")
    _keep(wheels, os.path.join(version.venv, WHEELS))
    sync_file_systems([version.venv])
    write_atomically(
        os.path.join(version.venv, MANIFEST), json.dumps({"format": 1, "packages": dict(version.packages)}) + "\n"
    )


def _keep(wheels: list[str], folder: str) -> None:
    make_directories(folder)
    for wheel in wheels:
        if os.path.basename(wheel).startswith(_KEPT):
            shutil.copy(wheel, folder)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        folder, name = os.path.split(path)
        if name.startswith(offline_venv.PARTIAL):
            shutil.rmtree(path)
        else:
            remove_at_once(path, os.path.join(folder, offline_venv.PARTIAL + name))
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
