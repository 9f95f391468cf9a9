# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/image.yml refuses, and how the next build clears away what an interrupted one has left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.nodes import podman
from tests.faults.conftest import Answer, ansible, finish, kill

NAME = "localhost/evenkeel-image/faults:1"
OURS = "evenkeel-image-localhost-evenkeel-image-faults."
FOREIGN = "evenkeel-image-localhost-evenkeel-image-faults-of-somebody"
ENVIRONMENT = "name: ai\nchannels: [defaults]\ndependencies: [python=3.11]\n"
LOCK = """
version: 1
metadata:
  content_hash: {linux-aarch64: "0000000000000000000000000000000000000000000000000000000000000000"}
  channels: [{url: defaults, used_env_vars: []}]
  platforms: [linux-aarch64]
  sources: [environment.yml]
package:
  - name: tzdata
    version: "2026.1"
    manager: conda
    platform: linux-aarch64
    dependencies: {}
    url: https://repo.anaconda.com/pkgs/main/noarch/tzdata-2026.1-0.conda
    hash: {sha256: "abababababababababababababababababababababababababababababababab"}
    category: main
    optional: false
"""


class Site:
    """Environments of a site, and how its image is built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "environments" / "ai").mkdir(parents=True)
        (folder / "environments" / "ai" / "environment.yml").write_text(ENVIRONMENT)

    def start(self, environment: dict[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
        given = {
            "image_base": base(),
            "image_name": NAME,
            "image_directory": str(self.folder / "images"),
            "conda_environments_directory": str(self.folder / "environments"),
            "conda_environments_list": [{"name": "ai"}],
            **more,
        }
        return ansible("playbook", "playbooks/image.yml", f"--extra-vars={json.dumps(given)}", **(environment or {}))

    def refused(self, **more: Any) -> Answer:
        """Build, and require that the end left nothing."""
        answer = finish(self.start(**more))
        assert not (self.folder / "images").exists()
        assert not ours()
        return answer


def base() -> str:
    """Return the newest base image of Debian 12 that the lab has."""
    return next(name for name in podman.images() if name.startswith("localhost/evenkeel/debian12:"))


def containers() -> list[str]:
    listed = subprocess.run(["buildah", "containers", "--json"], check=True, capture_output=True, text=True)
    return [one["containername"] for one in json.loads(listed.stdout) or ()]


def ours() -> list[str]:
    return [name for name in containers() if name.startswith(OURS)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture(scope="module")
def buildah() -> None:
    """The lab itself does without."""
    if not shutil.which("buildah"):
        argv = ["apt-get", "install", "--yes", "--no-install-recommends", "buildah"]
        subprocess.run(argv, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def test_without_buildah_its_package_is_named(site: Site, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for path in (one for folder in ("/usr/sbin", "/usr/bin") for one in Path(folder).iterdir()):
        if path.name != "buildah" and not (programs / path.name).is_symlink():
            (programs / path.name).symlink_to(path)
    answer = finish(site.start({"PATH": str(programs)}))
    assert answer.failed_saying(
        "The control node has no program buildah. Install the distribution's package buildah there."
    )


@pytest.mark.long
@pytest.mark.usefixtures("buildah")
class TestWithBuildah:
    """Refusals come before anything is built."""

    def test_a_base_that_is_nowhere_is_named(self, site: Site) -> None:
        answer = site.refused(image_base="localhost/evenkeel-image/nowhere:1")
        assert answer.failed_saying(
            "The base image localhost/evenkeel-image/nowhere:1 is not there", "Correct image_base"
        )

    def test_a_name_of_no_image(self, site: Site) -> None:
        assert site.refused(image_name="Localhost/AI").failed_saying("image_name is 'Localhost/AI'")

    def test_a_group_that_the_inventory_lacks(self, site: Site) -> None:
        answer = site.refused(image_group="gpu_node")
        assert answer.failed_saying("image_group is gpu_node, which the inventory does not have")

    def test_a_time_or_a_place_that_no_image_can_have(self, site: Site) -> None:
        assert site.refused(environment={"SOURCE_DATE_EPOCH": "now"}).failed_saying("SOURCE_DATE_EPOCH is 'now'")
        answer = site.refused(image_directory=str(site.folder / "2026-11-29T10:00"))
        assert answer.failed_saying("what is behind a colon would be its tag. Name another by image_directory")

    def test_an_id_that_somebody_has_in_the_base(self, site: Site) -> None:
        answer = site.refused()
        assert answer.failed_saying("The base image has a user ops with the id 1000", "image_uid")
        assert "Install conda" not in answer.output

    def test_an_environment_without_a_lock(self, site: Site) -> None:
        answer = site.refused(image_uid=2000)
        assert answer.failed_saying("conda_environments: ", "ai: it has no lock, and one is required")
        assert "Install conda" not in answer.output

    def test_a_lock_of_another_platform(self, site: Site) -> None:
        (site.folder / "environments" / "ai" / "conda-lock.yml").write_text(LOCK)
        answer = site.refused(image_uid=2000)
        assert answer.failed_saying("conda_environments: ", "linux-64")
        assert "Install conda" not in answer.output

    def test_an_environment_that_the_inventory_lacks(self, site: Site) -> None:
        answer = site.refused(image_environments=["vision"])
        assert answer.failed_saying(
            "image_environments names vision, which conda_environments_list does not. Add it there."
        )

    def test_an_interrupted_build_is_cleared_away_by_the_next_and_nothing_else_is(self, site: Site) -> None:
        subprocess.run(["buildah", "from", "--quiet", f"--name={FOREIGN}", "scratch"], check=True)
        try:
            begun = site.start()
            try:
                wait.until(lambda: bool(ours()), "no working container", "see the run", seconds=120)
                assert finish(site.start(image_name=f"{NAME}.1")).failed_saying(
                    f"Another run builds {NAME[:-2]}: its working container is {OURS}"
                )
            finally:
                kill(begun)
                begun.wait()
            assert ours()
            site.refused()
            assert FOREIGN in containers()
        finally:
            subprocess.run(["buildah", "rm", FOREIGN], check=True)

    def test_a_full_disk_leaves_the_former_image(self, site: Site) -> None:
        environments = site.folder / "environments"
        (environments / "ai" / "environment.yml").write_text("name: ai\nchannels: [defaults]\ndependencies: [tzdata]\n")
        wanted = {"conda_environments_directory": str(environments), "lock_targets": ["debian-12"]}
        assert finish(ansible("playbook", "playbooks/lock.yml", f"--extra-vars={json.dumps(wanted)}")).succeeded()
        former = site.folder / "full" / "localhost" / "evenkeel-image" / "faults" / "oci"
        former.parents[3].mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", former.parents[3]], check=True)
        try:
            former.mkdir(parents=True)
            (former / "index.json").write_text("{}")
            answer = site.refused(image_uid=2000, image_directory=str(former.parents[3]))
            assert answer.failed_saying("can't be written to", "no space left on device. Free some space there")
            assert [path.name for path in former.parent.iterdir()] == ["oci"]
            assert (former / "index.json").read_text() == "{}"
        finally:
            subprocess.run(["umount", former.parents[3]], check=True)

    @pytest.fixture(autouse=True)
    def cleared(self) -> Iterator[None]:
        yield
        for name in ours():
            subprocess.run(["buildah", "rm", name], check=True)
