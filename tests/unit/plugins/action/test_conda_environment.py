# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import zipfile
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import conda_environment as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.hashes import Hashes, OfPlatform
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file, sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock, content_hash, render
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

MAIN = "https://repo.anaconda.com/pkgs/main"
ARGUMENTS = {"name": "ai-dev", "packages": ["python=3.11", "numpy"], "channels": ["pkgs/main"], "root": "/srv/evenkeel"}
REQUEST = {"packages": ["numpy", "python=3.11"], "channels": [MAIN], "pip": []}
ASKED = {**ARGUMENTS, "request": REQUEST, "variables": {}}
NODE = {"platform": "linux-64", "virtual_packages": {"__unix": "0", "__glibc": "2.36"}}
UNRESOLVED = {"changed": False, "prefix": "/srv/evenkeel/envs/ai-dev", "unresolved": NODE}
PROBLEM = Problem(
    ("numpy", "python=3.11"), (MAIN,), "linux-64", (("__glibc", "2.36"), ("__unix", "0")), seen_on_node=True
)
ANSWER = [Package("numpy", "2.3.1", "0", "ab" * 32, url=f"{MAIN}/linux-64/numpy-2.3.1-0.conda", depends=("python",))]
RESOLVED = [asdict(package) for package in ANSWER]
EXPLICIT = f"@EXPLICIT\n{ANSWER[0].url}#{ANSWER[0].sha256}\n"
ENVIRONMENT = "channels: [defaults]\ndependencies: [python=3.11]\nvariables: {A: '1'}\n"

Result = dict[str, Any]


