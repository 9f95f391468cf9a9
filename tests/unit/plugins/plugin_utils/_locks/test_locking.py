# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock, read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.locking import (
    Plan,
    apply,
    changed_hashes,
    plan,
    problems,
    unfit_builds_of,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

CHANNEL = "https://channel.example/main"
NODE = {"__glibc": "2.36"}


def conda(name: str, version: str) -> Package:
    return Package(name, version, "0", "1a" * 32, url=f"{CHANNEL}/noarch/{name}-{version}-0.conda")


NUMPY, PANDAS = conda("numpy", "2.0"), conda("pandas", "1.0")
TOOL = Package("some-tool", "1.0", "", "2b" * 32, "pip", url="https://files.example/some_tool-1.0-py3-none-any.whl")


@pytest.fixture
def environment(tmp_path: Path) -> EnvironmentFile:
    return EnvironmentFile(tmp_path / "environment.yml", (CHANNEL,), ("numpy>=1", "pandas"), ("some-tool",))


def asked(
    environment: EnvironmentFile, before: Lock | None = None, update: list[str] | None = None, *platforms: str
) -> list[Problem]:
    nodes = dict.fromkeys(platforms or ("linux-64",), NODE)
    return problems(environment, nodes, Mirrors(), "", before, update)


def planned(environment: EnvironmentFile, answers: Mapping[str, list[Package]], before: Lock | None = None) -> Plan:
    of = {problem.platform: problem for problem in asked(environment, None, None, *answers)}
    return plan(environment, {of[platform]: packages for platform, packages in answers.items()}, before)


def test_a_second_plan_after_apply_is_empty(environment: EnvironmentFile) -> None:
    answers = {"linux-64": [NUMPY, PANDAS, TOOL], "linux-aarch64": [NUMPY, PANDAS]}
    first = planned(environment, answers)
    directory = environment.path.parent
    assert {path.name for path in first.changed} == {
        "conda-lock.yml",
        "conda-linux-64.lock",
        "conda-linux-aarch64.lock",
    }
    assert not list(directory.iterdir())
    apply(first)
    assert not planned(environment, answers, read(directory / "conda-lock.yml")).changed
    assert first.diff == (
        "linux-64\n  + numpy 2.0 (main)\n  + pandas 1.0 (main)\n  + some-tool 1.0 (pip)\n"
        "linux-aarch64\n  + numpy 2.0 (main)\n  + pandas 1.0 (main)\n"
    )


