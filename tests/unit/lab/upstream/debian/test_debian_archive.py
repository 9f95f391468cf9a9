# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.upstream.debian import debian_archive
from lab.upstream.debian.debian_archive import Download

RELEASE = f"""\
SHA256:
 {"a" * 64}      100 main/binary-amd64/Packages
 {"b" * 64}       10 main/binary-amd64/Packages.xz
 {"c" * 64}       10 main/i18n/Translation-en.bz2
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main/binary-amd64/Packages", ("main/binary-amd64/Packages.xz", "b" * 64)),
        ("main/i18n/Translation-en", ("main/i18n/Translation-en.bz2", "c" * 64)),
    ],
)
def test_a_list_is_taken_as_the_archive_compresses_it(name: str, expected: tuple[str, str]) -> None:
    assert debian_archive.parse_list(RELEASE, name) == expected


def test_a_list_that_the_archive_lacks_is_named() -> None:
    with pytest.raises(LabError, match="contrib/binary-amd64/Packages"):
        debian_archive.parse_list(RELEASE, "contrib/binary-amd64/Packages")


def test_what_apt_would_download() -> None:
    printed = (
        "Reading package lists...\n"
        "'file:/www/debian/pool/main/g/gcc/gcc_12.2%2bb1%7erc_amd64.deb' gcc_12.2+b1~rc_amd64.deb 5 SHA256:ab\n"
    )
    expected = [Download("pool/main/g/gcc/gcc_12.2+b1~rc_amd64.deb", "SHA256:ab")]
    assert debian_archive.parse_uris(printed, "file:/www/debian") == expected
