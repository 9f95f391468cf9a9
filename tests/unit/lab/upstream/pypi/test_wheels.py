# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wheels a set of requirements reaches on a Python that is not the running one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.upstream.conda.debian_python import DebianPython
from lab.upstream.pypi import wheels
from lab.upstream.pypi.wheels import Wheel

OLD = DebianPython("3.11.2", "bookworm", (2, 36))
NEW = DebianPython("3.13.5", "trixie", (2, 41))


def _wheel(name: str, version: str, *requires: str) -> Wheel:
    return Wheel(f"{name}-{version}-py3-none-any.whl", "0" * 64, name, version, requires)


def _by_name(*found: Wheel) -> dict[str, Wheel]:
    return {wheel.name: wheel for wheel in found}


@pytest.mark.parametrize(
    ("python", "requirement", "counts"),
    [
        (OLD, "a; python_version < '3.12'", True),
        (NEW, "a; python_version < '3.12'", False),
        (OLD, "a; python_full_version < '3.11.3'", True),
        (NEW, "a; sys_platform == 'win32'", False),
        (NEW, "a; extra == 'x'", False),
        (NEW, "a", True),
    ],
)
def test_markers_are_those_of_the_target(python: DebianPython, requirement: str, counts: bool) -> None:
    assert bool(wheels.wanted([requirement], wheels.marker_environment(python), ())) is counts


def test_closure_follows_extras_and_drops_what_nobody_asks_for() -> None:
    known = _by_name(
        _wheel("app", "1", "schema[fmt]>=2"),
        _wheel("schema", "2", "core", "colors; extra == 'fmt'", "unused; extra == 'other'"),
        *(_wheel(name, "1") for name in ("core", "colors", "unused", "stray")),
    )
    reached, missing = wheels.closure(["app"], known, wheels.marker_environment(NEW))
    assert sorted(reached) == ["app", "colors", "core", "schema"]
    assert not missing


def test_closure_takes_an_extra_of_a_wheel_it_has_already_seen() -> None:
    known = _by_name(_wheel("a", "1", "b[x]"), _wheel("b", "1", "c; extra == 'x'"), _wheel("c", "1"))
    assert sorted(wheels.closure(["b", "a"], known, wheels.marker_environment(NEW))[0]) == ["a", "b", "c"]


def test_closure_ends_on_a_circle() -> None:
    known = _by_name(_wheel("a", "1", "b"), _wheel("b", "1", "a"))
    assert sorted(wheels.closure(["a"], known, wheels.marker_environment(NEW))[0]) == ["a", "b"]


@pytest.mark.parametrize(
    ("requirement", "missing"),
    [
        ("gone>=1; python_version >= '3.12'", {"gone>=1"}),
        ("old[x]>=2", {"old[x]>=2"}),
        ("old>=2; python_version < '3.12'", set()),
    ],
)
def test_closure_tells_what_is_asked_for_in_vain(requirement: str, missing: set[str]) -> None:
    known = _by_name(_wheel("app", "1", requirement), _wheel("old", "1"))
    assert wheels.closure(["app"], known, wheels.marker_environment(NEW))[1] == missing


def _report_entry(name: str, version: str, *requires: str) -> dict[str, object]:
    return {
        "download_info": {
            "url": f"https://index.example/f/{name}-{version}%2Bcpu-py3-none-any.whl",
            "archive_info": {"hashes": {"sha256": "ab" * 32}},
        },
        "metadata": {"name": name, "version": version, "requires_dist": list(requires), "requires_python": ">=3.9"},
    }


def test_a_report_entry_gives_a_wheel() -> None:
    assert wheels.from_report(_report_entry("Some_Thing", "1.0", "b")) == {
        "file_name": "Some_Thing-1.0+cpu-py3-none-any.whl",
        "sha256": "ab" * 32,
        "name": "some-thing",
        "version": "1.0",
        "requires": ["b"],
        "requires_python": ">=3.9",
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Let pip answer for the running Python: it leaves out what only the target's markers ask for."""
    calls: list[list[str]] = []

    def pip(*arguments: str | Path) -> None:
        words = [str(argument) for argument in arguments]
        names = [word for word in words[words.index("--report") + 2 :] if not word.startswith("-")]
        calls.append(names)
        entries = {"app": _report_entry("app", "1", "late>=1; python_version >= '3.12'"), "late>=1": None}
        entries["late>=1"] = _report_entry("late", "1")
        Path(words[words.index("--report") + 1]).write_text(json.dumps({"install": [entries[name] for name in names]}))

    monkeypatch.setattr(wheels, "_pip", pip)
    monkeypatch.setattr(wheels, "FOLDER", tmp_path)
    return calls


def test_pip_is_asked_again_for_what_its_own_markers_hid(asked: list[list[str]]) -> None:
    assert sorted(wheels.resolve(["app"], NEW)) == ["app", "late"]
    assert asked == [["app"], ["app", "late>=1"]]


def test_an_answer_is_kept(asked: list[list[str]]) -> None:
    first = wheels.resolve(["app"], OLD)
    assert wheels.resolve(["app"], OLD) == first
    assert asked == [["app"]]


def test_wheels_that_contradict_each_other_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wheels, "FOLDER", tmp_path)
    monkeypatch.setattr(wheels, "_pip_answer", lambda *_: [wheels.from_report(_report_entry("app", "1", "late>=1"))])
    with pytest.raises(LabError, match="late>=1"):
        wheels.resolve(["app"], NEW)
    assert not list(tmp_path.iterdir())


def test_only_absent_wheels_are_downloaded_and_leftovers_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wheels, "FOLDER", tmp_path / "wheels")
    monkeypatch.setattr(wheels.locks, "FOLDER", tmp_path / "locks")
    here, absent = _wheel("here", "1"), Wheel("absent-1-py3-none-any.whl", "1" * 64, "absent", "1")
    here.path.parent.mkdir(parents=True)
    here.path.touch()
    (tmp_path / "wheels" / ".partial-killed").mkdir()
    pinned: list[str] = []

    def pip(*arguments: str | Path) -> None:
        words = [str(argument) for argument in arguments]
        pinned.append(Path(words[words.index("--requirement") + 1]).read_text())
        Path(words[words.index("--dest") + 1], absent.file_name).touch()

    monkeypatch.setattr(wheels, "_pip", pip)
    reported: list[int] = []
    wheels.download([here, absent], NEW, reported.append)
    assert pinned == [f"absent==1 --hash=sha256:{'1' * 64}\n"]
    assert absent.path.exists()
    assert reported == [1, 1]
    assert not list((tmp_path / "wheels").glob(".partial-*"))
