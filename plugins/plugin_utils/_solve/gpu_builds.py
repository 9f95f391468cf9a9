# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which packages are builds for GPUs; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

DATA = Path(__file__).parents[1] / "data" / "gpu_builds.yml"
#: How many packages a sentence names.
_MOST_NAMED = 3
_NAME = re.compile(r"(?:.*::)?(?P<name>[\w.-]+)")


def gpu_builds(packages: Iterable[Package]) -> list[Package]:
    """Return those of one platform's packages that are builds for GPUs, sorted; CUDA's own are none.

    conda's are known by their build string and what they depend on, wheels by their local version and what comes
    beside them, since no index says what they need.
    """
    found = list(packages)
    data = read_mapping(DATA)
    return sorted(package for package in found if _is_gpu_build(package, found, data))


def asks_for_gpu(name: str, build: str) -> bool:
    """Return whether a package of this name and build (a pattern, or empty) is for GPUs, or is CUDA."""
    data = read_mapping(DATA)
    patterns = (*data["needs"], *data["cuda"][CONDA], *data["names"])
    return _any_of(name, patterns) or "cuda" in build or "gpu" in build


def cpu_builds(packages: Iterable[Package], asked: Iterable[str]) -> list[str]:
    """Return a sentence for each framework that is there only as a build for CPUs, with what would get the other.

    Parameters
    ----------
    packages
        Those of one platform.
    asked
        Specifications of conda and requirements of pip; one that has ``cpu`` in it wants that build. So does who names
        an index that ends with ``/cpu``.
    """
    found = list(packages)
    data = read_mapping(DATA)
    wanted = {_name(text) for text in asked if "cpu" in text}
    wanted |= {name for word in wanted & data["cpu"].keys() for name in data["cpu"][word]}
    return [
        f"{package.name} {package.version} is a build for CPUs ({package.build or package.manager})."
        f" For GPUs ask for {asked_for['gpu']}; for CPUs for {asked_for['cpu']}"
        for package in sorted(found)
        if (asked_for := _asked_for(package, data))
        and not _is_gpu_build(package, found, data)
        and not wanted & {package.name, package.name.removesuffix("lib"), f"{package.name}-cpu"}
        and not package.index.rstrip("/").endswith("/cpu")
    ]


def too_new(packages: Iterable[Package], cuda: str) -> list[str]:
    """Return a sentence for each wheel that is for a later major version of CUDA than nodes support.

    conda's packages need none: the solver knows what nodes support.

    Parameters
    ----------
    packages
        Those of one platform.
    cuda
        The CUDA version of the nodes' drivers, such as ``12.4``.
    """
    release = read_mapping(DATA)["release"]
    supported = int(cuda.partition(".")[0])
    wheels = [(package, _major(package, release)) for package in sorted(packages) if package.manager == PIP]
    newer = [(package, major) for package, major in wheels if major > supported]
    if not newer:
        return []
    named = ", ".join(f"{package.name} {package.version}" for package, _major in newer[:_MOST_NAMED])
    more = f" and {len(newer) - _MOST_NAMED} more" if len(newer) > _MOST_NAMED else ""
    major = max(major for _package, major in newer)
    return [
        f"For CUDA {major}, where the nodes' drivers support CUDA {cuda}: {named}{more}. Ask for builds for CUDA"
        f" {supported}, whose local versions begin with +cu{supported}, and name the index that has them; or upgrade"
        " the drivers"
    ]


def _major(package: Package, release: Mapping[str, str]) -> int:
    """Return the major version of CUDA that a wheel says it is for; 0 where it says none."""
    if package.name == "cuda-toolkit":
        return int(re.sub(r"\D.*", "", package.version) or 0)
    local = package.version.partition("+")[2]
    found = re.search(release["local"], local) or re.search(release["name"], package.name)
    return int(found["cuda"]) if found else 0


def _is_gpu_build(package: Package, beside: Sequence[Package], data: Mapping[str, Any]) -> bool:
    if _any_of(package.name, data["cuda"][package.manager]):
        return False
    if _any_of(package.name, data["names"]):
        return True
    if package.manager == CONDA:
        needed = (_name(text) for text in package.depends)
        return bool(re.search(data["builds"], package.build)) or any(_any_of(name, data["needs"]) for name in needed)
    local = package.version.partition("+")[2]
    if local:
        return bool(re.search(data["local"], local))
    patterns = data["frameworks"]["pip"].get(package.name, {}).get("beside", ())
    return any(_any_of(other.name, patterns) for other in beside if other.manager == package.manager)


def _asked_for(package: Package, data: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what to ask for to get a framework's builds; empty for what is no framework."""
    frameworks = data["frameworks"][package.manager]
    if package.name not in frameworks:
        return {}
    if package.manager == CONDA:
        return {kind: f"{package.name}=*=*{word}*" for kind, word in (("gpu", "cuda"), ("cpu", "cpu"))}
    found: Mapping[str, str] = frameworks[package.name]
    return found


def _name(text: str) -> str:
    found = _NAME.match(text.strip())
    return found["name"] if found else ""


def _any_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