class Control:
    """A control node whose modules answer as given and whose solver is counted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answers: list[Result] = []
        self.calls: list[Result] = []
        self.solved: list[Problem] = []
        self.solution: list[Package] | EvenkeelError = ANSWER
        self.facts: Result = {}
        self.brought: list[Path] = []

    def execute_module(self, plugin: ActionBase, **call: Any) -> Result:
        self.calls.append({**call, "rehearsed": plugin._task.check_mode})
        return self.answers[len(self.calls) - 1]

    def solve(self, problem: Problem) -> list[Package]:
        self.solved.append(problem)
        if isinstance(self.solution, EvenkeelError):
            raise self.solution
        return self.solution

    def bring(self, _: ActionBase, files: list[Path]) -> str:
        self.brought += files
        return "/srv/brought"

    def run(
        self, *answers: Result, arguments: Result = ARGUMENTS, seconds: int = 0, nodes: int = 1, check: bool = False
    ) -> Result:
        self.answers, self.calls = list(answers), []
        loader = DataLoader()
        loader.set_basedir(str(self.directory))
        plugin = action.ActionModule(
            task=SimpleNamespace(args=dict(arguments), async_val=seconds, check_mode=check, diff=False),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
            play_context=None,
            loader=loader,
            templar=None,
            shared_loader_obj=None,
        )
        batch = [f"node{number}" for number in range(nodes)]
        result: Result = plugin.run(
            task_vars={"inventory_hostname": "node", "ansible_facts": self.facts, "ansible_play_batch": batch}
        )
        return result

    @property
    def given(self) -> list[Result]:
        """What the module was called with: its options, and what was handed over, but for the origin."""
        arguments = [dict(call["module_args"]) for call in self.calls]
        found = [{**handed, **options} for options in arguments if (handed := options.pop(HANDED)) is not None]
        return [{key: value for key, value in one.items() if key != "origin"} for one in found]

    @property
    def origins(self) -> list[Result | None]:
        """What each call is handed of the source."""
        return [call["module_args"][HANDED].get("origin") for call in self.calls]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(ActionBase, "_execute_module", lambda plugin, **call: control.execute_module(plugin, **call))
    monkeypatch.setattr(sources, "resolve", control.solve)
    return control


# A list of packages


@pytest.mark.parametrize("answer", [{"changed": False}, {"changed": True}, {"failed": True, "msg": "not ours"}])
def test_what_the_module_knows_or_refuses_needs_no_solve(control: Control, answer: Result) -> None:
    assert control.run(answer) == answer
    assert control.given == [ASKED]
    assert not control.solved


def test_what_it_does_not_know_is_solved_and_brought(control: Control) -> None:
    done = {"changed": True, "generation": "/srv/evenkeel/generations/ai-dev/1"}
    assert control.run(UNRESOLVED, done) == done
    assert control.given == [ASKED, {**ASKED, "resolved": RESOLVED}]
    assert [call["module_args"][HANDED].keys() for call in control.calls] == [
        {"request", "variables"},
        {"request", "variables", "resolved", "origin"},
    ]
    assert {call["module_name"] for call in control.calls} == {"evenkeel.gpu.conda_environment"}
    assert control.solved == [PROBLEM]


def test_a_list_written_as_one_string_asks_for_the_same(control: Control) -> None:
    control.run({"changed": False}, arguments={**ARGUMENTS, "packages": "python=3.11,numpy", "channels": "pkgs/main"})
    assert control.given[0]["request"] == REQUEST


def test_the_second_node_gets_the_same_answer_without_a_solve(control: Control) -> None:
    for _ in range(2):
        assert control.run(UNRESOLVED, {"changed": True}) == {"changed": True}
        assert control.given[1]["resolved"] == RESOLVED
    assert len(control.solved) == 1


def test_a_node_with_another_driver_is_solved_for_itself(control: Control) -> None:
    with_driver = {**NODE, "virtual_packages": {"__unix": "0", "__glibc": "2.36", "__cuda": "12.4"}}
    control.run(UNRESOLVED, {"changed": True})
    control.run({**UNRESOLVED, "unresolved": with_driver}, {"changed": True})
    assert [dict(problem.virtual_packages).get("__cuda") for problem in control.solved] == [None, "12.4"]


def test_an_unsolvable_list_fails_with_the_explanation_and_nothing_is_made(control: Control) -> None:
    control.solution = EvenkeelError("No candidates were found for nope", "Change it")
    for _ in range(2):
        assert control.run(UNRESOLVED) == {
            "failed": True,
            "changed": False,
            "msg": "No candidates were found for nope. Change it.",
        }
        assert len(control.calls) == 1
    assert len(control.solved) == 1


# Files of the control node


@pytest.mark.parametrize("architecture", ["x86_64", None], ids=["facts", "no facts"])
def test_what_is_locked_is_brought_without_a_solve(control: Control, architecture: str | None) -> None:
    (control.directory / "env.txt").write_text(EXPLICIT)
    control.facts = {"architecture": architecture} if architecture else {}
    answers = [{"changed": True}] if architecture else [UNRESOLVED, {"changed": True}]
    assert control.run(*answers, arguments={"name": "ai-dev", "explicit": "env.txt"}) == {"changed": True}
    assert control.given[-1]["explicit"] == str(control.directory / "env.txt")
    assert [package["sha256"] for package in control.given[-1]["resolved"]] == ["ab" * 32]
    assert "request" not in control.given[-1]
    assert control.given[-1]["specs"] == []
    assert not control.solved


def test_a_locked_file_brings_what_was_asked_for_too(control: Control) -> None:
    path = control.directory / "environment.yml"
    path.write_text(ENVIRONMENT)
    file = environment_file.read(path)
    lock = Lock(
        channels=file.channels,
        sources=(path.name,),
        packages={"linux-64": tuple(ANSWER)},
        content_hash={"linux-64": content_hash(file, "linux-64", {})},
        virtual_packages={"linux-64": {}},
        variables=file.variables,
    )
    path.with_name("conda-lock.yml").write_text(render(lock, "ai-dev"))
    control.facts = {"architecture": "x86_64"}
    assert control.run({"changed": True}, arguments={"name": "ai-dev", "environment": "environment.yml"})["changed"]
    assert control.given[-1]["specs"] == ["python=3.11"]
    assert "request" not in control.given[-1]
    assert not control.solved


def test_a_build_records_where_it_comes_from_and_a_survey_asks_nobody(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    (control.directory / "env.txt").write_text(EXPLICIT)
    control.facts = {"architecture": "x86_64"}
    explicit = {"name": "ai-dev", "explicit": "env.txt"}
    control.run({"changed": True}, arguments=explicit)
    (recorded,) = control.origins
    assert recorded is not None
    assert recorded["sha256"] == hashlib.sha256(EXPLICIT.encode()).hexdigest()
    assert recorded["sources"] == [MAIN]
    monkeypatch.setattr(action.origin, "of_environment", lambda *_unused: pytest.fail("asked"))
    control.run({"changed": False}, arguments=explicit, check=True)
    assert control.origins == [None]


def test_an_unlocked_file_brings_its_variables_whether_it_is_solved_or_known(control: Control) -> None:
    (control.directory / "environment.yml").write_text(ENVIRONMENT)
    arguments = {"name": "ai-dev", "environment": "environment.yml"}
    control.run({"changed": False}, arguments=arguments)
    control.run(UNRESOLVED, {"changed": True}, arguments=arguments)
    assert [given["variables"] for given in control.given] == [{"A": "1"}] * 2
    assert control.given[0]["request"]["packages"] == ["python=3.11"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ai-dev"}, "has no source"),
        ({**ARGUMENTS, "lock": "conda-lock.yml"}, "has lock and packages"),
        ({"name": "ai-dev", "lock": "nowhere.yml"}, "nowhere.yml could not be read"),
    ],
)
def test_a_bad_source_never_reaches_the_node(control: Control, arguments: Result, message: str) -> None:
    control.facts = {"architecture": "x86_64"}
    result = control.run(arguments=arguments)
    assert result["failed"]
    assert message in result["msg"]
    assert not control.calls


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "ai-dev", "state": "absent"},
        {"name": "ai-dev", "generation": "-1"},
    ],
    ids=["absent", "generation"],
)
def test_what_needs_no_source_goes_to_the_node_as_it_is(control: Control, arguments: Result) -> None:
    assert control.run({"changed": True}, arguments=arguments) == {"changed": True}
    assert control.given == [arguments]


@pytest.mark.parametrize(
    ("given", "nodes", "share"),
    [(250, 1, 5), (250, 50, 5), ("250", 51, 4), (250, 200, 1), (250, 1000, 1), (0, 1000, 5), (1000, 100, 5)],
)
def test_the_nodes_of_a_batch_share_connections(control: Control, given: int | str, nodes: int, share: int) -> None:
    control.run({"changed": True}, arguments={**ARGUMENTS, "connections": 5, "batch_connections": given}, nodes=nodes)
    assert [options["connections"] for options in control.given] == [share]


# Wheels that the control node has built

WHEEL = Package("tool", "1.0", "", "cd" * 32, "pip", url="wheels/0f/tool-1.0-py3-none-any.whl")
FILE = "tool-1.0-py3-none-any.whl"


@pytest.fixture
def locked(control: Control, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Return the options of an environment whose lock names a wheel beside it; transfers are listed in ``brought``."""
    folder = control.directory / "ai-dev"
    (folder / "wheels" / "0f").mkdir(parents=True)
    (folder / "wheels" / "0f" / FILE).write_bytes(b"a wheel")
    lock = Lock((MAIN,), ("environment.yml",), {"linux-64": (*ANSWER, WHEEL)}, {"linux-64": "0"}, {"linux-64": {}})
    (folder / "conda-lock.yml").write_text(render(lock, "ai-dev"))
    control.facts = {"architecture": "x86_64"}
    monkeypatch.setattr(action, "bring", control.bring)
    return {"name": "ai-dev", "lock": "ai-dev/conda-lock.yml", "root": "/srv/evenkeel"}


