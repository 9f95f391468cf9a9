# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with a conda that is a small shell script."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment as logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import fetchable
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_cache import DamagedCache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import priority
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_environment

ROOT = Path(__file__).parents[4]
#: Each package brings one file, ``lib/NAME``, that holds its name.
CONDA = """\
#!/bin/sh
set -eu
[ "$1 $2 $3 $4 $5 $7" = "create --json --yes --quiet --prefix --file" ]
cat "$8" >>{calls}
mkdir -p "$6/conda-meta" "$6/lib"
{then}
tail -n +2 "$8" | while IFS='#' read -r url sha256; do
    stem=$(basename "$url" .conda)
    rest=${{stem%-*}}
    name=${{rest%-*}}
    printf %s "$name" >"$6/lib/$name"
    content=$(sha256sum <"$6/lib/$name")
    printf '{{"name": "%s", "version": "%s", "build": "%s", "sha256": "%s", "url": "%s", "files": ["lib/%s"],
        "paths_data": {{"paths": [{{"_path": "lib/%s", "path_type": "hardlink", "sha256": "%s"}}]}}}}' \\
        "$name" "${{rest##*-}}" "${{stem##*-}}" "$sha256" "$url" "$name" "$name" "${{content%% *}}" \\
        >"$6/conda-meta/$stem.json"
done
touch "$6/conda-meta/history"
"""
MIRROR = "https://mirror.example/pkgs/main/linux-64"
NODE_HAS = ("linux-64", {"__unix": "0", "__glibc": "2.36"})

Result = dict[str, Any]


def record(name: str, version: str) -> dict[str, str]:
    sha256 = (name + version).encode().hex().ljust(64, "0")
    url = f"{MIRROR}/{name}-{version}-0.conda"
    return {"name": name, "version": version, "build": "0", "sha256": sha256, "url": url}


RESOLVED = [record("python", "3.11.2"), record("numpy", "2.3.1")]
NEWER = [record("python", "3.11.2"), record("numpy", "2.4.0")]
PIP = {"name": "einops", "version": "0.8.1", "manager": "pip", "sha256": "ab" * 32}
LIST = {"packages": ["python=3.11", "numpy"], "channels": ["https://mirror.example/pkgs/main"]}
REQUEST = {**LIST, "pip": []}
OTHER_REQUEST = {**REQUEST, "packages": ["python=3.11", "numpy>=2.4"]}
NO_SOURCE = {"packages": None, "channels": None, "request": None}


def as_handed(arguments: Result) -> Result:
    """Return a module's arguments as its action hands them over."""
    options = {name: value for name, value in arguments.items() if name not in logic.FROM_ACTION}
    return {**options, HANDED: {name: arguments[name] for name in logic.FROM_ACTION if name in arguments}}


class Node:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.root = directory / "evenkeel"
        self.prefix = self.root / "envs" / "ai-dev"
        self.generations = self.root / "generations" / "ai-dev"
        self.conda, self.calls, self.end = directory / "conda", directory / "calls", directory / "end"
        self.jobs: list[Job] = []
        #: The URLs that rehearsals have asked, and those of them that fail.
        self.asked: list[str] = []
        self.failing: list[str] = []
        self.warnings: list[str] = []
        #: One for each run at the lowest priority.
        self.lowered: list[bool] = []
        self.install_conda()
        self.arguments: Result = {
            "name": "ai-dev",
            **LIST,
            "request": REQUEST,
            "installer": "conda",
            "root": str(self.root),
            "conda": str(self.conda),
            "lock_timeout": 0,
        }

    def compile_environment(self, job: Job, **_unused: object) -> Done:
        """Keep the job; nothing is compiled."""
        self.jobs.append(job)
        return Done()

    def install_conda(self, then: str = "") -> None:
        """Make the fake conda do ``then`` half-way."""
        self.conda.write_text(CONDA.format(calls=self.calls, then=then))
        self.conda.chmod(0o755)

    @property
    def runs(self) -> int:
        return self.calls.read_text().count("@EXPLICIT") if self.calls.exists() else 0

    def run(self, resolved: list[dict[str, str]] | None = None, **more: object) -> Result:
        arguments = {**self.arguments, "_ansible_diff": True, "resolved": resolved, **more}
        given = {name: value for name, value in arguments.items() if value is not None}
        with patch_module_args(as_handed(given)), pytest.raises(SystemExit):
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
        argv = [sys.executable, "-c", program, json.dumps(as_handed({**self.arguments, "resolved": resolved}))]
        assert subprocess.run(argv, env=environment, check=False).returncode == -signal.SIGKILL
        self.install_conda()

    def let_end(self) -> None:
        self.end.write_text("")

    def begin(self, url: str, timeout: float, retries: int) -> None:
        """Answer a rehearsal as the mirror does."""
        self.asked.append(url)
        if url in self.failing:
            raise EvenkeelError(f"{url} answered 404 Not Found", "Check it")


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(logic, "this_node", lambda: NODE_HAS)
    node = Node(tmp_path, capsys)
    monkeypatch.setattr(builder, "compile_environment", node.compile_environment)
    monkeypatch.setattr(fetchable, "beginning", node.begin)
    monkeypatch.setattr(fetchable, "_found", {})
    monkeypatch.setattr(Module, "warn", lambda _module, text: node.warnings.append(text))
    monkeypatch.setattr(priority, "lower", lambda: node.lowered.append(True))
    return node


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


