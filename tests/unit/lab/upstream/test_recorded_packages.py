# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from collections.abc import Callable
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
        {
            **ONE,
            "name": "libcuda1",
            "version": "580.200.01-1",
            "depends": [["libc6"]],
            "provides": ["libcuda-api (= 580.200.01)"],
        },
    ],
}


def recorded(folder: Path, name: str, data: Any) -> None:
    record.write(record.Record(name, "https://a.example", "2026-11-29", data), folder)


def of(name: str, folder: Path) -> list[OsPackage]:
    found = recorded_packages.nvidia(name, folder)
    assert found is not None
    return [*found.packages, *found.toolkits]


def test_what_a_repository_had(tmp_path: Path) -> None:
    recorded(tmp_path, "nvidia/debian12", DATA)
    assert of("nvidia/debian12", tmp_path) == [
        OsPackage(
            "nvidia-driver-cuda",
            "580.200.01-1",
            "amd64",
            "as it was recorded",
            depends=("libcuda1 (= 580.200.01-1)", "dkms"),
            source="nvidia-graphics-drivers",
        ),
        OsPackage("libcuda1", "580.200.01-1", "amd64", "as it was recorded", provides=("libcuda-api (= 580.200.01)",)),
    ]
    assert recorded_packages.nvidia("nvidia/debian13", tmp_path) is None
    assert recorded_packages.paths(tmp_path) == [tmp_path / "nvidia" / "debian12.json"]


def test_dependencies_of_rpm(tmp_path: Path) -> None:
    depends = [["nvidia-kmod (= 3:580.200.01-1.el9)"], ["nvidia-kmod"], ["/bin/sh"], ["nvidia-kmod (<< 3:590)"]]
    one = {**ONE, "name": "nvidia-kmod", "version": "3:580.200.01-1.el9", "source": "nvidia", "depends": depends}
    one |= {"architecture": "x86_64", "provides": ["kmod-nvidia (= 3:580.200.01)"]}
    recorded(tmp_path, "nvidia/rhel9", {"kind": "rpm", "packages": [one]})
    (found,) = of("nvidia/rhel9", tmp_path)
    assert found.depends == ("nvidia-kmod = 3:580.200.01-1.el9", "nvidia-kmod", "nvidia-kmod < 3:590")
    assert found.provides == ("kmod-nvidia = 3:580.200.01",)
    assert found.source == ""


def test_toolkits_may_need_what_drivers_are(tmp_path: Path) -> None:
    driver = {**ONE, "name": "libcuda1", "version": "580.200.01-1", "depends": [["cuda-none"]]}
    toolkit = {**ONE, "name": "cuda-13-0", "version": "13.0.2-1", "depends": [["libcuda1 (>= 580)"]]}
    recorded(tmp_path, "nvidia/debian12", {"kind": "apt", "packages": [driver], "toolkits": [toolkit]})
    assert [(one.name, one.depends) for one in of("nvidia/debian12", tmp_path)] == [
        ("libcuda1", ()),
        ("cuda-13-0", ("libcuda1 (>= 580)",)),
    ]


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


