# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.images import image, machine_image


@pytest.mark.parametrize("release", machine_image.RELEASES)
def test_a_machine_is_like_a_container(release: str) -> None:
    assert image.suite(machine_image.RELEASES[release]) == "bookworm"
    assert set(image.PACKAGES) < set(machine_image.PACKAGES)


def test_a_machine_that_passes_for_ubuntu_has_scripts_of_its_own() -> None:
    assert not {machine_image.UBUNTU_MACHINE, image.UBUNTU_SCRIPT} & set(machine_image.scripts("debian12"))
    made = machine_image.scripts("ubuntu2404")
    assert made[-1] == image.NODE  # which leaves no source of packages
    assert {machine_image.UBUNTU_MACHINE, image.UBUNTU_SCRIPT} < set(made)


@pytest.mark.parametrize(
    ("node", "firmware"), [("debian12", (machine_image.FIRMWARE,)), ("ubuntu2404", ())], ids=["debian", "ubuntu"]
)
def test_a_cloud_image_is_no_make_believe_and_keeps_its_kernel_whole(node: str, firmware: tuple[Path, ...]) -> None:
    made = machine_image.scripts(node, of_cloud_image=True)
    assert made == (machine_image.CLOUD, machine_image.MACHINE, *firmware, image.NODE)
    assert machine_image.LEAN in machine_image.scripts(node)


def test_another_image_is_another_disk(tmp_path: Path) -> None:
    one, other = tmp_path / "one.qcow2", tmp_path / "other.qcow2"
    for path in (one, other):
        path.write_text("image")
    keys = [machine_image._key("debian12", cloud, "key") for cloud in (None, one, other)]
    one.write_text("another image")
    keys.append(machine_image._key("debian12", one, "key"))
    assert len(set(keys)) == len(keys)
