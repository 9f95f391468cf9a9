# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the installer that NVIDIA has of each driver: its name, its options, what it leaves on a machine."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from pathlib import Path

from lab.upstream.conda.conda_package import FIXED_TIME
from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia.driver import standin
from lab.upstream.os_package import content

VERSION = "580.178.04"
_LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu"
_LIBRARIES = ("libcuda1", "libnvidia-ml1", "libnvidia-ptxjitcompiler1")


def write(folder: Path, version: str = VERSION) -> Path:
    """Write the installer of ``version`` into a folder of that name, and return its path."""
    path = folder / version / f"NVIDIA-Linux-x86_64-{version}.run"
    path.parent.mkdir(parents=True)
    payload = base64.encodebytes(_payload(version)).decode()
    path.write_text(standin("runfile", VERSION=version) + payload)
    return path


def _payload(version: str) -> bytes:
    """Return an archive with a tree for each flavour of the module and one for all else."""
    trees: dict[str, str | bytes] = {}
    for flavour in ("open", "proprietary"):
        source = nvidia_driver.module_source(version, open_=flavour == "open")
        trees |= {f"{flavour}/{path}": value for path, value in source.items()}
    links: dict[str, str] = {}
    for package in _LIBRARIES:
        files, own = nvidia_driver.libraries(package, version, f"common/{_LIBRARY_FOLDER}")
        trees |= files
        links |= own
    for program in ("nvidia-smi", "nvidia-uninstall"):
        trees[f"common/usr/bin/{program}"] = standin(program, VERSION=version)
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, value in sorted(trees.items()):
            data, mode = content(value)
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, FIXED_TIME
            tar.addfile(info, io.BytesIO(data))
        for name, target in sorted(links.items()):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = tarfile.SYMTYPE, target, FIXED_TIME
            tar.addfile(info)
    return stream.getvalue()