# what is to be built


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_unknown_list_asks_for_a_solve_and_touches_nothing(node: Node, check_mode: bool) -> None:
    result = node.run(_ansible_check_mode=check_mode)
    assert not result["changed"]
    assert result["unresolved"] == {"platform": "linux-64", "virtual_packages": {"__unix": "0", "__glibc": "2.36"}}
    assert not node.root.exists()


@pytest.mark.parametrize("source", ["environment", "lock", "explicit"])
def test_what_only_the_control_node_can_read_asks_for_its_answer(node: Node, source: str) -> None:
    arguments = {**NO_SOURCE, source: "/environments/ai-dev/file"}
    assert "unresolved" in node.run(**arguments)
    assert node.run(RESOLVED, **arguments)["changed"]
    assert not node.run(RESOLVED, **arguments)["changed"]


def test_build_and_then_nothing_without_a_solve(node: Node) -> None:
    result = node.run(RESOLVED)
    assert result["changed"]
    assert result["plan"] == ["+ numpy 2.3.1 (main)", "+ python 3.11.2 (main)"]
    assert result["diff"] == {"prepared": "+ numpy 2.3.1 (main)\n+ python 3.11.2 (main)\n"}
    assert result["prefix"] == str(node.prefix)
    assert result["installer"] == "conda"
    assert result["generation"] == str(node.prefix.resolve()) == f"{node.generations}/{result['digest'][:16]}"
    second = node.run()
    assert not second["changed"]
    assert "unresolved" not in second
    assert (second["plan"], second["diff"]) == ([], {"prepared": ""})
    assert [second[key] for key in ("digest", "generation", "installer")] == [
        result[key] for key in ("digest", "generation", "installer")
    ]
    assert node.runs == 1


def test_another_list_asks_for_a_solve(node: Node) -> None:
    first = node.run(RESOLVED)
    assert "unresolved" in node.run(request=OTHER_REQUEST)
    result = node.run(NEWER, request=OTHER_REQUEST)
    names = [Path(done["generation"]).name for done in (first, result)]
    assert result["plan"] == ["~ numpy 2.3.1 -> 2.4.0", f"~ generation {names[0]} -> {names[1]}"]
    assert not node.run(request=OTHER_REQUEST)["changed"]
    assert files(node.generations) == sorted(names)


def test_an_answer_that_is_brought_goes_before_the_known_one(node: Node) -> None:
    node.run(RESOLVED)
    assert node.run(NEWER)["changed"]
    assert not node.run()["changed"]
    assert (node.prefix / "conda-meta" / "numpy-2.4.0-0.json").exists()


def test_variables_are_part_of_the_environment(node: Node) -> None:
    node.run(RESOLVED)
    result = node.run(variables={"OMP_NUM_THREADS": "4"})
    assert result["plan"][0] == "+ variable OMP_NUM_THREADS"
    assert not node.run(variables={"OMP_NUM_THREADS": "4"})["changed"]


