# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The Python that builds: the lock's own, unpacked from its packages, or the control node's for another platform."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import client, isolated

PYTHON = "python"


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs builds; that of a lock runs in the sandbox alone, since it runs a lock's packages."""

    program: Path
    #: Its whole version, such as ``3.11.2``.
    version: str
    #: The directory of its installation, which a build has to see.
    prefix: Path
    #: Whether it is that of the environment, so that what it compiles runs there.
    of_lock: bool
    #: As uv writes it, of a builder host; empty on the control node.
    platform: str = ""


def of_control_node() -> Interpreter:
    """Return the Python that this runs on, which builds what is the same on every platform."""
    program, prefix = Path(sys.executable).resolve(), Path(sys.base_prefix).resolve()
    return Interpreter(program, python_version(), prefix, of_lock=False)


def linked(packages: Sequence[Package], mirrors: Mirrors, prefix: Path, platform: str) -> Interpreter:
    """Link Python and what it depends on of conda's ``packages`` at ``prefix``, which is not there yet.

    It is not started, so ``platform``, as conda names it, may be another one than this machine's.

    Raises
    ------
    EvenkeelError
        A package can't be fetched, or is not what the lock says.
    """
    needed = needed_by_python(packages)
    unpack(needed, mirrors, prefix, platform)
    version = next(package.version for package in needed if package.name == PYTHON)
    return Interpreter(prefix / "bin" / "python", version, prefix, of_lock=True)


def unpack(packages: Sequence[Package], mirrors: Mirrors, prefix: Path, platform: str) -> None:
    """Link conda's ``packages``, Python among them, at ``prefix``, which is not there yet; nothing of them is started.

    Raises
    ------
    EvenkeelError
        A package can't be fetched, or is not what the lock says.
    """
    for package in packages:
        _check_file(package, mirrors.mirrored(package.url))
    channels = {mirrors.mirrored(_channel(package)) for package in packages}
    isolated(lambda: _link(packages, mirrors, prefix, platform), channels)


def needed_by_python(packages: Iterable[Package]) -> list[Package]:
    """Return Python and all that it depends on, by name."""
    known = {package.name: package for package in packages}
    found: dict[str, Package] = {}
    waiting = [PYTHON]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = known[name]
            waiting += [text.split()[0] for text in known[name].depends]
    return [found[name] for name in sorted(found)]


def _channel(package: Package) -> str:
    return package.url.rsplit("/", 2)[0]


def _check_file(package: Package, url: str) -> None:
    """Check an archive that is a file, which rattler does not."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return
    path = unquote(parts.path)
    try:
        found = sha256_of(path)
    except OSError as error:
        raise EvenkeelError(
            f"The package {package.name} can't be read from {path}: {error.strerror}", "Check the channel's mirror"
        ) from error
    if found != package.sha256:
        raise EvenkeelError(
            f"The package {package.name} at {path} has the SHA-256 {found}, not {package.sha256}",
            "Fetch the package again, or use another mirror",
        )


def _link(packages: Iterable[Package], mirrors: Mirrors, prefix: Path, platform: str) -> None:
    from rattler import PackageRecord, RepoDataRecord, install
    from rattler.package import BuildString
    from rattler.platform import Subdir

    records = []
    for package in packages:
        url = mirrors.mirrored(package.url)
        channel, subdir, file_name = url.rsplit("/", 2)
        record = PackageRecord(
            name=package.name,
            version=package.version,
            build=BuildString(package.build),
            build_number=0,
            subdir=subdir,
            arch=None,
            platform=None,
            sha256=bytes.fromhex(package.sha256),
            md5=bytes.fromhex(package.md5) if package.md5 else None,
            size=package.size or None,
            depends=list(package.depends),
        )
        records.append(RepoDataRecord(record, file_name=file_name, url=url, channel=channel))
    try:
        asyncio.run(
            install(
                records,
                prefix,
                installed_packages=[],
                platform=Subdir(platform),
                client=client(),
                execute_link_scripts=False,
                show_progress=False,
            )
        )
    except Exception as error:  # rattler has none of its own for it
        raise EvenkeelError(
            f"Packages of the environment could not be unpacked on the control node: {error}",
            "Check that the control node reaches the channels, and the disk of its cache",
        ) from error
