# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import re
from datetime import date

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import Installer

MINICONDA, MINIFORGE = "Miniconda3-{}-Linux-{}.sh", "Miniforge3-{}-Linux-{}.sh"


def known(name: str, version: str, architecture: str = "x86_64") -> Installer:
    installer = installers.parse(name.format(version, architecture))
    assert installer
    return installer


CANDIDATES = (
    known(MINICONDA, "py39_25.9.1-3"),
    known(MINICONDA, "py313_26.5.3-1"),
    known(MINICONDA, "py310_26.10.1-1"),
    known(MINICONDA, "py313_26.10.1-1"),
    known(MINICONDA, "py313_26.9.3-2"),
    known(MINICONDA, "py314_26.5.3-1", "aarch64"),
    known(MINIFORGE, "26.3.2-3"),
    known(MINIFORGE, "24.11.3-0"),
    known(MINICONDA, "py39_26.5.3-1", "aarch64"),
)


# parse


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("Miniconda3-py313_26.5.3-1-Linux-x86_64.sh", ("py313", "26.5.3-1", "x86_64")),
        ("Miniconda3-py38_4.8.2-Linux-aarch64.sh", ("py38", "4.8.2", "aarch64")),
        ("Miniconda3-4.7.12.1-Linux-x86_64.sh", ("", "4.7.12.1", "x86_64")),
        ("Miniforge3-26.3.2-3-Linux-aarch64.sh", ("", "26.3.2-3", "aarch64")),
    ],
)
def test_parse(file: str, parts: tuple[str, str, str]) -> None:
    assert installers.parse(file) == Installer(file, "", *parts)


@pytest.mark.parametrize(
    "file",
    [
        "Miniconda3-latest-Linux-x86_64.sh",
        "Miniconda3-py313_26.5.3-1-MacOSX-x86_64.sh",
        "Miniconda3-py313_26.5.3-1-Linux-ppc64le.sh",
        "Miniconda3-py313_26.5.3-1-Linux-x86_64.sh.sha256",
        "Miniconda2-4.7.12-Linux-x86_64.sh",
        "Mambaforge-23.11.0-0-Linux-x86_64.sh",
        "xMiniforge3-26.3.2-3-Linux-x86_64.sh",
        "",
    ],
)
def test_what_is_no_installer_of_a_known_distribution(file: str) -> None:
    assert installers.parse(file) is None


@pytest.mark.parametrize(
    ("installer", "path"),
    [
        (CANDIDATES[0], "Miniconda3-py39_25.9.1-3-Linux-x86_64.sh"),
        (CANDIDATES[6], "26.3.2-3/Miniforge3-26.3.2-3-Linux-x86_64.sh"),
    ],
)
def test_where_it_is_below_its_distributions_base(installer: Installer, path: str) -> None:
    assert installer.path == path
    assert installer.as_dict() == {
        "file": installer.file,
        "sha256": "",
        "python": installer.python,
        "version": installer.version,
        "architecture": "x86_64",
        "path": path,
    }


# choose


@pytest.mark.parametrize(
    ("distribution", "version", "architecture", "file"),
    [
        ("miniconda", "latest-known", "x86_64", MINICONDA.format("py313_26.10.1-1", "x86_64")),
        ("miniconda", "latest-known", "aarch64", MINICONDA.format("py314_26.5.3-1", "aarch64")),
        ("miniconda", "py313", "x86_64", MINICONDA.format("py313_26.10.1-1", "x86_64")),
        ("miniconda", "py39", "x86_64", MINICONDA.format("py39_25.9.1-3", "x86_64")),
        ("miniconda", "py313_26.9.3-2", "x86_64", MINICONDA.format("py313_26.9.3-2", "x86_64")),
        ("miniconda", "py313_27.1.0-0", "x86_64", MINICONDA.format("py313_27.1.0-0", "x86_64")),
        ("miniconda", "py38_4.8.2", "aarch64", MINICONDA.format("py38_4.8.2", "aarch64")),
        ("miniforge", "latest-known", "x86_64", MINIFORGE.format("26.3.2-3", "x86_64")),
        ("miniforge", "24.11.3-0", "x86_64", MINIFORGE.format("24.11.3-0", "x86_64")),
        ("miniforge", "26.3.2-3", "aarch64", MINIFORGE.format("26.3.2-3", "aarch64")),
    ],
)
def test_choose(distribution: str, version: str, architecture: str, file: str) -> None:
    assert installers.choose(distribution, version, architecture, CANDIDATES) == installers.parse(file)


