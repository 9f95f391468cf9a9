# SPDX-License-Identifier: GPL-3.0-or-later
"""Make installers that are named and behave as Miniconda's: a shell script with a base environment behind it.

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
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import rattler
from rattler.package_streaming import extract
from rich.progress import Progress

from lab import cache, channel, locks, paths
from lab.conda_package import FIXED_TIME
from lab.debian_python import PYTHONS, DebianPython
from lab.errors import LabError
from lab.standin import package as standin

CHANNEL_URL = "https://repo.anaconda.com/pkgs/main"
NAME = "Miniconda3"
BUILD = f"{standin.PACKAGE.version}-0"
HEADER = Path(standin.__file__).with_name("installer.sh")
GZIP_LEVEL = 1
RESERVE = 1.1  # bookkeeping, and the files that get their own copy because they name the prefix

LICENSE = f"""\
{NAME} {BUILD}, a stand-in from Evenkeel's lab
{"=" * 60}

This is not Anaconda's Miniconda, and comes without any warranty.

The command called conda is part of Evenkeel, GPL-3.0-or-later.
The other packages are repackaged, each under its own license:
"""


def file_name(python: DebianPython) -> str:
    """Return the name of the installer for one Python."""
    return f"{NAME}-py{python.nodot}_{BUILD}-Linux-x86_64.sh"


def build(progress: Progress) -> list[Path]:
    """Build the installers where the channel or their sources have changed, and return their paths."""
    sources = [Path(__file__), HEADER, *standin.sources()]
    with locks.held("installers"):
        content_key = cache.key(cache.published(paths.CHANNEL), *sources)
        if cache.published(paths.INSTALLERS) != content_key:
            stage = cache.staging(paths.INSTALLERS)
            bar = progress.add_task("Installers", total=len(PYTHONS))
            for python in PYTHONS:
                write(python, stage)
                progress.advance(bar)
            sums = [(hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in sorted(stage.glob("*.sh"))]
            (stage / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))
            cache.publish(stage, paths.INSTALLERS, content_key)
    return [paths.INSTALLERS / file_name(python) for python in PYTHONS]


def write(python: DebianPython, folder: Path) -> Path:
    """Write the installer for one Python into ``folder``."""
    with TemporaryDirectory(prefix=".installer-", dir=folder) as scratch:
        tree = Path(scratch, "tree")
        local = Path(scratch, "standin")
        standin.build(local / "noarch")
        channel.index(local)
        records = asyncio.run(solve(python, local, Path(scratch)))
        kilobytes = lay_out(records, tree, python)
        payload = Path(scratch, "payload")
        with payload.open("wb") as stream:
            pack(tree, stream)
        md5 = hashlib.md5(payload.read_bytes(), usedforsecurity=False).hexdigest()
        header = fill(
            HEADER.read_text(),
            NAME=NAME,
            VERSION=f"py{python.nodot}_{BUILD}",
            MD5=md5,
            GLIBC=".".join(map(str, python.glibc)),
            LICENSE=(tree / "LICENSE.txt").read_text().rstrip(),
            KILOBYTES=str(kilobytes),
            PYTHON=next(stem(record) for record in records if record.name.normalized == "python"),
            MODULES=" ".join(modules(records, python)),
        )
        installer = folder / file_name(python)
        installer.write_bytes(header.encode() + payload.read_bytes())
        installer.chmod(0o755)
        return installer


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
            "correct the requirements of the stand-in or of the channel, in lab/standin/package.py or lab/channel.py",
        ) from error


def lay_out(records: Sequence[rattler.RepoDataRecord], tree: Path, python: DebianPython) -> int:
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
        note.pop("indexed_timestamp", None)  # tells when the channel was built
        (unpacked / "info" / "repodata_record.json").write_text(json.dumps(note, indent=2))
        explicit.append(f"{record.url}#{digest(record)}")
        licenses.append(f"  {stem(record)}: {record.license or 'see its own files'}")
        size += sum(path.lstat().st_size for path in unpacked.rglob("*"))
    listing = "\n".join(explicit) + "\n"
    (meta / "initial-state.explicit.txt").write_text(listing)
    (meta / "history").write_text(
        f"==> 2023-11-14 22:13:20 <==\n# cmd: {file_name(python)}\n# conda version: {standin.PACKAGE.version}\n"
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
