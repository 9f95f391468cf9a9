# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode that was compiled for a lock, as nodes get it: hashes with packages, archives from a store or in a file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import BUNDLE
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from


@dataclass(frozen=True)
class Compiled:
    """What a node is offered."""

    offer: Offer
    #: The store on the control node, where it has no URL.
    directory: Path

    def bundle(self, names: Sequence[str], run_directory: Path) -> Path:
        """Return one file with archives of the store, as far as they are there; it is made once in a run.

        Parameters
        ----------
        names
            The files of archives.
        run_directory
            A directory that all workers of this run share and that goes with the run.
        """
        key = hashlib.sha256("\n".join((str(self.directory), *sorted(names))).encode()).hexdigest()
        folder = run_directory / f"bytecode-{key}"

        def pack() -> str:
            folder.mkdir(exist_ok=True)
            # Some images have files of 1970, which an archive can't say.
            with zipfile.ZipFile(folder / BUNDLE, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
                for name in sorted(names):
                    if (self.directory / name).is_file():
                        archive.write(self.directory / name, name)
            return str(folder / BUNDLE)

        return Path(computed_once(run_directory / f"bytecode-{key}.json", pack))


def compiled(arguments: Mapping[str, Any], platform: str, packages: Iterable[Package]) -> Compiled | None:
    """Return what was compiled of the packages of a task's source; None where there is nothing.

    Parameters
    ----------
    arguments
        The task's options.
    platform
        The node's.
    packages
        Those of the environment.

    Raises
    ------
    EvenkeelError
        The file of hashes is malformed.
    """
    lock = _lock_of(arguments)
    path = hashes.beside(lock) if lock else None
    found = hashes.read(path) if path else None
    offer = found.offer(platform, packages) if found else None
    if path is None or found is None or offer is None:
        return None
    store = mirrors_from(arguments.get("mirrors")).mirrored(offer.store) if offer.store else ""
    return Compiled(replace(offer, store=store), path.parent / found.store)


def outdated(arguments: Mapping[str, Any], platform: str, packages: Iterable[Package]) -> list[str]:
    """Return what ``hashes.outdated`` does, of a task's source; parameters and errors are those of ``compiled``."""
    lock = _lock_of(arguments)
    return hashes.outdated(lock, {platform: packages}) if lock else []


def _lock_of(arguments: Mapping[str, Any]) -> Path | None:
    if arguments.get("environment"):
        return lock_beside(Path(arguments["environment"]))
    return Path(arguments["lock"]) if arguments.get("lock") else None
