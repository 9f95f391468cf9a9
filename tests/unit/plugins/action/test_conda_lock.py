# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.action import conda_lock as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, relocking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import Building
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import libraries
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import Policy
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import Made

from tests.unit.plugins.tagged import tagged

CHANNEL = "https://channel.example/main"
Result = dict[str, Any]


def python(version: str, platform: str = "linux-64") -> Package:
    return Package("python", version, "0", "1a" * 32, url=f"{CHANNEL}/{platform}/python-{version}-0.conda")


class Control:
    """A control node whose channels answer as given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = directory / "environment.yml"
        self.environment.write_text(f"channels: [{CHANNEL}]\ndependencies: [python]\nvariables: {{A: b}}\n")
        self.answer: Package | EvenkeelError = python("3.11")
        self.asked: list[Problem] = []
        self.task_vars: Result = {}

    def resolve(self, problem: Problem, _: Building) -> list[Package]:
        self.asked.append(problem)
        if isinstance(self.answer, EvenkeelError):
            raise self.answer
        return [replace(self.answer, url=self.answer.url.replace("linux-64", problem.platform))]

    def run(self, check: bool = False, diff: bool = True, **arguments: Any) -> Result:
        plugin = action.ActionModule(
            task=SimpleNamespace(
                args=tagged({"environment": str(self.environment), **arguments}),
                async_val=0,
                check_mode=check,
                diff=diff,
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
            play_context=None,
            loader=DataLoader(),
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars=self.task_vars)
        return result

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.directory.iterdir() if path != self.environment}


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path)
    monkeypatch.setattr(relocking, "resolve", control.resolve)
    return control


def test_check_mode_tells_all_and_writes_nothing(control: Control) -> None:
    would = control.run(check=True)
    assert would["changed"]
    assert would["diff"] == {"prepared": "+ variable A\nlinux-64\n  + python 3.11 (main)\n"}
    assert not control.files()
    assert control.run() == would
    assert sorted(control.files()) == ["conda-linux-64.lock", "conda-lock.yml"]


def test_files_that_change_while_all_packages_stay_are_told(control: Control) -> None:
    control.run()
    control.environment.write_text(control.environment.read_text().replace("A: b", "A: c"))
    assert control.run(check=True)["diff"] == {"prepared": "~ variable A\n"}
    assert control.run()["diff"] == {"prepared": "~ variable A\n"}
    lock = control.directory / "conda-lock.yml"
    lock.write_text(f"# by hand\n{lock.read_text()}")
    assert control.run()["diff"] == {"prepared": "conda-lock.yml\n"}


def test_two_files_of_one_lock_are_refused(control: Control) -> None:
    (control.directory / "environment.yaml").write_text("dependencies: []\n")
    message = (
        f"{control.environment} and environment.yaml would have the same lock, conda-lock.yml. Rename one of them."
    )
    assert control.run()["msg"] == message


def test_a_second_run_changes_nothing(control: Control) -> None:
    control.run()
    before = control.files()
    again = control.run()
    assert (again["changed"], again["diff"]) == (False, {"prepared": ""})
    assert control.files() == before


def test_it_returns_where_and_what(control: Control) -> None:
    result = control.run(diff=False)
    assert result == {
        "changed": True,
        "path": str(control.directory / "conda-lock.yml"),
        "explicit": {"linux-64": str(control.directory / "conda-linux-64.lock")},
        "digests": {"linux-64": digest([python("3.11")], {"A": "b"})},
        "cuda": {"linux-64": ""},
        "gpu_builds": {"linux-64": []},
    }


def test_a_newer_package_is_told(control: Control) -> None:
    control.run()
    control.answer = python("3.12")
    assert control.run(update="python")["diff"] == {"prepared": "linux-64\n  ~ python 3.11 -> 3.12\n"}
    assert "python-3.12-0.conda" in control.files()["conda-linux-64.lock"]


@pytest.mark.parametrize(
    ("update", "kept"), [({}, 0), ({"update": []}, 1), ({"update": ""}, 1), ({"update": "python"}, 0)]
)
def test_without_update_nothing_is_kept(control: Control, update: Result, kept: int) -> None:
    control.run()
    control.run(**update)
    assert len(control.asked[-1].kept) == kept


def test_the_solver_is_told_of_the_nodes(control: Control) -> None:
    result = control.run(
        platforms=["linux-64", "linux-aarch64"],
        targets=["debian-12", "debian-13"],
        cuda="12.4",
        virtual_packages={"linux-aarch64": {"__glibc": 2.39}},
        mirrors={CHANNEL: "http://mirror.example"},
        pip_index="http://index.example",
        pip_indexes=["http://wheels.example", "http://more.example"],
    )
    assert sorted(result["digests"]) == ["linux-64", "linux-aarch64"]
    reported = {problem.platform: dict(problem.virtual_packages) for problem in control.asked}
    node = {"__unix": "0", "__glibc": "2.36", "__linux": "6.1", "__cuda": "12.4"}
    assert reported == {"linux-64": node, "linux-aarch64": {**node, "__glibc": "2.39"}}
    assert {problem.mirrors.mirrored(CHANNEL) for problem in control.asked} == {"http://mirror.example"}
    assert {problem.pip_index for problem in control.asked} == {"http://index.example"}
    assert {problem.indexes for problem in control.asked} == {("http://wheels.example", "http://more.example")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"environment": "/nowhere/environment.yml"}, "/nowhere/environment.yml could not be read: "),
        ({"targets": ["debian-7"]}, "targets names 'debian-7', which is unknown. "),
        ({"cuda": "new"}, "cuda is 'new', which is not a version of CUDA. "),
        ({"virtual_packages": {"linux-65": {}}}, "virtual_packages holds 'linux-65': {{}}. "),
        ({"virtual_packages": {"linux-64": "2.36"}}, "virtual_packages holds 'linux-64': '2.36'. "),
        ({"mirrors": {"a": "b"}}, "mirrors holds 'a', which is not a URL. "),
        ({"update": "python"}, "{directory}/conda-lock.yml is not there, so nothing in it can be updated. "),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(control: Control, arguments: Result, message: str) -> None:
    result = control.run(**arguments)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].startswith(message.format(directory=control.directory))
    assert not control.files()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": ["debian-7"]}, ("lock_targets names 'debian-7'", "or set lock_virtual_packages by itself")),
        ({"virtual_packages": {"linux-65": {}}}, ("lock_virtual_packages holds",)),
        ({"mirrors": {"a": "b"}}, ("lock_mirrors holds",)),
        ({"update": "python"}, ("Lock without lock_update first",)),
        (
            {"wheels_url": "https://store.example"},
            ("lock_wheels_url is", "and lock_wheels is not set. Set lock_wheels"),
        ),
    ],
)
def test_the_playbook_s_variables_are_named_where_it_runs(
    control: Control, arguments: Result, words: tuple[str, ...]
) -> None:
    alone = control.run(**arguments)["msg"]
    assert "lock_" not in alone
    control.task_vars = {action.BY_PLAYBOOK: True}
    by_playbook = control.run(**arguments)["msg"]
    assert alone == by_playbook.replace("lock_", "")
    assert all(word in by_playbook for word in words)


def test_a_name_that_is_not_there_can_t_be_updated(control: Control) -> None:
    control.run()
    assert control.run(update="nope")["msg"].startswith("update names nope, and ")


def test_another_hash_of_a_locked_package_is_refused_unless_told(control: Control) -> None:
    control.run()
    before = control.files()
    control.answer = replace(python("3.11"), sha256="2b" * 32)
    for check in (True, False):
        refused = control.run(check=check, update=[])
        assert (refused["failed"], refused["changed"]) == (True, False)
        assert f"had the sha256 {'1a' * 32} and has {'2b' * 32} now" in refused["msg"]
        assert refused["msg"].endswith("set accept_changed_hashes: true.")
    assert control.files() == before
    assert control.run(accept_changed_hashes=True)["changed"]
    assert "2b" * 32 in control.files()["conda-linux-64.lock"]


def test_an_unsolvable_environment_leaves_the_lock_as_it_is(control: Control) -> None:
    control.run()
    before = control.files()
    control.answer = EvenkeelError("No candidates were found for nope", "Change it")
    assert control.run() == {
        "failed": True,
        "changed": False,
        "msg": "No candidates were found for nope. Change it.",
    }
    assert control.files() == before


def test_the_platforms_of_a_lock_stay_unless_told(control: Control) -> None:
    control.run(platforms=["linux-64", "linux-aarch64"])
    before = control.files()
    assert control.run()["changed"] is False
    refused = control.run(platforms=["linux-64"])
    assert (refused["failed"], refused["changed"]) == (True, False)
    assert "is for linux-aarch64 too" in refused["msg"]
    assert control.files() == before
    dropped = control.run(platforms=["linux-64"], drop_platforms=True)
    assert dropped["diff"] == {"prepared": "- linux-aarch64\n"}
    assert "conda-linux-aarch64.lock" not in control.files()


BOTH = ["linux-64", "linux-aarch64"]


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ({"linux-64": ("No x on linux-64", "Add it")}, "No x on linux-64. Add it."),
        (
            {platform: (f"No x on {platform}", "Add it") for platform in BOTH},
            "linux-64, linux-aarch64: No x on linux-64. Add it.",
        ),
        (
            {"linux-64": ("No x", "Add it"), "linux-aarch64": ("No y", "Change it")},
            "linux-64: No x. Add it.\nlinux-aarch64: No y. Change it.",
        ),
    ],
)
def test_what_is_wrong_with_all_platforms_is_one_error(
    control: Control, monkeypatch: pytest.MonkeyPatch, failures: dict[str, tuple[str, str]], message: str
) -> None:
    def resolve(problem: Problem, _: Building) -> list[Package]:
        if problem.platform in failures:
            raise EvenkeelError(*failures[problem.platform])
        return [python("3.11")]

    monkeypatch.setattr(relocking, "resolve", resolve)
    assert control.run(platforms=BOTH) == {"failed": True, "changed": False, "msg": message}
    assert not control.files()


def test_a_lock_for_gpus_says_so_and_warns_of_what_is_not(control: Control) -> None:
    control.environment.write_text(f"channels: [{CHANNEL}]\ndependencies: [pytorch]\n")
    control.answer = Package("pytorch", "2.5", "cpu_0", "1a" * 32, url=f"{CHANNEL}/linux-64/pytorch-2.5-cpu_0.conda")
    result = control.run(cuda="13.0")
    assert (result["cuda"], result["gpu_builds"]) == ({"linux-64": "13.0"}, {"linux-64": []})
    (warning,) = result["warnings"]
    assert "pytorch 2.5 is a build for CPUs (cpu_0). For GPUs ask for pytorch=*=*cuda*" in warning
    assert "warnings" not in control.run(cuda="")
    control.answer = replace(control.answer, build="cuda126_0")
    result = control.run(cuda="13.0")
    assert result["gpu_builds"] == {"linux-64": ["pytorch 2.5 cuda126_0"]}
    assert "warnings" not in result


# Wheels that are built for a lock

WHEEL = b"a wheel"
FILE = "tool-1.0-py3-none-any.whl"
MADE = Made(
    name="tool",
    version="1.0",
    source="https://files.example/tool-1.0.tar.gz",
    source_sha256="ab" * 32,
    python="3.11",
    platform="any",
    backend="setuptools.build_meta",
    requirements=("setuptools==80.9.0 --hash=sha256:cd",),
    wheel=FILE,
    sha256=hashlib.sha256(WHEEL).hexdigest(),
)


@pytest.fixture
def policies(control: Control, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Policy]:
    """Have the resolver build a wheel for each platform; return the policies by which that was done."""
    found: list[Policy] = []
    built = tmp_path.parent / f"{tmp_path.name}.whl"
    built.write_bytes(WHEEL)

    def resolve(problem: Problem, building: Any) -> list[Package]:
        control.asked.append(problem)
        policy: Policy = building.args[0]
        found.append(policy)
        release = SourceRelease("tool", "1.0", MADE.source, MADE.source_sha256)
        wheel = policy.store.find(release, "3.11", problem.platform) or policy.store.add(built, MADE)
        tool = Package("tool", "1.0", "", MADE.sha256, PIP, url=str(wheel), index=str(wheel.parent))
        return [python("3.11", problem.platform), tool]

    monkeypatch.setattr(relocking, "resolve", resolve)
    return found


def test_a_wheel_is_kept_beside_the_lock_which_names_it_by_its_path_and_how_it_was_made(
    control: Control, policies: list[Policy]
) -> None:
    assert control.run(platforms=BOTH, build=["tool"])["changed"]
    path = f"wheels/{MADE.key}/{FILE}"
    assert (control.directory / path).read_bytes() == WHEEL
    lock = conda_lock.read(control.directory / "conda-lock.yml")
    assert {package.url for found in lock.packages.values() for package in found if package.manager == PIP} == {path}
    assert not [package.index for found in lock.packages.values() for package in found if package.index]
    assert lock.built == {
        MADE.sha256: {
            "source": MADE.source,
            "source_sha256": MADE.source_sha256,
            "python": "3.11",
            "platform": "any",
            "backend": MADE.backend,
            "requirements": list(MADE.requirements),
        }
    }
    assert f"# pip tool @ {path}#sha256={MADE.sha256}" in (control.directory / "conda-linux-64.lock").read_text()
    assert {problem.buildable for problem in control.asked} == {("tool",)}
    assert not control.run(platforms=BOTH, build=["tool"])["changed"]
    assert {policy.without_sandbox for policy in policies} == {False}


def test_a_store_for_several_locks_is_named_from_each(
    control: Control, policies: list[Policy], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = tmp_path_factory.mktemp("store")
    control.run(build=["all"], wheels=str(store), build_without_sandbox=True)
    (url,) = [package.url for package in conda_lock.read(control.directory / "conda-lock.yml").packages["linux-64"][1:]]
    assert url.startswith("../")
    assert (control.directory / url).resolve() == store / MADE.key / FILE
    assert policies[0].without_sandbox


def test_a_rehearsal_tells_the_same_and_keeps_no_wheel(control: Control, policies: list[Policy]) -> None:
    rehearsed = control.run(check=True, build=["tool"])
    assert [path.name for path in control.directory.iterdir()] == ["environment.yml"]
    done = control.run(build=["tool"])
    assert (rehearsed["diff"], rehearsed["digests"]) == (done["diff"], done["digests"])


@pytest.mark.usefixtures("policies")
def test_wheels_of_a_store_that_nodes_reach_are_named_by_its_url(
    control: Control, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("store")
    store = {"wheels": str(directory), "wheels_url": "https://store.example/wheels/"}
    control.run(build=["tool"], **store)
    (tool,) = conda_lock.read(control.directory / "conda-lock.yml").packages["linux-64"][1:]
    assert tool.url == f"https://store.example/wheels/{MADE.key}/{FILE}"
    assert tool.index == "https://store.example/wheels"
    assert (directory / MADE.key / FILE).is_file()
    assert not control.run(build=["tool"], **store)["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wheels_url": "https://store.example"}, "wheels_url is https://store.example, and wheels is not set"),
        ({"wheels": "store", "wheels_url": "https://me:it@store.example"}, "with credentials"),
        ({"wheels": "store", "wheels_url": "/srv/store"}, "path on one machine"),
    ],
)
def test_a_store_that_nodes_can_t_reach_is_refused(control: Control, options: dict[str, str], words: str) -> None:
    result = control.run(build=["tool"], **options)
    assert result["failed"]
    assert words in result["msg"]
    assert not control.files()


def test_a_library_that_nothing_brings_is_warned_of_and_newer_symbols_are_an_error(
    control: Control, policies: list[Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "MADE", replace(MADE, platform="linux-64"))
    monkeypatch.setattr(libraries, "files", lambda _packages, _mirrors: [])
    monkeypatch.setattr(libraries, "needs_of_wheel", lambda _wheel: {"tool/native.so": Needs("x86_64", glibcxx=(9, 9))})
    assert "needs GLIBCXX_9.9" in control.run(build=["tool"])["msg"]
    assert not (control.directory / "conda-lock.yml").exists()
    needs = Needs("x86_64", libraries=("libpq.so.5",))
    monkeypatch.setattr(libraries, "needs_of_wheel", lambda _wheel: {"tool/native.so": needs})
    (warning,) = control.run(build=["tool"])["warnings"]
    assert warning.startswith("On linux-64, the wheel of tool 1.0 needs libpq.so.5 (tool/native.so), and neither")
