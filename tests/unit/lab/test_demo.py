# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lab import demo
from lab.errors import LabError

RECAP = """
PLAY RECAP *********************************************************************
debian12-1                 : ok=24   changed={first}    unreachable=0    failed=0    skipped=0
debian13-1                 : ok=24   changed={second}    unreachable=0    failed=0    skipped=0
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (RECAP.format(first=0, second=12), {"debian12-1": 0, "debian13-1": 12}),
        ("changed: [debian12-1]\n", {}),
    ],
)
def test_changes_are_read_from_the_recap(output: str, expected: dict[str, int]) -> None:
    assert demo.changes(output) == expected


def test_an_unchanged_run_is_accepted() -> None:
    demo.require_unchanged(RECAP.format(first=0, second=0))


@pytest.mark.parametrize(("output", "named"), [(RECAP.format(first=0, second=1), "debian13-1"), ("", "who knows")])
def test_a_run_that_changed_something_or_nothing_at_all_is_refused(output: str, named: str) -> None:
    with pytest.raises(LabError, match=named):
        demo.require_unchanged(output)


def test_a_failing_command_is_told_with_its_status() -> None:
    with pytest.raises(LabError, match="status 1"):
        demo.run("this_module_does_not_exist")


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this demo has its environments."""
    monkeypatch.setattr(demo, "ENVIRONMENTS", tmp_path / "environments")
    return tmp_path / "environments"


def test_a_demo_begins_without_what_the_last_one_left(environments: Path) -> None:
    demo.copy_environments()
    (environments / "minimal" / "conda-lock.yml").write_text("left\n")
    demo.add_package("minimal", "numpy")
    demo.copy_environments()
    assert {path.relative_to(environments) for path in environments.rglob("*.*")} == {
        path.relative_to(demo.SOURCES) for path in demo.SOURCES.rglob("*.*")
    }
    assert (environments / "minimal" / "environment.yml").read_bytes() == (
        demo.SOURCES / "minimal" / "environment.yml"
    ).read_bytes()


def test_an_added_package_is_one_of_condas(environments: Path) -> None:
    demo.copy_environments()
    demo.add_package("minimal", "numpy")
    declared = yaml.safe_load((environments / "minimal" / "environment.yml").read_text())
    assert declared["dependencies"] == ["python=3.11", "ipykernel", "numpy"]


def test_a_package_that_was_added_and_removed_leaves_the_file_as_it_was(environments: Path) -> None:
    demo.copy_environments()
    demo.add_package("minimal", "numpy")
    demo.remove_package("minimal", "numpy")
    assert (environments / "minimal" / "environment.yml").read_bytes() == (
        demo.SOURCES / "minimal" / "environment.yml"
    ).read_bytes()


@pytest.mark.parametrize("step", [demo.lock, demo.site, demo.compare])
def test_every_step_knows_where_the_environments_and_their_locks_are(
    environments: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[], str]
) -> None:
    monkeypatch.setattr(demo, "run", lambda *argv: " ".join(argv))
    assert str(environments) in step()
