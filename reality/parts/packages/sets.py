# SPDX-License-Identifier: GPL-3.0-or-later
"""The package sets that the roles would ask for, on every platform that the data know; no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice, cuda_choice, driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import FLAVOURS, Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

DRIVER, CUDA, CONTAINER = "nvidia_driver", "cuda_toolkit", "nvidia_container_toolkit"
COMPUTE, GRAPHICS, NVSWITCH = KINDS = ("compute", "graphics", "NVSwitch")
NVIDIA, DISTRIBUTION = "nvidia", "distribution"
#: The branch of cuDNN that the role installs; there is none for older toolkits.
_CUDNN, _CUDNN_FROM = "9", 12
#: What brings a distribution's kernels, by family; ``linux-image-`` of apt's is left out.
_KERNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "debian": {"x86_64": ("amd64", "cloud-amd64"), "aarch64": ("arm64", "cloud-arm64")},
    "ubuntu": dict.fromkeys(("x86_64", "aarch64"), ("generic", "virtual", "generic-hwe-{release}")),
    "redhat": dict.fromkeys(("x86_64", "aarch64"), ("kernel",)),
}
#: What a container needs of the choice for a role; see ``inside``.
_OF_CHOICE = {
    DRIVER: ("version", "flavour", "packages", "absent", "family", "companions", "dkms", "modules"),
    CUDA: ("packages", "toolkits", "parts", "refuse", "nccl"),
    CONTAINER: ("packages", "version"),
}


@dataclass(frozen=True)
class PackageSet:
    """What a role would ask for.

    Parameters
    ----------
    key
        Unique on its platform.
    text
        How claims name it.
    repository
        NVIDIA's own that it comes from; None for a set of the distribution's.
    asked
        What a container is asked, but for the repository.
    """

    key: str
    text: str
    role: str
    repository: dict[str, Any] | None
    asked: dict[str, Any]


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
    """Yield the sets that the roles have no objection to."""
    yield from _drivers(platform)
    yield from _toolkits(platform)
    yield from _container_toolkits(platform)


def _drivers(platform: Platform) -> Iterator[PackageSet]:
    branches = [(NVIDIA, branch) for branch in read_mapping(driver_choice.BRANCHES)["branches"]]
    for source, branch in [*branches, (DISTRIBUTION, "")]:
        for flavour in FLAVOURS:
            for kind in KINDS:
                wish = Wish(source=source, branch=branch, flavour=flavour, graphics=kind == GRAPHICS)
                choice = driver_choice.choose(driver_choice.facts_of_no_node(fabric=kind == NVSWITCH), platform, wish)
                if choice["problems"] or (kind == NVSWITCH and (source, flavour) != (NVIDIA, "open")):
                    continue
                key = f"{source}/{choice['branch']}/{flavour}/{kind}"
                text = f"the {choice['branch']} driver ({flavour}, {kind}) of {source}"
                yield _set(key, text, DRIVER, choice)


def _toolkits(platform: Platform) -> Iterator[PackageSet]:
    data = read_mapping(cuda_choice.DATA)
    for minor in data["toolkits"]:
        major = int(minor.partition(".")[0])
        has_libraries = major >= _CUDNN_FROM
        wish = cuda_choice.Wish(versions=[minor], cudnn=_CUDNN if has_libraries else "", check_driver=False)
        nccl = data["packages"][repositories.family(platform)]["nccl"] if has_libraries else []
        text = f"CUDA {minor}" + (f" with cuDNN {_CUDNN} and NCCL" if has_libraries else "")
        yield _set(f"cuda/{minor}", text, CUDA, {**cuda_choice.choose({}, platform, wish), "nccl": nccl})


def _container_toolkits(platform: Platform) -> Iterator[PackageSet]:
    data = read_mapping(container_choice.DATA)
    for version in dict.fromkeys((data["version"], data["oldest"])):
        choice = container_choice.choose(platform, container_choice.Wish(version=version))
        yield _set(f"container/{version}", f"the NVIDIA Container Toolkit {version}", CONTAINER, choice)


def _set(key: str, text: str, role: str, choice: dict[str, Any]) -> PackageSet:
    return PackageSet(key, text, role, choice["repository"], {name: choice[name] for name in _OF_CHOICE[role]})


def kernels(platform: Platform) -> list[str]:
    """Return the packages that bring the distribution's kernels."""
    family, release = repositories.family(platform), repositories.release(platform)
    start = "" if family == "redhat" else "linux-image-"
    return [start + word.format(release=release) for word in _KERNELS[family][platform.architecture]]
