# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn of packages: the drivers of NVIDIA's repositories, and the kernels of distributions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import matching
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice

from reality.claims import SkippedError
from reality.parts.data.nvidia import cuda_places
from reality.parts.data.repository import order, packages, upstream
from reality.reach import RefusedError, TroubleError
from reality.record import Record
from reality.world import World

_MACHINE = "x86_64"


def drivers(world: World) -> Iterator[Record]:
    """Yield the driver's packages of each repository that the lab has; sites that do not answer are left out."""
    for place, family, _release in cuda_places():
        repository, _slash, machine = place.name.partition("/")
        if machine != _MACHINE:
            continue
        try:
            found = newest(packages(place, world), family)
        except (SkippedError, TroubleError, RefusedError, EvenkeelError):
            continue
        data = {"kind": place.kind, "packages": [_described(one, place.kind) for one in found]}
        yield Record(f"packages/nvidia/{repository}", place.index, world.today.isoformat(), data)


def newest(listed: Iterable[Package], family: str) -> list[Package]:
    """Return the driver's packages, of each branch that is known or newer the newest version."""
    patterns = read_mapping(driver_choice.PACKAGES)["nvidia"][family]["family"]
    oldest = min(map(int, read_mapping(driver_choice.BRANCHES)["branches"]))
    every = list(listed)
    of_driver = set(matching({one.name for one in every}, patterns, {one.name: one.source for one in every}))
    found: dict[tuple[str, int], Package] = {}
    for one in every:
        version = order(upstream(one.version))
        if one.name in of_driver and version and version[0] >= oldest:
            other = found.get((one.name, version[0]))
            if other is None or order(upstream(other.version)) < version:
                found[one.name, version[0]] = one
    return [found[key] for key in sorted(found)]


def kernels(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the kernels that a distribution's packages bring, by the answers of its container; pure."""
    return {
        key.partition("/")[2]: {"releases": one["detail"].split(", "), "version": one["version"]}
        for key, one in answers.items()
        if key.startswith("headers/") and not one["problem"]
    }


def _described(one: Package, kind: str) -> dict[str, Any]:
    everywhere = one.path.endswith(("_all.deb", ".noarch.rpm"))
    machine = {"apt": ("amd64", "all"), "rpm": (_MACHINE, "noarch")}[kind][everywhere]
    return {
        "name": one.name,
        "version": one.version,
        "architecture": machine,
        "source": one.source,
        "depends": [[str(need) for need in group] for group in one.depends],
        # Files and sonames are of no use to stand-ins.
        "provides": [name for name, _version in one.provides if not set(name) & set("/().")],
    }
