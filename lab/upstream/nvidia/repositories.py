# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's repositories as the lab's nodes find them: real layout, real signatures, small packages.

Beside the good repositories there are three broken ones, below ``expired``, ``rekeyed`` and ``syncing``: signed with a
key that has expired, signed with another key than the keyring has, and with lists that are older than their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths
from lab.upstream import os_package, signing_keys
from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.nvidia import container as nvidia_container
from lab.upstream.nvidia import cuda as nvidia_cuda
from lab.upstream.nvidia import cuda_rpm as nvidia_cuda_rpm
from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia import driver_rpm as nvidia_driver_rpm
from lab.upstream.nvidia import runfile as nvidia_runfile
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_package, rpm_repository
from lab.upstream.signing_keys import Key

if TYPE_CHECKING:
    from rich.progress import Progress

#: Values for inventories: sums of the keys and installers.
SUMS = "sums.json"
KEYRING = "cuda-keyring_1.1-1_all.deb"
KEYRING_MEMBER = "usr/share/keyrings/cuda-archive-keyring.gpg"
#: Each distribution's key, and the name of its file.
DEBIAN_KEYS = {"debian12": (Key("debian12"), "3bf863cc.pub"), "debian13": (Key("debian13"), "8793F200.pub")}
CONTAINER = Key("container")
#: One key for all of Red Hat's kin, in whose repositories its file has this name.
ENTERPRISE, ENTERPRISE_KEY_FILE = Key("rhel"), "D42D0685.pub"
#: Their repositories, each with the tag in its packages' releases, and whether it has streams.
ENTERPRISE_REPOSITORIES = {"rhel8": ("el8", True), "rhel9": ("el9", True), "rhel10": ("el10", False)}
EXPIRED = Key("expired", expired=True)
STRANGER = Key("stranger")

Written = tuple[OsPackage, Path]

_CONTAINER_ABOUT = {"Origin": "NVIDIA", "Label": "NVIDIA Container Toolkit", "Architecture": "amd64"}
_ABOUT = {"Origin": "NVIDIA", "Label": "NVIDIA CUDA", "Architecture": "amd64"}
_REPOSITORIES = "compute/cuda/repos"


def build(progress: Progress) -> None:
    """Build all of it where the recipes or the keys have changed."""
    with locks.held("nvidia"):
        content_key = _content_key()
        if cache.published(paths.NVIDIA) != content_key:
            task = progress.add_task("NVIDIA's repositories", total=None)
            stage = cache.staging(paths.NVIDIA)
            _fill(stage)
            cache.publish(stage, paths.NVIDIA, content_key)
            progress.update(task, total=1, completed=1)


def sums() -> dict[str, dict[str, str]]:
    """Return the SHA-256 of keyrings, keys and installers; nothing where they have not been built."""
    path = paths.NVIDIA / SUMS
    found: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keyring(distribution: str, key: Key) -> OsPackage:
    """Return the package that makes APT trust the repository of ``distribution``."""
    url = f"https://developer.download.nvidia.com/compute/cuda/repos/{distribution}/x86_64/"
    source = f"deb [signed-by=/{KEYRING_MEMBER}] {url} /\n"
    return OsPackage(
        "cuda-keyring",
        "1.1-1",
        "all",
        "GPG keyring for the CUDA repository",
        section="multiverse/devel",
        files={
            KEYRING_MEMBER: key.public,
            f"etc/apt/sources.list.d/cuda-{distribution}-x86_64.list": source,
        },
    )


