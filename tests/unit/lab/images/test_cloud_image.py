# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import cache, locks
from lab.errors import LabError
from lab.images import cloud_image, machine_image
from lab.images.cloud_image import Image
from tests.unit.reality.site import Reply, Site, running

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


@pytest.fixture
def server(site: Path) -> Iterator[Site]:
    """Have the image on a server too, which answers as a test wants."""
    with running() as server:
        server.answer("/SHA512SUMS", (site / "SHA512SUMS").read_bytes())
        server.answer(f"/{NAME}", CONTENT)
        yield server


def newest_of(server: Site) -> Image:
    return cloud_image.newest("debian12vm", f"{server.url}/{NAME}", lambda _said: None)


def kept() -> list[str]:
    return [path.name for path in cloud_image.FOLDER.iterdir()]


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


def test_an_image_of_another_site_is_another_one(site: Path, server: Site) -> None:
    newest(site)
    server.answer("/SHA512SUMS", Reply(status=404))
    for call in (cloud_image.newest, cloud_image.here):
        with pytest.raises(LabError, match=f"{server.url}/SHA512SUMS can't be fetched"):
            call("debian12vm", f"{server.url}/{NAME}", lambda _said: None)
    server.answer("/SHA512SUMS", f"{hashlib.sha512(NEWER).hexdigest()}  {NAME}\n".encode())
    server.answer(f"/{NAME}", NEWER)
    found = cloud_image.here("debian12vm", f"{server.url}/{NAME}", lambda _said: None)
    assert found.read_bytes() == NEWER
    assert Path(newest(site).path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example/",
        "https://a.example/b/..",
        "https://a.example//",
        "https://[a/b.qcow2",
        "://b.qcow2",
    ],
)
def test_a_url_that_names_no_file_is_refused(site: Path, url: str) -> None:
    for call in (cloud_image.newest, cloud_image.here):
        with pytest.raises(LabError, match="names no file"):
            call("debian12vm", url, lambda _said: None)
    assert sorted(path.name for path in site.parent.iterdir()) == ["site"]


@pytest.mark.parametrize("said", ["garbage", "Tue, 10 Nov 2026 00:00:00 +99999999999999", ""])
def test_a_site_that_does_not_know_the_day_costs_no_download(server: Site, said: str) -> None:
    server.answer(f"/{NAME}", Reply(CONTENT, headers={"Last-Modified": said}))
    days = [f"{datetime.now(UTC):%Y-%m-%d}"]
    found = newest_of(server)
    days.append(f"{datetime.now(UTC):%Y-%m-%d}")
    assert found.made in days


@pytest.mark.parametrize(
    ("path", "reply", "says"),
    [
        (NAME, Reply(CONTENT, announced=len(CONTENT) + 7), f"{NAME} can't be fetched: it ended 7 bytes too early"),
        (NAME, Reply(raw=b"garbage\r\n\r\n"), f"{NAME} can't be fetched"),
        (NAME, Reply(status=503), f"{NAME} can't be fetched: Service Unavailable"),
        ("SHA512SUMS", Reply(b"", announced=10), "SHA512SUMS can't be fetched: it ended 10 bytes too early"),
    ],
)
def test_a_download_that_fails_is_no_wrong_image_and_leaves_nothing(
    server: Site, path: str, reply: Reply, says: str
) -> None:
    server.answer(f"/{path}", reply)
    with pytest.raises(LabError, match=says) as caught:
        newest_of(server)
    assert "https_proxy" in caught.value.remedy
    assert not cloud_image.FOLDER.exists() or kept() == []


def test_a_newer_image_that_can_not_be_had_is_not_passed_over(server: Site) -> None:
    newest_of(server)
    before = kept()
    server.answer("/SHA512SUMS", f"{hashlib.sha512(NEWER).hexdigest()}  {NAME}\n".encode())
    server.answer(f"/{NAME}", Reply(NEWER, announced=len(NEWER) + 1))
    with pytest.raises(LabError, match="it ended 1 bytes too early"):
        newest_of(server)
    assert kept() == before


@pytest.mark.parametrize("has_one", [False, True])
def test_a_full_disk_is_told_and_left_as_it_was(server: Site, has_one: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_one:
        newest_of(server)
        server.answer("/SHA512SUMS", f"{hashlib.sha512(NEWER).hexdigest()}  {NAME}\n".encode())
        server.answer(f"/{NAME}", NEWER)
    before = kept() if has_one else []
    staging = cache.staging

    def full(final: Path) -> Path:
        stage = staging(final)
        (stage / NAME).symlink_to("/dev/full")
        return stage

    monkeypatch.setattr(cache, "staging", full)
    with pytest.raises(LabError, match=f"{NAME} can't be kept in .*: No space left on device") as caught:
        newest_of(server)
    assert "EVENKEEL_CACHE" in caught.value.remedy
    assert kept() == before


def test_a_list_of_checksums_has_an_end(site: Path) -> None:
    listed = (site / "SHA512SUMS").read_text()
    (site / "SHA512SUMS").write_text(f"{'x' * (2 << 20)}\n{listed}")
    with pytest.raises(LabError, match="SHA512SUMS has no checksum"):
        newest(site)
