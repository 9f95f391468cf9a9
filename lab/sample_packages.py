# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the conda packages that no wheel brings: every kind of file that is changed on its way in, and a conflict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import conda_package
from lab.conda_package import PREFIX_PLACEHOLDER, Package
from lab.debian_python import PYTHONS, DebianPython

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
    """

    package: Package
    files: tuple[tuple[str, bytes], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


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


def conflicting(letter: str, needs: str) -> Sample:
    """Return a package without files that ``needs`` something."""
    return Sample(Package(f"conflict-{letter}", "1.0", "0", 0, "linux-64", (needs,), summary="One side of a conflict"))


SAMPLES = (
    *(prefixed(python) for python in PYTHONS),
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
        return conda_package.write(sample.package, tree, out_dir)
