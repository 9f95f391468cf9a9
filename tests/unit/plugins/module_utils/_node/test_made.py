# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was made: each thing once, with what stood there first, and nothing that was there already."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import UNKNOWN, Thing

BY = "pip_config"
MARK = "# ours"
NGINX, ANA = Thing("package", "nginx"), Thing("user", "ana")
THEIRS = Kept("theirs\n")
SHA256 = "sha256:" + hashlib.sha256(b"theirs\n").hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "evenkeel"))
    return tmp_path / "evenkeel"


def test_things_come_and_go_and_the_second_time_nothing_changes(folder: Path) -> None:
    made.note(BY, [NGINX, ANA])
    assert made.read(BY) == [NGINX, ANA]
    assert made.changes(BY, [NGINX]) == []
    assert (folder / "pip_config.json").stat().st_mode & 0o777 == 0o644
    made.note(BY, [], [NGINX])
    assert made.read(BY) == [ANA]
    made.note(BY, [], [ANA, NGINX])
    assert made.read(BY) == []
    assert list(folder.iterdir()) == []


def test_each_module_has_its_own() -> None:
    made.note(BY, [NGINX])
    made.note("front_door", [ANA])
    assert (made.read(BY), made.read("front_door")) == ([NGINX], [ANA])


@pytest.mark.parametrize(
    "damage",
    [
        *("", "\0" * 9, "{", "[]", "[" * 200_000, '{"made": 1}', '{"made": [{"kind": "x"}]}'),
        '{"made": [{"kind": "file", "name": ["x"]}]}',
        '{"made": [{"kind": "file", "name": "x", "before": null}]}',
    ],
    ids=lambda text: text[:60],
)
def test_a_damaged_record_is_replaced(folder: Path, damage: str) -> None:
    folder.mkdir()
    (folder / "pip_config.json").write_text(damage)
    assert made.read(BY) == []
    made.note(BY, [ANA])
    assert made.read(BY) == [ANA]


def test_a_record_of_a_newer_release_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    newer = json.dumps({"format": made.FORMAT + 1, "made": []})
    (folder / "pip_config.json").write_text(newer)
    with pytest.raises(EvenkeelError, match=r"pip_config\.json"):
        made.note(BY, [ANA])
    assert (folder / "pip_config.json").read_text() == newer


@pytest.mark.parametrize(
    ("change", "mark", "recorded"),
    [
        pytest.param(Change("/etc/x", None, Kept("new")), "", "absent", id="made"),
        pytest.param(Change("/etc/x", THEIRS, Kept(f"theirs\n{MARK}\n")), MARK, SHA256, id="edited"),
        pytest.param(Change("/etc/x", THEIRS, Kept("new")), "", SHA256, id="taken over"),
        pytest.param(Change("/etc/x", Kept(MARK), Kept(MARK)), MARK, UNKNOWN, id="ours, not recorded"),
        pytest.param(Change("/etc/x", THEIRS, THEIRS), MARK, None, id="theirs alone"),
        pytest.param(Change("/etc/x", THEIRS, THEIRS), "", None, id="as it was"),
        pytest.param(Change("/etc/x", THEIRS, None), "", None, id="removed"),
        pytest.param(Change("/etc/evenkeel/x", None, Kept("new")), "", None, id="ours by its path"),
    ],
)
def test_what_is_recorded_of_a_file(change: Change, mark: str, recorded: str | None) -> None:
    kept_files.apply_all(made.of_files(BY, [change], mark))
    assert [thing.before for thing in made.read(BY)] == ([recorded] if recorded else [])


def test_what_stood_there_first_stays_in_the_record_until_nothing_of_ours_is_left() -> None:
    ours = [Kept(f"theirs\n{MARK} {number}\n") for number in range(2)]
    for change in (Change("/etc/x", THEIRS, ours[0]), Change("/etc/x", *ours), Change("/etc/x", ours[1], ours[1])):
        kept_files.apply_all(made.of_files(BY, [change], MARK))
        assert made.read(BY) == [Thing("file", "/etc/x", SHA256)]
    kept_files.apply_all(made.of_files(BY, [Change("/etc/x", ours[1], THEIRS)], MARK))
    assert made.read(BY) == []
