# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with a conda that is a small shell script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_environment

ROOT = Path(__file__).parents[4]
CONDA = """\
#!/bin/sh
set -eu
[ "$1 $2 $3 $4 $5 $7" = "create --json --yes --quiet --prefix --file" ]
echo run >>{calls}
mkdir -p "$6/conda-meta"
{then}
tail -n +2 "$8" | while IFS='#' read -r url sha256; do
    stem=$(basename "$url" .conda)
    rest=${{stem%-*}}
    printf '{{"name": "%s", "version": "%s", "build": "%s", "sha256": "%s", "url": "%s"}}' \\
        "${{rest%-*}}" "${{rest##*-}}" "${{stem##*-}}" "$sha256" "$url" >"$6/conda-meta/$stem.json"
done
"""
MIRROR = "https://mirror.example/main/linux-64"
NODE_HAS = ("linux-64", {"__unix": "0", "__glibc": "2.36"})

Result = dict[str, Any]


def record(name: str, version: str) -> dict[str, str]:
    sha256 = (name + version).encode().hex().ljust(64, "0")
    url = f"{MIRROR}/{name}-{version}-0.conda"
    return {"name": name, "version": version, "build": "0", "sha256": sha256, "url": url}


RESOLVED = [record("python", "3.11.2"), record("numpy", "2.3.1")]
NEWER = [record("python", "3.11.2"), record("numpy", "2.4.0")]


