# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from lab import paths
from lab.upstream import recorded_packages, recorded_repositories
from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.nvidia.repositories import DEBIAN_KEYS
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import enterprise_linux, rpm_package, rpm_repository
from lab.upstream.ubuntu import repositories as ubuntu_repositories
from reality import record

KEY = DEBIAN_KEYS["debian12"][0]
ENTERPRISE = "compute/cuda/repos/rhel9/x86_64"
REPOSITORY = "compute/cuda/repos/debian12/x86_64"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab with a repository of Debian's and one of Ubuntu's, and a folder for records."""
    for name in ("WWW", "STATE", "NVIDIA", "UBUNTU", "ROCKY", "RECORDED"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    # Keys take seconds to be made; signatures have tests of their own.
    monkeypatch.setattr(recorded_repositories, "_keys", list)
    monkeypatch.setattr(
        apt_repository, "release", lambda folder, _key, about: (folder / "InRelease").write_text(json.dumps(about))
    )
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
    record.write(record.Record(name, "https://a.example", "2026-11-29", data), folder)


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
    # Virtual machines have it, too.
    variables = {"lab_nvidia_repository": "http://lab/recorded/compute/cuda/repos"}
    assert recorded_repositories.of_releases("http://lab/recorded") == {
        "debian12": variables,
        "debian12vm": variables,
        "debian12uefi": variables,
    }
    (records / "nvidia" / "debian12.json").unlink()
    recorded_repositories.build(Progress())
    assert not paths.RECORDED.exists()


def test_a_repository_says_of_itself_what_the_real_one_does(records: Path) -> None:
    put(records, "nvidia/debian12", {"kind": "apt", "packages": []})
    list_ = paths.RECORDED / REPOSITORY / "InRelease"
    recorded_repositories.build(Progress())
    assert json.loads(list_.read_text())["Label"] == "NVIDIA CUDA"
    put(records.parent, "data/release/debian12-x86_64", {"fields": {"Label": "NVIDIA CUDA 14"}})
    recorded_repositories.build(Progress())
    assert json.loads(list_.read_text())["Label"] == "NVIDIA CUDA 14"


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


@pytest.fixture
def rpms(records: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, with repositories of RPMs, which are not signed."""
    monkeypatch.setattr(rpm_package, "sign", lambda _folder, _key: None)
    monkeypatch.setattr(rpm_repository.signing_keys, "sign", lambda _key, _text: "")
    monkeypatch.setattr(recorded_repositories.nvidia_cuda_rpm, "packages", list)
    own = OsPackage("nvidia-driver-cuda", "3:580.178.04-1.el9", "x86_64", "own")
    rpm_repository.write(paths.NVIDIA / ENTERPRISE, [own], KEY)
    (paths.NVIDIA / ENTERPRISE / "D42D0685.pub").write_text("key")
    return records


def rows(folder: Path) -> dict[str, list[str]]:
    """Return the packages of a repository, by name, version and release, with what each requires of others."""
    found = {}
    for path in folder.glob("*.rpm"):
        argv = ["rpm", "-qp", "--requires", path]
        lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        found[path.name.removesuffix(".x86_64.rpm")] = [one for one in lines if not one.startswith(("rpmlib", "/"))]
    return found


