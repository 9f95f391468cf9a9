# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from reality.claims import DIFFERS, PROVEN, SkippedError
from reality.parts.data import nvidia
from reality.parts.data.repository import Contents, Place
from reality.world import World
from tests.unit.reality.site import Site

PLACE = Place("apt", "https://a.example/", "https://a.example/key", "", "", "amd64", "debian12/x86_64")


def having(world: World, *packages: str, drivers: dict[tuple[str, str], str] | None = None) -> World:
    """Return a world whose repository holds packages, written as NAME=VERSION."""
    versions: dict[str, set[str]] = {}
    for package in packages:
        name, _equal, version = package.partition("=")
        versions.setdefault(name, set()).add(version)
    found = Contents({name: frozenset(those) for name, those in versions.items()}, drivers or {})
    for place, _family, _release in nvidia.cuda_places():
        world.once(place.url, lambda: Contents({}, {}))
    world.once(PLACE.url, lambda: found)
    return world


def driver(version: str) -> list[str]:
    """Return all packages of a driver for Debian that roles may ask for, at a version."""
    names = {name for names in nvidia._names("debian", version.partition(".")[0]).values() for name in names}
    return [f"{name}={version}-1" for name in names]


def test_a_driver_with_all_its_names_is_proven(world: World) -> None:
    found = nvidia._driver(PLACE, "debian", "580", "580.178.04", having(world, *driver("580.178.04")))
    assert found.state == PROVEN


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ([], "it has no driver of branch 580"),
        (driver("580.190.02"), "it lacks at 580.178.04: compute, open: nvidia-driver-cuda, nvidia-kernel-open-dkms"),
        (
            [one for one in driver("580.178.04") if not one.startswith("nvidia-persistenced")],
            "it lacks at 580.178.04: persistence: nvidia-persistenced",
        ),
    ],
)
def test_what_a_repository_lacks_of_a_driver(world: World, packages: list[str], said: str) -> None:
    found = nvidia._driver(PLACE, "debian", "580", "580.178.04", having(world, *packages))
    assert (found.state, found.detail[: len(said)]) == (DIFFERS, said)


def test_in_the_lab_what_is_missing_says_nothing(world: World) -> None:
    world.stand_ins = {}
    with pytest.raises(SkippedError, match="not meant to be as the data"):
        nvidia._driver(PLACE, "debian", "580", "580.178.04", having(world))


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        (["580.178.04", "580.95.05"], (PROVEN, "")),
        (["580.190.02", "580.178.04", "580.200.01"], (DIFFERS, "it has 580.190.02, 580.200.01")),
    ],
)
def test_a_newer_driver_is_told(world: World, packages: list[str], said: tuple[str, str]) -> None:
    here = having(world, *(f"nvidia-kernel-open-dkms={one}-1" for one in packages))
    found = nvidia._newest(PLACE, "debian", "580", "580.178.04", here)
    assert (found.state, found.detail) == said


def test_a_branch_that_should_not_be_there_is_told(world: World) -> None:
    here = having(world, "nvidia-kernel-open-dkms=580.1-1")
    assert nvidia._absent(PLACE, "debian", "580", here).detail == "it has 580.1"
    assert nvidia._absent(PLACE, "debian", "590", here).state == PROVEN


def test_an_unknown_branch_is_told_and_ended_ones_are_known(world: World) -> None:
    here = having(world, "nvidia-open=610.1-1", "nvidia-open=575.1-1", "nvidia-open-999=999.1-1")
    assert nvidia._branches(PLACE, "debian", here).detail == "it has 999"


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        (["cuda-toolkit-12-8=12.8.1-1", "cuda-toolkit-10-2=10.2.89-1"], (PROVEN, "")),
        (["cuda-toolkit-12-8=12.8.9-1", "cuda-toolkit-99-1=99.1.0-1"], (DIFFERS, "it has 12.8.9, 99.1.0")),
    ],
)
def test_unknown_toolkits_are_told(world: World, packages: list[str], said: tuple[str, str]) -> None:
    found = nvidia._known(PLACE, having(world, *packages))
    assert (found.state, found.detail) == said


def test_libraries_by_their_names(world: World) -> None:
    here = having(world, "cuda-toolkit-12-8=12.8.1-1", "libcudnn9-cuda-12=9.1-1", "libnccl2=2-1", "libnccl-dev=2-1")
    assert nvidia._libraries(PLACE, "debian", here).detail == "it lacks libcudnn9-dev-cuda-12"


@pytest.mark.parametrize(("driver", "state"), [("570.124.06", PROVEN), ("570", PROVEN), ("999.1", DIFFERS)])
def test_a_toolkit_that_asks_for_a_newer_driver_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, driver: str, state: str
) -> None:
    here = having(world, "cuda-toolkit-12-8=12.8.1-1", drivers={("cuda-12-8", "12.8.1"): driver})
    monkeypatch.setattr(nvidia, "cuda_places", lambda: ((PLACE, "debian", ("Debian", "12")),))
    assert nvidia._toolkit("12.8", here).state == state
    assert "no repository has" in nvidia._toolkit("11.8", here).detail


def test_the_toolkit_for_containers(world: World) -> None:
    names = ("nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools")
    here = having(world, *(f"{name}=1.20.1-1" for name in names), "nvidia-container-toolkit=99.1.0~rc.1-1")
    assert nvidia._container(PLACE, "1.20.1", here).detail == "it lacks libnvidia-container1"
    assert nvidia._container_newest(PLACE, here).state == PROVEN


def test_a_key_that_is_another_or_none(site: Site, world: World) -> None:
    place = Place("rpm", f"{site.url}/", site.answer("/key", b"<html>"), "0" * 64, "", "x86_64", "rhel9/x86_64")
    assert nvidia._key(place, world).detail.startswith("it holds no key; its SHA-256 is ")


def test_every_repository_that_the_data_know_is_asked(world: World) -> None:
    claims = {one.claim.id for one in nvidia.questions(world)}
    for name in ("debian12/x86_64", "debian13/sbsa", "ubuntu2604/x86_64", "rhel8/sbsa"):
        assert {f"data/keys/{name}", f"data/signatures/{name}", f"data/driver/{name}/610"} <= claims
    assert {"data/keys/epel/10", "data/cuda/12.8", "data/container/rpm/aarch64/version"} <= claims
    assert "data/driver/ubuntu2604/x86_64/580/newest" not in claims
