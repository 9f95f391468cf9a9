# SPDX-License-Identifier: GPL-3.0-or-later
"""Make installers that are named and behave as Miniconda's and Miniforge's: a script with a base behind it.

What lies behind the script is a package cache of unpacked packages, from which the stand-in for conda installs base
with the code that it installs every environment with.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import rattler
from rattler.package_streaming import extract
from rich.progress import Progress

from lab import cache, locks, paths
from lab.errors import LabError
from lab.upstream.conda import channel
from lab.upstream.conda.conda_package import FIXED_TIME
from lab.upstream.conda.debian_python import PYTHONS, DebianPython
from lab.upstream.conda.standin import package as standin

CHANNEL_URL = "https://repo.anaconda.com/pkgs/main"
#: Two of each, so that there is something to upgrade to.
VERSIONS = tuple(f"{standin.PACKAGE.version}-{number}" for number in (0, 1))
HEADER = Path(standin.__file__).with_name("installer.sh")
SUMS = "SHA256SUMS"
GZIP_LEVEL = 1
RESERVE = 1.1  # bookkeeping, and the files that get their own copy because they name the prefix

LICENSE = f"""\
A stand-in from Evenkeel's lab
{"=" * 60}

This is neither Anaconda's Miniconda nor conda-forge's Miniforge, and comes without any warranty.

