# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher goes back where a version can't run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import launch


class Installed:
    """Versions of a program that notes that it has run, and ends as it is to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "venvs/v/bin").mkdir(parents=True)

    def version(self, name: str, status: int) -> Path:
        """Have a version, and the node on it."""
        path = self.root / "versions" / name
        path.mkdir(parents=True)
        (path / "venv").symlink_to("../../venvs/v")
        ran = f"print(json.dumps([{name!r}, sys.argv[1:]]), file=open({str(self.root / 'ran')!r}, 'a'))"
        (path / launch.PROGRAM).write_text(f"import json, sys\n{ran}\nsys.exit({status})\n")
        current, previous = self.root / launch.CURRENT, self.root / launch.PREVIOUS
        if current.is_symlink():
            previous.unlink(missing_ok=True)
            current.rename(previous)
        current.symlink_to(f"versions/{name}")
        return path

    @property
    def ran(self) -> list[str]:
        return [json.loads(line)[0] for line in (self.root / "ran").read_text().splitlines()]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.mark.parametrize(("status", "works"), [(0, True), (3, False)])
def test_a_version_works_when_a_run_went_well(installed: Installed, status: int, works: bool) -> None:
    version = installed.version("a", status)
    assert launch.main(["--allow-older"], str(installed.root)) == status
    assert (version / launch.WORKS).exists() == works
    name, arguments = json.loads((installed.root / "ran").read_text())
    assert (name, arguments) == ("a", ["--python", f"{installed.root}/venvs/v/bin/python", "--allow-older"])


@pytest.mark.parametrize("status", [1, 2, 137])
def test_a_new_version_that_can_not_run_gives_way_to_the_one_before(installed: Installed, status: int) -> None:
    installed.version("a", 0)
    launch.main([], str(installed.root))
    broken = installed.version("b", status)
    assert launch.main([], str(installed.root)) == 0
    assert installed.ran == ["a", "b", "a"]
    assert (broken / launch.BROKEN).exists()
    assert (installed.root / launch.CURRENT).readlink() == Path("versions/a")
    assert launch.main([], str(installed.root)) == 0
    assert installed.ran[3:] == ["a"]


@pytest.mark.parametrize(("shown", "status"), [(["status"], 0), ([], 3)])
def test_a_version_that_has_done_nothing_yet_gives_way_later(
    installed: Installed, shown: list[str], status: int
) -> None:
    installed.version("a", 0)
    launch.main([], str(installed.root))
    later = installed.version("b", status)
    assert launch.main(shown, str(installed.root)) == status
    (later / launch.PROGRAM).write_text("import sys\nsys.exit(1)\n")
    assert launch.main(["status"], str(installed.root)) == 1
    assert (installed.root / launch.CURRENT).readlink() == Path("versions/b")
    assert launch.main([], str(installed.root)) == 0
    assert (installed.root / launch.CURRENT).readlink() == Path("versions/a")


def test_a_version_that_has_worked_stays_whatever_happens(installed: Installed) -> None:
    installed.version("a", 0)
    later = installed.version("b", 0)
    launch.main([], str(installed.root))
    (later / launch.PROGRAM).write_text("import sys\nsys.exit(1)\n")
    assert launch.main([], str(installed.root)) == 1
    assert (installed.root / launch.CURRENT).readlink() == Path("versions/b")


def test_the_first_version_has_none_before_it(installed: Installed) -> None:
    installed.version("a", 1)
    assert launch.main([], str(installed.root)) == 1
    assert (installed.root / launch.CURRENT).readlink() == Path("versions/a")