def test_a_disk_that_gets_full_leaves_the_old_files(
    environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = planned(environment, {"linux-64": [NUMPY], "linux-aarch64": [NUMPY]})
    apply(first)
    directory = environment.path.parent
    old = {path: path.read_text() for path in directory.iterdir()}
    left = iter(range(2))

    def fsync(_descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(EvenkeelError) as error:
        apply(planned(environment, {"linux-64": [PANDAS], "linux-aarch64": [PANDAS]}, first.after))
    assert str(error.value) == (
        f"The lock can't be written to {directory}: No space left on device. "
        f"Free some space on the file system of {directory}, then run again."
    )
    assert {path: path.read_text() for path in directory.iterdir()} == old


def test_the_lock_is_the_last_file_that_changes(environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[str] = []

    def rename(source: str, target: str) -> None:
        renamed.append(Path(target).name)
        Path(source).replace(target)

    monkeypatch.setattr(os, "rename", rename)
    apply(planned(environment, {"linux-64": [NUMPY], "linux-aarch64": [NUMPY]}), {environment.path: "name: x\n"})
    assert renamed == ["environment.yml", "conda-linux-64.lock", "conda-linux-aarch64.lock", "conda-lock.yml"]


def test_a_folder_that_cant_be_made_is_an_error_of_the_operator(environment: EnvironmentFile) -> None:
    environment.path.write_text("")
    below = replace(environment, path=environment.path / "environment.yml")
    with pytest.raises(
        EvenkeelError, match=r"The lock can't be written to .*/environment\.yml: (Not a dir|File exists)"
    ):
        apply(planned(below, {"linux-64": [NUMPY]}))


def test_what_moves_is_told_by_platform(environment: EnvironmentFile) -> None:
    before = planned(environment, {"linux-64": [NUMPY, PANDAS], "linux-aarch64": [NUMPY]}).after
    after = planned(environment, {"linux-64": [conda("numpy", "2.1"), TOOL], "linux-aarch64": [NUMPY]}, before)
    assert after.diff == "linux-64\n  ~ numpy 2.0 -> 2.1\n  - pandas 1.0\n  + some-tool 1.0 (pip)\n"


def test_what_is_for_gpus_is_reported(environment: EnvironmentFile) -> None:
    cpu, gpu = (replace(conda("pytorch", "2.0"), build=build) for build in ("cpu_0", "cuda126_0"))

    def locked(package: Package, cuda: dict[str, str], before: Lock | None = None) -> Plan:
        (problem,) = problems(environment, {"linux-64": {**NODE, **cuda}}, Mirrors(), "", None, None)
        return plan(environment, {problem: [package]}, before)

    without, old, new = (locked(cpu, {}), locked(gpu, {"__cuda": "12.8"}), locked(gpu, {"__cuda": "13.0"}))
    added = "linux-64\n  + pytorch 2.0 (main)\n"
    assert without.diff == added
    assert old.diff == f"{added}  + assumed of nodes: CUDA 12.8\n  + builds for GPUs: pytorch\n"
    moved = locked(gpu, {"__cuda": "13.0"}, old.after)
    assert moved.diff == "linux-64\n  ~ assumed of nodes: CUDA 12.8 -> 13.0\n"
    back = locked(cpu, {}, new.after)
    assert back.diff.endswith("cuda126_0 -> cpu_0\n  - assumed of nodes: CUDA 13.0\n  - builds for GPUs: pytorch\n")


@pytest.mark.parametrize(
    ("build", "cuda", "asked_for", "warned"),
    [
        ("cpu_0", "12.8", "pytorch", True),
        ("cpu_0", "12.8", "pytorch=*=cpu*", False),
        ("cpu_0", "", "pytorch", False),
        ("cuda126_0", "12.8", "pytorch", False),
    ],
)
def test_a_framework_for_cpus_on_nodes_with_gpus_is_named(
    environment: EnvironmentFile, build: str, cuda: str, asked_for: str, *, warned: bool
) -> None:
    package = replace(conda("pytorch", "2.0"), build=build)
    nodes = {platform: {"__cuda": cuda} for platform in ("linux-64", "linux-aarch64")}
    lock = Lock((), (), dict.fromkeys(nodes, (package,)), {}, nodes)
    lines = unfit_builds_of(replace(environment, packages=(asked_for,)), lock)
    assert len(lines) == warned
    assert all(" on linux-64, linux-aarch64: pytorch 2.0 is a build for CPUs (cpu_0)" in line for line in lines)


def test_a_channel_that_is_written_as_a_mirrors_is_locked_as_its_own(environment: EnvironmentFile) -> None:
    mirrors = mirrors_from({"https://channel.example": "https://mirror.example/a"})
    both = replace(environment, channels=("https://mirror.example/a/main", CHANNEL, "https://other.example/x"))
    (problem,) = problems(both, {"linux-64": NODE}, mirrors, "", None, None)
    assert problem.channels == (CHANNEL, "https://other.example/x")
    assert plan(both, {problem: [NUMPY]}, None).after.channels == problem.channels


def test_a_changed_input_alone_changes_the_lock_alone(environment: EnvironmentFile) -> None:
    first = planned(environment, {"linux-64": [NUMPY]})
    apply(first)
    after = planned(replace(environment, variables={"A": "b"}), {"linux-64": [NUMPY]}, first.after)
    assert [path.name for path in after.changed] == ["conda-lock.yml"]
    assert after.diff == "+ variable A\n"
    changed = planned(replace(environment, variables={"A": "c", "B": "d"}), {"linux-64": [NUMPY]}, after.after)
    assert changed.diff == "~ variable A\n+ variable B\n"
    assert planned(environment, {"linux-64": [NUMPY]}, changed.after).diff == "- variable A\n- variable B\n"


def test_the_index_of_a_package_is_named(environment: EnvironmentFile) -> None:
    here, there = (replace(TOOL, index=f"https://wheels.example/{name}") for name in ("here", "there"))
    locks = {index.index: planned(environment, {"linux-64": [index]}) for index in (TOOL, here, there)}
    assert locks[here.index].diff == "linux-64\n  + some-tool 1.0 (pip from https://wheels.example/here)\n"
    for was, now, line in (
        (here, there, "https://wheels.example/here -> https://wheels.example/there"),
        (TOOL, here, "the configured index -> https://wheels.example/here"),
        (here, TOOL, "https://wheels.example/here -> the configured index"),
    ):
        after = planned(environment, {"linux-64": [now]}, locks[was.index].after)
        assert after.diff == f"linux-64\n  ~ some-tool from {line}\n"


OTHER = "9f" * 32
MOVED = "https://channel.example/other"


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        ([NUMPY], [NUMPY], []),
        ([NUMPY], [replace(NUMPY, sha256=OTHER)], ["numpy 2.0 0 (noarch/numpy-2.0-0.conda) had the sha256 1a1a"]),
        ([NUMPY], [replace(NUMPY, sha256=OTHER, url=f"{MOVED}/noarch/numpy-2.0-0.conda")], ["numpy 2.0 0 (noarch/"]),
        ([NUMPY, PANDAS], [replace(PANDAS, sha256=OTHER), replace(NUMPY, sha256=OTHER)], ["pandas 1.0", "numpy 2.0"]),
        ([NUMPY], [replace(NUMPY, sha256=OTHER, url=f"{CHANNEL}/linux-64/numpy-2.0-0.conda")], []),
        ([NUMPY], [replace(NUMPY, sha256=OTHER, url=f"{CHANNEL}/noarch/numpy-2.0-0.tar.bz2")], []),
        ([NUMPY], [replace(conda("numpy", "2.1"), sha256=OTHER)], []),
        ([replace(NUMPY, sha256="")], [NUMPY], []),
        ([replace(NUMPY, sha256="", md5="ab")], [replace(NUMPY, md5="ab")], []),
        (
            [replace(NUMPY, sha256="", md5="ab")],
            [replace(NUMPY, md5="cd")],
            ["numpy 2.0 0 (noarch/numpy-2.0-0.conda) had t"],
        ),
        ([TOOL], [replace(TOOL, sha256=OTHER)], ["some-tool 1.0 (some_tool-1.0-py3-none-any.whl) had the sha256 2b2b"]),
        (
            [TOOL],
            [replace(TOOL, sha256=OTHER, url="https://mirror.example/a/b/some_tool-1.0-py3-none-any.whl")],
            ["some-"],
        ),
        ([TOOL], [replace(TOOL, sha256=OTHER, url="https://files.example/some_tool-1.0-cp311-cp311-linux.whl")], []),
        (  # built of the same, and of other build requirements
            [replace(TOOL, url="wheels/0f/some_tool-1.0-py3-none-any.whl")],
            [replace(TOOL, sha256=OTHER, url="../wheels/0f/some_tool-1.0-py3-none-any.whl")],
            ["some-tool 1.0 (0f/some_tool-1.0-py3-none-any.whl) had"],
        ),
        (
            [replace(TOOL, url="wheels/0f/some_tool-1.0-py3-none-any.whl")],
            [replace(TOOL, sha256=OTHER, url="wheels/1e/some_tool-1.0-py3-none-any.whl")],
            [],
        ),
    ],
)
def test_a_published_package_does_not_change(
    environment: EnvironmentFile, before: list[Package], after: list[Package], reported: list[str]
) -> None:
    first, second = (planned(environment, {"linux-64": packages}).after for packages in (before, after))
    found = changed_hashes(first, second)
    assert len(found) == len(reported)
    for text, start in zip(found, reported, strict=True):
        assert text.startswith(start)


def test_a_changed_hash_is_refused_unless_told(environment: EnvironmentFile) -> None:
    before = planned(environment, {"linux-64": [NUMPY]}).after
    answers = {asked(environment)[0]: [replace(NUMPY, sha256=OTHER)]}
    with pytest.raises(EvenkeelError, match=rf"conda-lock\.yml: numpy 2\.0 0 .* {NUMPY.sha256} and has {OTHER} now"):
        plan(environment, answers, before)
    accepted = plan(environment, answers, before, accept_changed_hashes=True)
    assert accepted.diff == f"linux-64\n  ~ numpy 2.0 sha256 {NUMPY.sha256[:12]} -> {OTHER[:12]}\n"


def test_an_altered_wheel_of_the_store_is_restored_or_locked_again(environment: EnvironmentFile) -> None:
    wheel = replace(TOOL, url="wheels/0f/some_tool-1.0-py3-none-any.whl")
    before = planned(environment, {"linux-64": [NUMPY, wheel]}).after
    altered = replace(wheel, sha256=OTHER)
    problem = asked(environment)[0]
    with pytest.raises(EvenkeelError) as alone:
        plan(environment, {problem: [NUMPY, altered]}, before)
    folder = environment.path.parent / "wheels" / "0f"
    assert f"Restore {folder} from version control, or remove it and lock again" in alone.value.remedy
    assert "mirror" not in alone.value.remedy
    with pytest.raises(EvenkeelError, match=r"version control, .* Try another mirror"):
        plan(environment, {problem: [replace(NUMPY, sha256=OTHER), altered]}, before)


def test_the_explicit_file_of_a_platform_that_goes_is_removed(environment: EnvironmentFile) -> None:
    both = planned(environment, {"linux-64": [NUMPY], "linux-aarch64": [NUMPY]})
    apply(both)
    apply(planned(environment, {"linux-64": [NUMPY]}, both.after))
    directory = environment.path.parent
    assert sorted(path.name for path in directory.iterdir()) == ["conda-linux-64.lock", "conda-lock.yml"]


def test_a_platform_that_goes_is_one_line(environment: EnvironmentFile) -> None:
    both = planned(environment, {"linux-64": [NUMPY], "linux-aarch64": [NUMPY, PANDAS]})
    assert planned(environment, {"linux-64": [NUMPY]}, both.after).diff == "- linux-aarch64\n"


def test_files_beside_another_programs_lock_are_not_ours_to_remove(environment: EnvironmentFile) -> None:
    both = planned(environment, {"linux-64": [NUMPY], "linux-aarch64": [NUMPY]})
    apply(both)
    apply(planned(environment, {"linux-64": [NUMPY]}, replace(both.after, virtual_packages=None)))
    assert (environment.path.parent / "conda-linux-aarch64.lock").exists()


@pytest.mark.parametrize(
    ("update", "kept"),
    [
        (None, []),
        ([], ["numpy", "pandas", "some-tool"]),
        ([""], ["numpy", "pandas", "some-tool"]),
        (["pandas"], ["numpy", "some-tool"]),
        (["Pandas", "Some_Tool"], ["numpy"]),
        (["numpy", "pandas", "some-tool"], []),
    ],
)
def test_what_is_not_asked_stays(environment: EnvironmentFile, update: list[str] | None, kept: list[str]) -> None:
    before = planned(environment, {"linux-64": [NUMPY, PANDAS, TOOL]}).after
    (problem,) = asked(environment, before, update)
    assert [package.name for package in problem.kept] == kept


def test_a_platform_that_is_new_has_nothing_to_keep(environment: EnvironmentFile) -> None:
    before = planned(environment, {"linux-64": [NUMPY]}).after
    of = {problem.platform: problem for problem in asked(environment, before, [], "linux-64", "linux-aarch64")}
    assert {platform: len(problem.kept) for platform, problem in of.items()} == {"linux-64": 1, "linux-aarch64": 0}


def test_a_name_that_the_environment_asks_for_and_the_lock_lacks_is_new(environment: EnvironmentFile) -> None:
    before = planned(environment, {"linux-64": [NUMPY]}).after
    (problem,) = asked(environment, before, ["pandas", "some-tool"])
    assert problem.kept == (NUMPY,)


def test_a_name_that_nobody_knows_is_told(environment: EnvironmentFile) -> None:
    before = planned(environment, {"linux-64": [NUMPY]}).after
    with pytest.raises(EvenkeelError, match=r"^lock_update names nunpy, and .*conda-lock\.yml has no such package"):
        asked(environment, before, ["numpy", "nunpy"])


def test_without_a_lock_there_is_nothing_to_update(environment: EnvironmentFile) -> None:
    with pytest.raises(EvenkeelError, match=r"conda-lock\.yml is not there, so nothing in it can be updated"):
        asked(environment, None, ["numpy"])
