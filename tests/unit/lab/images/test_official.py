# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab import paths
from lab.errors import LabError
from lab.images import cloud_image, image, official
from lab.nodes import podman


@pytest.mark.parametrize(
    ("name", "distribution", "release", "where"),
    [
        ("debian12", "Debian", "12", "docker.io/library/debian:12"),
        ("ubuntu2404", "Ubuntu", "24.04", "docker.io/library/ubuntu:24.04"),
        ("rocky8", "Rocky", "8", "docker.io/rockylinux/rockylinux:8"),
        ("almalinux10", "AlmaLinux", "10", "docker.io/library/almalinux:10"),
    ],
)
def test_the_image_of_a_release(name: str, distribution: str, release: str, where: str) -> None:
    found = official.of_lab(name)
    assert (found.distribution, found.release, found.image, found.lab) == (distribution, release, where, name)
    assert official.of(distribution, release) == found


@pytest.mark.parametrize("name", ["", "fedora42", "debian", "rhel9", "debian13vm"])
def test_a_release_without_one(name: str) -> None:
    with pytest.raises(LabError, match=f"EVENKEEL_OFFICIAL names {name}\n  -> Name releases such as debian12"):
        official.name_of(name)


def test_what_is_known_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    official.name_of("rocky9")
    monkeypatch.setattr("yaml.safe_load", lambda _text: pytest.fail("it is read again"))
    assert official.name_of("ubuntu2404") == official.of("Ubuntu", "24.04").image


def test_images_that_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(official.VARIABLE, "debian12 rocky9=registry.example/rocky:9")
    assert official.chosen() == {"debian12": "docker.io/library/debian:12", "rocky9": "registry.example/rocky:9"}
    monkeypatch.setenv(official.VARIABLE, "debian12vm ubuntu2404vm=/srv/own.img")
    assert official.chosen() == {"debian12vm": cloud_image.of("debian12vm").image, "ubuntu2404vm": "/srv/own.img"}
    monkeypatch.setenv(official.VARIABLE, "fedora42=registry.example/fedora:42")
    with pytest.raises(LabError, match="EVENKEEL_OFFICIAL names fedora42"):
        official.chosen()


@pytest.mark.parametrize(
    "image", ["https://ann:s3cr3t@a.example/x.img", "https://ann@a.example/x", "ann:s3cr3t@a.example/x"]
)
def test_a_login_is_refused_and_not_shown(image: str) -> None:
    with pytest.raises(LabError, match="names an image of debian12vm with a login") as refused:
        official.chosen({official.VARIABLE: f"debian12vm={image}"})
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "image", ["a.example:5000/x@sha256:ab", "x:9@sha256:ab", "/srv/a@b:c@d/x.img", "https://a.example/x@y"]
)
def test_what_is_no_login(image: str) -> None:
    assert official.chosen({official.VARIABLE: f"debian12={image}"}) == {"debian12": image}


def test_an_official_image_is_beside_the_own_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image.ssh, "public_key", lambda: "key")
    own = image.name_of("debian12")
    monkeypatch.setenv("EVENKEEL_OFFICIAL", "rocky9 debian12")
    assert image.name_of("debian12").startswith("localhost/evenkeel/debian12:official-")
    assert image.name_of("rocky9").startswith("localhost/evenkeel/rocky9:official-")
    assert image.name_of("debian13") != own
    monkeypatch.setattr(image.podman, "images", lambda: [own, "localhost/evenkeel/debian12:official-older"])
    removed: list[str] = []
    monkeypatch.setattr(image.podman, "succeeds", lambda *argv: removed.append(argv[-1]))
    image._drop_older("debian12", image.name_of("debian12"))
    assert removed == ["localhost/evenkeel/debian12:official-older"]


@pytest.mark.parametrize(
    ("release", "has"),
    [("debian12", "python3-apt"), ("ubuntu2404", "systemd-sysv"), ("almalinux9", "dnf-plugins-core")],
)
def test_how_a_node_is_built_of_it(release: str, has: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[str] = []

    def run(*argv: str) -> str:
        folder = Path(argv[-1])
        recipes.append((folder / "Containerfile").read_text())
        assert {path.name for path in folder.glob("*.sh")} == {one.name for one in SCRIPTS}
        return ""

    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setenv(official.VARIABLE, f"{release}=registry.example/other")
    monkeypatch.setattr(podman, "run", run)
    image._make_of_official(release, "name", "ssh-ed25519 AAAA lab\n", lambda _said: None)
    (recipe,) = recipes
    assert recipe.startswith("FROM registry.example/other\nENV EVENKEEL_PUBLIC_KEY='ssh-ed25519 AAAA lab'\n")
    assert f" {has} " in recipe
    assert [recipe.index(one.name) for one in SCRIPTS] == sorted(recipe.index(one.name) for one in SCRIPTS)


SCRIPTS = (image.OFFICIAL_SCRIPT, image.NODE, image.CONTAINER)