def test_rpms_that_were_recorded_are_beside_the_labs_own(rpms: Path) -> None:
    about = {"architecture": "x86_64", "source": "nvidia-driver"}
    new = [
        {
            **about,
            "name": "nvidia-driver-cuda",
            "version": "3:580.200.01-1.el9",
            "depends": [["nvidia-driver-new (= 3:580.200.01)"], ["/bin/sh"], ["(a if b)"], ["glibc (>= 2.34)"]],
            "provides": [],
        },
        {
            **about,
            "name": "nvidia-driver-new",
            "version": "3:580.200.01-1.el9",
            "depends": [],
            "provides": ["nvidia-api (= 3:580.200.01)"],
        },
    ]
    put(rpms, "nvidia/rhel9", {"kind": "rpm", "packages": new})
    recorded_repositories.build(Progress())
    made = paths.RECORDED / ENTERPRISE
    assert rows(made) == {
        "nvidia-driver-cuda-580.178.04-1.el9": [],
        "nvidia-driver-cuda-580.200.01-1.el9": ["nvidia-driver-new = 3:580.200.01"],
        "nvidia-driver-new-580.200.01-1.el9": [],
    }
    assert (made / "D42D0685.pub").read_text() == "key"
    assert (made / "repodata" / "repomd.xml.asc").exists()
    assert list(rows(paths.NVIDIA / ENTERPRISE)) == ["nvidia-driver-cuda-580.178.04-1.el9"]
    assert recorded_repositories.of_releases("u") == {"rocky9": {"lab_nvidia_repository": "u/compute/cuda/repos"}}
    (rpms / "nvidia" / "rhel9.json").unlink()
    recorded_repositories.build(Progress())
    assert not paths.RECORDED.exists()


def test_a_kernel_of_rocky_that_was_recorded(rpms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = OsPackage("nginx", "1-1", "x86_64", "own")
    monkeypatch.setattr(enterprise_linux, "_nginx", lambda _release: nginx)
    monkeypatch.setattr(enterprise_linux, "_EMPTY", ())
    paths.ROCKY.mkdir()
    (paths.ROCKY / enterprise_linux.KEY_FILE).write_text("key")
    version = "0:5.14.0-700.1.1.el9_8"
    put(rpms, "kernels/rocky9", {"kernel": {"releases": [version], "version": version}})
    recorded_repositories.build(Progress())
    made = rows(paths.RECORDED / "rocky" / "9" / "BaseOS" / "x86_64" / "os")
    assert {"kernel-core-5.14.0-700.1.1.el9_8", "kernel-devel-5.14.0-700.1.1.el9_8", "nginx-1-1"} < set(made)
    assert made["kernel-5.14.0-700.1.1.el9_8"] == ["kernel-core = 5.14.0-700.1.1.el9_8"]
    assert (paths.RECORDED / "rocky" / enterprise_linux.KEY_FILE).read_text() == "key"
    assert recorded_repositories.of_releases("u") == {"rocky9": {"lab_rocky": "u/rocky"}}


def test_a_container_toolkit_that_was_recorded(rpms: Path) -> None:
    own = paths.NVIDIA / "libnvidia-container"
    library = OsPackage("libnvidia-container1", "1.20.1-1", "amd64", "own")
    apt_repository.write(own / "stable/deb/amd64", [(library, deb_package.write(library, rpms.parent))], KEY, {})
    rpm_repository.write(own / "stable" / "rpm" / "x86_64", [], KEY)
    for name in ("gpgkey", "stable/rpm/nvidia-container-toolkit.repo"):
        (own / name).write_text(name)
    one = {"name": "nvidia-container-toolkit", "version": "1.30.0-1", "source": "", "depends": [], "provides": []}
    put(rpms, "container/apt", {"kind": "apt", "packages": [{**one, "architecture": "amd64"}]})
    recorded_repositories.build(Progress())
    made = paths.RECORDED / "libnvidia-container"
    assert listed(made / "stable" / "deb" / "amd64") == {
        "libnvidia-container1 1.20.1-1": "",
        "nvidia-container-toolkit 1.30.0-1": "",
    }
    assert (made / "stable" / "rpm" / "x86_64" / "repodata" / "repomd.xml").exists()
    assert (made / "gpgkey").read_text() == "gpgkey"
    everywhere = recorded_repositories.of_releases("u")
    assert {"debian12", "rocky9", "ubuntu2404", "ubuntu2404vm"} < set(everywhere)
    assert everywhere["rocky9"] == {"lab_nvidia_container_repository": "u/libnvidia-container"}
