# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from rich.progress import Progress

from lab.errors import LabError
from lab.images import image


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(LabError, match="there is no release debian11"):
        image.build("debian11", Progress())


@pytest.mark.parametrize(
    "other",
    [
        ("debian13", ["a", "b"], "script", "key"),
        ("debian12", ["a"], "script", "key"),
        ("debian12", ["a", "b"], "scripts", "key"),
        ("debian12", ["a", "b"], "script", "keys"),
    ],
)
def test_everything_in_an_image_decides_its_name(other: tuple[str, list[str], str, str]) -> None:
    same = ("debian12", ["a", "b"], "script", "key")
    assert image.content_key(*same) == image.content_key(*same)
    assert image.content_key(*same) != image.content_key(*other)


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        ("debian12", "python3-apt", "dnf"),
        ("debian13", "python3-apt", "dnf"),
        ("ubuntu2404", "python3-apt", "dnf"),
        ("rocky9", "dnf", "python3-apt"),
    ],
)
def test_a_release_has_its_package_manager(release: str, has: str, lacks: str) -> None:
    assert has in image.packages(release)
    assert lacks not in image.packages(release)


@pytest.mark.parametrize(
    ("release", "script"), [("rocky9", image.ENTERPRISE_SCRIPT), ("ubuntu2404", image.UBUNTU_SCRIPT)]
)
def test_a_release_that_is_no_debian_is_made_of_a_node(release: str, script: Path) -> None:
    assert image.scripts(release)[:-1] == image.scripts("debian12")
    assert image.scripts(release)[-1] == script


@pytest.mark.parametrize(
    ("release", "suite"), [("debian13", "trixie"), ("rocky9", "bookworm"), ("ubuntu2404", "bookworm")]
)
def test_every_release_is_made_of_a_suite(release: str, suite: str) -> None:
    assert image.suite(release) == suite
