# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lab import locks
from lab.errors import LabError
from lab.images import cloud_image, machine_image
from lab.images.cloud_image import Image

NAME = "debian-12-generic-amd64.qcow2"
CONTENT, NEWER = b"an image\n" * 1000, b"a newer image\n" * 1000


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a site with an image, and an empty lab."""
    monkeypatch.setattr(cloud_image, "FOLDER", tmp_path / "here")
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "locks")
    site = tmp_path / "site"
    site.mkdir()
    publish(site, CONTENT)
    return site


def publish(site: Path, content: bytes, listed: bytes | None = None) -> None:
    (site / NAME).write_bytes(content)
    os.utime(site / NAME, (1794400000, 1794400000))
    digest = hashlib.sha512(content if listed is None else listed).hexdigest()
    (site / "SHA512SUMS").write_text(f"{'0' * 128}  {NAME}.other\n{digest}  {NAME}\n")


def newest(site: Path) -> Image:
    return cloud_image.newest("debian12vm", f"{site.as_uri()}/{NAME}", lambda _said: None)


def test_each_release_of_machines_has_one() -> None:
    known = cloud_image.published()
    assert set(known) == set(machine_image.RELEASES)
    for one in known.values():
        assert one.image.startswith("https://")
        hashlib.new(one.checksums.removesuffix("SUMS").lower())
        assert any(name.startswith("linux-image-") for name in one.kernel)
    with pytest.raises(LabError, match="no cloud image of debian12"):
        cloud_image.of("debian12")


def test_an_image_is_fetched_once_and_again_where_there_is_a_newer_one(site: Path) -> None:
    first = newest(site)
    assert Path(first.path).read_bytes() == CONTENT
    assert Path(first.path).name == NAME
    assert (first.made, first.digest) == ("2026-11-11", f"sha512:{hashlib.sha512(CONTENT).hexdigest()}")
    (site / NAME).write_bytes(b"not asked for")
    assert newest(site) == first

    publish(site, NEWER)
    assert cloud_image.here("debian12vm", f"{site.as_uri()}/{NAME}", lambda _said: None) == Path(first.path)
    second = newest(site)
    assert Path(second.path).read_bytes() == NEWER
    assert not Path(first.path).exists()


def test_the_last_one_is_used_where_its_site_does_not_answer(site: Path) -> None:
    first = newest(site)
    (site / "SHA512SUMS").unlink()
    assert newest(site) == first


@pytest.mark.parametrize(
    ("listed", "sums", "words"),
    [
        (None, None, "can't be fetched"),
        (
            b"else",
            f"{hashlib.sha512(b'else').hexdigest()} *{NAME}\n",
            "has another checksum than .*/SHA512SUMS: sha512:",
        ),
        (None, "<html>Sign in</html>", f"SHA512SUMS has no checksum of {NAME}"),
    ],
)
def test_an_image_that_is_refused(listed: bytes | None, sums: str | None, words: str, site: Path) -> None:
    if sums is None:
        (site / "SHA512SUMS").unlink()
    else:
        (site / "SHA512SUMS").write_text(sums)
    with pytest.raises(LabError, match=words):
        newest(site)
    with pytest.raises(LabError, match=words):
        cloud_image.here("debian12vm", f"{site.as_uri()}/{NAME}", lambda _said: None)


def test_a_file_is_taken_as_it_is(site: Path) -> None:
    path = site / NAME
    found = cloud_image.newest("debian12vm", str(path), lambda _said: None)
    assert found == Image(str(path), "2026-11-11", f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    assert cloud_image.here("debian12vm", str(path), lambda _said: None) == path
    for call in (cloud_image.newest, cloud_image.here):
        with pytest.raises(LabError, match="none is no file"):
            call("debian12vm", f"{site}/none", lambda _said: None)
