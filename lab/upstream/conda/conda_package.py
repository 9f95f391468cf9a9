# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one conda package (format 2, ``.conda``) from a folder; the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import zstandard

# A file that holds this string gets the environment's own path in its place when it is installed. In a binary the path
# must not be longer, so this has the 255 characters that conda-build's has.
PREFIX_PLACEHOLDER = f"/opt/evenkeel{'_prefix_placeholder' * 13}"[:255]

# Most wheels are compressed once for a lab and read many times from a fast disk: size matters little.
ZSTD_LEVEL = 1
FIXED_TIME = 1_700_000_000


@dataclass(frozen=True)
class Package:
    """What a conda package says about itself.

    Parameters
    ----------
    build
        The whole build string, such as ``py311_0``.
    subdir
        ``noarch`` or ``linux-64``.
    noarch
        ``python`` when the tree holds ``site-packages/`` and ``python-scripts/`` instead of a Python version's paths.
    entry_points
        ``name = module:function``, made into scripts when a noarch package is installed.
    """

    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    depends: tuple[str, ...]
    constrains: tuple[str, ...] = ()
    noarch: Literal["python"] | None = None
    license: str = ""
    entry_points: tuple[str, ...] = ()
    summary: str = ""

    @property
    def stem(self) -> str:
        """Name, version and build, as the package's file is named."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        """Name of the package's file."""
        return f"{self.stem}.conda"


def index_json(package: Package) -> dict[str, Any]:
    """Return what the channel's index repeats of a package."""
    index: dict[str, Any] = {
        "arch": None if package.subdir == "noarch" else "x86_64",
        "build": package.build,
        "build_number": package.build_number,
        "constrains": list(package.constrains),
        "depends": list(package.depends),
        "license": package.license,
        "name": package.name,
        "platform": None if package.subdir == "noarch" else "linux",
        "subdir": package.subdir,
        "timestamp": FIXED_TIME * 1000,
        "version": package.version,
    }
    if package.noarch:
        index["noarch"] = package.noarch
    return index


def path_entry(tree: Path, path: Path) -> dict[str, Any]:
    """Return the ``paths.json`` entry of one file or symbolic link of ``tree``."""
    content = path.read_bytes() if path.is_file() else b""
    entry: dict[str, Any] = {
        "_path": path.relative_to(tree).as_posix(),
        "path_type": "softlink" if path.is_symlink() else "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if not path.is_symlink() and PREFIX_PLACEHOLDER.encode() in content:
        file_mode = "binary" if b"\0" in content else "text"
        entry |= {"prefix_placeholder": PREFIX_PLACEHOLDER, "file_mode": file_mode}
    return entry


def write(package: Package, tree: Path, out_dir: Path, modes: Mapping[str, int] | None = None) -> Path:
    """Write ``package`` with the files of ``tree`` (laid out like a prefix) into ``out_dir`` and return its path.

    Parameters
    ----------
    modes
        Files and folders of ``tree`` that have other permissions in the package than the usual ones.
    """
    files = sorted(path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    entries = [path_entry(tree, path) for path in files]
    info: dict[str, str] = {
        "info/about.json": _json({"license": package.license, "summary": package.summary}),
        "info/files": "".join(f"{entry['_path']}\n" for entry in entries),
        "info/index.json": _json(index_json(package)),
        "info/paths.json": _json({"paths": entries, "paths_version": 1}),
    }
    if package.noarch:
        link = {"noarch": {"entry_points": list(package.entry_points), "type": package.noarch}}
        info["info/link.json"] = _json(link | {"package_metadata_version": 1})

    out_dir.mkdir(parents=True, exist_ok=True)
    final = out_dir / package.file_name
    partial = final.with_name(f".{final.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        with _member(archive, "metadata.json") as stream:
            stream.write(_json({"conda_pkg_format_version": 2}).encode())
        with _member(archive, f"info-{package.stem}.tar.zst") as stream:
            _write_tar(stream, _texts(info))
        with _member(archive, f"pkg-{package.stem}.tar.zst") as stream:
            _write_tar(stream, _files(tree, files, modes or {}))
    return partial.rename(final)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    info = zipfile.ZipInfo(name)  # dated 1980-01-01 by default
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return archive.open(info, "w", force_zip64=True)


def _texts(texts: dict[str, str]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for name, text in sorted(texts.items()):
        content = text.encode()
        yield _tar_info(name, size=len(content)), io.BytesIO(content)


def _files(
    tree: Path, files: Iterable[Path], modes: Mapping[str, int]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for name, mode in sorted(modes.items()):
        if (tree / name).is_dir():
            info = _tar_info(name, mode=mode)
            info.type = tarfile.DIRTYPE
            yield info, None
    for path in files:
        name = path.relative_to(tree).as_posix()
        if path.is_symlink():
            info = _tar_info(name, mode=0o777)
            info.type, info.linkname = tarfile.SYMTYPE, path.readlink().as_posix()
            yield info, None
        else:
            status = path.stat()
            mode = modes.get(name, 0o755 if status.st_mode & 0o111 else 0o644)
            with path.open("rb") as content:
                yield _tar_info(name, size=status.st_size, mode=mode), content


def _tar_info(name: str, *, size: int = 0, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, FIXED_TIME
    info.uname = info.gname = "root"
    return info


def _write_tar(stream: IO[bytes], members: Iterable[tuple[tarfile.TarInfo, IO[bytes] | None]]) -> None:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    with (
        compressor.stream_writer(stream, closefd=False) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, content in members:
            tar.addfile(info, content)