# check mode


def test_check_mode_tells_the_same_and_touches_nothing(node: Node) -> None:
    checked = node.run(RESOLVED, _ansible_check_mode=True)
    assert not node.root.exists()
    done = node.run(RESOLVED)
    assert done.pop("installer") == "conda"
    assert done.pop("bytecode") == {"compiled": 0, "received": 0}
    assert checked == done
    assert not node.run(_ansible_check_mode=True)["changed"]


def test_check_mode_asks_the_mirror_for_what_the_cache_lacks(node: Node) -> None:
    mirrors = {"https://mirror.example": "http://closer.example/conda"}
    closer = "http://closer.example/conda/pkgs/main/linux-64/numpy-2.3.1-0.conda"
    node.failing.append(closer)
    result = node.run(RESOLVED, mirrors=mirrors, _ansible_check_mode=True)
    assert result["failed"]
    assert result["msg"].startswith(f"The environment ai-dev can't be built: {closer} answered 404 Not Found. Check ")
    assert node.asked == [closer]
    assert not node.root.exists()

    for package in RESOLVED:
        index = node.root / "pkgs" / "conda" / "{name}-{version}-{build}".format(**package) / "info" / "index.json"
        index.parent.mkdir(parents=True)
        index.touch()
    assert node.run(RESOLVED, mirrors=mirrors, _ansible_check_mode=True)["changed"]
    assert node.asked == [closer]


def test_without_changes_nobody_is_asked(node: Node) -> None:
    node.run(RESOLVED)
    for resolved in (RESOLVED, None):
        assert not node.run(resolved, _ansible_check_mode=True)["changed"]
    assert node.asked == []


def test_check_mode_reads_the_archives_that_are_files(node: Node, tmp_path: Path) -> None:
    archive = tmp_path / "python-3.11.2-0.conda"
    archive.write_text("damaged")
    package = {**RESOLVED[0], "url": archive.as_uri()}
    result = node.run([package], _ansible_check_mode=True)
    assert result["msg"].startswith(f"The package python at {archive} has the SHA-256 ")
    assert not node.root.exists()


def test_check_mode_names_what_a_runtime_lacks(node: Node, tmp_path: Path) -> None:
    node.root.mkdir()
    runtime = {"runtime": str(tmp_path / "runtime")}
    arguments = {**runtime, "installer": "rattler", "_ansible_check_mode": True}
    assert node.run(RESOLVED, **arguments)["changed"]
    (tmp_path / "runtime").mkdir()
    assert node.run(RESOLVED, **arguments)["msg"].startswith("The installer rattler can't be used: ")
    with_pip = node.run([*RESOLVED, PIP], **runtime, _ansible_check_mode=True)
    assert with_pip["msg"].startswith(f"{tmp_path}/runtime/bin/uv, which installs the environment's pip packages, is")


def test_check_mode_needs_no_conda(node: Node) -> None:
    node.conda.unlink()
    assert node.run(RESOLVED, _ansible_check_mode=True)["changed"]
    result = node.run(RESOLVED)
    assert result["failed"]
    assert result["msg"].startswith(f"{node.conda}, which builds environments, is not a program. ")
    assert files(node.generations) == []


# drift


def test_drift_is_seen_and_healed_without_a_solve(node: Node) -> None:
    node.run(RESOLVED)
    (node.prefix / "conda-meta" / "numpy-2.3.1-0.json").unlink()
    checked = node.run(_ansible_check_mode=True)
    assert checked["changed"]
    assert checked["plan"][0] == "+ numpy 2.3.1 (main)"
    result = node.run()
    assert result["generation"].endswith("-2")
    assert result["plan"] == checked["plan"]
    assert not node.run()["changed"]


