# SPDX-License-Identifier: GPL-3.0-or-later
"""What a power cut leaves of a site copy or an installed bundle, at each moment of an update: one version, whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import pytest
import testinfra
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import control
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.control import Control
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_lists, signatures, site_copy
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store

from lab.upstream import signing_keys
from lab.upstream.nvidia.repositories import STRANGER as KEY
from tests.faults import disks
from tests.faults.disks import Disk, power_cuts
from tests.unit.plugins.module_utils._bundle.conftest import Workshop, of_control, uv
from tests.unit.plugins.module_utils._bundle.test_bundle_install import Mirror
from tests.unit.plugins.module_utils._site_copy.conftest import Upstream
from tests.unit.plugins.module_utils._site_copy.repositories import Deb, put_apt
from tests.unit.plugins.module_utils._site_copy.test_package_sets import apt

SUITE = "debian/dists/stable"
#: What the kernel need not write at once.
LARGE = "x" * (1 << 20)
UV = f'for last; do :; done; [ "$1" != venv ] || {{ mkdir -p "$last/bin" && echo "{"x" * 1000}" >"$last/bin/tool"; }}'
#: They take a minute together.
pytestmark = pytest.mark.long


class Kind(Protocol):
    """What is updated on a disk."""

    @property
    def served(self) -> Path:
        """What is in use."""

    def update(self, version: int) -> bool:
        """Update to a version, or go back to it; return whether that changed something."""

    def require_one_version(self) -> None:
        """Check what is in use, where it has signatures and hashes."""


@dataclass(frozen=True)
class Copy:
    """A copy of a signed repository and of a file whose size nobody knows, made by the module site_copy."""

    root: Path
    folder: Path

    @property
    def served(self) -> Path:
        return self.root / "current" / "tree"

    def __post_init__(self) -> None:
        for version in (1, 2, 3):
            upstream = Upstream(self.folder / f"upstream-{version}", "")
            put_apt(upstream, [Deb("a", f"{version}-1", depends="b"), Deb("b", f"{version}-1")], inline=False)
            release = (upstream.folder / SUITE / "Release").read_text()
            upstream.put(f"{SUITE}/InRelease", signing_keys.clear_sign(KEY, release))
            upstream.put("key.asc", KEY.armored)
            upstream.put("installer.sh", f"{version}{LARGE}")

    @property
    def upstream(self) -> Path:
        return self.folder / "upstream"

    def update(self, version: int) -> bool:
        self.upstream.unlink(missing_ok=True)
        self.upstream.symlink_to(f"upstream-{version}")
        digest = sha256((self.upstream / "installer.sh").read_bytes()).hexdigest()
        given = {
            "directory": str(self.root),
            "upstreams": [{"path": "c", "url": self.upstream.as_uri()}],
            "wants": {
                "files": [{"path": "c/installer.sh", "sha256": digest}],
                **apt(["a"], repository={"key": self.key}),
            },
            "verify": True,
        }
        checked = ArgumentSpecValidator(site_copy.ARGUMENT_SPEC).validate(given)
        return bool(site_copy.converge(checked.validated_parameters, check_mode=False)["changed"])

    @property
    def key(self) -> str:
        return str(self.upstream / "key.asc")

    def require_one_version(self) -> None:
        require_as_named(Store(str(self.root)))
        suite = self.served / "c" / SUITE
        signed = suite / "InRelease"
        signatures.require_signed("InRelease", str(signed), "", self.key, "")
        lists = apt_lists.parse_release(signed.read_text(), "InRelease").entries
        for one in lists.values():
            assert sha256((suite / one.name).read_bytes()).hexdigest() == one.hashes["SHA256"]


def require_as_named(store: Store) -> None:
    """Check that the copy in use has all that its manifest names, and nothing else."""
    copy = store.current()
    assert copy is not None
    found = {path: sha256(content).hexdigest() for path, content in read(Path(store.root, "current", "tree")).items()}
    assert found == {one.path: one.sha256 for one in copy.files}


@dataclass
class OfBundles:
    """Bundles of several versions."""

    root: Path
    folder: Path
    workshop: Workshop = field(init=False)
    copies: dict[int, Manifest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workshop = Workshop(self.folder)
        for version in (1, 2, 3):
            self.copies[version] = self.workshop.copy(self.contents(version), f"2026-12-0{version}T08:00:00Z")

    def contents(self, version: int) -> dict[str, bytes]:
        return {"pkgs/same": b"x", "pkgs/other": f"{version}{LARGE}".encode(), f"pkgs/{version}": b"of it alone"}


class OnMirror(OfBundles):
    """The copy of a bundle on a mirror."""

    @property
    def served(self) -> Path:
        return self.root / "current" / "tree"

    def update(self, version: int) -> bool:
        mirror = Mirror(self.folder, self.workshop)
        mirror.store = Store(str(self.root))
        return bool(mirror.install(self.copies[version], allow_older=True)["changed"])

    def require_one_version(self) -> None:
        require_as_named(Store(str(self.root)))


class OnControl(OfBundles):
    """What a control node has of a bundle."""

    @property
    def served(self) -> Path:
        return self.root / "current"

    def contents(self, version: int) -> dict[str, bytes]:
        packed = of_control(self.folder, f"{version}{LARGE}")
        wheel = next(path for path in packed if "/uv-" in path)
        return {**packed, wheel: uv(self.folder, f"{UV} # {version}")}

    def update(self, version: int) -> bool:
        checked = self.workshop.checked(self.workshop.bundle(self.copies[version]))
        here = Control(str(self.root), "/usr/bin/python3", "3.11", "x86_64")
        return control.install(here, checked, allow_older=True, how="")

    def require_one_version(self) -> None:
        assert (self.served / "venv" / "bin" / "tool").read_text() == "x" * 1000 + "\n"
        assert (self.served / "project" / "site.yml").stat().st_size == len(LARGE) + 1


def read(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, by path, also those that links lead to."""
    places = [Path(above, name) for above, _folders, names in os.walk(folder, followlinks=True) for name in names]
    return {place.relative_to(folder).as_posix(): place.read_bytes() for place in places}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where a sync costs nothing."""
    place = tmp_path / "memory"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def disk(memory: Path) -> Iterator[Disk]:
    """An empty file system in a file of this machine."""
    host = testinfra.get_host("local://")
    if lacking := disks.lacks(host):
        pytest.skip(f"this machine can't have a disk in a file: {lacking}")
    disk = Disk(host, f"{memory}/disk", f"{memory}/disk.img")
    try:
        disk.begin("64M")
        yield disk
    finally:
        disk.end()


@pytest.mark.parametrize("names_are_written", [True, False])
@pytest.mark.parametrize("kind", [Copy, OnMirror, OnControl])
def test_a_power_cut_at_each_moment_of_an_update_leaves_one_version_and_the_next_run_heals(
    kind: type[Any], disk: Disk, memory: Path, *, names_are_written: bool
) -> None:
    updated: Kind = kind(Path(disk.place, "updated"), memory)
    trees = {}
    for version in (1, 2):
        updated.update(version)
        updated.require_one_version()
        trees[version] = read(updated.served)
    disk.restart(disk.image)
    with power_cuts(disk, memory, names_are_written=names_are_written) as cuts:
        updated.update(3)
    updated.require_one_version()
    trees[3] = read(updated.served)
    assert len({str(tree) for tree in trees.values()}) == len(trees)
    version = 2
    for number, image in enumerate(cuts):
        disk.restart(str(image))
        found = read(updated.served)
        version = 3 if found == trees[3] else version
        assert found == trees[version]
        # One run goes on to the newest, the next one back to the oldest, which may be removed in part.
        wanted = 3 if number % 2 else 1
        updated.update(wanted)
        assert read(updated.served) == trees[wanted]
        assert not updated.update(wanted)
        image.unlink()
    assert version == 3