def test_a_kernel_of_rocky(tmp_path: Path) -> None:
    version = "0:5.14.0-700.1.1.el9_8"
    recorded(tmp_path, "kernels/rocky9", {"kernel": {"releases": [version], "version": version}})
    assert recorded_packages.enterprise_kernel("rocky9", tmp_path) == "5.14.0-700.1.1.el9_8"
    assert recorded_packages.enterprise_kernel("rocky8", tmp_path) == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "../../etc/passwd"}, "'../../etc/passwd' is no name of a package"),
        ({"name": "a\nDepends: b"}, "is no name of a package"),
        ({"name": "%(touch /tmp/x)"}, "is no name of a package"),
        ({"name": None}, "can't be used"),
        ({"version": "1/../2"}, "'1/../2' is no version"),
        ({"version": "%{lua:x}"}, "is no version"),
        ({"architecture": "../amd64"}, "'../amd64' is no architecture of the lab"),
        ({"source": "a b"}, "is no name of a package"),
        ({"depends": [["b (= %(id))"]]}, "is no dependency"),
        ({"depends": None}, "can't be used"),
        ({"provides": ["a\n%post\nid"]}, "is no dependency"),
        ({"version": ...}, "it lacks 'version'"),
    ],
)
def test_what_can_not_be_in_a_package_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    one = {**ONE, "name": "a", "version": "1-1", "depends": [], **change}
    one = {key: value for key, value in one.items() if value is not ...}
    other = {**ONE, "name": "b", "version": "1-1", "depends": []}
    recorded(tmp_path, "nvidia/debian12", {"kind": "apt", "packages": [one, other]})
    with pytest.raises(LabError, match=re.escape(says)) as caught:
        recorded_packages.nvidia("nvidia/debian12", tmp_path)
    assert f"{tmp_path}/nvidia/debian12.json can't be used" in str(caught.value)


@pytest.mark.parametrize(
    ("release", "read", "data"),
    [
        ("rocky9", recorded_packages.enterprise_kernel, []),
        ("rocky9", recorded_packages.enterprise_kernel, {"kernel": "5.14"}),
        ("rocky9", recorded_packages.enterprise_kernel, {"kernel": {"releases": [], "version": "%(id)"}}),
        ("ubuntu2404", recorded_packages.kernels, []),
        ("ubuntu2404", recorded_packages.kernels, {"linux-image-a": {"releases": ["../x-1-a"], "version": "1"}}),
        ("ubuntu2404", recorded_packages.kernels, {"linux-image-../x": {"releases": [], "version": "1"}}),
    ],
)
def test_kernels_that_can_not_be_used(
    release: str, read: Callable[[str, Path], object], data: Any, tmp_path: Path
) -> None:
    recorded(tmp_path, f"kernels/{release}", data)
    with pytest.raises(LabError, match=rf"kernels/{release}\.json can't be used"):
        read(release, tmp_path)


def test_what_a_signed_list_said(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    fields = {"Label": "NVIDIA CUDA", "Suite": "", "Architectures": "amd64"}
    recorded(tmp_path, "data/release/debian12-x86_64", {"fields": fields, "lists": []})
    recorded(tmp_path, "data/release/rhel9-x86_64", {"lists": []})
    found = {name: recorded_packages.release_fields(f"{name}-x86_64", packages) for name in ("debian12", "rhel9", "x")}
    assert found == {"debian12": {"Label": "NVIDIA CUDA"}, "rhel9": {}, "x": {}}
    assert recorded_packages.paths(packages) == []
    recorded(tmp_path, "packages/nvidia/debian12", DATA)
    assert len(recorded_packages.paths(packages)) == 3


@pytest.mark.parametrize("label", ["NVIDIA\nSuite: x", ["NVIDIA"], "x" * 999])
def test_a_field_that_is_no_line_is_refused(label: Any, tmp_path: Path) -> None:
    recorded(tmp_path, "data/release/debian12-x86_64", {"fields": {"Label": label}})
    with pytest.raises(LabError, match="is no field of a list"):
        recorded_packages.release_fields("debian12-x86_64", tmp_path / "packages")


HEAD = {"kind": "evenkeel record", "source": "", "date": "", "data": {}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "is no record of the real thing"),
        (json.dumps({"kind": "evenkeel record", "format": 99, "name": "", "source": "", "date": "", "data": {}}), "99"),
        (json.dumps({**HEAD, "format": 1, "name": "nvidia/debian13"}), "is the record of nvidia/debian13"),
    ],
)
def test_a_record_that_can_not_be_used_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "nvidia").mkdir()
    (tmp_path / "nvidia" / "debian12.json").write_text(text)
    with pytest.raises(LabError, match=says):
        recorded_packages.nvidia("nvidia/debian12", tmp_path)