@pytest.mark.parametrize("keep", [1, 3])
def test_files_of_users_are_listed_and_kept(node: Node, keep: int) -> None:
    first = Path(node.run(RESOLVED)["generation"])
    (first / "work.ipynb").write_text("mine")
    assert not node.run(keep=keep)["changed"]
    (first / "conda-meta" / "numpy-2.3.1-0.json").unlink()
    for check_mode in (True, False):
        result = node.run(keep=keep, _ansible_check_mode=check_mode)
        assert result["user_files"] == ["lib/numpy", "work.ipynb"]
    kept = node.root / "kept" / "ai-dev" / first.name / "work.ipynb"
    assert (kept if keep == 1 else first / "work.ipynb").read_text() == "mine"
    assert result.get("kept", []) == ([f"{kept.parent}/lib/numpy", str(kept)] if keep == 1 else [])
    assert first.exists() == (keep != 1)
    assert not node.run(keep=keep)["changed"]


@pytest.mark.parametrize(("change", "word"), [("edit", "edited"), ("remove", "missing")])
def test_only_a_look_at_every_file_finds_an_edited_one(node: Node, change: str, word: str) -> None:
    node.run(RESOLVED)
    path = node.prefix / "lib" / "numpy"
    if change == "edit":
        path.write_text("NUMPY")
    else:
        path.unlink()
    assert not node.run()["changed"]
    checked = node.run(verify="files", _ansible_check_mode=True)
    assert checked["plan"][0] == f"! {word} lib/numpy"
    result = node.run(verify="files")
    assert result["generation"].endswith("-2")
    assert not node.run(verify="files")["changed"]
    assert not node.warnings


def test_caches_that_fed_a_damaged_file_lose_it_and_are_named(node: Node) -> None:
    node.run(RESOLVED)
    homes = [node.root / "pkgs" / "rattler" / name for name in ("numpy-2.3.1-0", "python-3.11.2-0")]
    for home in homes:
        (home / "info").mkdir(parents=True)
        (home / "file").write_text("good")
        entry = {"_path": "file", "path_type": "hardlink", "sha256": hashlib.sha256(b"good").hexdigest()}
        (home / "info" / "paths.json").write_text(json.dumps({"paths": [entry]}))
        (home / "info" / "index.json").write_text('{"name": "any"}')
    (homes[0] / "file").write_text("")
    assert not node.run(verify="files")["changed"]
    assert homes[0].exists()
    os.truncate(node.prefix / "lib" / "numpy", 0)
    assert node.run(verify="files")["changed"]
    assert [home.exists() for home in homes] == [False, True]
    (warning,) = node.warnings
    assert warning.startswith(
        f"The package caches in {node.root}/pkgs were damaged; the damaged entries are fetched again: "
    )
    assert "rattler/numpy-2.3.1-0 (file)." in warning


def test_a_build_that_meets_a_damaged_cache_is_begun_anew_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_environment(job: Job, **_unused: object) -> Done:
        node.jobs.append(job)
        if len(node.jobs) == 1:
            raise DamagedCache("lib/numpy is not what the package numpy brought", "Remove it")
        return Done()

    monkeypatch.setattr(builder, "compile_environment", compile_environment)
    assert node.run(RESOLVED)["changed"]
    assert node.runs == len(node.jobs) == 2
    assert not node.run()["changed"]


@pytest.mark.parametrize(
    ("handed", "specs"),
    [
        ({}, ("python=3.11", "numpy")),
        ({"request": None, "specs": ["numpy >=2"]}, ("numpy >=2",)),
        ({"request": None}, ()),
    ],
    ids=["solved", "locked", "a lock alone"],
)
def test_what_was_asked_for_stands_in_the_history(node: Node, handed: Result, specs: tuple[str, ...]) -> None:
    assert node.run(RESOLVED, **handed)["changed"]
    assert [job.specs for job in node.jobs] == [specs]
    text = (node.prefix / "conda-meta" / "history").read_text()
    assert text.splitlines()[2 + len(RESOLVED) :] == ([f"# update specs: {list(specs)}"] if specs else [])


@pytest.mark.parametrize(("connections", "message"), [(3, ""), (0, "connections is 0. Give how many")])
def test_connections(node: Node, connections: int, message: str) -> None:
    result = node.run(RESOLVED, connections=connections)
    assert result.get("msg", "").startswith(message)
    assert [job.connections for job in node.jobs] == ([] if message else [connections])


