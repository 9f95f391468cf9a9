# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from lab import paths
from lab.upstream import recorded_packages, recorded_repositories
from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.nvidia.repositories import DEBIAN_KEYS
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu import repositories as ubuntu_repositories
from reality import record

KEY = DEBIAN_KEYS["debian12"][0]
REPOSITORY = "compute/cuda/repos/debian12/x86_64"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab with a repository of Debian's and one of Ubuntu's, and a folder for records."""
    for name in ("WWW", "STATE", "NVIDIA", "UBUNTU", "RECORDED"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    # Keys take seconds to be made; signatures have tests of their own.
    monkeypatch.setattr(recorded_repositories, "_keys", list)
    monkeypatch.setattr(apt_repository, "release", lambda folder, _key, _about: (folder / "InRelease").touch())
    pool = tmp_path / "pool"
    pool.mkdir()
    own = [OsPackage(name, "580.178.04-1", "amd64", "own") for name in ("libcuda1", "nvidia-imex")]
    written = [(one, deb_package.write(one, pool)) for one in own]
    for folder in (paths.NVIDIA / REPOSITORY, paths.UBUNTU / "archive" / "noble"):
        apt_repository.write(folder, written, KEY, {})
    (paths.UBUNTU / "archive" / "noble" / "pool").symlink_to("../../../debian/pool")
    (paths.UBUNTU / "archive" / ubuntu_repositories.ARCHIVE_KEY_FILE).write_bytes(b"key")
    found = tmp_path / "records"
    monkeypatch.setattr(recorded_packages, "FOLDER", found)
    monkeypatch.setattr(recorded_packages.paths, "__defaults__", (found,))
    monkeypatch.setattr(recorded_repositories.fill, "__defaults__", (found,))
    return found


def put(folder: Path, name: str, data: Any) -> None:
    list(record.write([record.Record(name, "https://a.example", "2026-11-29", data)], folder))


def listed(folder: Path) -> dict[str, str]:
    """Return the packages of a repository, by name and version, with what each depends on."""
    text = (folder / "Packages").read_text()
    found = {}
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^(\w+): (.*)$", stanza, re.MULTILINE))
        assert (folder / fields["Filename"]).is_file()
        found[f"{fields['Package']} {fields['Version']}"] = fields.get("Depends", "")
    return found


def test_without_records_the_labs_own_are_used(records: Path) -> None:
    recorded_repositories.build(Progress())
    assert not paths.RECORDED.exists()
    assert recorded_repositories.of_releases("http://lab/recorded") == {}


def test_what_was_recorded_is_beside_the_labs_own(records: Path) -> None:
    about = {"architecture": "amd64", "source": "", "provides": []}
    new = [
        {**about, "name": "libcuda1", "version": "580.178.04-1", "depends": [["libnvidia-new"]]},
        {**about, "name": "libnvidia-new", "version": "580.200.01-1", "depends": []},
    ]
    put(records, "nvidia/debian12", {"kind": "apt", "packages": new})
    recorded_repositories.build(Progress())
    assert listed(paths.RECORDED / REPOSITORY) == {
        "libcuda1 580.178.04-1": "libnvidia-new",
        "libnvidia-new 580.200.01-1": "",
        "nvidia-imex 580.178.04-1": "",
    }
    assert listed(paths.NVIDIA / REPOSITORY)["libcuda1 580.178.04-1"] == ""
    assert recorded_repositories.of_releases("http://lab/recorded") == {
        "debian12": {"lab_nvidia_repository": "http://lab/recorded/compute/cuda/repos"}
    }
    (records / "nvidia" / "debian12.json").unlink()
    recorded_repositories.build(Progress())
    assert not paths.RECORDED.exists()


def test_kernels_that_were_recorded(records: Path) -> None:
    meta = {"releases": ["6.8.0-101-generic"], "version": "6.8.0-101.101"}
    put(records, "kernels/ubuntu2404", {"linux-image-generic": meta})
    recorded_repositories.build(Progress())
    archive = paths.RECORDED / "archive" / "noble"
    found = listed(archive)
    assert found["linux-image-generic 6.8.0-101.101"] == "linux-image-6.8.0-101-generic"
    assert {"linux-headers-6.8.0-101-generic 6.8.0-101.101", "libcuda1 580.178.04-1"} < set(found)
    assert (archive / "pool").is_symlink()
    assert (archive.parent / ubuntu_repositories.ARCHIVE_KEY_FILE).read_bytes() == b"key"
    assert recorded_repositories.of_releases("u") == {"ubuntu2404": {"lab_ubuntu_archive": "u/archive"}}
