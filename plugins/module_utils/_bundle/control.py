# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a control node has of bundles: Ansible, the collection and the site's project, in versions of which one is used.

ROOT/current                 -> versions/ID
ROOT/versions/ID/project/    the site's repository at the bundle's commit
ROOT/versions/ID/collections/   the collection, where the project does not hold it
ROOT/versions/ID/wheels/     links to all wheels of the bundle, some of which nodes are handed
ROOT/versions/ID/venv        -> venvs/ID, which versions with the same wheels share
ROOT/bundles/                a store of what is named below ``evenkeel/`` in the copies, see _site_copy
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import filling, project
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.check import Checked
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import offline_venv
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    link_atomically,
    make_directories,
    remove_at_once,
    rename_durably,
    sync_file_systems,
    write_atomically,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import TREE, Store

#: Paths in a site copy.
OWN, GIT = "evenkeel/", "git/"
PROJECT, COLLECTION = OWN + "project.tar.gz", OWN + "collection.tar.gz"
WHEELS = OWN + "wheels/"
COLLECTIONS = os.path.join("collections", "ansible_collections", "evenkeel", "gpu")
CURRENT, VERSIONS, VENVS = "current", "versions", "venvs"
_MANIFEST = "manifest.json"
#: With the one in use, so that there is a way back.
_KEEP = 2


@dataclass(frozen=True)
class Control:
    """The control node.

    Parameters
    ----------
    root
        Where it has all this.
    python
        Its Python.
    version, machine
        Of this Python, such as ``3.11``, and of the machine, such as ``x86_64``.
    """

    root: str
    python: str
    version: str
    machine: str

    @property
    def lock(self) -> str:
        return os.path.join(self.root, "locks", "control")

    @property
    def current(self) -> str:
        return os.path.join(self.root, CURRENT)

    @property
    def store(self) -> Store:
        return Store(os.path.join(self.root, "bundles"))

    def installed(self) -> Manifest | None:
        """Return what the version in use was made of; None where there is none."""
        name = os.path.basename(os.readlink(self.current)) if os.path.islink(self.current) else ""
        return self.store.read(name) if name else None


def this(root: str) -> Control:
    """Return this control node, with the Python that runs."""
    version = "%d.%d" % sys.version_info[:2]
    return Control(root, os.path.realpath(sys.executable), version, os.uname().machine)


def wheels_folder(version: str, machine: str) -> str:
    """Return where a site copy has the wheels for a Python of a machine."""
    return "%s%s-%s/" % (WHEELS, version, machine)


def install(control: Control, checked: Checked, *, allow_older: bool, how: str) -> bool:
    """Have the control node use what a bundle has for it; return whether that changed something.

    The caller holds the lock.

    Parameters
    ----------
    how
        How the operator allows an older one.

    Raises
    ------
    EvenkeelError
        Something is missing or does not fit. The version in use stays.
    """
    own = Manifest({}, tuple(one for one in checked.copy.files if one.path.startswith(OWN)), checked.copy.made)
    wheels = _wheels(control, own.files)
    store = control.store
    if not allow_older:
        filling.require_newer(control.installed(), own, checked.bundle, how)
    version = os.path.join(control.root, VERSIONS, own.id)
    link = os.path.join(VERSIONS, own.id)
    venv = os.path.join(control.root, VENVS, _identity(control, wheels))
    whole = os.path.isdir(version) and os.path.isfile(os.path.join(venv, _MANIFEST))
    if whole and os.path.islink(control.current) and os.readlink(control.current) == link:
        return False
    filling.fill(store, filling.to_bring(store, own.files, checked.bundle), checked)
    store.switch(own)
    tree = os.path.join(store.root, "copies", own.id, TREE)
    if not os.path.isfile(os.path.join(venv, _MANIFEST)):
        _make_venv(control, venv, [os.path.join(tree, one.path) for one in wheels])
    _unpack(tree, own.files, version, venv)
    link_atomically(control.current, link)
    _prune(control)
    return True


def _wheels(control: Control, files: Sequence[File]) -> list[File]:
    folder = wheels_folder(control.version, control.machine)
    found = [one for one in files if one.path.startswith(folder)]
    if not found:
        others = sorted({one.path.split("/")[2] for one in files if one.path.startswith(WHEELS)})
        raise EvenkeelError(
            "The bundle has no wheels for Python %s on %s, but for %s"
            % (control.version, control.machine, ", ".join(others) or "none"),
            "Start this with such a Python, or have the bundle made with bundle_pythons: ['%s']" % control.version,
        )
    return found


def _identity(control: Control, wheels: Sequence[File]) -> str:
    content = json.dumps([control.python, sorted((one.path, one.sha256) for one in wheels)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _make_venv(control: Control, venv: str, wheels: Sequence[str]) -> None:
    offline_venv.make(control.python, venv, wheels, "of the control node", "the bundle")
    sync_file_systems([venv])
    write_atomically(os.path.join(venv, _MANIFEST), json.dumps({"format": 1}) + "\n")


def _unpack(tree: str, files: Sequence[File], version: str, venv: str) -> None:
    partial = os.path.join(os.path.dirname(version), offline_venv.PARTIAL + os.path.basename(version))
    for left in (partial, version):
        shutil.rmtree(left, ignore_errors=True)
    for archive, folder in ((PROJECT, "project"), (COLLECTION, COLLECTIONS)):
        if os.path.exists(os.path.join(tree, archive)):
            make_directories(os.path.join(partial, folder))
            project.unpack(os.path.join(tree, archive), os.path.join(partial, folder))
    os.symlink(os.path.relpath(venv, version), os.path.join(partial, "venv"))
    wheels = os.path.join(version, "wheels")
    make_directories(os.path.join(partial, "wheels"))
    for path in {os.path.basename(one.path): one.path for one in files if one.path.startswith(WHEELS)}.values():
        target = os.path.relpath(os.path.join(tree, path), wheels)
        os.symlink(target, os.path.join(partial, "wheels", os.path.basename(path)))
    sync_file_systems([partial])
    rename_durably(partial, version)


def _prune(control: Control) -> None:
    """Remove versions that no copy of the store stands for any more, and environments that no version has."""
    control.store.prune(_KEEP)
    versions, venvs = (os.path.join(control.root, name) for name in (VERSIONS, VENVS))
    kept = set(control.store.names())
    used = set()
    for name in os.listdir(versions):
        path = os.path.join(versions, name)
        if name in kept:
            used.add(os.path.basename(os.path.realpath(os.path.join(path, "venv"))))
        else:
            shutil.rmtree(path)
    for name in sorted(os.listdir(venvs)):  # first what an interrupted run left of others
        if name not in used:
            remove_at_once(os.path.join(venvs, name), os.path.join(venvs, offline_venv.PARTIAL + name))
