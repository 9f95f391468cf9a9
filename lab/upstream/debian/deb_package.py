# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one Debian package; the same input gives the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from lab.upstream.conda.conda_package import FIXED_TIME
from lab.upstream.os_package import OsPackage, content

_GZIP_LEVEL = 1


def write(package: OsPackage, folder: Path) -> Path:
    """Write ``package`` into ``folder`` under the name that repositories give it, and return its path."""
    path = folder / file_name(package)
    path.write_bytes(archive(package))
    return path


def file_name(package: OsPackage) -> str:
    """Return name, version without its epoch, and architecture."""
    return f"{package.name}_{package.version.rpartition(':')[2]}_{package.architecture}.deb"


def control(package: OsPackage) -> str:
    """Return the package's description of itself, as repositories repeat it."""
    size = sum(len(content(value)[0]) for value in package.files.values())
    fields = {
        "Package": package.name,
        "Source": package.source,
        "Version": package.version,
        "Architecture": package.architecture,
        "Maintainer": "Evenkeel's lab <lab@evenkeel.test>",
        "Installed-Size": str(size // 1024 + 1),
        "Depends": ", ".join(package.depends),
        "Provides": ", ".join(package.provides),
        "Conflicts": ", ".join(package.conflicts),
        "Replaces": ", ".join(package.replaces),
        "Section": package.section,
        "Priority": "optional",
        "Description": f"{package.summary} (a stand-in of Evenkeel's lab)",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def archive(package: OsPackage) -> bytes:
    """Return the bytes of the package: an ``ar`` archive of its description and its files."""
    conffiles = "".join(f"/{path}\n" for path in sorted(package.files) if path.startswith("etc/"))
    about = {"control": control(package), "conffiles": conffiles, **package.scripts}
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar({name: text for name, text in about.items() if text}, {}),
        "data.tar.gz": _tar(package.files, package.links),
    }
    return b"!<arch>\n" + b"".join(_member(name, data) for name, data in members.items())


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{FIXED_TIME:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)


def _tar(files: Mapping[str, str | bytes], links: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for folder in folders([*files, *links]):
            tar.addfile(_info(f"./{folder}/", tarfile.DIRTYPE, 0o755))
        for path, value in sorted(files.items()):
            data, mode = content(value)
            info = _info(f"./{path}", tarfile.REGTYPE, mode)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for path, target in sorted(links.items()):
            info = _info(f"./{path}", tarfile.SYMTYPE, 0o777)
            info.linkname = target
            tar.addfile(info)
    return stream.getvalue()


def folders(paths: Iterable[str]) -> list[str]:
    """Return every folder above ``paths``, a parent before its children."""
    above = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    return sorted(above - {"."})


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, FIXED_TIME
    info.uname = info.gname = "root"
    return info
