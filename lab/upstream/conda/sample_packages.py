# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the conda packages that no wheel brings.

They have every kind of file that is changed on its way in, permissions that are unsafe on a shared machine, and a
conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package
from lab.upstream.conda.debian_python import PYTHONS, DebianPython

# A C string in a binary, as a compiler leaves it: what stands behind it keeps its place when the prefix gets shorter.
_BINARY = b"\x7fSAMPLE\0" + PREFIX_PLACEHOLDER.encode() + b"/lib/prefixed.txt\0" + b"\0" * 7 + b"behind\n"
_POST_LINK = b'#!/bin/sh\necho "linked into $PREFIX" >"$PREFIX/lib/prefixed-post-link.txt"\n'


@dataclass(frozen=True)
class Sample:
    """One package, with its files and symbolic links.

    Parameters
    ----------
    files
        Path and content; what begins with ``#!`` is a program.
    links
        Path and target.
    modes
        Path and permissions, of files and of folders that hold some.
    """

    package: Package
    files: tuple[tuple[str, bytes], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    modes: tuple[tuple[str, int], ...] = ()


def prefixed(python: DebianPython) -> Sample:
    """Return the package that knows its prefix: in a text, a module and a binary, by a link and by a script."""
    return Sample(
        Package(
            name="prefixed",
            version="1.0",
            build=f"py{python.nodot}_0",
            build_number=0,
            subdir="linux-64",
            depends=(python.depends,),
            summary="Files that hold their prefix, and a script that conda runs after linking",
        ),
        files=(
            ("bin/.prefixed-post-link.sh", _POST_LINK),
            ("lib/prefixed.bin", _BINARY),
            ("lib/prefixed.txt", f"prefix={PREFIX_PLACEHOLDER}\n".encode()),
            (f"{python.site_packages}/prefixed.py", f'PREFIX = "{PREFIX_PLACEHOLDER}"\n'.encode()),
        ),
        links=(("lib/prefixed-link.txt", "prefixed.txt"),),
    )


def permissive(python: DebianPython | None) -> Sample:
    """Return a package whose files others may write, whose program is set-uid, and one of whose files is private.

    Parameters
    ----------
    python
        The Python to make it for, or None for all.
    """
    name = "permissive" if python else "permissive-noarch"
    module = name.replace("-", "_")
    site = python.site_packages if python else "site-packages"
    program = "bin" if python else "python-scripts"
    return Sample(
        Package(
            name=name,
            version="1.0",
            build=f"py{python.nodot}_0" if python else "py_0",
            build_number=0,
            subdir="linux-64" if python else "noarch",
            depends=(python.depends if python else "python",),
            noarch=None if python else "python",
            summary="Permissions that are unsafe on a machine with several users",
        ),
        files=(
            (f"{program}/{name}", b"#!/bin/sh\nid -un\n"),
            (f"{site}/{module}.pth", b"# read by every Python that starts\n"),
            (f"{site}/{module}/__init__.py", f'PREFIX = "{PREFIX_PLACEHOLDER}"\n'.encode()),
            (f"{site}/{module}/open/data.txt", b"data\n"),
            (f"{site}/{module}/private.txt", b"private\n"),
        ),
        modes=(
            (f"{program}/{name}", 0o6777),
            (f"{site}/{module}", 0o775),
            (f"{site}/{module}.pth", 0o666),
            (f"{site}/{module}/__init__.py", 0o666),
            (f"{site}/{module}/open", 0o3777),
            (f"{site}/{module}/open/data.txt", 0o664),
            (f"{site}/{module}/private.txt", 0o600),
        ),
    )


def conflicting(letter: str, needs: str) -> Sample:
    """Return a package without files that ``needs`` something."""
    return Sample(Package(f"conflict-{letter}", "1.0", "0", 0, "linux-64", (needs,), summary="One side of a conflict"))


SAMPLES = (
    *(prefixed(python) for python in PYTHONS),
    *(permissive(python) for python in (*PYTHONS, None)),
    conflicting("a", "idna <3.11"),
    conflicting("b", "idna >=3.11"),
)


def build(sample: Sample, out_dir: Path) -> Path:
    """Write the conda package of ``sample`` into ``out_dir``."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tree-", dir=out_dir) as scratch:
        tree = Path(scratch)
        for name, content in sample.files:
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755 if content.startswith(b"#!") else 0o644)
        for name, target in sample.links:
            (tree / name).symlink_to(target)
        return conda_package.write(sample.package, tree, out_dir, dict(sample.modes))
