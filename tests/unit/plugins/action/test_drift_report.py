# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a drift report, from what was found on nodes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.action import drift_report, drift_verdict
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.history_branch import Branch

from tests.unit.plugins.plugin_utils._drift.test_schema import VALIDATOR

EQUAL = {"survey": {"asked": ["condarc"], "layers": {"condarc": {}}, "took": 1.0}}
GONE = {"unreachable": "No route to host"}

Result = dict[str, Any]


def drifted(text: str = "b") -> dict[str, Any]:
    changes = [{"task": "condarc", "diff": {"before": "a", "after": text}}]
    return {"survey": {"asked": ["condarc"], "layers": {"condarc": {"changes": changes}}, "took": 1.0}}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(drift_report, "show", lines.append)
    monkeypatch.setattr(drift_report, "warn", lines.append)
    return lines


def plugin(kind: Any, **options: Any) -> Any:
    task = SimpleNamespace(args=options, async_val=0, check_mode=False, diff=False)
    shell = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return kind(
        task=task, connection=shell, play_context=None, loader=None, templar=None, shared_loader_obj=SimpleNamespace()
    )


def write(folder: Path, limit: str = "", nodes: Any = None, **options: Any) -> Result:
    given = {"nodes": {"n1": EQUAL} if nodes is None else nodes, "begun": datetime.now(UTC).timestamp() - 2}
    action = plugin(drift_report.ActionModule, **given, site=str(folder), directory=str(folder / "drift"), **options)
    variables = {"groups": {"all": ["n1", "n2"], "gpu_nodes": ["n1", "n2"], "hopper": ["n2"]}, "ansible_limit": limit}
    result: Result = action.run(task_vars=variables)
    return result


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "drift" / "report.json").read_text())
    VALIDATOR.validate(found)
    return found


def listing(folder: Path) -> dict[str, str]:
    files = (folder / "drift").rglob("*")
    return {str(path.relative_to(folder)): path.read_text() for path in files if path.is_file()}


def test_all_forms_are_written(tmp_path: Path, shown: list[str]) -> None:
    result = write(tmp_path, nodes={"n2": drifted(), "n1": EQUAL, "n3": GONE}, limit="n[1:3]")
    assert (result["status"], result["counts"]["equal"]) == ("unreachable", 1)
    assert result["states"] == {"n1": "equal", "n2": "drifted", "n3": "unreachable"}
    found = report(tmp_path)
    assert found["limit"] == "n[1:3]"
    assert 2 <= found["seconds"] < 60
    assert found["hosts"]["n2"]["groups"] == ["gpu_nodes", "hopper"]
    assert found["hosts"]["n2"]["since"] == found["created"]
    assert found["hosts"]["n1"]["since"] is None
    (kept,) = (tmp_path / "drift" / "history").iterdir()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [*(tmp_path / "drift").iterdir(), kept]}
    expected = {"report.json": 0o600, "index.html": 0o600, "junit.xml": 0o600, "evenkeel.prom": 0o644, kept.name: 0o600}
    assert modes | expected == modes
    (text,) = shown
    lines = text.strip().splitlines()
    assert lines[-2:] == ["unreachable: 1 equal, 1 drifted, 1 unreachable", str(tmp_path / "drift" / "index.html")]


def test_the_history_says_since_when(tmp_path: Path, shown: list[str]) -> None:
    write(tmp_path, nodes={"n1": EQUAL, "n2": drifted()})
    first = report(tmp_path)
    days = [first["created"]]
    for day in (2, 1):
        made = datetime.now(UTC) - timedelta(days=day)
        days.append(made.isoformat(timespec="seconds"))
        path = tmp_path / "drift" / "history" / history.name_of(made, "")
        path.write_text(json.dumps({**first, "created": days[-1]}))
    write(tmp_path, nodes={"n1": drifted(), "n2": GONE})
    hosts = report(tmp_path)["hosts"]
    assert hosts["n1"]["since"] == report(tmp_path)["created"]
    assert hosts["n2"]["since"] == days[1]
    (tmp_path / "drift" / "history" / "drift-20200101T000000Z.json").write_text("{")
    write(tmp_path, keep=1)
    names = sorted(path.name for path in (tmp_path / "drift" / "history").iterdir())
    assert names[0] == "drift-20200101T000000Z.json", "what can't be read is not ours to delete"
    assert "drift-20200101T000000Z.json is no JSON" in "".join(shown)
    assert len(names) < 5


@pytest.mark.parametrize(
    ("kept", "left"), [({"keep": 1}, 1), ({"keep": 2}, 2), ({"keep_days": 3}, 2), ({"keep": 0, "keep_days": 0}, 3)]
)
def test_earlier_reports_are_kept_by_count_and_age(
    kept: dict[str, int], left: int, tmp_path: Path, shown: list[str]
) -> None:
    write(tmp_path)
    (first,) = (tmp_path / "drift" / "history").iterdir()
    made = {history.name_of(datetime.now(UTC) - timedelta(days=days), ""): days for days in (5, 2, 1)}
    for name, days in made.items():
        ago = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        (tmp_path / "drift" / "history" / name).write_text(json.dumps({**report(tmp_path), "created": ago}))
    first.unlink()
    write(tmp_path, **kept)
    found = sorted(path.name for path in (tmp_path / "drift" / "history").iterdir())
    assert found[:-1] == sorted(made)[3 - left :]


