# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which versions below and in the environments a fleet has: by a drift report, the inventory and the locks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import support
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers

#: A product and its version, and where it is, such as ``node gpu1``.
Use = tuple[str, str, str]

#: After an installer's name, what distinguishes an installation's folder from others.
_OF_FOLDER = re.compile(r"-[0-9a-f]{12}(?:-\d+)?")
#: How the role miniconda names distributions of conda.
_CONDA = {"miniconda": support.MINICONDA, "miniforge": support.MINIFORGE}
#: How the targets of locks begin, and how Ansible names these distributions.
_TARGETS = {"debian": "Debian", "ubuntu": "Ubuntu", "rocky": "Rocky"}


def by_nodes(report: Mapping[str, Any]) -> list[Use]:
    """Return what the nodes of a drift report have."""
    found: list[Use] = []
    for name, host in report["hosts"].items():
        where = f"node {name}"
        distribution, _space, release = host["release"].rpartition(" ")
        found += [(distribution, release, where)] if distribution else []
        layers = {id_: layer["found"] for id_, layer in host["layers"].items()}
        driver = layers.get("driver", {}).get("version")
        found += [(support.DRIVER, str(driver), where)] if driver else []
        found += [(support.CUDA, str(one), where) for one in layers.get("cuda", {}).get("toolkits", ())]
        home = _OF_FOLDER.sub("", PurePath(str(layers.get("distribution", {}).get("home", ""))).name)
        found += of_installer(f"{home}.sh", where)
    return found


def of_installer(file: str, where: str) -> list[Use]:
    """Return what an installer of a conda distribution brings; of a file that is none, nothing."""
    parsed = installers.parse(file)
    if not parsed:
        return []
    product = support.MINIFORGE if file.startswith("Miniforge3") else support.MINICONDA
    version = f"{parsed.python}_{parsed.version}" if parsed.python else parsed.version
    return [(product, version, where), (support.CONDA, parsed.version.partition("-")[0], where)]


def by_inventory(drivers: Mapping[str, str], conda: Mapping[str, tuple[str, str]], targets: Iterable[str]) -> list[Use]:
    """Return what the inventory declares.

    Parameters
    ----------
    drivers
        The version or branch of the driver of each node; empty where none is known.
    conda
        The distribution of conda of each node and its version, as of the role miniconda.
    targets
        The distributions that locks are for, such as ``debian-12``.
    """
    found = [(support.DRIVER, driver, f"declared for {node}") for node, driver in drivers.items() if driver]
    for node, (distribution, version) in conda.items():
        where = f"declared for {node}"
        try:
            chosen = installers.choose(distribution, version, "x86_64", installers.known())
        except EvenkeelError:
            found.append((_CONDA.get(distribution, distribution), version, where))
        else:
            found += of_installer(chosen.file, where)
    for target in targets:
        name, _dash, release = target.partition("-")
        found += [(_TARGETS.get(name, name), release, "lock_targets")]
    return found


def by_lock(name: str, lock: Lock) -> list[Use]:
    """Return the Pythons of a lock, and the CUDA versions that it assumes of the nodes."""
    found: list[Use] = []
    for platform, packages in lock.packages.items():
        where = f"lock {name} ({platform})"
        found += [(support.PYTHON, one.version, where) for one in packages if one.name == "python"]
        found += [(support.CUDA, lock.cuda(platform), where)] if lock.cuda(platform) else []
    return found


def together(uses: Iterable[Use]) -> dict[tuple[str, str], list[str]]:
    """Return where each version of each product is."""
    found: dict[tuple[str, str], list[str]] = {}
    for product, version, where in uses:
        places = found.setdefault((product, version), [])
        if where not in places:
            places.append(where)
    return found
