# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from maintenance import refresh_installers
from maintenance.refresh_installers import Row, listed, merged, read, refresh, text

A, B, C = "a" * 64, "b" * 64, "c" * 64
PY39, PY310 = "Miniconda3-py39_25.9.1-3-Linux-x86_64.sh", "Miniconda3-py310_26.5.3-1-Linux-aarch64.sh"
FORGE = "Miniforge3-26.3.2-3-Linux-x86_64.sh"
SOURCE = "mirror.example@2026-11-25"
PAGE = f"""\
<!DOCTYPE html>
<html><head><title>Index of /</title></head>
<body><table>
  <tr><th>Filename</th><th>Size</th><th>Last Modified</th><th>SHA256</th></tr>
  <tr><td><a href="{PY310}">{PY310}</a></td><td class="s">138.3M</td><td>2026-06-01 10:20:30</td>
      <td> {A}
      </td></tr>
  <tr><td><a href="x">Miniconda3-py310_26.5.3-1-MacOSX-arm64.sh</a></td><td>1M</td><td></td><td>{B}</td></tr>
  <tr><td>Miniconda3-latest-Linux-x86_64.sh</td><td>1M</td><td></td><td>{B}</td></tr>
  <tr><td>Miniconda3-4.7.12.1-Linux-x86_64.sh</td><td>1M</td><td></td><td>{B}</td></tr>
  <tr><td>Miniconda3-py38_4.8.2-Linux-x86_64.sh</td><td>1M</td><td></td><td>md5 of old</td></tr>
  <tr></tr>
  <tr><td><a href="{PY39}">{PY39}</a><td>1M<td><td>{C}
</table></body></html>
"""


def row(file: str, sha256: str, source: str = "known") -> Row:
    home = "https://repo.anaconda.com/miniconda"
    if file == FORGE:
        home = "https://github.com/conda-forge/miniforge/releases/download/26.3.2-3"
    return {"file": file, "sha256": sha256, "url": f"{home}/{file}", "sources": source}


# listed


@pytest.mark.parametrize(
    ("index", "found"),
    [
        (PAGE, [(PY310, A), (PY39, C)]),
        (f"{A}  {FORGE}\n", [(FORGE, A)]),
        (f"{A} *{FORGE}\r\n{B}  ./dist/{PY39}\n", [(FORGE, A), (PY39, B)]),
        (f"{A}  {FORGE}.sha256\n{A[:-1]}  {PY39}\n{FORGE}  {A}\n# {A}  {PY39}\n", []),
        (f"<table><tr><td>{A}</td><td>{PY39}</td></tr></table>", []),
        ("<!DOCTYPE html><title>Log in</title>", []),
        ("", []),
    ],
    ids=[
        "page",
        "sha256sum",
        "binaries, folders",
        "almost",
        "columns in disorder",
        "login",
        "empty",
    ],
)
def test_listed(index: str, found: list[tuple[str, str]]) -> None:
    assert [(one.file, one.sha256) for one in listed(index)] == found


# merged


@pytest.mark.parametrize(
    ("known", "index", "expected"),
    [
        ([], f"{A}  {PY39}", [row(PY39, A, SOURCE)]),
        ([row(PY39, A)], f"{A}  {PY39}", [row(PY39, A)]),
        ([row(PY39, A)], f"{B}  {PY310}\n{C}  {FORGE}", [row(PY39, A), row(PY310, B, SOURCE), row(FORGE, C, SOURCE)]),
        ([row(PY310, A), row(FORGE, C)], f"{B}  {PY39}", [row(PY39, B, SOURCE), row(PY310, A), row(FORGE, C)]),
    ],
    ids=["new", "known", "after", "before"],
)
def test_merged(known: list[Row], index: str, expected: list[Row]) -> None:
    assert merged(known, listed(index), SOURCE) == expected


def test_versions_are_in_order_and_not_in_that_of_their_letters() -> None:
    names = (
        "py38_4.10.3-Linux-x86_64",
        "py38_4.9.2-Linux-x86_64",
        "py310_4.9.2-Linux-x86_64",
        "py38_4.9.2-Linux-aarch64",
    )
    index = "\n".join(f"{A}  Miniconda3-{name}.sh" for name in names)
    assert [one["file"] for one in merged([], listed(index), SOURCE)] == [
        "Miniconda3-py38_4.9.2-Linux-aarch64.sh",
        "Miniconda3-py38_4.9.2-Linux-x86_64.sh",
        "Miniconda3-py38_4.10.3-Linux-x86_64.sh",
        "Miniconda3-py310_4.9.2-Linux-x86_64.sh",
    ]


@pytest.mark.parametrize(
    ("known", "index", "source"),
    [([row(PY39, A)], f"{B}  {PY39}", "known"), ([], f"{A}  {PY39}\n{B}  {PY39}", SOURCE)],
    ids=["the list", "itself"],
)
def test_a_contradiction_stops_with_both_checksums(known: list[Row], index: str, source: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^{PY39} has the SHA-256 {A} from {source}, and {B} from {SOURCE}"):
        merged(known, listed(index), SOURCE)


# the list itself


def test_the_list_is_written_as_it_is() -> None:
    known = read(refresh_installers.INSTALLERS)
    assert text(known) == refresh_installers.INSTALLERS.read_text()
    assert merged(known, [], SOURCE) == known


# refresh and main


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list with one installer."""
    path = tmp_path / "installers.tsv"
    path.write_text(text([row(PY39, C)]))
    monkeypatch.setattr(refresh_installers, "INSTALLERS", path)
    return path


def test_an_index_in_a_file_is_added_once(data: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    index.write_text(PAGE)
    assert refresh(str(index), data, "2026-11-25") == [PY310]
    assert read(data) == [row(PY39, C), row(PY310, A, f"{index}@2026-11-25")]
    before = data.stat().st_mtime_ns
    assert refresh(str(index), data, "2026-11-26") == []
    assert data.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{index} can't be read: "),
        (b"\xff\xfe", "{index} can't be read: "),
        (b"<!DOCTYPE html><title>Log in</title>", "{index} lists no installer with its SHA-256. "),
        (f"{B}  {PY310}\n{A}  {PY39}\n".encode(), f"{PY39} has the SHA-256 {C} from known, and {A} from "),
    ],
    ids=["missing", "no text", "login", "contradiction"],
)
def test_what_can_not_be_added_changes_nothing(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    message: str,
) -> None:
    index, before = tmp_path / "index", data.read_text()
    if content is not None:
        index.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["refresh_installers", str(index)])
    assert refresh_installers.main() == 1
    assert capsys.readouterr().err.startswith(message.format(index=index))
    assert data.read_text() == before


def test_what_was_added_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sums").write_text(f"{A}  {FORGE}\n")
    monkeypatch.setattr(sys, "argv", ["refresh_installers", str(tmp_path / "sums")])
    assert refresh_installers.main() == 0
    assert refresh_installers.main() == 0
    assert capsys.readouterr().out == f"{FORGE}\nNothing new\n"
