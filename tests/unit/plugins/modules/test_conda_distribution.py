# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with an installer that is a small shell script."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_distribution

ROOT = Path(__file__).parents[4]
INSTALLER = """\
#!/bin/sh
set -eu
[ "$1 $2" = "-b -p" ]
echo run >>{calls}
mkdir -p "$3/conda-meta"
{then}
mkdir "$3/bin"
touch "$3/bin/conda"
"""

Result = dict[str, Any]


class Node:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capsys = directory, capsys
        self.prefix, self.store = directory / "opt" / "miniconda3", directory / "store"
        self.calls, self.end = directory / "calls", directory / "end"
        self.publish()

    def publish(self, then: str = "", version: str = "py313_26.7.1-0") -> None:
        """Offer an installer that does ``then`` half-way."""
        self.installer = self.directory / f"Miniconda3-{version}-Linux-x86_64.sh"
        self.installer.write_text(INSTALLER.format(calls=self.calls, then=then))

    @property
    def arguments(self) -> Result:
        return {
            "url": self.installer.as_uri(),
            "sha256": hashlib.sha256(self.installer.read_bytes()).hexdigest(),
            "prefix": str(self.prefix),
            "store": str(self.store),
            "retries": 0,
            "lock_timeout": 0,
            "shell_hook": False,
        }

    @property
    def home(self) -> Path:
        return self.store / f"{self.installer.stem}-{self.arguments['sha256'][:12]}"

    @property
    def runs(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def run(self, **more: object) -> Result:
        with patch_module_args({**self.arguments, **more}), pytest.raises(SystemExit):
            conda_distribution.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result

    def kill_at_work(self) -> None:
        """Run the module in a process of its own, killed half-way; the installer survives it until ``let_end``."""
        os.mkfifo(self.end)
        self.publish(then=f"kill -KILL $PPID; timeout 60 cat {self.end}; exit 1")
        program = (
            "import json, sys\n"
            "from ansible.module_utils.testing import patch_module_args\n"
            "from ansible_collections.evenkeel.gpu.plugins.modules import conda_distribution\n"
            "with patch_module_args(json.loads(sys.argv[1])): conda_distribution.main()\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        argv = [sys.executable, "-c", program, json.dumps(self.arguments)]
        assert subprocess.run(argv, env=environment, check=False).returncode == -signal.SIGKILL

    def let_end(self) -> None:
        self.end.write_text("")


@pytest.fixture
def node(capsys: pytest.CaptureFixture[str]) -> Iterator[Node]:
    with TemporaryDirectory(prefix="evenkeel-") as short:  # conda bears no long paths
        yield Node(Path(short), capsys)


def test_install_and_then_nothing(node: Node) -> None:
    result = node.run()
    assert result["changed"]
    assert result["diff"] == {"before": "absent\n", "after": f"{node.home}\n"}
    assert (result["prefix"], result["home"]) == (str(node.prefix), str(node.home))
    assert node.prefix.readlink() == node.home
    second = node.run()
    assert not second["changed"]
    assert second["diff"]["before"] == second["diff"]["after"] == f"{node.home}\n"
    assert node.runs == 1


def test_check_mode_tells_the_same_and_touches_nothing(node: Node) -> None:
    before = sorted(node.directory.rglob("*"))
    checked = node.run(_ansible_check_mode=True, _ansible_diff=True)
    assert sorted(node.directory.rglob("*")) == before
    done = node.run(_ansible_diff=True)
    assert (checked["changed"], checked["diff"], checked["home"]) == (True, done["diff"], done["home"])
    assert not node.run(_ansible_check_mode=True)["changed"]


def test_another_version_switches(node: Node) -> None:
    node.run()
    old = node.home
    node.publish(version="py311_26.7.1-0")
    assert node.run()["diff"] == {"before": f"{old}\n", "after": f"{node.home}\n"}
    assert node.prefix.readlink() == node.home
    assert old.is_dir()


@pytest.mark.parametrize("version", ["py313_26.7.1-0", "py311_26.7.1-0"], ids=["same version", "another version"])
def test_a_killed_run_is_healed_by_the_next(node: Node, version: str) -> None:
    node.kill_at_work()
    half_made = node.home
    node.publish(version=version)
    assert "is still locked by process" in node.run()["msg"]
    assert half_made.is_dir()
    assert not os.path.lexists(node.prefix)
    node.let_end()
    assert node.run(lock_timeout=60)["changed"]
    assert sorted(path.name for path in node.store.iterdir()) == [".lock", node.home.name]
    assert not node.run()["changed"]


def test_a_foreign_directory_is_refused_also_in_check_mode(node: Node) -> None:
    (node.prefix / "bin").mkdir(parents=True)
    for check_mode in (True, False):
        result = node.run(_ansible_check_mode=check_mode)
        assert result["failed"]
        assert result["msg"].startswith(f"{node.prefix} is a directory that Evenkeel did not make")
    assert [path.name for path in node.prefix.iterdir()] == ["bin"]
    assert not node.store.exists()
    assert node.runs == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sha256": "0" * 64}, "it was not executed and has been removed"),
        ({"sha256": "abc"}, "sha256 is 'abc', which is not 64 lower-case hexadecimal digits"),
        ({"url": "Miniconda3.sh"}, "url Miniconda3.sh is no http, https or file URL"),
        ({"prefix": "/opt//miniconda3"}, "prefix is '/opt//miniconda3', which is not a normalised absolute path"),
        ({"sha256": None}, "sha256 is ''"),
    ],
)
def test_bad_input_fails_before_anything_is_executed(node: Node, arguments: Result, message: str) -> None:
    result = node.run(**arguments)
    assert result["failed"]
    assert message in result["msg"]
    assert node.runs == 0
    assert not os.path.lexists(node.prefix)
    assert not node.store.exists() or [path.name for path in node.store.iterdir()] == [".lock"]


def test_a_failed_installer_tells_what_it_said(node: Node) -> None:
    node.publish(then="echo unpacking; echo glibc is too old >&2; exit 3")
    result = node.run()
    assert result["msg"].startswith(f"{node.installer.name} ended with status 3: glibc is too old. ")
    assert (result["rc"], result["stdout"], result["stderr"]) == (3, "unpacking\n", "glibc is too old\n")
    assert [path.name for path in node.store.iterdir()] == [".lock"]


def test_another_run_on_the_same_store_is_named(node: Node) -> None:
    with held(str(node.store / ".lock"), 0):
        result = node.run()
    assert result["failed"]
    assert f"{node.store}/.lock is still locked by process {os.getpid()}" in result["msg"]
    assert node.runs == 0


def test_what_another_run_did_meanwhile_is_not_done_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_the_other_run(path: str, timeout: float) -> object:
        monkeypatch.setattr(conda_distribution, "held", held)
        assert node.run()["changed"]
        return held(path, timeout)

    monkeypatch.setattr(conda_distribution, "held", wait_for_the_other_run)
    assert not node.run()["changed"]
    assert node.runs == 1
