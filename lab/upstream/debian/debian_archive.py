# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of Debian's own archive: its signed lists as they are, and of its packages those that nodes install.

The lists of a stable release have no ``Valid-Until``, so what was fetched once stays good. They are fetched again with
a new base image, and the packages with them: what nodes have and what the archive offers fit together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lab import cache, locks, paths, process
from lab.errors import LabError
from lab.images import image
from lab.nodes import podman
from lab.upstream.debian import apt_sources

if TYPE_CHECKING:
    from rich.progress import Progress

COMPONENTS = ("main", "contrib", "non-free", "non-free-firmware")
#: Names of what to have, each with what is installed in one go.
TOOLS = "tools"
NVIDIA = "nvidia"
SLURM = "slurm"
GIT = "git"
#: What a site's own copy holds, with all that it depends on.
COPY = "copy"
WISHES: dict[str, tuple[tuple[str, ...], ...]] = {
    TOOLS: (
        ("dkms", "gcc", "make", "linux-headers-amd64", "mokutil", "unattended-upgrades", "infiniband-diags"),
        ("linux-image-amd64", "initramfs-tools"),
        ("linux-image-cloud-amd64", "linux-headers-cloud-amd64", "initramfs-tools"),
        ("nginx",),
    ),
    NVIDIA: (
        ("nvidia-kernel-dkms", "nvidia-smi", "libcuda1", "nvidia-persistenced", "linux-headers-amd64"),
        ("nvidia-open-kernel-dkms", "nvidia-smi", "libcuda1", "nvidia-persistenced", "linux-headers-amd64"),
    ),
    SLURM: (("slurmctld", "slurmd", "slurm-client", "munge"),),
    GIT: (("git", "rsync"),),
    COPY: (("ca-certificates", "nginx"),),
}

_LISTS = ("binary-amd64/Packages", "i18n/Translation-en")
_HELPER = "/usr/lib/apt/apt-helper"
_REMEDY = f"check the Debian mirror in {apt_sources.APT}, or name one: export {apt_sources.VARIABLE}=<URL>"
_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) (?P<hash>\S*)$", re.MULTILINE)
_SUM = r"^ (?P<sum>[0-9a-f]{{64}}) +\d+ (?P<name>{name}\.(?:xz|bz2))$"


@dataclass(frozen=True)
class Download:
    """A file of the archive: its path below the root, and the hash that apt knows it by, such as ``SHA256:...``."""

    path: str
    hash: str


def build(release: str, wishes: Iterable[str], progress: Progress) -> None:
    """Have the lists of ``release`` and the packages of ``wishes``, and all that they need on a bare node.

    Raises
    ------
    LabError
        Debian's mirror does not answer, or lacks something.
    """
    suite = image.SUITES[release]
    base = image.build(release, progress)
    content_key = cache.key(suite, _LISTS, COMPONENTS, podman.run("image", "inspect", "--format={{.Id}}", base))
    lists = paths.DEBIAN / "dists" / suite
    with locks.held(f"debian-{suite}", progress=progress):
        if cache.published(lists) != content_key:
            stage = cache.staging(lists)
            _fetch_lists(suite, stage)
            cache.publish(stage, lists, content_key)
        for wish in wishes:
            done = lists / f".has-{wish}-{cache.key(WISHES[wish])}"
            if not done.exists():
                status = "" if wish == COPY else podman.run("run", "--rm", base, "cat", "/var/lib/dpkg/status")
                downloads = _resolve(suite, status, WISHES[wish])
                for download in progress.track(downloads, description=f"Debian's {suite}: {wish}"):
                    if not (paths.DEBIAN / download.path).exists():
                        _fetch(download, paths.DEBIAN / download.path)
                done.touch()


def parse_list(release: str, name: str) -> tuple[str, str]:
    """Return the compressed name of a list and its SHA-256, as a ``Release`` file has them.

    Raises
    ------
    LabError
        It does not know that list.
    """
    found = re.search(_SUM.format(name=re.escape(name)), release, re.MULTILINE)
    if not found:
        raise LabError(f"Debian's Release file does not name {name}", _REMEDY)
    return found["name"], found["sum"]


def parse_uris(text: str, root: str) -> list[Download]:
    """Read what ``apt-get --print-uris`` prints of an archive at ``root``."""
    return [
        Download(unquote(found["uri"]).removeprefix(root).lstrip("/"), found["hash"]) for found in _URI.finditer(text)
    ]


def _fetch_lists(suite: str, folder: Path) -> None:
    _fetch(Download(f"dists/{suite}/InRelease", ""), folder / "InRelease")
    release = (folder / "InRelease").read_text()
    for component in COMPONENTS:
        for plain in _LISTS:
            name, digest = parse_list(release, f"{component}/{plain}")
            _fetch(Download(f"dists/{suite}/{name}", f"SHA256:{digest}"), folder / name)
            by_hash = (folder / name).with_name("by-hash") / "SHA256" / digest
            by_hash.parent.mkdir(parents=True)
            by_hash.hardlink_to(folder / name)


def _resolve(suite: str, status: str, installations: Sequence[Sequence[str]]) -> list[Download]:
    """Return what apt would download for each of ``installations``; it has checked the lists' signature."""
    with TemporaryDirectory(prefix="evenkeel-debian-") as scratch:
        home = Path(scratch)
        root = f"file:{paths.DEBIAN}"
        options = _options(
            home, f"deb [signed-by={apt_sources.KEYRING}] {root} {suite} {' '.join(COMPONENTS)}\n", status
        )
        process.run(["apt-get", *options, "--error-on=any", "update"], remedy=_REMEDY)
        wanted: dict[str, Download] = {}
        for packages in installations:
            printed = process.run(["apt-get", *options, "--yes", "--print-uris", "install", *packages], remedy=_REMEDY)
            wanted |= {download.path: download for download in parse_uris(printed, root)}
        return list(wanted.values())


def _options(home: Path, source: str, status: str) -> list[str]:
    """Return the options by which apt works in the folder ``home``, as on a node with that ``status``."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (home / folder).mkdir(parents=True)
    (home / "status").write_text(status)
    (home / "sources.list").write_text(source)
    settings = {
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::ForceHash": "SHA256",
        "Acquire::Languages": "none",
        "Dir::Cache": home / "cache",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": home,
        "Dir::State::status": home / "status",
    }
    return [f"--option={name}={value}" for name, value in settings.items()]


def _fetch(download: Download, path: Path) -> None:
    """Download a file of the archive through apt, which checks its hash; it appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    url = f"{apt_sources.mirror()}/{download.path}"
    process.run(
        [_HELPER, "--option=APT::Sandbox::User=root", "download-file", url, partial, download.hash], remedy=_REMEDY
    )
    partial.rename(path)
