# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories with what was recorded of the real ones, beside all that the lab's own have.

They are a tree of their own, and nodes use them in place of the lab's own. Without a record there is none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths
from lab.images import image, machine_image
from lab.upstream import recorded_packages, signing_keys
from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.nvidia import container as nvidia_container
from lab.upstream.nvidia import cuda as nvidia_cuda
from lab.upstream.nvidia import cuda_rpm as nvidia_cuda_rpm
from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia import driver_rpm as nvidia_driver_rpm
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import enterprise_linux, rpm_package, rpm_repository
from lab.upstream.signing_keys import Key
from lab.upstream.ubuntu import kernels
from lab.upstream.ubuntu import nvidia_driver as ubuntu_driver
from lab.upstream.ubuntu import repositories as ubuntu_repositories
from lab.upstream.ubuntu.releases import RELEASES

if TYPE_CHECKING:
    from rich.progress import Progress

NVIDIA = "compute/cuda/repos"
CONTAINER = "libnvidia-container"
_ABOUT = {"Origin": "NVIDIA", "Label": "NVIDIA CUDA", "Architecture": "amd64"}
_CONTAINER_ABOUT = {"Origin": "NVIDIA", "Label": "NVIDIA Container Toolkit", "Architecture": "amd64"}
_SIGNED = {*apt_repository.LISTS, "Release", "Release.gpg", "InRelease"}


def build(progress: Progress) -> None:
    """Build them where records, recipes or the lab's own repositories have changed; these come first."""
    with locks.held("recorded"):
        found = recorded_packages.paths()
        if not found:
            paths.RECORDED.unlink(missing_ok=True)
            return
        own = (cache.published(tree) for tree in (paths.NVIDIA, paths.UBUNTU, paths.ROCKY))
        content_key = cache.key(*found, *sources(), *own, *(sha256(one.public).hexdigest() for one in _keys()))
        if cache.published(paths.RECORDED) != content_key:
            task = progress.add_task("recorded repositories", total=None)
            stage = cache.staging(paths.RECORDED)
            fill(stage)
            cache.publish(stage, paths.RECORDED, content_key)
            progress.update(task, total=1, completed=1)


def fill(top: Path, records: Path = recorded_packages.FOLDER) -> None:
    """Make the repositories of all records."""
    toolkits = nvidia_cuda.debian_packages()
    for name, (key, recipe) in _of_apt().items():
        recorded = recorded_packages.nvidia(f"nvidia/{name}", records)
        if recorded is not None:
            made = recorded_packages.stand_ins(recorded.packages, recipe)
            made += recorded_packages.stand_ins(recorded.toolkits, _nothing, toolkits)
            about = {**_ABOUT, **recorded_packages.release_fields(f"{name}-x86_64", records)}
            _write(top / NVIDIA / name / "x86_64", own_folder(name), made, key, about)
    toolkits = nvidia_cuda_rpm.packages()
    for name, (dist, has_streams) in nvidia_repositories.ENTERPRISE_REPOSITORIES.items():
        recorded = recorded_packages.nvidia(f"nvidia/{name}", records)
        if recorded is not None:
            made = recorded_packages.stand_ins(recorded.packages, partial(nvidia_driver_rpm.packages, dist=dist))
            made += recorded_packages.stand_ins(recorded.toolkits, _nothing, toolkits)
            streams = nvidia_driver_rpm.streams(dist) if has_streams else ""
            folder = top / NVIDIA / name / "x86_64"
            _write_rpm(folder, own_folder(name), made, nvidia_repositories.ENTERPRISE, streams)
    _fill_container(top / CONTAINER, records)
    _fill_ubuntu(top / "archive", records)
    _fill_rocky(top / "rocky", records)


def _fill_container(top: Path, records: Path) -> None:
    key, own = nvidia_repositories.CONTAINER, paths.NVIDIA / CONTAINER
    deb, rpm = (recorded_packages.nvidia(f"container/{kind}", records) for kind in ("apt", "rpm"))
    if deb is None and rpm is None:
        return
    # Nodes of both families have one base URL.
    made = recorded_packages.stand_ins(deb.packages if deb else (), nvidia_container.debian_packages)
    about = {**_CONTAINER_ABOUT, **recorded_packages.release_fields("container-deb-amd64", records)}
    _write(top / "stable/deb/amd64", own / "stable/deb/amd64", made, key, about)
    made = recorded_packages.stand_ins(rpm.packages if rpm else (), nvidia_container.rpm_packages)
    _write_rpm(top / "stable/rpm/x86_64", own / "stable/rpm/x86_64", made, key)
    for name in ("gpgkey", "stable/rpm/nvidia-container-toolkit.repo"):
        (top / name).hardlink_to(own / name)


def _fill_ubuntu(top: Path, records: Path) -> None:
    for release in RELEASES:
        found = recorded_packages.kernels(release.name, records)
        if found:
            names = {"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": release.codename, "Codename": release.codename}
            about = {**names, "Version": release.version, "Architecture": "amd64"}
            made = kernels.packages(found, release.signed_drivers)
            own = paths.UBUNTU / "archive" / release.codename
            _write(top / release.codename, own, made, ubuntu_repositories.ARCHIVE, about)
    if top.exists():
        name = ubuntu_repositories.ARCHIVE_KEY_FILE
        (top / name).hardlink_to(paths.UBUNTU / "archive" / name)