# generations


def test_a_switch_back_and_forth(node: Node) -> None:
    first, second = node.run(RESOLVED), node.run(NEWER, request=OTHER_REQUEST)
    checked = node.run(generation="-1", _ansible_check_mode=True, **NO_SOURCE)
    assert checked["plan"][0] == "~ numpy 2.4.0 -> 2.3.1"
    assert str(node.prefix.resolve()) == second["generation"]
    result = node.run(generation="-1", **NO_SOURCE)
    assert (result["digest"], result["generation"]) == (first["digest"], first["generation"])
    assert result["plan"] == checked["plan"]
    assert str(node.prefix.resolve()) == first["generation"]
    assert not node.run(generation=first["digest"], **NO_SOURCE)["changed"]
    assert not node.run()["changed"]
    assert node.runs == 2


def test_a_build_ahead_waits_for_its_switch_which_solves_and_builds_nothing(node: Node) -> None:
    first = node.run(RESOLVED)["generation"]
    assert not node.lowered
    checked = node.run(NEWER, request=OTHER_REQUEST, switch=False, _ansible_check_mode=True)
    built = node.run(NEWER, request=OTHER_REQUEST, switch=False)
    assert (
        built["plan"]
        == checked["plan"]
        == [
            "~ numpy 2.3.1 -> 2.4.0",
            f"+ generation {Path(built['generation']).name}, not switched to",
        ]
    )
    assert built["built_ahead"]
    assert node.lowered == [True]
    assert str(node.prefix.resolve()) == first
    assert node.run(RESOLVED, keep=1)["generation"] == first
    assert not node.run(switch=False, request=OTHER_REQUEST)["changed"]
    assert node.run(request=OTHER_REQUEST, _ansible_check_mode=True)["built_ahead"]
    switched = node.run(request=OTHER_REQUEST)
    assert switched["plan"][-1] == f"~ generation {Path(first).name} -> {Path(built['generation']).name}"
    assert not switched["built_ahead"]
    assert str(node.prefix.resolve()) == built["generation"]
    assert node.runs == 2


def test_a_first_build_ahead_makes_no_name(node: Node) -> None:
    built = node.run(RESOLVED, switch=False)
    assert built["built_ahead"]
    assert not node.prefix.is_symlink()
    assert not node.run()["built_ahead"]
    assert node.prefix.is_symlink()
    assert node.runs == 1


def test_without_the_switch_absent_removes_nothing(node: Node) -> None:
    first = node.run(RESOLVED)["generation"]
    assert not node.run(state="absent", switch=False, **NO_SOURCE)["changed"]
    assert str(node.prefix.resolve()) == first


def test_a_generation_that_is_there_can_only_be_switched_to(node: Node) -> None:
    result = node.run(generation="-1", switch=False, **NO_SOURCE)
    assert result["msg"] == "switch is false, and generation is '-1', which is there already. Set one of the two."


def test_a_generation_that_is_not_there_fails_and_changes_nothing(node: Node) -> None:
    first = node.run(RESOLVED)
    result = node.run(generation="-1", **NO_SOURCE)
    assert result["failed"]
    assert "The environment ai-dev has no generation 1 steps back" in result["msg"]
    assert str(node.prefix.resolve()) == first["generation"]


def test_only_as_many_generations_as_are_wanted_stay(node: Node) -> None:
    for version in ("2.1", "2.2", "2.3", "2.4"):
        last = node.run([record("numpy", version)], keep=2)
    assert len(files(node.generations)) == 2
    assert last["plan"][-1].startswith("- generation ")
    assert not node.run(keep=2)["changed"]
    assert node.run(keep=1)["plan"][0].startswith("- generation ")


def test_a_pin_is_set_and_taken_back(node: Node) -> None:
    first = Path(node.run(RESOLVED)["generation"])
    assert node.run(pin=True)["plan"] == [f"~ pinned generation {first.name}"]
    assert not node.run(pin=True)["changed"]
    node.run(NEWER, keep=1)
    assert first.is_dir()


