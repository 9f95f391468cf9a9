# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where an environment comes from, as its build records it, and how that is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import declaring
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from, without_credentials

#: Digits of a commit that are shown.
_DIGITS = 12


def of_environment(arguments: Mapping[str, Any], packages: Iterable[Package], run_directory: Path) -> dict[str, Any]:
    """Return what is recorded: ``file``, ``sha256``, ``commit``, ``dirty``, ``signer``, ``sources`` and ``evenkeel``.

    Git is asked once for a file, by the first of Ansible's workers that needs it.

    Parameters
    ----------
    arguments
        The options of the module conda_environment, with paths as they are here.
    packages
        What is installed.
    run_directory
        A directory that all workers of this run share and that goes with the run.
    """
    path = declaring(arguments)
    declared: dict[str, Any] = {}
    if path:
        kept = run_directory / f"origin-{hashlib.sha256(str(path).encode()).hexdigest()}.json"
        declared = computed_once(kept, lambda: _declared(path))
    mirrors = mirrors_from(arguments.get("mirrors"))
    index = arguments.get("pip_index") or ""
    places = {
        mirrors.mirrored(one.url).rsplit("/", 2)[0] if one.manager == CONDA else mirrors.mirrored(one.index or index)
        for one in packages
    }
    sources = sorted(without_credentials(place) for place in places if "://" in place)
    return {**declared, "sources": sources, "evenkeel": own_version()}


def files_of(sources: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return of each environment by its name the file that declares it; of one without a file nothing.

    Parameters
    ----------
    sources
        As the filter ``environment_sources`` returns them.
    """
    return {str(source["name"]): committed.of_file(path) for source in sources if (path := declaring(source))}


def _declared(path: Path) -> dict[str, Any]:
    found = committed.of_file(path)
    is_committed = found["commit"] and not found["dirty"]
    return {**found, "signer": committed.signer_of(path) if is_committed else ""}


def sentence(origin: Mapping[str, Any]) -> str:
    """Return an origin as one sentence; empty where nothing was recorded."""
    if not origin.get("evenkeel"):
        return ""
    commit = str(origin.get("commit") or "")[:_DIGITS]
    parts = [
        str(origin.get("file") or "a list of packages"),
        f"commit {commit}" if commit else "",
        "with changes that were not committed" if origin.get("dirty") else "",
        f"signed by {origin['signer']}" if origin.get("signer") else "",
        f"by Evenkeel {origin['evenkeel']}",
        f"from {', '.join(map(str, origin['sources']))}" if origin.get("sources") else "",
    ]
    return ", ".join(filter(None, parts))
