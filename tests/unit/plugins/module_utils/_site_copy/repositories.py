# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of APT and RPM as texts, for an upstream of a test."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from tests.unit.plugins.module_utils._site_copy.conftest import Upstream


def compressed(text: bytes) -> dict[str, bytes]:
    """Return a list in all forms; in that of zstd where the machine has it."""
    forms = {".xz": lzma.compress(text), ".gz": gzip.compress(text, mtime=0), "": text, ".zst": b"", ".lzma": b"lzma"}
    if shutil.which("zstd"):
        forms[".zst"] = subprocess.run(["zstd", "--stdout"], input=text, capture_output=True, check=True).stdout
    return forms


@dataclass(frozen=True)
class Deb:
    """A package of APT; ``fields`` are further lines of its paragraph."""

    name: str
    version: str = "1-1"
    depends: str = ""
    provides: str = ""
    source: str = ""
    architecture: str = "amd64"
    digest: str = ""

    @property
    def path(self) -> str:
        return f"pool/{self.name}_{self.version.partition(':')[2] or self.version}_{self.architecture}.deb"

    @property
    def content(self) -> str:
        return f"{self.name} {self.version}"

    def paragraph(self) -> str:
        lines = [
            f"Package: {self.name}",
            f"Version: {self.version}",
            f"Architecture: {self.architecture}",
            f"Filename: {self.path}",
            f"Size: {len(self.content)}",
            f"SHA256: {self.digest or sha256(self.content.encode()).hexdigest()}",
            "Description: x",
            " more: of it",
        ]
        lines += [f"Depends: {self.depends}"] if self.depends else []
        lines += [f"Provides: {self.provides}"] if self.provides else []
        lines += [f"Source: {self.source}"] if self.source else []
        return "\n".join(lines) + "\n"


def put_apt(
    upstream: Upstream,
    packages: Sequence[Deb],
    *,
    root: str = "debian",
    suite: str = "stable",
    by_hash: bool = True,
    inline: bool = True,
    fields: Mapping[str, str] | None = None,
    endings: Sequence[str] = (".xz", ".gz"),
    further: Sequence[str] = (),
) -> None:
    """Give an upstream a repository; ``/`` is one without suites."""
    for one in packages:
        upstream.put(f"{root}/{one.path}", one.content)
    text = "\n".join(one.paragraph() for one in packages).encode()
    forms = compressed(text)
    folder = root if suite == "/" else f"{root}/dists/{suite}"
    packages_list = "Packages" if suite == "/" else "main/binary-amd64/Packages"
    lists = {f"{packages_list}{ending}": forms[ending] for ending in endings}
    lists.update({f"main/{one}.xz": one.encode() for one in further})
    sums = ""
    for name, content in lists.items():
        digest = sha256(content).hexdigest()
        sums += f" {digest} {len(content)} {name}\n"
        upstream.put(f"{folder}/{name}", content)
        if by_hash:
            parent = f"{folder}/{name}".rpartition("/")[0]
            upstream.put(f"{parent}/by-hash/SHA256/{digest}", content)
    given = {"Components": "main", "Architectures": "amd64 arm64", **(fields or {})}
    given.update({"Acquire-By-Hash": "yes"} if by_hash else {})
    release = "".join(f"{key}: {value}\n" for key, value in given.items()) + f"SHA256:\n{sums}"
    head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
    signed = f"{head}{release}-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    upstream.put(f"{folder}/{'InRelease' if inline else 'Release'}", signed if inline else release)


@dataclass(frozen=True)
class Rpm:
    """A package of RPM; entries are ``NAME`` or ``NAME FLAGS VERSION``."""

    name: str
    version: str = "1"
    release: str = "1.el9"
    epoch: str = "0"
    requires: Sequence[str] = ()
    provides: Sequence[str] = ()
    files: Sequence[str] = ()
    architecture: str = "x86_64"

    @property
    def path(self) -> str:
        return f"Packages/{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"

    @property
    def content(self) -> str:
        return f"{self.name} {self.version} {self.release}"

    def element(self) -> str:
        own = (
            f'<rpm:entry name="{self.name}" flags="EQ" epoch="{self.epoch}" ver="{self.version}" rel="{self.release}"/>'
        )
        return f"""<package type="rpm"><name>{self.name}</name><arch>{self.architecture}</arch>
<version epoch="{self.epoch}" ver="{self.version}" rel="{self.release}"/>
<checksum type="sha256" pkgid="YES">{sha256(self.content.encode()).hexdigest()}</checksum>
<size package="{len(self.content)}" installed="1" archive="1"/><location href="{self.path}"/>
<format><rpm:sourcerpm>{self.name}-{self.version}-{self.release}.src.rpm</rpm:sourcerpm>
<rpm:provides>{own}{"".join(map(entry, self.provides))}</rpm:provides>
<rpm:requires>{"".join(map(entry, self.requires))}</rpm:requires>
{"".join(f"<file>{one}</file>" for one in self.files)}</format></package>"""


def entry(text: str) -> str:
    escaped = text.replace("<", "&lt;").replace(">", "&gt;")
    if escaped.startswith("(") or " " not in escaped:
        return f'<rpm:entry name="{escaped}"/>'
    name, flags, full = escaped.split()
    version, _dash, release = full.partition("-")
    return (
        f'<rpm:entry name="{name}" flags="{flags}" epoch="0" ver="{version}"{f" rel={release!r}" if release else ""}/>'
    )


def put_rpm(upstream: Upstream, packages: Sequence[Rpm], *, root: str = "rhel", ending: str = ".gz") -> None:
    """Give an upstream a repository."""
    for one in packages:
        upstream.put(f"{root}/{one.path}", one.content)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
        'xmlns:rpm="http://linux.duke.edu/metadata/rpm">' + "".join(one.element() for one in packages) + "</metadata>"
    ).encode()
    forms = compressed(text)
    data = ""
    for kind, content in (("primary", forms[ending]), ("filelists", b"files"), ("primary_db", b"database")):
        digest = sha256(content).hexdigest()
        path = f"repodata/{digest}-{kind}.xml{ending}"
        data += (
            f'<data type="{kind}"><checksum type="sha256">{digest}</checksum><location href="{path}"/>'
            f"<size>{len(content)}</size></data>"
        )
        upstream.put(f"{root}/{path}", content)
    upstream.put(f"{root}/repodata/repomd.xml", f'<repomd xmlns="http://linux.duke.edu/metadata/repo">{data}</repomd>')