def test_what_a_process_uses_stays(node: Node) -> None:
    first = node.run(RESOLVED)["generation"]
    with subprocess.Popen(["cat"], cwd=first, stdin=subprocess.PIPE) as process:
        node.run(NEWER, keep=1)
        assert Path(first).is_dir()
        result = node.run(state="absent", **NO_SOURCE)
        assert result["changed"]
        assert files(node.generations) == [Path(first).name]
        process.communicate()
    assert node.run(state="absent", **NO_SOURCE)["plan"] == [f"- generation {Path(first).name}"]
    assert not node.generations.exists()


def test_absent_and_then_nothing(node: Node) -> None:
    node.run(RESOLVED)
    checked = node.run(state="absent", _ansible_check_mode=True, **NO_SOURCE)
    assert node.prefix.exists()
    result = node.run(state="absent", **NO_SOURCE)
    assert checked == result
    assert result["plan"][:2] == ["- numpy 2.3.1", "- python 3.11.2"]
    assert "generation" not in result
    assert not os.path.lexists(node.prefix)
    assert not node.run(state="absent", **NO_SOURCE)["changed"]


def test_an_environment_made_by_hand_is_adopted_on_wish_alone(node: Node) -> None:
    meta = node.prefix / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").touch()
    (meta / "six-1.0-0.json").write_text(json.dumps(record("six", "1.0")))
    for check_mode in (True, False):
        result = node.run(RESOLVED, _ansible_check_mode=check_mode)
        assert result["failed"]
        assert "or take it over with adopt: true" in result["msg"]
    result = node.run(RESOLVED, adopt=True)
    assert "- six 1.0" in result["plan"]
    assert len(files(node.generations)) == 2
    assert not node.run(adopt=True)["changed"]
    assert not node.run()["changed"]
    assert node.run(generation="-1", **NO_SOURCE)["installer"] == "adopted"


# how it is built


def test_mirrors_are_asked_and_not_recorded(node: Node) -> None:
    node.run(RESOLVED, mirrors={"https://mirror.example": "http://near.example/anaconda"})
    assert f"http://near.example/anaconda/pkgs/main/linux-64/numpy-2.3.1-0.conda#{RESOLVED[1]['sha256']}" in (
        node.calls.read_text().splitlines()
    )
    assert MIRROR in (node.prefix / "conda-meta" / "evenkeel").read_text()
    assert not node.run(mirrors={})["changed"]


def test_auto_says_why_it_took_conda(node: Node) -> None:
    assert node.run(RESOLVED, installer="auto")["installer"] == "conda"
    node.run(installer="auto")
    assert node.warnings == ["The environment ai-dev is built with conda: there is no private runtime"]


def test_bytecode_is_compiled_before_the_name_means_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(job: Job, **_unused: object) -> Done:
        assert not os.path.lexists(node.prefix)
        assert Path(job.prefix, "lib", "numpy").exists()
        raise EvenkeelError("It does not compile", "Fix it")

    monkeypatch.setattr(builder, "compile_environment", look)
    assert node.run(RESOLVED)["msg"] == "It does not compile. Fix it."
    assert files(node.generations) == []
    assert not os.path.lexists(node.prefix)


def test_packages_of_pip_need_uv(node: Node) -> None:
    result = node.run([*RESOLVED, PIP])
    assert "which installs the environment's pip packages, is not a program" in result["msg"]
    assert files(node.generations) == []


def test_the_progress_is_gone_after_a_build_and_after_a_failure(node: Node) -> None:
    progress = node.root / "progress" / "environment-ai-dev"
    node.install_conda(then=f"test -d {progress.parent} && touch {progress}; exit 1")
    assert node.run(RESOLVED)["failed"]
    assert not progress.exists()
    node.install_conda(then=f"touch {progress}")
    assert node.run(RESOLVED)["changed"]
    assert files(progress.parent) == []


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on another file system than ``tmp_path``."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        if Path(directory).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("the directory of shared memory is no file system of its own")
        yield Path(directory)


def test_a_cache_on_another_file_system_is_said_once(node: Node, other_file_system: Path) -> None:
    node.root.mkdir()
    (node.root / "pkgs").symlink_to(other_file_system)
    node.run(RESOLVED)
    node.run()
    assert node.warnings == [
        f"{node.root}/pkgs is on another file system than the environments, so files are copied, not linked"
    ]


