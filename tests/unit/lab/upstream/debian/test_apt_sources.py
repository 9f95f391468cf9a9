# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.upstream.debian import apt_sources
from lab.upstream.debian.apt_sources import Source

ONE_LINE = """\
# a comment
deb http://mirror.example/debian bookworm main contrib
deb [arch=amd64 signed-by=/k.gpg] https://third.example/apt bookworm-special main  # why
deb-src http://mirror.example/debian bookworm main
"""

STANZAS = """\
# head
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main
 contrib
# inside
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no
"""


def test_one_line_sources() -> None:
    assert apt_sources.parse_list(ONE_LINE) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("https://third.example/apt", "bookworm-special", ("main",)),
    ]


def test_stanza_sources() -> None:
    assert apt_sources.parse_deb822(STANZAS) == [
        Source("http://mirror.example/debian/", "trixie", ("main", "contrib")),
        Source("http://mirror.example/debian/", "trixie-updates", ("main", "contrib")),
    ]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], None),
        ([Source("http://a.example/debian/", "trixie", ("main",))], "http://a.example/debian"),
        ([Source("http://a.example/debian", "trixie-security", ("main",))], None),
        ([Source("http://a.example/linux/debian", "bookworm", ("stable",))], None),
        ([Source("cdrom:[Debian]/", "bookworm", ("main",))], None),
        (
            [
                Source("https://vendor.example/apt", "bookworm", ("main",)),
                Source("http://a.example/debian", "bookworm", ("main",)),
            ],
            "http://a.example/debian",
        ),
    ],
)
def test_main_archive(sources: list[Source], expected: str | None) -> None:
    assert apt_sources.main_archive(sources) == expected


def test_only_files_that_apt_reads_count(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a.sources").write_text(STANZAS)
    (parts / "b.list.disabled").write_text(ONE_LINE)
    assert {source.suite for source in apt_sources.configured(tmp_path)} == {"trixie", "trixie-updates"}


def test_a_local_mirror_list_is_followed(tmp_path: Path) -> None:
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("https://cloud.example/debian\nhttps://other.example/debian\n")
    source = Source(f"mirror+file:{mirrors}", "bookworm", ("main",))
    assert apt_sources.main_archive([source]) == "https://cloud.example/debian"


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(apt_sources.VARIABLE, "http://chosen.example/debian/")
    assert apt_sources.mirror() == "http://chosen.example/debian"


def test_no_archive_is_an_error_that_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(apt_sources.VARIABLE, raising=False)
    monkeypatch.setattr(apt_sources, "configured", list)
    with pytest.raises(LabError, match=apt_sources.VARIABLE):
        apt_sources.mirror()
