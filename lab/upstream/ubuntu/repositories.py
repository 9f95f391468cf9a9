# SPDX-License-Identifier: GPL-3.0-or-later
"""The repositories that Ubuntu's nodes find: Ubuntu's archive, by code name, and NVIDIA's, by its own layout.

They are a tree of their own: a change to it leaves the repositories of the other distributions as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths
from lab.images import image
from lab.upstream import signing_keys
from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.nvidia import cuda as nvidia_cuda
from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.os_package import OsPackage
from lab.upstream.signing_keys import Key
from lab.upstream.ubuntu import debian_part
from lab.upstream.ubuntu.nvidia_driver import packages as nvidia_packages
from lab.upstream.ubuntu.releases import RELEASES, Release, archive_packages

if TYPE_CHECKING:
    from rich.progress import Progress

Written = tuple[OsPackage, Path]

SUMS = "sums.json"
ARCHIVE = Key("ubuntu-archive")
ARCHIVE_KEY_FILE = "ubuntu-archive-keyring.gpg"
#: The keys of NVIDIA's repositories, and the name of the file that has one.
NVIDIA_KEYS = {release.name: Key(release.name) for release in RELEASES}
NVIDIA_KEY_FILE = "3bf863cc.pub"
REPOSITORIES = "nvidia/compute/cuda/repos"
#: Lets NVIDIA's repository win over Ubuntu's archive.
_PREFERENCES = """\
Package: nsight-compute
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: nsight-systems
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: *
Pin: release l=NVIDIA CUDA
Pin-Priority: 600
"""


def build(progress: Progress) -> None:
    """Build all of it where the recipes, the keys or what Debian's archive has changed; that comes first."""
    with locks.held("ubuntu"):
        content_key = _content_key()
        if cache.published(paths.UBUNTU) != content_key:
            stage = cache.staging(paths.UBUNTU)
            _fill(stage, progress)
            cache.publish(stage, paths.UBUNTU, content_key)


def keyring_sums() -> dict[str, str]:
    """Return by release the SHA-256 of its keyring's package; nothing where none has been built."""
    path = paths.UBUNTU / SUMS
    found: dict[str, str] = json.loads(path.read_text())["keyring"] if path.exists() else {}
    return found


def keyring(release: Release) -> OsPackage:
    """Return the package that brings NVIDIA's repository with its key, and lets it win over Ubuntu's archive."""
    package = nvidia_repositories.keyring(release.name, NVIDIA_KEYS[release.name])
    return replace(package, files={**package.files, "etc/apt/preferences.d/cuda-repository-pin-600": _PREFERENCES})


def _content_key() -> str:
    own = sorted(Path(__file__).parent.glob("*.py"))
    keys = [signing_keys.ensure(key) for key in (ARCHIVE, *NVIDIA_KEYS.values())]
    shared = [debian_part.key(suite) for suite in sorted(set(image.UBUNTU.values()))]
    return cache.key(*own, *shared, *nvidia_repositories.sources(), *(sha256(key.public).hexdigest() for key in keys))


def _fill(top: Path, progress: Progress) -> None:
    pool = top / ".pool"
    versions = {version for release in RELEASES for version in release.driver_versions}
    drivers = {
        version: _written(pool, nvidia_packages(version))
        for version in progress.track(sorted(versions), description="NVIDIA's packages for Ubuntu")
    }
    others = _written(pool, [nvidia_driver.nvlsm(), *nvidia_cuda.debian_packages()])
    sums = {}
    for release in progress.track(RELEASES, description="Ubuntu's repositories"):
        archive = top / "archive" / release.codename
        names = {"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": release.codename, "Codename": release.codename}
        about = {**names, "Version": release.version, "Architecture": "amd64"}
        _write_archive(
            archive, _written(pool / release.name, archive_packages(release)), image.suite(release.name), about
        )
        own = [package for version in release.driver_versions for package in drivers[version]]
        own += [*others, *_written(pool / release.name, [keyring(release)])]
        folder, key = top / REPOSITORIES / release.name / "x86_64", NVIDIA_KEYS[release.name]
        apt_repository.write(folder, own, key, {"Origin": "NVIDIA", "Label": "NVIDIA CUDA", "Architecture": "amd64"})
        (folder / NVIDIA_KEY_FILE).write_text(key.armored)
        sums[release.name] = sha256((folder / nvidia_repositories.KEYRING).read_bytes()).hexdigest()
    (top / "archive" / ARCHIVE_KEY_FILE).write_bytes(ARCHIVE.public)
    (top / SUMS).write_text(json.dumps({"keyring": sums}, indent=2))


def _write_archive(folder: Path, packages: Iterable[Written], suite: str, about: Mapping[str, str]) -> None:
    """Make the archive of packages and of what it shares with Debian, whose files stay where they are."""
    folder.mkdir(parents=True)
    stanzas = list(debian_part.stanzas(suite))
    for package, file in packages:
        (folder / file.name).hardlink_to(file)
        stanzas.append(apt_repository.stanza(package, file))
    apt_repository.write_lists(folder, stanzas)
    apt_repository.release(folder, ARCHIVE, about)
    (folder / "pool").symlink_to(f"../../../{paths.DEBIAN.name}/pool")


def _written(pool: Path, packages: Iterable[OsPackage]) -> list[Written]:
    pool.mkdir(parents=True, exist_ok=True)
    return [(package, deb_package.write(package, pool)) for package in packages]