# interruptions and neighbours


def test_a_killed_run_is_healed_by_the_next(node: Node) -> None:
    node.run(RESOLVED)
    live = node.prefix.resolve()
    node.arguments["request"] = OTHER_REQUEST
    node.kill_at_work(NEWER)
    assert "is still locked by process" in node.run(NEWER)["msg"]
    assert len(files(node.generations)) == 2
    assert node.prefix.resolve() == live
    node.let_end()
    result = node.run(NEWER, lock_timeout=60)
    assert result["generation"] == str(node.prefix.resolve()) != str(live)
    assert files(node.prefix.parent) == ["ai-dev"]
    assert not node.run()["changed"]


@pytest.mark.parametrize("lock", ["pkgs", "environment-ai-dev"])
def test_another_run_at_work_is_named(node: Node, lock: str) -> None:
    with held(str(node.root / "locks" / lock), 0):
        result = node.run(RESOLVED)
    assert result["failed"]
    assert f"locks/{lock} is still locked by process {os.getpid()}" in result["msg"]
    assert node.runs == 0


def test_a_look_waits_for_nobody(node: Node) -> None:
    node.run(RESOLVED)
    with held(str(node.root / "locks" / "pkgs"), 0), held(str(node.root / "locks" / "environment-ai-dev"), 0):
        assert not node.run()["changed"]
        assert node.run(NEWER, _ansible_check_mode=True)["changed"]


def test_what_another_run_did_meanwhile_is_not_done_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_the_other_run(path: str, timeout: float) -> object:
        monkeypatch.setattr(logic, "held", held)
        assert node.run(RESOLVED)["changed"]
        return held(path, timeout)

    monkeypatch.setattr(logic, "held", wait_for_the_other_run)
    assert not node.run(RESOLVED)["changed"]
    assert node.runs == 1


# failures


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "base"}, "name is 'base', which is the distribution's own environment"),
        ({"name": "a/b"}, "name is 'a/b', which is not a valid name of an environment"),
        ({"name": "two words"}, "name is 'two words'"),
        ({"root": "/opt//evenkeel"}, "root is '/opt//evenkeel', which is not a normalised absolute path"),
        ({"keep": -1}, "keep is -1. Give a number of generations"),
        ({"resolved": [{"name": "numpy"}]}, "missing required arguments: version"),
        ({"packages": None, "channels": None}, "state is present but any of the following are missing: environment,"),
        ({"channels": None}, "parameters are required together: packages, channels"),
        ({"lock": "/x/conda-lock.yml"}, "parameters are mutually exclusive"),
        ({"generation": "-1"}, "parameters are mutually exclusive"),
        ({"installer": "mamba"}, "value of installer must be one of: auto, rattler, conda"),
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
    assert files(node.prefix) == ["work"]
    assert node.runs == 0


def test_a_failed_build_tells_what_conda_said(node: Node) -> None:
    answer = json.dumps({"exception_name": "CondaHTTPError", "message": "HTTP 000 CONNECTION FAILED"})
    node.install_conda(then=f"echo '{answer}'; exit 1")
    result = node.run(RESOLVED)
    assert result["failed"]
    assert "conda could not build the environment ai-dev: HTTP 000 CONNECTION FAILED. " in result["msg"]
    assert (result["rc"], result["stdout"]) == (1, f"{answer}\n")
    assert not os.path.lexists(node.prefix)
    assert files(node.generations) == []


def test_a_root_that_cannot_be_written_is_named(node: Node) -> None:
    node.run(RESOLVED)
    shutil.rmtree(node.root / "pkgs")
    (node.root / "pkgs").write_text("in the way")
    live = node.prefix.resolve()
    result = node.run(NEWER)
    assert result["failed"]
    assert result["msg"].startswith(f"{node.root}/pkgs: File exists. ")
    assert node.prefix.resolve() == live
    assert not node.run()["changed"]