def sources() -> list[Path]:
    """Return the files that decide what is in the repositories."""
    own = [path for path in Path(__file__).parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    writers = (apt_repository, deb_package, os_package, rpm_package, rpm_repository)
    return sorted([*own, *(Path(str(module.__file__)) for module in writers)])


def _content_key() -> str:
    keys = [CONTAINER, ENTERPRISE, EXPIRED, STRANGER, *(key for key, _ in DEBIAN_KEYS.values())]
    return cache.key(*sources(), *(sha256(signing_keys.ensure(key).public).hexdigest() for key in keys))


def _fill(top: Path) -> None:
    pool = top / ".pool"
    pool.mkdir()
    packages = _written(pool, _debian_packages())
    found: dict[str, dict[str, str]] = {"keyring": {}, "expired_keyring": {}, "runfile": {}}
    _fill_container(top / "libnvidia-container", pool)
    _fill_enterprise(top, top / ".rpms")
    runfile = nvidia_runfile.write(top / "tesla")
    found["runfile"][nvidia_runfile.VERSION] = sha256(runfile.read_bytes()).hexdigest()
    for distribution, (key, key_file) in DEBIAN_KEYS.items():
        folder = top / _REPOSITORIES / distribution / "x86_64"
        own = [*packages, *_keyring(folder, distribution, key)]
        apt_repository.write(folder, own, key, _ABOUT)
        (folder / key_file).write_text(key.armored)
        found["keyring"][distribution] = sha256((folder / KEYRING).read_bytes()).hexdigest()
        _ill(top, distribution, packages, key)
        expired = top / "expired" / _REPOSITORIES / distribution / "x86_64" / KEYRING
        found["expired_keyring"][distribution] = sha256(expired.read_bytes()).hexdigest()
    found["key"] = {name: sha256(ENTERPRISE.armored.encode()).hexdigest() for name in ENTERPRISE_REPOSITORIES}
    (top / SUMS).write_text(json.dumps(found, indent=2))


def _fill_container(folder: Path, pool: Path) -> None:
    packages = [
        package for version in nvidia_container.VERSIONS for package in nvidia_container.debian_packages(version)
    ]
    apt_repository.write(folder / "stable" / "deb" / "amd64", _written(pool, packages), CONTAINER, _CONTAINER_ABOUT)
    rpms = [package for version in nvidia_container.VERSIONS for package in nvidia_container.rpm_packages(version)]
    rpm = folder / "stable" / "rpm"
    rpm_repository.write(rpm / "x86_64", rpms, CONTAINER)
    url = "https://nvidia.github.io/libnvidia-container"
    text = rpm_repository.repo_text(
        "nvidia-container-toolkit",
        f"{url}/stable/rpm/$basearch",
        f"{url}/gpgkey",
        {"gpgcheck": "0", "repo_gpgcheck": "1"},
    )
    (rpm / "nvidia-container-toolkit.repo").write_text(text)
    (folder / "gpgkey").write_text(CONTAINER.armored)


def _fill_enterprise(top: Path, pool: Path) -> None:
    """Make the RPM repositories: CUDA's packages are the same in all of them."""
    rpm_package.write([*nvidia_cuda_rpm.packages(), replace(nvidia_driver.nvlsm(), architecture="x86_64")], pool)
    rpm_package.sign(pool, ENTERPRISE)
    for name, (dist, has_streams) in ENTERPRISE_REPOSITORIES.items():
        folder = top / _REPOSITORIES / name / "x86_64"
        packages = [one for version in nvidia_driver.VERSIONS for one in nvidia_driver_rpm.packages(version, dist)]
        rpm_package.write(packages, folder)
        rpm_package.sign(folder, ENTERPRISE)
        for rpm in pool.iterdir():
            (folder / rpm.name).hardlink_to(rpm)
        rpm_repository.index(folder, ENTERPRISE, nvidia_driver_rpm.streams(dist) if has_streams else "")
        url = f"https://developer.download.nvidia.com/compute/cuda/repos/{name}/x86_64"
        text = rpm_repository.repo_text(f"cuda-{name}-x86_64", url, f"{url}/{ENTERPRISE_KEY_FILE}", {})
        (folder / f"cuda-{name}.repo").write_text(text)
        (folder / ENTERPRISE_KEY_FILE).write_text(ENTERPRISE.armored)
        _ill_enterprise(top, name, dist)


def _ill_enterprise(top: Path, name: str, dist: str) -> None:
    """Make the broken RPM repositories, with one version of the driver."""
    for kind, signer in (("rekeyed", STRANGER), ("syncing", ENTERPRISE)):
        folder = top / kind / _REPOSITORIES / name / "x86_64"
        rpm_repository.write(folder, nvidia_driver_rpm.packages(nvidia_runfile.VERSION, dist), signer)
        (folder / ENTERPRISE_KEY_FILE).write_text(ENTERPRISE.armored)
        if kind == "syncing":
            for path in (folder / "repodata").glob("*-primary.xml.gz"):
                path.write_bytes(b"an older list")


def _debian_packages() -> list[OsPackage]:
    made = [package for version in nvidia_driver.VERSIONS for package in nvidia_driver.debian_packages(version)]
    return [*made, *nvidia_driver.pinning_packages(), nvidia_driver.nvlsm(), *nvidia_cuda.debian_packages()]


def _written(pool: Path, packages: Iterable[OsPackage]) -> list[Written]:
    return [(package, deb_package.write(package, pool)) for package in packages]


def _keyring(folder: Path, distribution: str, key: Key) -> list[Written]:
    """Write the keyring beside the repository that it is linked into."""
    pool = folder.with_name(".pool")
    pool.mkdir(parents=True)
    return _written(pool, [keyring(distribution, key)])


def _ill(top: Path, distribution: str, packages: Sequence[Written], key: Key) -> None:
    """Make the broken repositories."""
    for name, trusted, signer in (("expired", EXPIRED, EXPIRED), ("rekeyed", key, STRANGER), ("syncing", key, key)):
        folder = top / name / _REPOSITORIES / distribution / "x86_64"
        own = [*packages, *_keyring(folder, distribution, trusted)]
        apt_repository.write(folder, own, signer, _ABOUT)
        if name == "syncing":
            apt_repository.write_lists(folder, [])
