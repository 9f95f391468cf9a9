# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the lab's package index for pip: a few wheels behind the pages of the simple repository API (PEP 503).

Each wheel's metadata lies beside it (PEP 658 and 714), so that resolvers need no wheel to read what it requires.
"""

from __future__ import annotations

import hashlib
import html
import re
import zipfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from packaging.version import Version
from rich.progress import Progress

from lab import cache, locks, paths
from lab.upstream.conda.debian_python import PYTHONS
from lab.upstream.pypi import sample_wheels, wheels
from lab.upstream.pypi.wheels import Wheel

# xxhash has a wheel for each Python; deprecation needs what the conda channel has too, packaging.
REQUIREMENTS = ("deprecation", "humanize", "idna", "tabulate", "xxhash")
# Something to update from.
OLDER = ("humanize==4.9.0",)
API_VERSION = "1.0"


def build(progress: Progress) -> Path:
    """Build the index where its sources have changed, and return its folder."""
    content_key = cache.key(Path(__file__), Path(wheels.__file__), Path(sample_wheels.__file__))
    with locks.held("simple-index"):
        if cache.published(paths.SIMPLE_INDEX) != content_key:
            stage = cache.staging(paths.SIMPLE_INDEX)
            write(_wheels(progress), stage)
            cache.publish(stage, paths.SIMPLE_INDEX, content_key)
    return paths.SIMPLE_INDEX


def write(found: Iterable[Wheel], folder: Path) -> None:
    """Write the index of the downloaded wheels into ``folder``: a page for it and one for each project."""
    projects: dict[str, list[Wheel]] = {}
    for wheel in found:
        projects.setdefault(wheel.name, []).append(wheel)
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(page("Simple index", [(name, f"{name}/", {}) for name in sorted(projects)]))
    for name, of_project in projects.items():
        (folder / name).mkdir()
        links = []
        for wheel in sorted(of_project, key=lambda wheel: (Version(wheel.version), wheel.file_name)):
            (folder / name / wheel.file_name).hardlink_to(wheel.path)
            text = metadata(wheel.path)
            (folder / name / f"{wheel.file_name}.metadata").write_bytes(text)
            attributes = {"data-core-metadata": f"sha256={hashlib.sha256(text).hexdigest()}"}
            if wheel.requires_python:
                attributes["data-requires-python"] = wheel.requires_python
            links.append((wheel.file_name, f"{quote(wheel.file_name)}#sha256={wheel.sha256}", attributes))
        (folder / name / "index.html").write_text(page(f"Links for {name}", links))


def metadata(wheel: Path) -> bytes:
    """Return what a wheel says about itself."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)))


def page(title: str, links: Iterable[tuple[str, str, Mapping[str, str]]]) -> str:
    """Return one page of PEP 503: a link for each text and address, with further attributes."""
    lines = [
        f'    <a href="{html.escape(address)}"'
        + "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
        + f">{html.escape(text)}</a><br/>\n"
        for text, address, attributes in links
    ]
    return (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        f'    <meta name="pypi:repository-version" content="{API_VERSION}">\n'
        f"    <title>{html.escape(title)}</title>\n  </head>\n  <body>\n{''.join(lines)}  </body>\n</html>\n"
    )


def _wheels(progress: Progress) -> set[Wheel]:
    """Return the index's wheels, on this machine."""
    found = {sample_wheels.ensure()}
    for python in PYTHONS:
        of_python = {wheel for roots in (REQUIREMENTS, OLDER) for wheel in wheels.resolve(roots, python).values()}
        bar = progress.add_task(f"Index for Python {python.version}", total=len(of_python))
        wheels.download(of_python, python, partial(progress.advance, bar))
        found |= of_python
    return found
