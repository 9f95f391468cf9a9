# SPDX-License-Identifier: GPL-3.0-or-later
"""Part packages: official images of distributions resolve the package sets that the role ``nvidia_driver`` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from lab.images import official
from reality.claims import Claim, Result, SkippedError, differs, proven
from reality.parts.packages import container, inside, lab_nodes, recording
from reality.parts.packages.sets import NVIDIA, PackageSet, kernels, name_of, platforms, wanted
from reality.reach import TroubleError
from reality.record import Record
from reality.world import World

TITLE = "Packages of NVIDIA's driver in distributions"
NETWORK = True
#: One container at a time.
AT_ONCE = 1
SECONDS = 6 * 3600.0
PART = "packages"

RESOLVES = "Driver packages resolved in official images, at one version and from one repository"
PINS = "Preferences of apt that keep the driver at its version"
HEADERS = "Headers of distributions' kernels"
_SUBJECTS = {"resolves": RESOLVES, "pins": PINS, "headers": HEADERS}
#: Where EPEL is, which has the DKMS that NVIDIA's packages for Red Hat's family need.
_EPEL = "https://dl.fedoraproject.org/pub/epel"
#: The distributions that the lab has nodes of.
_OF_LAB = ("debian", "ubuntu", "rocky")
_OF_CHOICE = ("version", "flavour", "packages", "absent", "family", "dkms", "modules")
#: What says nothing about packages.
_TROUBLE = ("could not be fetched", "is incomplete", "does not answer")


def claims(_world: World) -> Iterable[Claim]:
    """Return those of every platform that the data know."""
    return [claim for platform in platforms() for claim in _of_platform(platform)]


def _of_platform(platform: Platform) -> Iterator[Claim]:
    def made(key: str, text: str) -> Claim:
        subject = _SUBJECTS[key.partition("/")[0]]
        return Claim(f"{PART}/{name_of(platform)}/{key}", PART, f"{platform} {text}", subject)

    for name in kernels(platform):
        yield made(f"headers/{name}", f"has the headers of the kernel that {name} brings")
    for one in wanted(platform):
        yield made(f"resolves/{one.key}", f"resolves {one}, at one version and from no other repository")
        if repositories.family(platform) != "redhat":
            yield made(f"pins/{one.key}", f"keeps {one} by preferences alone")


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
    """
    found = answers.get(key) or answers.get(inside.REPOSITORY)
    if found is None:
        return differs(image, "the container gave no answer")
    if not found["problem"]:
        return proven(image, found["detail"])
    if any(word in found["problem"] for word in _TROUBLE):
        raise TroubleError(f"in {image}: {found['problem']}")
    return world.differs(image, found["problem"])


def _asked(platform: Platform, world: World) -> tuple[str, dict[str, dict[str, Any]]]:
    where = official.of(platform.distribution, repositories.release(platform))
    if where.needs and not any(Path(where.needs).glob("*.pem")) and not world.is_lab:
        raise SkippedError(f"{where.image} has all packages on a subscribed host alone, and this is none")
    container.tool_of(world)
    image = lab_nodes.image_of(where.lab) if world.is_lab else where.image
    asked = request(platform, wanted(platform), world)
    return image, container.answers(world, platform, image, asked)


def records(world: World) -> Iterator[Record]:
    """Yield what the lab can learn: drivers, and the newest kernels of the distributions that it plays."""
    yield from recording.drivers(world)
    for platform in platforms():
        where = official.of(platform.distribution, repositories.release(platform))
        if where.lab.startswith(_OF_LAB) and platform.architecture == "x86_64":
            asked = {**request(platform, [], world), "repository": None, "epel": None}
            try:
                found = recording.kernels(container.answers(world, platform, where.image, asked))
            except TroubleError:
                continue
            yield Record(f"{PART}/kernels/{where.lab}", where.image, world.today.isoformat(), found)


def request(platform: Platform, asked: Iterable[PackageSet], world: World) -> dict[str, Any]:
    """Return what a platform's container is asked; see ``inside``."""
    repository = in_world(repositories.cuda_repository(platform), world)
    epel = None if world.is_lab else repositories.epel(platform, _EPEL)
    return {
        "files": lab_nodes.files(platform) if world.is_lab else {},
        "repository": repository,
        "epel": epel,
        "kernels": kernels(platform),
        "sets": [
            {
                "key": one.key,
                "repository": repository if one.source == NVIDIA else None,
                **{name: one.choice[name] for name in _OF_CHOICE},
            }
            for one in asked
        ],
    }


def in_world(repository: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Return a repository where it is in this world."""
    return {
        **repository,
        "url": world.at(repository["url"]),
        "key_url": world.at(repository["key_url"]),
        "key_sha256": world.sum_of(repository["key_url"], repository["key_sha256"]),
    }
