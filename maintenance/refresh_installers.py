# SPDX-License-Identifier: GPL-3.0-or-later
"""Add the installers that an index lists, and the collection does not know yet, to its list.

The index is a page with a table of files and their SHA-256, as Anaconda publishes it, or the output of sha256sum, as
Miniforge's releases carry it beside each file; by its URL, or in a file. What is known already stays as it is.

    make installers INDEX=https://repo.anaconda.com/miniconda/
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import (
    DISTRIBUTIONS,
    INSTALLERS,
    Installer,
    parse,
)

COLUMNS = ("file", "sha256", "url", "sources")
#: Where each distribution's own site keeps its installers, by how their names begin.
HOMES = {
    "Miniconda3": "https://repo.anaconda.com/miniconda",
    "Miniforge3": "https://github.com/conda-forge/miniforge/releases/download",
}
SILENCE_SECONDS = 60
_SHA256 = re.compile("[0-9a-f]{64}")
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?:.*/)?(?P<file>[^/\s]+)")

Row = dict[str, str]


class Rows(HTMLParser):
    """The texts in the cells of each row of each table of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td" and self.rows:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def listed(index: str) -> Iterator[Installer]:
    """Return the installers that an index lists, with their SHA-256; everything else is skipped."""
    page = Rows()
    page.feed(index)
    cells = [(row[0], cell) for row in page.rows for cell in row if _SHA256.fullmatch(cell)]
    lines = [(hit["file"], hit["sha256"]) for line in index.splitlines() if (hit := _LINE.fullmatch(line.strip()))]
    for file, sha256 in (*cells, *lines):
        installer = parse(file)
        if installer and is_meant(installer):
            yield replace(installer, sha256=sha256)


def is_meant(installer: Installer) -> bool:
    """Whether a version can mean an installer; since 4.8 the names of Miniconda's contain their Python."""
    return bool(installer.python) == installer.file.startswith(DISTRIBUTIONS["miniconda"])


def merged(known: Sequence[Row], found: Iterable[Installer], source: str) -> list[Row]:
    """Return the known rows and those that an index adds to them, in the list's order; pure.

    Raises
    ------
    EvenkeelError
        The index contradicts a row, or itself.
    """
    rows = {row["file"]: row for row in known}
    for one in found:
        new = {"file": one.file, "sha256": one.sha256, "url": url(one), "sources": source}
        row = rows.setdefault(one.file, new)
        if row["sha256"] != one.sha256:
            raise EvenkeelError(
                f"{one.file} has the SHA-256 {row['sha256']} from {row['sources']}, and {one.sha256} from {source}",
                "Find out which one is right before anything is added",
            )
    return sorted(rows.values(), key=lambda row: position(row["file"]))


def url(installer: Installer) -> str:
    """Return where the distribution's own site has an installer."""
    return f"{HOMES[installer.file.split('-')[0]]}/{installer.path}"


def position(file: str) -> tuple[str, int, tuple[int, ...], str]:
    """Return what the list is sorted by: distribution, Python, version, architecture."""
    installer = parse(file)
    if not installer:
        raise EvenkeelError(f"{file} in {INSTALLERS} is not the name of an installer", "Fix or remove the line")
    version, python = installer.age
    return file.split("-")[0], python, version, installer.architecture


def read(path: Path) -> list[Row]:
    """Return the rows of the list."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def text(rows: Iterable[Mapping[str, str]]) -> str:
    """Return the list as its file holds it."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def fetch(index: str) -> str:
    """Return the text of an index, by its URL or in a file.

    Raises
    ------
    EvenkeelError
        It can't be had.
    """
    try:
        if re.match("https?://", index):
            with urllib.request.urlopen(index, timeout=SILENCE_SECONDS) as answer:  # noqa: S310 - http and https alone
                content: bytes = answer.read()
        else:
            content = Path(index).read_bytes()
        return content.decode()
    except (OSError, ValueError) as error:
        raise EvenkeelError(f"{index} can't be read: {error}", "Check the path or the URL") from error


def refresh(index: str, path: Path, today: str) -> list[str]:
    """Add to the list at ``path`` what an index has more; return the files' names.

    Raises
    ------
    EvenkeelError
        The index can't be fetched, lists no installer, or contradicts the list, which then stays as it was.
    """
    found = list(listed(fetch(index)))
    if not found:
        raise EvenkeelError(f"{index} lists no installer with its SHA-256", "Name an index of installers")
    known = read(path)
    rows = merged(known, found, f"{re.sub('^https?://', '', index).rstrip('/')}@{today}")
    if rows != known:
        path.write_text(text(rows), encoding="utf-8")
    before = {row["file"] for row in known}
    return [row["file"] for row in rows if row["file"] not in before]


def main() -> int:
    parser = argparse.ArgumentParser(prog="refresh_installers", description="Add an index's installers to the list.")
    parser.add_argument("index", help="URL or path of a page with a table of installers, or of a file of sha256sum")
    index = parser.parse_args().index
    try:
        added = refresh(index, INSTALLERS, datetime.now(UTC).date().isoformat())
    except EvenkeelError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(added) or "Nothing new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
