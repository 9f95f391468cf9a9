# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.upstream import recorded_packages
from lab.upstream.os_package import OsPackage
from reality import record

ONE = {"architecture": "amd64", "source": "", "provides": []}
DATA = {
    "kind": "apt",
    "packages": [
        {
            **ONE,
            "name": "nvidia-driver-cuda",
            "version": "580.200.01-1",
            "source": "nvidia-graphics-drivers",
            "depends": [["libcuda1 (= 580.200.01-1)"], ["libc6 (>= 2.36)"], ["dkms", "nvidia-none"]],
        },
        {**ONE, "name": "libcuda1", "version": "580.200.01-1", "depends": [["libc6"]], "provides": ["libcuda.so"]},
    ],
}


def recorded(folder: Path, name: str, data: Any) -> None:
    list(record.write([record.Record(name, "https://a.example", "2026-11-29", data)], folder))


def test_what_a_repository_had(tmp_path: Path) -> None:
    recorded(tmp_path, "nvidia/debian12", DATA)
    assert recorded_packages.nvidia("debian12", tmp_path) == [
        OsPackage(
            "nvidia-driver-cuda",
            "580.200.01-1",
            "amd64",
            "as it was recorded",
            depends=("libcuda1 (= 580.200.01-1)", "dkms"),
            source="nvidia-graphics-drivers",
        ),
        OsPackage("libcuda1", "580.200.01-1", "amd64", "as it was recorded", provides=("libcuda.so",)),
    ]
    assert recorded_packages.nvidia("debian13", tmp_path) is None
    assert recorded_packages.paths(tmp_path) == [tmp_path / "nvidia" / "debian12.json"]


def test_dependencies_of_rpm(tmp_path: Path) -> None:
    depends = [["nvidia-kmod (= 3:580.200.01-1.el9)"], ["nvidia-kmod"], ["/bin/sh"]]
    one = {**ONE, "name": "nvidia-kmod", "version": "3:580.200.01-1.el9", "source": "nvidia", "depends": depends}
    recorded(tmp_path, "nvidia/rhel9", {"kind": "rpm", "packages": [one]})
    (found,) = recorded_packages.nvidia("rhel9", tmp_path) or []
    assert found.depends == ("nvidia-kmod = 3:580.200.01-1.el9", "nvidia-kmod")
    assert found.source == ""


def test_files_are_those_of_the_labs_own() -> None:
    asked: list[str] = []

    def recipe(version: str) -> list[OsPackage]:
        asked.append(version)
        return [OsPackage("a", f"{version}-1", "amd64", "own", depends=("b",), files={"usr/bin/a": "#!"})]

    both = [OsPackage(name, "3:580.1-1.el9", "amd64", "recorded", depends=("c",)) for name in ("a", "new")]
    found = recorded_packages.stand_ins(both, recipe)
    assert asked == ["580.1"]
    assert [(one.name, one.version, one.depends, dict(one.files)) for one in found] == [
        ("a", "3:580.1-1.el9", ("c",), {"usr/bin/a": "#!"}),
        ("new", "3:580.1-1.el9", ("c",), {}),
    ]


def test_kernels_of_a_release(tmp_path: Path) -> None:
    meta = {"releases": ["6.8.0-101-generic"], "version": "6.8.0-101.101"}
    recorded(tmp_path, "kernels/ubuntu2404", {"linux-image-generic": meta, "linux-image-virtual": meta})
    (found,) = recorded_packages.kernels("ubuntu2404", tmp_path)
    assert (found.uname, found.version, found.metas) == ("6.8.0-101-generic", "6.8.0-101.101", ("generic", "virtual"))
    assert recorded_packages.kernels("ubuntu2204", tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "is no record of the real thing"),
        (json.dumps({"kind": "evenkeel record", "format": 99, "name": "", "source": "", "date": "", "data": {}}), "99"),
    ],
)
def test_a_record_that_can_not_be_used_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "nvidia").mkdir()
    (tmp_path / "nvidia" / "debian12.json").write_text(text)
    with pytest.raises(LabError, match=says):
        recorded_packages.nvidia("debian12", tmp_path)