def test_a_build_is_a_use_of_its_packages(node: Node) -> None:
    used, unused = (node.root / "pkgs" / "conda" / stem for stem in ("numpy-2.3.1-0", "numpy-1.0-0"))
    for unpacked in (used, unused):
        unpacked.mkdir(parents=True)
        os.utime(unpacked, (0, 0))
    assert node.run(RESOLVED)["changed"]
    assert used.stat().st_mtime > 0
    assert unused.stat().st_mtime == 0


def test_nobody_else_reaches_a_build_or_a_cache_before_it_is_complete(node: Node, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    hostile = 'mkdir -m 777 "$6/open"; : >"$6/lib/a.pth"; chmod 666 "$6/lib/a.pth"; : >"$6/tool"; chmod 6777 "$6/tool"'
    node.install_conda(then=f'{hostile}; : >"$6/key"; chmod 600 "$6/key"; stat -c %a "$6" "$CONDA_PKGS_DIRS" >{seen}')
    generation = Path(node.run(RESOLVED)["generation"])
    assert seen.read_text().split() == ["700", "700"]
    modes = {name: (generation / name).stat().st_mode & 0o7777 for name in (".", "open", "lib/a.pth", "tool", "key")}
    assert modes == {".": 0o755, "open": 0o755, "lib/a.pth": 0o644, "tool": 0o755, "key": 0o644}
    assert {path.stat().st_mode & 0o777 for path in (node.root / "pkgs").iterdir()} == {0o700}
    assert (node.root / "pkgs").stat().st_mode & 0o777 == 0o755
    assert not node.run(RESOLVED)["changed"]


def test_a_root_that_users_may_exchange_is_warned_of(node: Node) -> None:
    node.root.parent.chmod(0o777)
    result = node.run(RESOLVED)
    assert any(f"{node.root.parent} can be changed by other users than root" in text for text in node.warnings), result


# wheels that the control node has built

WHEEL = b"a wheel"
BUILT = {
    "name": "tool",
    "version": "1.0",
    "manager": "pip",
    "sha256": hashlib.sha256(WHEEL).hexdigest(),
    "url": "tool-1.0-py3-none-any.whl",
}


def with_uv(node: Node, directory: Path) -> dict[str, str]:
    """Install a uv that notes its arguments and brings the metadata of ``tool``; return the options that name it."""
    uv = directory / "runtime" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(
        f'#!/bin/sh\necho "$@" >>{directory}/uv.calls\nwhile [ "$1" != --python ]; do shift; done\n'
        'mkdir -p "$(dirname "$2")/../lib/python3.11/site-packages/tool-1.0.dist-info"\n'
    )
    uv.chmod(0o755)
    return {"runtime": str(directory / "runtime")}


def test_a_wheel_that_the_node_lacks_is_asked_for_before_anything_changes(node: Node, tmp_path: Path) -> None:
    result = node.run([*RESOLVED, BUILT], **with_uv(node, tmp_path))
    assert (result["changed"], result["wanted"]) == (False, [BUILT["url"]])
    assert not node.root.exists()


def test_what_was_brought_is_kept_and_installed_and_not_asked_for_again(node: Node, tmp_path: Path) -> None:
    runtime = with_uv(node, tmp_path)
    (tmp_path / BUILT["url"]).write_bytes(WHEEL)
    result = node.run([*RESOLVED, BUILT], brought=str(tmp_path), **runtime)
    assert result["changed"]
    assert "wanted" not in result
    place = node.root / "pkgs" / "wheels" / BUILT["sha256"]
    assert (place / BUILT["url"]).read_bytes() == WHEEL
    assert f"--find-links {place}" in (tmp_path / "uv.calls").read_text()
    assert not node.run([*RESOLVED, BUILT], **runtime)["changed"]
    assert "wanted" not in node.run([*NEWER, BUILT], **runtime)


def test_a_rehearsal_asks_no_server_for_it_and_says_that_it_is_lacking(node: Node, tmp_path: Path) -> None:
    result = node.run([*RESOLVED, BUILT], _ansible_check_mode=True, pip_index="https://index.example/simple")
    assert (result["changed"], result["wanted"]) == (True, [BUILT["url"]])
    assert not [url for url in node.asked if "index.example" in url]
    assert not node.root.exists()
