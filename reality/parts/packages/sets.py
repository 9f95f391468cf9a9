# SPDX-License-Identifier: GPL-3.0-or-later
"""The package sets that the role ``nvidia_driver`` would ask for, on every platform that the data know; no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import FLAVOURS, Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

COMPUTE, GRAPHICS, NVSWITCH = KINDS = ("compute", "graphics", "NVSwitch")
NVIDIA, DISTRIBUTION = "nvidia", "distribution"
#: What brings a distribution's kernels, by family; ``linux-image-`` of apt's is left out.
_KERNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "debian": {"x86_64": ("amd64", "cloud-amd64"), "aarch64": ("arm64", "cloud-arm64")},
    "ubuntu": dict.fromkeys(("x86_64", "aarch64"), ("generic", "virtual", "generic-hwe-{release}")),
    "redhat": dict.fromkeys(("x86_64", "aarch64"), ("kernel",)),
}


@dataclass(frozen=True)
class PackageSet:
    """What the role would ask for.

    Parameters
    ----------
    key
        Unique on its platform.
    choice
        What ``driver_choice`` chose; its repository is NVIDIA's own.
    """

    key: str
    platform: Platform
    source: str
    branch: str
    flavour: str
    kind: str
    choice: dict[str, Any]

    def __str__(self) -> str:
        return f"the {self.branch} driver ({self.flavour}, {self.kind}) of {self.source}"


@cache
def platforms() -> tuple[Platform, ...]:
    """Return every distribution, release and architecture that the data know."""
    data = read_mapping(repositories.DATA)
    return tuple(
        Platform(distribution, release, architecture)
        for distribution, entry in data["distributions"].items()
        for release in entry["releases"]
        for architecture in data["architectures"]
    )


def name_of(platform: Platform) -> str:
    """Return a platform's name in the identities of claims, such as ``Debian-12-x86_64``."""
    return f"{platform.distribution}-{platform.version}-{platform.architecture}"


def wanted(platform: Platform) -> Iterator[PackageSet]:
    """Yield the sets that the role has no objection to."""
    branches = [(NVIDIA, branch) for branch in read_mapping(driver_choice.BRANCHES)["branches"]]
    for source, branch in [*branches, (DISTRIBUTION, "")]:
        for flavour in FLAVOURS:
            for kind in KINDS:
                wish = Wish(source=source, branch=branch, flavour=flavour, graphics=kind == GRAPHICS)
                choice = driver_choice.choose(driver_choice.facts_of_no_node(fabric=kind == NVSWITCH), platform, wish)
                if choice["problems"] or (kind == NVSWITCH and (source, flavour) != (NVIDIA, "open")):
                    continue
                key = f"{source}/{choice['branch']}/{flavour}/{kind}"
                yield PackageSet(key, platform, source, choice["branch"], flavour, kind, choice)


def kernels(platform: Platform) -> list[str]:
    """Return the packages that bring the distribution's kernels."""
    family, release = repositories.family(platform), repositories.release(platform)
    start = "" if family == "redhat" else "linux-image-"
    return [start + word.format(release=release) for word in _KERNELS[family][platform.architecture]]