The command called conda is part of Evenkeel, GPL-3.0-or-later.
The other packages are repackaged, each under its own license:
"""


@dataclass(frozen=True)
class Installer:
    """One installer of a distribution, with one Python in its base."""

    name: str
    version: str
    python: DebianPython

    @property
    def label(self) -> str:
        """What it calls its version."""
        return f"py{self.python.nodot}_{self.version}" if self.name == "Miniconda3" else self.version

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.name}-{self.label}-Linux-x86_64.sh"


MINICONDA = tuple(Installer("Miniconda3", version, python) for python in PYTHONS for version in VERSIONS)
#: With the Python that the oldest node can run.
MINIFORGE = tuple(Installer("Miniforge3", version, PYTHONS[0]) for version in VERSIONS)


def build(progress: Progress) -> list[Path]:
    """Build the installers where the channel or their sources have changed, and return their paths."""
    sources = [Path(__file__), HEADER, *standin.sources()]
    places = {paths.INSTALLERS / one.file: one for one in MINICONDA}
    places |= {paths.MINIFORGE / one.version / one.file: one for one in MINIFORGE}
    with locks.held("installers"):
        content_key = cache.key(cache.published(paths.CHANNEL), *sources)
        for top in (paths.INSTALLERS, paths.MINIFORGE):
            if cache.published(top) != content_key:
                wanted = {path.relative_to(top): one for path, one in places.items() if path.is_relative_to(top)}
                _fill(top, wanted, content_key, progress)
    return list(places)


def _fill(top: Path, wanted: Mapping[Path, Installer], content_key: str, progress: Progress) -> None:
    stage = cache.staging(top)
    bar = progress.add_task(f"Installers in {top.name}", total=len(wanted))
    sums = []
    for path, installer in sorted(wanted.items()):
        (stage / path).parent.mkdir(exist_ok=True)
        write(installer, stage / path)
        sums.append(f"{hashlib.sha256((stage / path).read_bytes()).hexdigest()}  {path.name}\n")
        progress.advance(bar)
    (stage / SUMS).write_text("".join(sums))
    cache.publish(stage, top, content_key)


def write(installer: Installer, path: Path) -> None:
    """Write an installer to ``path``."""
    python = installer.python
    with TemporaryDirectory(prefix=".installer-", dir=path.parent) as scratch:
        tree = Path(scratch, "tree")
        local = Path(scratch, "standin")
        standin.build(local / "noarch")
        channel.index(local)
        records = asyncio.run(solve(python, local, Path(scratch)))
        kilobytes = lay_out(records, tree, installer)
        payload = Path(scratch, "payload")
        with payload.open("wb") as stream:
            pack(tree, stream)
        md5 = hashlib.md5(payload.read_bytes(), usedforsecurity=False).hexdigest()
        header = fill(
            HEADER.read_text(),
            NAME=installer.name,
            VERSION=installer.label,
            MD5=md5,
            GLIBC=".".join(map(str, python.glibc)),
            LICENSE=(tree / "LICENSE.txt").read_text().rstrip(),
            KILOBYTES=str(kilobytes),
            PYTHON=next(stem(record) for record in records if record.name.normalized == "python"),
            MODULES=" ".join(modules(records, python)),
        )
        path.write_bytes(header.encode() + payload.read_bytes())
        path.chmod(0o755)


async def solve(python: DebianPython, local: Path, scratch: Path) -> list[rattler.RepoDataRecord]:
    """Return the packages of base: Python, the stand-in for conda of the channel ``local``, pip, what they need."""
    glibc = rattler.GenericVirtualPackage(
        rattler.PackageName("__glibc"), rattler.Version(".".join(map(str, python.glibc))), rattler.BuildString("0")
    )
    try:
        return await rattler.solve(
            [rattler.Channel(local.as_uri()), rattler.Channel(paths.CHANNEL.resolve().as_uri())],
            [f"python={python.version}", "conda", "pip"],
            gateway=rattler.Gateway(cache_dir=scratch / "repodata"),
            platforms=["linux-64", "noarch"],
            virtual_packages=[glibc],
        )
    except rattler.exceptions.SolverError as error:
        raise LabError(
            f"the channel has no base environment for Python {python.version}:\n{error}",
            f"correct the requirements in {standin.__file__} or {channel.__file__}",
        ) from error


def lay_out(records: Sequence[rattler.RepoDataRecord], tree: Path, installer: Installer) -> int:
    """Fill ``tree`` with what an installer unpacks, and return the kilobytes that the installation takes."""
    cache_dir, meta = tree / "pkgs", tree / "conda-meta"
    meta.mkdir(parents=True)
    explicit, licenses, size = ["@EXPLICIT"], [], 0
    for record in sorted(records, key=lambda record: record.name.normalized):
        unpacked = cache_dir / stem(record)
        extract(Path(record.url.removeprefix("file://")), unpacked)
        record.url = f"{CHANNEL_URL}/{record.subdir}/{record.file_name}"
        record.channel = f"{CHANNEL_URL}/{record.subdir}"
        note = json.loads(record.to_json())
        note.pop("indexed_timestamp", None)  # when the channel was built
        (unpacked / "info" / "repodata_record.json").write_text(json.dumps(note, indent=2))
        explicit.append(f"{record.url}#{digest(record)}")
        licenses.append(f"  {stem(record)}: {record.license or 'see its own files'}")
        size += sum(path.lstat().st_size for path in unpacked.rglob("*"))
    listing = "\n".join(explicit) + "\n"
    (meta / "initial-state.explicit.txt").write_text(listing)
    (meta / "history").write_text(
        f"==> 2023-11-14 22:13:20 <==\n# cmd: {installer.file}\n# conda version: {standin.PACKAGE.version}\n"
    )
    (cache_dir / "urls.txt").write_text("".join(f"{line.partition('#')[0]}\n" for line in explicit[1:]))
    (tree / "LICENSE.txt").write_text(LICENSE + "\n".join(licenses) + "\n")
    return int(size * RESERVE / 1024)


def modules(records: Sequence[rattler.RepoDataRecord], python: DebianPython) -> list[str]:
    """Return where, below the package cache, Python finds what the stand-in imports."""
    return [
        f"{stem(record)}/{'site-packages' if record.noarch.python else python.site_packages}"
        for record in records
        if record.name.normalized not in ("python", "pip")
    ]


def pack(tree: Path, stream: IO[bytes]) -> None:
    """Write ``tree`` as a compressed archive; the same tree gives the same bytes."""
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(tree.rglob("*")):
            info = tar.gettarinfo(path, arcname=path.relative_to(tree).as_posix())
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = FIXED_TIME
            info.mode = 0o755 if info.isdir() or info.mode & 0o111 else 0o644
            if info.islnk():
                info.type, info.size = tarfile.REGTYPE, path.stat().st_size
            tar.addfile(info, io.BytesIO(path.read_bytes()) if info.isreg() else None)


def fill(template: str, **values: str) -> str:
    """Return ``template`` with ``@NAME@`` replaced by the value of ``NAME``, for all ``values``."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def stem(record: rattler.RepoDataRecord) -> str:
    """Return name, version and build as a package's folder is named."""
    return record.file_name.removesuffix(".conda")


def digest(record: rattler.RepoDataRecord) -> str:
    """Return the SHA-256 of a package."""
    if not record.sha256:
        raise LabError(f"the channel's index has no SHA-256 of {record.file_name}", "build the channel again")
    return record.sha256.hex()