def test_a_history_on_a_branch(tmp_path: Path, shown: list[str]) -> None:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for arguments in (
        ("init", "--quiet"),
        ("config", "user.name", "Ana"),
        ("config", "user.email", "ana@site.example"),
    ):
        git(*arguments)
    kept = {"history_branch": "drift-history", "history_repository": str(tmp_path)}
    write(tmp_path, nodes={"n1": EQUAL, "n2": drifted()}, **kept)
    first = report(tmp_path)
    assert not (tmp_path / "drift" / "history").exists()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    ago = {**first, "created": yesterday.isoformat(timespec="seconds")}
    Branch(tmp_path, "drift-history").add(
        history.name_of(yesterday, ""), json.dumps(ago), without=(), message="Yesterday"
    )
    write(tmp_path, nodes={"n1": EQUAL, "n2": GONE}, keep=1, **kept)
    assert report(tmp_path)["hosts"]["n2"]["since"] == ago["created"]
    assert ago["created"] in (tmp_path / "drift" / "index.html").read_text()
    assert git("log", "--format=%s", "drift-history").splitlines() == [
        "unreachable: 1 equal, 1 unreachable",
        "Yesterday",
        "drifted: 1 equal, 1 drifted",
    ]
    assert history.name_of(yesterday, "") not in git("ls-tree", "--name-only", "drift-history").splitlines()
    assert git("status", "--porcelain") == ""


def test_a_report_that_can_not_be_kept_is_known_before_nodes_are_asked(tmp_path: Path, shown: list[str]) -> None:
    def asked(**options: Any) -> Result:
        action = plugin(drift_report.ActionModule, site=str(tmp_path), directory=str(tmp_path / "drift"), **options)
        result: Result = action.run(task_vars={})
        return result

    assert asked() == {"changed": False}
    on_branch = asked(history_branch="drift-history", history_repository=str(tmp_path))
    assert f"drift-history of {tmp_path} can't have drift reports: fatal: not a git repo" in on_branch["msg"]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "drift").mkdir()
    (tmp_path / "drift" / "index.html").write_text("mine")
    assert "so it is no folder of drift reports" in asked()["msg"]


def test_two_reports_of_a_second_are_both_kept(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(drift_report, "datetime", SimpleNamespace(now=lambda _zone: now))
    for nodes in ({"n1": EQUAL}, {"n1": drifted()}):
        write(tmp_path, nodes=nodes)
    assert len(list((tmp_path / "drift" / "history").iterdir())) == 2


def test_the_files_mode(tmp_path: Path, shown: list[str]) -> None:
    write(tmp_path, mode="0640")
    assert (tmp_path / "drift" / "report.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "rw"}, "drift_mode is 'rw'. Write it as octal digits"),
        ({"mode": 0o640}, "drift_mode is '416'"),
        ({"mode": "1777"}, "drift_mode is '1777'"),
        ({"keep": -1}, "drift_keep is -1"),
        ({"keep_days": -1}, "drift_keep_days is -1"),
        ({"history_branch": "drift"}, "history_branch is set, and history_repository is not"),
        ({"history_branch": "drift", "history_repository": "/nowhere"}, "drift of /nowhere can't have drift reports: "),
        ({"nodes": {}}, "No host was asked, so there is no report"),
    ],
)
def test_nothing_is_written_of_nothing(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    result = write(tmp_path, **options)
    assert result["failed"]
    assert said in result["msg"]
    assert not (tmp_path / "drift").exists()


@pytest.mark.parametrize("name", ["index.html", "report.json", "junit.xml"])
def test_files_that_are_no_report_s_are_not_replaced(name: str, tmp_path: Path, shown: list[str]) -> None:
    folder = tmp_path / "drift"
    folder.mkdir()
    (folder / name).write_text("somebody else's")
    result = write(tmp_path)
    assert result["failed"]
    assert f"{folder} has {name}, and no evenkeel.prom" in result["msg"]
    assert listing(tmp_path) == {f"drift/{name}": "somebody else's"}
    (folder / name).rename(folder / "notes.txt")
    for _time in range(2):
        assert "failed" not in write(tmp_path)
        (folder / name).write_text("damaged")
    assert (folder / "notes.txt").read_text() == "somebody else's"


def test_a_full_disk_leaves_the_last_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    write(tmp_path)
    before = listing(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = write(tmp_path, nodes={"n1": drifted()})
    assert result["failed"]
    assert f"{tmp_path / 'drift'}: No space left on device. Free some space" in result["msg"]
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("state", "fail", "failed", "unreachable"),
    [
        ("equal", True, False, False),
        ("drifted", True, True, False),
        ("unknown", True, True, False),
        ("drifted", False, False, False),
        ("unknown", False, False, False),
        ("unreachable", True, False, True),
        ("unreachable", False, False, True),
    ],
)
def test_the_verdict_on_a_node(state: str, fail: bool, failed: bool, unreachable: bool) -> None:
    result = plugin(drift_verdict.ActionModule, state=state, fail=fail).run(task_vars={})
    assert (result.get("failed", False), result.get("unreachable", False)) == (failed, unreachable)
    assert ("msg" in result) == (failed or unreachable)