def test_an_exact_version_that_is_known_has_its_checksum() -> None:
    (one,) = (Installer(CANDIDATES[1].file, "5" * 64, "py313", "26.5.3-1", "x86_64"),)
    assert installers.choose("miniconda", "py313_26.5.3-1", "x86_64", [one]).sha256 == "5" * 64
    assert installers.choose("miniconda", "py313_26.5.3-2", "x86_64", [one]).sha256 == ""


@pytest.mark.parametrize(
    ("distribution", "version", "architecture", "what", "remedy"),
    [
        ("anaconda", "latest-known", "x86_64", "There is no distribution 'anaconda'", "miniconda, miniforge"),
        ("miniconda", "py312", "x86_64", "version py312 could mean", "or one of py39, py310, py313$"),
        ("miniconda", "latest-known", "ppc64le", "miniconda for ppc64le is known", "^Write latest-known or an exact"),
        ("miniforge", "py313", "x86_64", "version py313 could mean", "^Write latest-known or an exact version$"),
        ("miniconda", "26.5.3-1", "x86_64", "'26.5.3-1' is not a version of miniconda", "py313_26.5.3-1"),
        ("miniforge", "py313_26.5.3-1", "x86_64", "is not a version of miniforge", "as in 26.3.2-3"),
        ("miniconda", "latest", "x86_64", "'latest' is not a version of miniconda", "or latest-known"),
        ("miniconda", "", "x86_64", "'' is not a version of miniconda", "or latest-known"),
        ("miniconda", "py313_26.5.3-1\n", "x86_64", "is not a version of miniconda", "or latest-known"),
        ("miniconda", "py313_../../26", "x86_64", "is not a version of miniconda", "or latest-known"),
    ],
)
def test_choose_refuses(distribution: str, version: str, architecture: str, what: str, remedy: str) -> None:
    with pytest.raises(EvenkeelError) as raised:
        installers.choose(distribution, version, architecture, CANDIDATES)
    assert what in raised.value.what
    assert re.search(remedy, raised.value.remedy)


# the data


def rows() -> list[dict[str, str]]:
    with installers.INSTALLERS.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_every_row_is_whole(row: dict[str, str]) -> None:
    assert list(row) == ["file", "sha256", "url", "sources"]
    assert installers.parse(row["file"])
    assert re.fullmatch("[0-9a-f]{64}", row["sha256"])
    assert row["url"].startswith("https://")
    assert row["url"].endswith(f"/{row['file']}")
    assert row["sources"]


@pytest.mark.parametrize("column", ["file", "sha256"])
def test_no_installer_is_there_twice(column: str) -> None:
    values = [row[column] for row in rows()]
    assert sorted(set(values)) == sorted(values)


def test_all_rows_are_known_and_in_order() -> None:
    known = installers.known()
    assert [(one.file, one.sha256) for one in known] == [(row["file"], row["sha256"]) for row in rows()]


@pytest.mark.parametrize("distribution", installers.DISTRIBUTIONS)
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_newest_is_known_with_its_checksum(distribution: str, architecture: str) -> None:
    newest = installers.choose(distribution, "latest-known", architecture, installers.known())
    assert newest.sha256
    assert newest.file.startswith(installers.DISTRIBUTIONS[distribution])


# unsupported_since


@pytest.mark.parametrize(
    ("file", "today", "reported"),
    [
        ("Miniconda3-py39_25.9.1-3-Linux-x86_64.sh", date(2025, 10, 31), None),
        ("Miniconda3-py39_25.9.1-3-Linux-x86_64.sh", date(2025, 11, 1), ("3.9", date(2025, 10, 1))),
        ("Miniconda3-py39_25.9.1-3-Linux-x86_64.sh", date(2026, 1, 1), ("3.9", date(2025, 10, 1))),
        ("Miniconda3-py313_26.5.3-1-Linux-x86_64.sh", date(2029, 10, 31), None),
        ("Miniconda3-py313_26.5.3-1-Linux-x86_64.sh", date(2029, 11, 1), ("3.13", date(2029, 10, 1))),
        ("Miniconda3-py399_99.1.1-1-Linux-x86_64.sh", date(2099, 1, 1), None),
        ("Miniforge3-26.3.2-3-Linux-x86_64.sh", date(2099, 1, 1), None),
        ("something.sh", date(2099, 1, 1), None),
    ],
)
def test_unsupported_since(file: str, today: date, reported: tuple[str, date] | None) -> None:
    assert installers.unsupported_since(file, today) == reported


def test_the_end_of_every_python_in_the_list_is_known() -> None:
    files = {one.file for one in installers.known() if one.python}
    assert [file for file in files if not installers.unsupported_since(file, date(2099, 1, 1))] == []
