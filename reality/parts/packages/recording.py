# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn of packages: what NVIDIA's repositories have, and the kernels of distributions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cuda_toolkits import part_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import matching
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice, cuda_choice, driver_choice

from reality.parts.data.nvidia import container_places, cuda_places
from reality.parts.data.repository import Place, order, packages, upstream
from reality.record import Record, Sight
from reality.world import World

#: The lab has nodes of this architecture alone.
_MACHINES = ("x86_64", "amd64")
_TOOLKIT = re.compile(r"cuda-toolkit-(\d+)-(\d+)")
#: cuDNN and NCCL, without their names for headers.
_LIBRARIES = re.compile(r"libcudnn\d+(-dev|-devel)?-cuda-\d+|libnccl(2|-dev|-devel)?")


def repositories() -> Iterator[Sight]:
    """Yield each repository of NVIDIA's that the lab has."""
    for place, family, _release in cuda_places():
        name, _slash, _machine = place.name.partition("/")
        if place.architecture in _MACHINES:
            yield Sight(f"nvidia/{name}", partial(_seen, f"nvidia/{name}", place, partial(of_cuda, family)))
    for place in container_places():
        if place.architecture in _MACHINES:
            yield Sight(f"container/{place.kind}", partial(_seen, f"container/{place.kind}", place, of_container))


def _seen(
    name: str, place: Place, choose: Callable[[Iterable[Package]], Mapping[str, Sequence[Package]]], world: World
) -> Record:
    chosen = choose(packages(place, world))
    found = {key: [_described(one, place.kind) for one in of_key] for key, of_key in chosen.items()}
    return Record(f"packages/{name}", place.index, world.today.isoformat(), {"kind": place.kind, **found})


def of_cuda(family: str, listed: Iterable[Package]) -> dict[str, list[Package]]:
    """Return drivers and toolkits of a CUDA repository."""
    every = list(listed)
    return {"packages": newest(every, family), "toolkits": toolkits(every)}


def of_container(listed: Iterable[Package]) -> dict[str, list[Package]]:
    """Return the newest of each package of the container toolkit that is no candidate of a release."""
    names = set(read_mapping(container_choice.DATA)["packages"])
    found: dict[str, Package] = {}
    for one in listed:
        if one.name in names and "~" not in one.version:
            found[one.name] = _newer(found.get(one.name), one)
    return {"packages": [found[name] for name in sorted(found)]}


def toolkits(every: Iterable[Package]) -> list[Package]:
    """Return the newest toolkit of each CUDA, by its parts, and the newest libraries for it."""
    listed, parts = list(every), read_mapping(cuda_choice.DATA)["parts"]
    minors: dict[str, str] = {}
    for one in listed:
        match = _TOOLKIT.fullmatch(one.name)
        if match and order(match[2]) > order(minors.get(match[1], "")):
            minors[match[1]] = match[2]
    wanted = {f"{major}.{minor}" for major, minor in minors.items()}
    found: dict[tuple[str, str], Package] = {}
    for one in listed:
        if _LIBRARIES.fullmatch(one.name):
            key = (one.name, one.version.partition("+cuda")[2].partition(".")[0])  # NCCL's ends in its CUDA
        elif part_of(one.name, parts) in wanted:
            key = (one.name, "")
        else:
            continue
        found[key] = _newer(found.get(key), one)
    return [found[key] for key in sorted(found)]


def _newer(known: Package | None, other: Package) -> Package:
    return other if known is None or order(known.version) < order(other.version) else known


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
        if key.startswith("headers/") and {"detail", "version"} <= one.keys()
    }


def _described(one: Package, kind: str) -> dict[str, Any]:
    everywhere = one.path.endswith(("_all.deb", ".noarch.rpm"))
    machine = {"apt": ("amd64", "all"), "rpm": ("x86_64", "noarch")}[kind][everywhere]
    return {
        "name": one.name,
        "version": one.version,
        "architecture": machine,
        "source": one.source,
        "depends": [[str(need) for need in group] for group in one.depends],
        # Files and sonames are of no use to stand-ins.
        "provides": [
            f"{name} (= {version})" if version else name
            for name, version in one.provides
            if not set(name) & set("/().")
        ],
    }