def test_a_wheel_that_the_node_lacks_is_brought_once(control: Control, locked: Result) -> None:
    done = {"changed": True, "generation": "/srv/evenkeel/generations/ai-dev/1"}
    assert control.run({"changed": False, "wanted": [FILE]}, done, arguments=locked) == done
    assert control.brought == [control.directory / "ai-dev" / "wheels" / "0f" / FILE]
    assert [package["url"] for package in control.given[0]["resolved"]] == [ANSWER[0].url, FILE]
    assert [given.get("brought") for given in control.given] == [None, "/srv/brought"]


def test_a_node_that_has_it_gets_nothing(control: Control, locked: Result) -> None:
    assert control.run({"changed": False}, arguments=locked) == {"changed": False}
    assert control.brought == []


def test_a_rehearsal_transfers_nothing(control: Control, locked: Result) -> None:
    assert control.run({"changed": True, "wanted": [FILE]}, arguments=locked) == {"changed": True}
    assert control.brought == []


@pytest.mark.parametrize("changed", [False, True])
def test_a_wheel_that_is_not_there_is_named_also_by_a_rehearsal(
    control: Control, locked: Result, changed: bool
) -> None:
    wheel = control.directory / "ai-dev" / "wheels" / "0f" / FILE
    wheel.unlink()
    result = control.run({"changed": changed, "wanted": [FILE]}, arguments=locked)
    assert result["msg"].startswith(f"Wheels that a lock names are missing: {wheel}. Restore them from")
    assert control.brought == []


