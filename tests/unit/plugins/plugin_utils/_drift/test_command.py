# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``evenkeel drift``, as a program of the clone and of an installed collection."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import command
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import ORDER

from tests.unit.plugins.plugin_utils._drift.test_schema import SAMPLE

ROOT = Path(__file__).parents[5]
REPORT: dict[str, Any] = json.loads(SAMPLE.read_text())


def written(folder: Path, **other: Any) -> str:
    path = folder / "report.json"
    path.write_text(json.dumps({**REPORT, **other}))
    return str(path)


@pytest.mark.parametrize(
    ("state", "status"), [("equal", 0), ("drifted", 2), ("unknown", 3), ("unreachable", 4)], ids=ORDER
)
def test_each_state_has_its_status(state: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(name for name, host in REPORT["hosts"].items() if host["state"] == state)
    counts = {one: int(one == state) for one in ORDER}
    report = written(tmp_path, status=state, counts=counts, hosts={name: REPORT["hosts"][name]})
    assert command.main(["drift", report]) == status
    assert capsys.readouterr().out.splitlines()[-1] == f"{state}: 1 {state}"


@pytest.mark.parametrize("other", [{"kind": "preflight"}, {"format": 0}, {"hosts": {}}])
def test_what_can_t_be_read_has_a_status_of_its_own(
    other: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = written(tmp_path, **other)
    assert command.main(["drift", report]) == 5
    shown = capsys.readouterr()
    assert shown.out == ""
    assert report in shown.err


def test_an_old_report_is_refused_where_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["drift", str(SAMPLE), "--max-age", "0.001"]) == 5
    assert "hours ago. Run drift.yml" in capsys.readouterr().err
    new = written(tmp_path, created=datetime.now(UTC).isoformat())
    assert command.main(["drift", new, "--max-age", "1"]) == 4


def test_a_report_of_the_future_is_not_new_for_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ahead = written(tmp_path, created=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert command.main(["drift", ahead]) == 4
    assert command.main(["drift", ahead, "--max-age", "1"]) == 5
    assert "which is yet to come. Set the clock" in capsys.readouterr().err
    little = written(tmp_path, created=(datetime.now(UTC) + timedelta(minutes=1)).isoformat())
    assert command.main(["drift", little, "--max-age", "1"]) == 4


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "0", "1e300", "soon"])
def test_an_age_that_means_nothing_is_a_wrong_argument(hours: str) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["drift", str(SAMPLE), "--max-age", hours])
    assert caught.value.code == 64


def test_wrong_arguments_are_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["drift"])
    assert caught.value.code == 64
    assert "usage: evenkeel drift" in capsys.readouterr().err


def run(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as cron does: without this Python's environment, from anywhere."""
    return subprocess.run(
        [program, "drift", SAMPLE], capture_output=True, text=True, cwd=folder, env={"PATH": "/usr/bin:/bin"}
    )


def test_it_runs_from_the_clone_also_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "evenkeel"
    link.symlink_to(ROOT / "bin" / "evenkeel")
    for program in (link, ROOT / "bin" / "evenkeel"):
        done = run(program, tmp_path)
        assert (done.returncode, done.stderr) == (4, "")


def test_it_runs_from_an_installed_collection_without_ansible(tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections" / "evenkeel" / "gpu"
    rooms = ("module_utils/_node", "plugin_utils/_control", "plugin_utils/_drift", "plugin_utils/_preflight")
    for part in ("bin", *(f"plugins/{room}" for room in rooms)):
        shutil.copytree(ROOT / part, place / part)
    done = run(place / "bin" / "evenkeel", tmp_path)
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.splitlines()[-1] == "unreachable: 5 equal, 3 drifted, 3 unknown, 1 unreachable"


def test_it_says_its_version_with_pythons_library_alone() -> None:
    done = subprocess.run(
        [ROOT / "bin" / "evenkeel", "--version"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evenkeel {own_version()}\n", "")


def test_it_needs_no_newer_python_than_3_9() -> None:
    loaded = (
        "import sys; from {} import command; print(*(getattr(one, '__file__', '') for one in sys.modules.values()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded.format(command.__name__.rpartition(".")[0])],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "collections")},
    )
    sources = [Path(name) for name in done.stdout.split() if "/ansible_collections/" in name]
    assert {"command.py", "format.py", "schema.py", "summary.py"} <= {source.name for source in sources}
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(), feature_version=(3, 9))):
            assert not (isinstance(node, ast.keyword) and node.arg == "strict"), f"{source}: zip(strict=) is of 3.10"
            assert not (isinstance(node, ast.alias) and node.name == "UTC"), f"{source}: datetime.UTC is of 3.11"
