# SPDX-License-Identifier: GPL-3.0-or-later
"""Part packages: official images of distributions resolve the package sets that the roles ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from lab.images import official
from reality.claims import Claim, Result, SkippedError, differs, proven
from reality.parts.packages import container, lab_nodes, recording, sets
from reality.parts.packages.sets import PackageSet, kernels, name_of, platforms, wanted
from reality.reach import TroubleError
from reality.record import Record, Sight
from reality.world import World

TITLE = "NVIDIA's packages in distributions"
NETWORK = True
#: One container at a time.
AT_ONCE = 1
SECONDS = 6 * 3600.0
PART = "packages"

RESOLVES = {
    sets.DRIVER: "Driver packages resolved in official images, at one version and from one repository",
    sets.CUDA: "CUDA toolkits, cuDNN and NCCL resolved in official images, without parts of others",
    sets.CONTAINER: "NVIDIA Container Toolkit resolved in official images, at one version",
}
_HOW = {
    sets.DRIVER: "at one version",
    sets.CUDA: "without parts of other toolkits or a driver",
    sets.CONTAINER: "at one version",
}
PINS = "Preferences of apt that keep the driver at its version"
HEADERS = "Headers of distributions' kernels"
#: Where EPEL is, which has the DKMS that NVIDIA's packages for Red Hat's family need.
_EPEL = "https://dl.fedoraproject.org/pub/epel"
#: What says nothing about packages.
_TROUBLE = ("could not be fetched", "is incomplete", "does not answer")


def claims(_world: World) -> Iterable[Claim]:
    """Return those of every platform that the data know."""
    return [claim for platform in platforms() for claim in _of_platform(platform)]


def _of_platform(platform: Platform) -> Iterator[Claim]:
    def made(key: str, text: str, subject: str) -> Claim:
        return Claim(f"{PART}/{name_of(platform)}/{key}", PART, f"{platform} {text}", subject)

    for name in kernels(platform):
        yield made(f"headers/{name}", f"has the headers of the kernel that {name} brings", HEADERS)
    for one in wanted(platform):
        text = f"resolves {one.text}, {_HOW[one.role]} and from no other repository"
        yield made(f"resolves/{one.key}", text, RESOLVES[one.role])
        if one.role == sets.DRIVER and repositories.family(platform) != "redhat":
            yield made(f"pins/{one.key}", f"keeps {one.text} by preferences alone", PINS)


def check(claim: Claim, world: World) -> Result:
    """Ask one of them; the first of a platform asks all of it."""
    _part, name, key = claim.id.split("/", 2)
    platform = next(one for one in platforms() if name_of(one) == name)
    image, answers = world.once(f"{PART} {name}", lambda: _asked(platform, world))
    return verdict(key, image, answers, world)


def verdict(key: str, image: str, answers: Mapping[str, Mapping[str, Any]], world: World) -> Result:
    """Return what the answers of a platform say of a claim.

    Raises
    ------
    TroubleError
        A repository can't be reached, which says nothing.
    SkippedError
        A repository does not have a toolkit; none promises to have each.
    """
    found = answers.get(key)
    if found is None:
        return differs(image, "the container gave no answer")
    if found.get("absent"):
        raise SkippedError(f"in {image}: {found['absent']}")
    if not found["problem"]:
        return proven(image, found["detail"])
    if any(word in found["problem"] for word in _TROUBLE):
        raise TroubleError(f"in {image}: {found['problem']}")
    return world.differs(image, found["problem"])


def _asked(platform: Platform, world: World) -> tuple[str, dict[str, dict[str, Any]]]:
    image = _image(platform, world)
    return image, container.answers(world, platform, image, request(platform, wanted(platform), world))


def _image(platform: Platform, world: World) -> str:
    """Return the image of a platform.

    Raises
    ------
    SkippedError
        This machine has no container tool, or the image lacks packages on it.
    """
    where = official.of(platform.distribution, repositories.release(platform))
    container.tool_of(world)
    if where.needs and not any(Path(where.needs).glob("*.pem")) and not world.is_lab:
        raise SkippedError(f"{where.image} has all packages on a subscribed host alone, and this is none")
    return lab_nodes.image_of(where.lab) if world.is_lab else where.image


def sights(_world: World) -> Iterator[Sight]:
    """Yield what the lab can learn: NVIDIA's repositories, and the newest kernels of the distributions."""
    yield from recording.repositories()
    for platform in platforms():
        if platform.architecture == "x86_64":
            yield Sight(f"kernels/{_slug(platform)}", partial(_kernels, platform))


def _kernels(platform: Platform, world: World) -> Record:
    where = _image(platform, world)
    found = recording.kernels(container.answers(world, platform, where, request(platform, [], world)))
    if not found:
        raise TroubleError(f"in {where}: no kernel with its headers was found")
    return Record(f"{PART}/kernels/{_slug(platform)}", where, world.today.isoformat(), found)


def _slug(platform: Platform) -> str:
    """Return a platform's release as the lab names it, such as ``ubuntu2404``."""
    return f"{platform.distribution}{repositories.release(platform).replace('.', '')}".lower()


def request(platform: Platform, asked: Iterable[PackageSet], world: World) -> dict[str, Any]:
    """Return what a platform's container is asked; see ``inside``."""
    return {
        "files": lab_nodes.files(platform) if world.is_lab else {},
        "kernels": kernels(platform),
        "sets": [_set(one, platform, world) for one in asked],
    }


def _set(one: PackageSet, platform: Platform, world: World) -> dict[str, Any]:
    repository = in_world(one.repository, world) if one.repository else None
    # It has the DKMS that builds the driver's module.
    epel = repositories.epel(platform, _EPEL) if one.role == sets.DRIVER and not world.is_lab else None
    needs = [needed for needed in (epel, repository) if needed]
    return {"key": one.key, "role": one.role, "repository": repository, "needs": needs, **one.asked}


def in_world(repository: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Return a repository where it is in this world."""
    return {
        **repository,
        "url": world.at(repository["url"]),
        "key_url": world.at(repository["key_url"]),
        "key_sha256": world.sum_of(repository["key_url"], repository["key_sha256"]),
    }
