# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.images import image, machine_image


@pytest.mark.parametrize("release", machine_image.RELEASES)
def test_a_machine_is_like_a_container(release: str) -> None:
    assert image.suite(machine_image.RELEASES[release]) == "bookworm"
    assert set(image.PACKAGES) < set(machine_image.PACKAGES)


def test_a_machine_that_passes_for_ubuntu_has_scripts_of_its_own() -> None:
    assert machine_image.scripts("debian12") == (machine_image.MACHINE, image.NODE)
    made = machine_image.scripts("ubuntu2404")
    assert made[0] == machine_image.MACHINE
    assert made[-1] == image.NODE  # which leaves no source of packages
    assert {machine_image.UBUNTU_MACHINE, image.UBUNTU_SCRIPT} < set(made)