# Bytecode that was compiled for the lock

ARCHIVE = Archive("ef" * 32, 7)


def compiled(control: Control, store: str = "bytecode", python: str = ANSWER[0].sha256) -> None:
    """Compile the lock's only package of conda, by itself."""
    archives, names = {ANSWER[0].sha256: ARCHIVE}, {ANSWER[0].sha256: "numpy-2.3.1-0"}
    of_platform = OfPlatform(python, "cpython-311", "a70d0d0a", archives, names)
    folder = control.directory / "ai-dev"
    (folder / "conda-bytecode.json").write_text(hashes.render(Hashes(store, {"linux-64": of_platform})))
    (folder / "bytecode").mkdir()
    (folder / "bytecode" / ARCHIVE.file).write_bytes(b"archive")


def test_hashes_of_bytecode_go_with_the_packages(control: Control, locked: Result) -> None:
    compiled(control, "https://store.example/b")
    mirrors = {"https://store.example": "http://mirror.example"}
    control.run({"changed": False}, arguments={**locked, "mirrors": mirrors})
    offered = control.given[0]["bytecode"]
    assert offered["archives"] == {ANSWER[0].sha256: asdict(ARCHIVE)}
    assert offered["store"] == "http://mirror.example/b"
    assert control.brought == []


def test_bytecode_of_another_python_stays_and_is_told(
    control: Control, locked: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(control, python="ba" * 32)
    control.run({"changed": False}, arguments=locked)
    assert "bytecode" not in control.given[0]
    assert "was compiled by another Python than its lock has" in " ".join(capsys.readouterr().err.split())


def test_archives_that_the_node_lacks_are_brought_in_one_file(control: Control, locked: Result) -> None:
    compiled(control)
    done = {"changed": True}
    assert control.run({"changed": False, "wanted": [FILE, ARCHIVE.file]}, done, arguments=locked) == done
    wheel, bundle = control.brought
    assert wheel.name == FILE
    with zipfile.ZipFile(bundle) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {ARCHIVE.file: b"archive"}
    assert [given.get("brought") for given in control.given] == [None, "/srv/brought"]


def test_archives_that_are_not_there_fail_nothing(control: Control, locked: Result) -> None:
    compiled(control)
    (control.directory / "ai-dev" / "bytecode" / ARCHIVE.file).unlink()
    done = {"changed": True}
    assert control.run({"changed": False, "wanted": [ARCHIVE.file]}, done, arguments=locked) == done
    assert [path.name for path in control.brought] == ["bytecode.zip"]


# In the background

STARTED = {"changed": True, "started": 1, "ansible_job_id": "j1"}


def begun(control: Control) -> list[tuple[bool, int]]:
    """Return of each call whether it was a rehearsal, and the seconds that it has in the background."""
    return [(call["rehearsed"], call["wrap_async"]) for call in control.calls]


def test_what_there_is_to_do_is_started_in_the_background(control: Control) -> None:
    result = control.run({"changed": True, "was": "ab"}, STARTED, seconds=60)
    assert result == {"changed": True, "was": "ab", "started": 1, "ansible_job_id": "j1"}
    assert begun(control) == [(True, 0), (False, 60)]


@pytest.mark.parametrize("answer", [{"changed": False}, {"failed": True, "changed": False, "msg": "not ours"}])
def test_where_there_is_nothing_to_do_nothing_is_started(control: Control, answer: Result) -> None:
    assert control.run(answer, seconds=60) == answer
    assert begun(control) == [(True, 0)]


def test_what_has_to_be_solved_is_known_before_anything_is_started(control: Control) -> None:
    assert control.run(UNRESOLVED, {"changed": True}, STARTED, seconds=60)["started"]
    assert begun(control) == [(True, 0), (True, 0), (False, 60)]
    assert control.given[2]["resolved"] == RESOLVED


def test_a_wheel_is_there_before_anything_is_started(control: Control, locked: Result) -> None:
    answers = ({"changed": True, "wanted": [FILE]}, {"changed": True}, STARTED)
    assert control.run(*answers, arguments=locked, seconds=60)["started"]
    assert [given.get("brought") for given in control.given] == [None, "/srv/brought", "/srv/brought"]
    assert begun(control) == [(True, 0), (True, 0), (False, 60)]