class Node:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.root = directory / "evenkeel"
        self.prefix = self.root / "envs" / "ai-dev"
        self.generations = self.root / "generations" / "ai-dev"
        self.conda, self.calls, self.end = directory / "conda", directory / "calls", directory / "end"
        self.install_conda()
        self.arguments: Result = {
            "name": "ai-dev",
            "packages": ["python=3.11", "numpy"],
            "channels": ["https://mirror.example/main"],
            "root": str(self.root),
            "conda": str(self.conda),
            "lock_timeout": 0,
        }

    def install_conda(self, then: str = "") -> None:
        """Make the fake conda do ``then`` half-way."""
        self.conda.write_text(CONDA.format(calls=self.calls, then=then))
        self.conda.chmod(0o755)

    @property
    def runs(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def run(self, resolved: list[dict[str, str]] | None = None, **more: object) -> Result:
        with patch_module_args({**self.arguments, "resolved": resolved, **more}), pytest.raises(SystemExit):
            conda_environment.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result

    def kill_at_work(self, resolved: list[dict[str, str]]) -> None:
        """Run the module in a process of its own, killed half-way; conda survives it until ``let_end``."""
        os.mkfifo(self.end)
        self.install_conda(then=f"kill -KILL $PPID; timeout 60 cat {self.end}; exit 1")
        program = (
            "import json, sys\n"
            "from ansible.module_utils.testing import patch_module_args\n"
            "from ansible_collections.evenkeel.gpu.plugins.modules import conda_environment\n"
            "with patch_module_args(json.loads(sys.argv[1])): conda_environment.main()\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        argv = [sys.executable, "-c", program, json.dumps({**self.arguments, "resolved": resolved})]
        assert subprocess.run(argv, env=environment, check=False).returncode == -signal.SIGKILL
        self.install_conda()

    def let_end(self) -> None:
        self.end.write_text("")


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(conda_environment, "this_node", lambda: NODE_HAS)
    return Node(tmp_path, capsys)


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_unknown_list_asks_for_a_solve_and_touches_nothing(node: Node, check_mode: bool) -> None:
    result = node.run(_ansible_check_mode=check_mode)
    assert not result["changed"]
    assert result["unresolved"] == {
        "packages": ["numpy", "python=3.11"],
        "channels": ["https://mirror.example/main"],
        "platform": "linux-64",
        "virtual_packages": {"__unix": "0", "__glibc": "2.36"},
    }
    assert not node.root.exists()


def test_the_question_is_in_the_modules_words_not_the_tasks(node: Node) -> None:
    unresolved = node.run(packages="python=3.11,numpy", channels="main")["unresolved"]
    assert unresolved["packages"] == ["numpy", "python=3.11"]
    assert unresolved["channels"] == ["main"]


def test_build_and_then_nothing_without_a_solve(node: Node) -> None:
    result = node.run(RESOLVED)
    assert result["changed"]
    assert result["diff"] == {"before": "", "after": "numpy 2.3.1 0\npython 3.11.2 0\n"}
    assert result["prefix"] == str(node.prefix)
    assert result["generation"] == str(node.prefix.resolve()) == f"{node.generations}/{result['digest'][:16]}"
    second = node.run()
    assert not second["changed"]
    assert "unresolved" not in second
    assert second["diff"]["before"] == second["diff"]["after"]
    assert (second["digest"], second["generation"]) == (result["digest"], result["generation"])
    assert node.runs == 1


@pytest.mark.parametrize("packages", [["numpy", "python=3.11"], "python=3.11,numpy"], ids=["order", "string"])
def test_the_same_list_written_otherwise_is_known(node: Node, packages: object) -> None:
    node.run(RESOLVED)
    assert not node.run(packages=packages)["changed"]


@pytest.mark.parametrize("changed", [{"packages": ["python=3.11", "numpy>=2.4"]}, {"channels": ["main"]}])
def test_another_list_asks_for_a_solve(node: Node, changed: Result) -> None:
    node.run(RESOLVED)
    assert "unresolved" in node.run(**changed)
    result = node.run(NEWER, **changed)
    assert result["diff"] == {
        "before": "numpy 2.3.1 0\npython 3.11.2 0\n",
        "after": "numpy 2.4.0 0\npython 3.11.2 0\n",
    }
    assert not node.run(**changed)["changed"]
    assert len(list(node.generations.iterdir())) == 2


def test_an_answer_that_is_brought_goes_before_the_known_one(node: Node) -> None:
    node.run(RESOLVED)
    assert node.run(NEWER)["changed"]
    assert not node.run()["changed"]
    assert (node.prefix / "conda-meta" / "numpy-2.4.0-0.json").exists()


def test_check_mode_tells_the_same_and_touches_nothing(node: Node) -> None:
    checked = node.run(RESOLVED, _ansible_check_mode=True, _ansible_diff=True)
    assert not node.root.exists()
    done = node.run(RESOLVED, _ansible_diff=True)
    assert checked == done
    assert not node.run(_ansible_check_mode=True)["changed"]


def test_check_mode_needs_no_conda(node: Node) -> None:
    node.conda.unlink()
    assert node.run(RESOLVED, _ansible_check_mode=True)["changed"]
    result = node.run(RESOLVED)
    assert result["failed"]
    assert result["msg"].startswith(f"{node.conda}, which builds the environment ai-dev, is no program. ")


def test_drift_is_seen_and_healed_without_a_solve(node: Node) -> None:
    node.run(RESOLVED)
    (node.prefix / "conda-meta" / "numpy-2.3.1-0.json").unlink()
    checked = node.run(_ansible_check_mode=True)
    assert checked["changed"]
    assert checked["diff"] == {"before": "python 3.11.2 0\n", "after": "numpy 2.3.1 0\npython 3.11.2 0\n"}
    result = node.run()
    assert result["generation"].endswith("-2")
    assert not node.run()["changed"]


def test_a_killed_run_is_healed_by_the_next(node: Node) -> None:
    node.run(RESOLVED)
    live = node.prefix.resolve()
    node.arguments["packages"] = ["python=3.11", "numpy>=2.4"]
    node.kill_at_work(NEWER)
    assert "is still locked by process" in node.run(NEWER)["msg"]
    assert len(list(node.generations.iterdir())) == 2
    assert node.prefix.resolve() == live
    node.let_end()
    result = node.run(NEWER, lock_timeout=60)
    assert result["generation"] == str(node.prefix.resolve()) != str(live)
    assert sorted(path.name for path in node.prefix.parent.iterdir()) == ["ai-dev"]
    assert not node.run()["changed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "base"}, "name is 'base', which is the distribution's own environment"),
        ({"name": "a/b"}, "name is 'a/b', which is no name of an environment"),
        ({"name": "two words"}, "name is 'two words'"),
        ({"root": "/opt//evenkeel"}, "root is '/opt//evenkeel', which is not a normalised absolute path"),
        ({"resolved": [{"name": "numpy"}]}, "missing required arguments: build, sha256, url, version"),
    ],
)
def test_bad_input_fails_before_anything_is_read(node: Node, arguments: Result, message: str) -> None:
    for check_mode in (True, False):
        result = node.run(_ansible_check_mode=check_mode, **arguments)
        assert result["failed"]
        assert message in result["msg"]
    assert not node.root.exists()


def test_what_is_not_ours_is_refused_also_in_check_mode(node: Node) -> None:
    node.prefix.mkdir(parents=True)
    (node.prefix / "work").touch()
    for check_mode in (True, False):
        result = node.run(RESOLVED, _ansible_check_mode=check_mode)
        assert result["failed"]
        assert result["msg"].startswith(f"{node.prefix} is a directory that Evenkeel did not make")
    assert [path.name for path in node.prefix.iterdir()] == ["work"]
    assert node.runs == 0


def test_a_failed_build_tells_what_conda_said(node: Node) -> None:
    answer = json.dumps({"exception_name": "CondaHTTPError", "message": "HTTP 000 CONNECTION FAILED"})
    node.install_conda(then=f"echo '{answer}'; exit 1")
    result = node.run(RESOLVED)
    assert result["failed"]
    assert "conda could not build the environment ai-dev: HTTP 000 CONNECTION FAILED. " in result["msg"]
    assert (result["rc"], result["stdout"]) == (1, f"{answer}\n")
    assert not os.path.lexists(node.prefix)
    assert list(node.generations.iterdir()) == []


def test_another_run_on_the_same_cache_is_named(node: Node) -> None:
    with held(str(node.root / "locks" / "pkgs"), 0):
        result = node.run(RESOLVED)
    assert result["failed"]
    assert f"locks/pkgs is still locked by process {os.getpid()}" in result["msg"]
    assert node.runs == 0


def test_what_another_run_did_meanwhile_is_not_done_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_the_other_run(path: str, timeout: float) -> object:
        monkeypatch.setattr(conda_environment, "held", held)
        assert node.run(RESOLVED)["changed"]
        return held(path, timeout)

    monkeypatch.setattr(conda_environment, "held", wait_for_the_other_run)
    assert not node.run(RESOLVED)["changed"]
    assert node.runs == 1
