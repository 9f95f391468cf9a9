# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-made packages, through another program's solver and installer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from rattler import Channel, Gateway, RepoDataRecord, install, solve
from rattler.exceptions import SolverError

from lab.upstream.conda import channel, conda_package, sample_packages
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package
from lab.upstream.conda.debian_python import PYTHONS

OLD = PYTHONS[0]


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A channel of the samples, and of empty packages for what they need."""
    folder = tmp_path / "main"
    (tmp_path / "empty").mkdir()
    for sample in sample_packages.SAMPLES:
        sample_packages.build(sample, folder / sample.package.subdir)
    for name, version in [("python", OLD.full_version), ("idna", "3.10"), ("idna", "3.20")]:
        empty = Package(name, version, "0", 0, "linux-64", ())
        conda_package.write(empty, tmp_path / "empty", folder / "linux-64")
    channel.index(folder)
    return folder


def solved(main: Path, *specs: str) -> list[RepoDataRecord]:
    gateway = Gateway(cache_dir=main.with_name("repodata"))
    return asyncio.run(solve([Channel(main.as_uri())], list(specs), gateway=gateway, platforms=list(channel.SUBDIRS)))


def test_prefixed_holds_its_prefix_wherever_a_package_can(main: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "environment"
    records = solved(main, "prefixed")
    asyncio.run(install(records, prefix, cache_dir=tmp_path / "cache", execute_link_scripts=True))
    entries = json.loads((prefix / "conda-meta/prefixed-1.0-py311_0.json").read_text())["paths_data"]["paths"]
    assert {entry["_path"]: (entry["path_type"], entry.get("file_mode")) for entry in entries} == {
        "bin/.prefixed-post-link.sh": ("hardlink", None),
        "lib/prefixed-link.txt": ("softlink", None),
        "lib/prefixed.bin": ("hardlink", "binary"),
        "lib/prefixed.txt": ("hardlink", "text"),
        "lib/python3.11/site-packages/prefixed.py": ("hardlink", "text"),
    }
    assert (prefix / "lib/prefixed-link.txt").readlink() == Path("prefixed.txt")
    assert (prefix / "lib/prefixed.txt").read_text() == f"prefix={prefix}\n"
    assert (prefix / "lib/python3.11/site-packages/prefixed.py").read_text() == f'PREFIX = "{prefix}"\n'
    assert (prefix / "lib/prefixed-post-link.txt").read_text() == f"linked into {prefix}\n"
    binary = (prefix / "lib/prefixed.bin").read_bytes()
    original = dict(sample_packages.prefixed(OLD).files)["lib/prefixed.bin"]
    assert f"{prefix}/lib/prefixed.txt\0".encode() in binary
    assert len(binary) == len(original)
    assert binary.index(b"behind") == original.index(b"behind")


def test_the_conflict_is_one_of_both_together(main: Path) -> None:
    for letter, idna in (("a", "3.10"), ("b", "3.20")):
        records = solved(main, f"conflict-{letter}")
        assert [str(record.version) for record in records if record.name.normalized == "idna"] == [idna]
    with pytest.raises(SolverError, match="idna"):
        solved(main, "conflict-a", "conflict-b")


def test_a_prefix_of_any_usual_length_fits_into_a_binary() -> None:
    assert len(PREFIX_PLACEHOLDER) == 255


def test_permissive_packages_have_permissions_that_are_unsafe_to_share(main: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "environment"
    asyncio.run(install(solved(main, "permissive", "permissive-noarch"), prefix, cache_dir=tmp_path / "cache"))
    site = prefix / "lib/python3.11/site-packages"
    for module in ("permissive", "permissive_noarch"):
        modes = [(site / path).stat().st_mode & 0o777 for path in (f"{module}.pth", f"{module}/private.txt")]
        assert modes == [0o666, 0o600]
        assert (site / module / "__init__.py").read_text() == f'PREFIX = "{prefix}"\n'
