# SPDX-License-Identifier: GPL-3.0-or-later
"""An RPM repository: signed packages, signed metadata, and streams where it has some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab import process
from lab.upstream import signing_keys
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_package
from lab.upstream.signing_keys import Key

_REMEDY = "apt-get install createrepo-c"


def write(folder: Path, packages: Iterable[OsPackage], key: Key, modules: str = "") -> None:
    """Make ``folder`` the repository of ``packages``.

    Parameters
    ----------
    modules
        The documents that describe its streams; none where it has no streams.
    """
    rpm_package.write(packages, folder)
    rpm_package.sign(folder, key)
    index(folder, key, modules)


def index(folder: Path, key: Key, modules: str = "") -> None:
    """Write the metadata of the packages in ``folder``, and sign them."""
    process.run(["createrepo_c", "--quiet", folder], remedy=_REMEDY)
    if modules:
        (folder / "modules.yaml").write_text(modules)
        process.run(["modifyrepo_c", "--mdtype=modules", folder / "modules.yaml", folder / "repodata"], remedy=_REMEDY)
        (folder / "modules.yaml").unlink()
    repomd = (folder / "repodata" / "repomd.xml").read_text()
    (folder / "repodata" / "repomd.xml.asc").write_text(signing_keys.sign(key, repomd))


def stream_text(module: str, stream: str, summary: str, packages: Sequence[OsPackage]) -> str:
    """Return the document of one stream, whose only profile is all of it."""
    artifacts = "".join(f"      - {nevra(package)}\n" for package in packages)
    return (
        "---\ndocument: modulemd\nversion: 2\ndata:\n"
        f"  name: {module}\n  stream: {stream}\n  version: 20260801000000\n  context: lab\n  arch: x86_64\n"
        f"  summary: {summary}\n  description: >-\n    {summary}\n  license:\n    module: [MIT]\n"
        f"  artifacts:\n    rpms:\n{artifacts}...\n"
    )


def defaults_text(module: str, stream: str) -> str:
    """Return the document that makes ``stream`` the default of ``module``."""
    return f"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {module}\n  stream: {stream}\n...\n"


def nevra(package: OsPackage) -> str:
    """Return name, epoch, version, release and architecture, as streams name packages."""
    epoch, _, version = package.version.rpartition(":")
    return f"{package.name}-{epoch or '0'}:{version}.{package.architecture}"


def repo_text(name: str, url: str, key_url: str, settings: Mapping[str, str]) -> str:
    """Return the file by which dnf knows a repository."""
    lines = {"name": name, "baseurl": url, "enabled": "1", "gpgcheck": "1", "gpgkey": key_url, **settings}
    return f"[{name}]\n" + "".join(f"{field}={value}\n" for field, value in lines.items())
