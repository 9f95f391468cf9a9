# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the archive, and that its documents lead nowhere else."""

from __future__ import annotations

import posixpath
import re
import tarfile
from pathlib import Path

import pytest

CONTENT = {
    *("CHANGELOG.rst", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "docs"),
    *("LICENSE", "LICENSES", "REUSE.toml", "changelogs", "meta", "bindep.txt", "requirements.txt"),
    "requirements-env.txt",
    *("FILES.json", "MANIFEST.json", "bin", "playbooks", "plugins", "roles", "tests"),
}
_LINK = re.compile(r"!?\[[^]]*\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


@pytest.fixture(scope="module")
def files(artifact: Path) -> dict[str, bytes]:
    """Every file of the archive, with its content."""
    with tarfile.open(artifact) as archive:
        members = [member for member in archive if member.isfile() or member.issym()]
        return {member.name: stream.read() if (stream := archive.extractfile(member)) else b"" for member in members}


def test_nothing_else_is_in_it(files: dict[str, bytes]) -> None:
    assert {name.partition("/")[0] for name in files} == CONTENT
    of_tests = sorted(name for name in files if name.startswith("tests/"))
    assert of_tests == ["tests/config.yml", "tests/sanity/ignore-2.21.txt"]


def test_links_of_documents_lead_to_files_of_the_archive(files: dict[str, bytes]) -> None:
    documents = {name: content.decode() for name, content in files.items() if name.endswith(".md")}
    links = [
        (name, posixpath.normpath(posixpath.join(posixpath.dirname(name), link)))
        for name, text in documents.items()
        for link in _LINK.findall(text)
    ]
    known = {*files, *(posixpath.dirname(name) for name in files)}
    assert len(links) > 20
    assert [link for link in links if link[1] not in known] == []


def test_the_licence_is_whole(files: dict[str, bytes], artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        assert archive.extractfile("LICENSE").read() == files["LICENSES/GPL-3.0-or-later.txt"]  # type: ignore[union-attr]
