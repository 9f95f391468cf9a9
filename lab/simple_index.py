# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the lab's package index for pip: a few wheels behind the pages of the simple repository API (PEP 503)."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote

from rich.progress import Progress

from lab import cache, locks, paths, wheels
from lab.debian_python import PYTHONS
from lab.wheels import Wheel

REQUIREMENTS = ("humanize", "idna", "tabulate")
API_VERSION = "1.0"


def build(progress: Progress) -> Path:
    """Build the index where its sources have changed, and return its folder."""
    content_key = cache.key(Path(__file__), Path(wheels.__file__))
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
    (folder / "index.html").write_text(page("Simple index", [(name, f"{name}/", "") for name in sorted(projects)]))
    for name, of_project in projects.items():
        links = [
            (wheel.file_name, f"{quote(wheel.file_name)}#sha256={wheel.sha256}", wheel.requires_python)
            for wheel in of_project
        ]
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(page(f"Links for {name}", links))
        for wheel in of_project:
            (folder / name / wheel.file_name).hardlink_to(wheel.path)


def page(title: str, links: Iterable[tuple[str, str, str]]) -> str:
    """Return one page of PEP 503: a link for each text, address and range of Pythons."""
    lines = [
        f'    <a href="{html.escape(address)}"'
        + (f' data-requires-python="{html.escape(pythons)}"' if pythons else "")
        + f">{html.escape(text)}</a><br/>\n"
        for text, address, pythons in links
    ]
    return (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        f'    <meta name="pypi:repository-version" content="{API_VERSION}">\n'
        f"    <title>{html.escape(title)}</title>\n  </head>\n  <body>\n{''.join(lines)}  </body>\n</html>\n"
    )


def _wheels(progress: Progress) -> list[Wheel]:
    """Return the index's wheels, on this machine."""
    oldest = PYTHONS[0]
    found = list(wheels.resolve(REQUIREMENTS, oldest).values())
    bar = progress.add_task("Wheels for the index", total=len(found))
    wheels.download(found, oldest, partial(progress.advance, bar))
    return found