def _fill_rocky(top: Path, records: Path) -> None:
    for release in enterprise_linux.RELEASES:
        kernel = recorded_packages.enterprise_kernel(f"rocky{release.major}", records)
        if kernel:
            made = enterprise_linux.packages(replace(release, kernels=(*release.kernels, kernel)))
            rpm_repository.write(top / release.major / "BaseOS" / "x86_64" / "os", made, enterprise_linux.KEY)
    if top.exists():
        (top / enterprise_linux.KEY_FILE).hardlink_to(paths.ROCKY / enterprise_linux.KEY_FILE)


def _nothing(_version: str) -> list[OsPackage]:
    return []


def of_releases(url: str) -> dict[str, dict[str, str]]:
    """Return by release of nodes which repositories are there, as variables of an inventory."""
    found: dict[str, dict[str, str]] = {}
    nodes = {name: name for name in (*image.SUITES, *image.ENTERPRISE, *image.UBUNTU)}
    for name, release in {**nodes, **machine_image.RELEASES}.items():
        if (paths.RECORDED / NVIDIA / release.replace("rocky", "rhel")).exists():
            found.setdefault(name, {})["lab_nvidia_repository"] = f"{url}/{NVIDIA}"
        if (paths.RECORDED / CONTAINER).exists():
            found.setdefault(name, {})["lab_nvidia_container_repository"] = f"{url}/{CONTAINER}"
    # Virtual machines boot kernels of Debian's, which these archives do not have.
    for one in RELEASES:
        if (paths.RECORDED / "archive" / one.codename).exists():
            found.setdefault(one.name, {})["lab_ubuntu_archive"] = f"{url}/archive"
    for rocky in enterprise_linux.RELEASES:
        if (paths.RECORDED / "rocky" / rocky.major).exists():
            found.setdefault(f"rocky{rocky.major}", {})["lab_rocky"] = f"{url}/rocky"
    return found


def own_folder(name: str) -> Path:
    """Return the lab's own repository of NVIDIA's packages for a distribution."""
    if name.startswith("ubuntu"):
        return paths.UBUNTU / ubuntu_repositories.REPOSITORIES / name / "x86_64"
    return paths.NVIDIA / NVIDIA / name / "x86_64"


def sources() -> list[Path]:
    """Return the files of their own that decide what is in them."""
    return [Path(__file__), Path(recorded_packages.__file__)]


def _of_apt() -> Mapping[str, tuple[Key, Callable[[str], Iterable[OsPackage]]]]:
    debian = {name: (key, nvidia_driver.debian_packages) for name, (key, _) in nvidia_repositories.DEBIAN_KEYS.items()}
    return {**debian, **{name: (key, ubuntu_driver.packages) for name, key in ubuntu_repositories.NVIDIA_KEYS.items()}}


def _keys() -> list[Key]:
    used = [key for key, _recipe in _of_apt().values()]
    others = (nvidia_repositories.ENTERPRISE, nvidia_repositories.CONTAINER, enterprise_linux.KEY)
    return [signing_keys.ensure(key) for key in (*used, *others, ubuntu_repositories.ARCHIVE)]


def _write(folder: Path, own: Path, packages: Iterable[OsPackage], key: Key, about: Mapping[str, str]) -> None:
    """Make a repository of apt's out of another one and of packages; of two of the same name, the latter counts."""
    folder.mkdir(parents=True)
    new = {f"./{path.name}": stanza for path, stanza in _built(packages, folder)}
    stanzas = [f"{one}\n" for one in (own / "Packages").read_text().rstrip("\n").split("\n\n")]
    kept = [one for one in stanzas if _file(one) not in new]
    for path in own.iterdir():
        if path.is_symlink():
            (folder / path.name).symlink_to(path.readlink())
        elif path.name not in _SIGNED and f"./{path.name}" not in new:
            (folder / path.name).hardlink_to(path)
    apt_repository.write_lists(folder, [*kept, *new.values()])
    apt_repository.release(folder, key, about)


def _built(packages: Iterable[OsPackage], folder: Path) -> Iterable[tuple[Path, str]]:
    for one in packages:
        path = deb_package.write(one, folder)
        yield path, apt_repository.stanza(one, path)


def _file(stanza: str) -> str:
    return next(line.partition(": ")[2] for line in stanza.splitlines() if line.startswith("Filename: "))


def _write_rpm(folder: Path, own: Path, packages: Iterable[OsPackage], key: Key, streams: str = "") -> None:
    rpm_package.write(packages, folder)
    if any(folder.glob("*.rpm")):
        rpm_package.sign(folder, key)
    for path in own.iterdir():
        if path.is_file() and not (folder / path.name).exists():
            (folder / path.name).hardlink_to(path)
    rpm_repository.index(folder, key, streams)
