# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import sources as _sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock, content_hash
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import render as render_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.explicit_file import render as render_explicit
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import Resolved, load, request_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

FORGE = "https://conda.anaconda.org/conda-forge"
NODE = {"__unix": "0", "__glibc": "2.36"}
PYTHON = Package("python", "3.11.2", "0", "1a" * 32, url=f"{FORGE}/linux-64/python-3.11.2-0.conda")
BY_PIXI = (Path(__file__).parents[1] / "data" / "pixi-7.txt").read_text()


def fail(*arguments: object) -> None:
    raise AssertionError(arguments)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    path = tmp_path / "environment.yml"
    path.write_text(
        "channels: [conda-forge]\ndependencies: [python=3.11, numpy, pip: [humanize]]\n"
        "variables: {OMP_NUM_THREADS: '8'}\n"
    )
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """Return the list of the problems that are solved, each with the answer PYTHON."""
    problems: list[Problem] = []

    def resolve(problem: Problem) -> list[Package]:
        problems.append(problem)
        return [PYTHON]

    monkeypatch.setattr(_sources, "resolve", resolve)
    return problems


def locked(environment: Path) -> Path:
    """Write the lock of an environment.yml, and return its path."""
    content = read(environment)
    lock = Lock(
        channels=content.channels,
        sources=(environment.name,),
        packages={"linux-64": (PYTHON,)},
        content_hash={"linux-64": content_hash(content, "linux-64", NODE)},
        virtual_packages={"linux-64": NODE},
        variables=content.variables,
    )
    path = environment.with_name("conda-lock.yml")
    path.write_text(render_lock(lock, "ai-dev"))
    return path


ASKED = {"packages": ["numpy", "python=3.11"], "channels": [FORGE], "pip": []}


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        ({"packages": ["python=3.11", "numpy"], "channels": ["conda-forge"]}, ASKED),
        ({"packages": "python=3.11, numpy", "channels": "conda-forge", "lock": None}, ASKED),
        (
            {"packages": ["nvidia::cuda-nvcc"], "channels": ["conda-forge"]},
            {"packages": ["nvidia::cuda-nvcc"], "channels": [FORGE, "https://conda.anaconda.org/nvidia"], "pip": []},
        ),
        ({"lock": "/nowhere/conda-lock.yml"}, None),
        ({"explicit": "/nowhere/explicit.txt"}, None),
    ],
)
def test_what_has_to_be_solved(arguments: dict[str, Any], request_: dict[str, Any] | None) -> None:
    assert request_of(arguments) == request_


def test_an_environment_has_to_be_solved_until_it_is_locked(environment: Path) -> None:
    assert request_of({"environment": str(environment)}) == {**ASKED, "pip": ["humanize"]}
    locked(environment)
    assert request_of({"environment": str(environment)}) is None


def test_a_platform_is_asked_for_what_its_selectors_leave(environment: Path) -> None:
    environment.write_text(
        "channels: [conda-forge]\ndependencies:\n- python=3.11\n- a  # [linux64]\n- b  # [aarch64]\n"
    )
    asked = {
        platform: request_of({"environment": str(environment)}, platform) for platform in ("linux-64", "linux-aarch64")
    }
    assert [request["packages"] for request in asked.values() if request] == [
        ["a", "python=3.11"],
        ["b", "python=3.11"],
    ]


def test_specifications_are_solved_once_for_each_kind_of_node(asked: list[Problem], tmp_path: Path) -> None:
    arguments = {
        "packages": ["python=3.11", "numpy"],
        "channels": ["conda-forge"],
        "mirrors": {FORGE: "http://mirror.example"},
        "pip_index": "http://index.example",
        "pip_indexes": ["http://wheels.example"],
    }
    for _ in range(2):
        assert load(arguments, "linux-64", NODE, tmp_path) == Resolved((PYTHON,), {}, ASKED)
    (problem,) = asked
    assert (problem.packages, problem.channels) == (("numpy", "python=3.11"), (FORGE,))
    assert problem.virtual_packages == (("__glibc", "2.36"), ("__unix", "0"))
    assert problem.seen_on_node
    assert problem.mirrors.mirrored(f"{FORGE}/noarch") == "http://mirror.example/noarch"
    assert (problem.pip_index, problem.indexes) == ("http://index.example", ("http://wheels.example",))
    load(arguments, "linux-64", {**NODE, "__cuda": "12.4"}, tmp_path)
    assert len(asked) == 2


def test_an_environment_without_a_lock_is_solved(asked: list[Problem], environment: Path, tmp_path: Path) -> None:
    resolved = load({"environment": str(environment)}, "linux-64", NODE, tmp_path)
    assert resolved == Resolved((PYTHON,), {"OMP_NUM_THREADS": "8"}, {**ASKED, "pip": ["humanize"]})
    assert asked[0].pip == ("humanize",)


@pytest.mark.parametrize("source", ["environment", "lock"])
def test_a_lock_is_read_and_nothing_solved(
    asked: list[Problem], environment: Path, tmp_path: Path, source: str
) -> None:
    lock = locked(environment)
    path = environment if source == "environment" else lock
    expected = Resolved((PYTHON,), {"OMP_NUM_THREADS": "8"}, None)
    assert load({source: str(path)}, "linux-64", {}, tmp_path) == expected
    assert not asked


@pytest.mark.parametrize("source", ["environment", "lock"])
def test_a_lock_is_read_once_for_all_workers(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    lock = locked(environment)
    arguments = {source: str(environment if source == "environment" else lock)}
    first = load(arguments, "linux-64", {}, tmp_path)
    read_lock = _sources.conda_lock.read
    monkeypatch.setattr(_sources.conda_lock, "read", fail)
    assert load(arguments, "linux-64", {}, tmp_path) == first
    monkeypatch.setattr(_sources.conda_lock, "read", read_lock)
    lock.write_text(lock.read_text().replace("3.11.2", "3.11.3"))
    for _ in range(2):
        with pytest.raises(EvenkeelError, match=f"^{lock}: the packages of linux-64 are not those that were locked"):
            load(arguments, "linux-64", {}, tmp_path)
        monkeypatch.setattr(_sources.conda_lock, "read", fail)


def test_a_lock_older_than_its_environment_is_no_answer(
    asked: list[Problem], environment: Path, tmp_path: Path
) -> None:
    lock = locked(environment)
    environment.write_text(environment.read_text().replace("numpy", "scipy"))
    with pytest.raises(EvenkeelError, match=f"^{lock} is older than {environment}: it asks for something else now"):
        load({"environment": str(environment)}, "linux-64", NODE, tmp_path)
    assert not asked


def test_an_explicit_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "explicit.txt"
    path.write_text(render_explicit("linux-64", [PYTHON]))
    assert load({"explicit": str(path)}, "linux-64", {}, tmp_path) == Resolved((PYTHON,))


def test_a_lock_of_pixi_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(BY_PIXI)
    resolved = load({"lock": str(path)}, "linux-64", {}, tmp_path)
    assert [package.name for package in resolved.packages] == ["python", "tzdata", "humanize"]


def test_another_environment_of_pixi_is_another_answer(tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    head, _, packages = BY_PIXI.partition("\npackages:\n")
    default = head[head.index("  default:") :]
    small = default.replace("  default:", "  small:").partition("      - pypi:")[0]
    path.write_text(f"{head}\n{small}packages:\n{packages}")

    def names(**more: str) -> list[str]:
        found = load({"lock": str(path), **more}, "linux-64", {}, tmp_path)
        return [package.name for package in found.packages]

    assert names() == names(pixi_environment="default") == ["python", "tzdata", "humanize"]
    assert names(pixi_environment="small") == ["python", "tzdata"]


@pytest.mark.parametrize("source", ["environment", "lock", "explicit", "packages"])
def test_only_a_lock_of_pixi_has_environments(environment: Path, tmp_path: Path, source: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^pixi_environment is set for {source}, which is no pixi.lock"):
        load({source: str(locked(environment)), "pixi_environment": "gpu"}, "linux-64", {}, tmp_path)


def test_md5_alone_is_completed_by_the_channel(
    make_channel: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_channel([("hello", "1.0", "linux-64", ())], folder=tmp_path / "main")
    arguments = {"packages": ["hello"], "channels": [channel]}
    (hello,) = load(arguments, "linux-64", {}, tmp_path).packages
    path = tmp_path / "explicit.txt"
    path.write_text(f"@EXPLICIT\nhttps://channel.example/linux-64/hello-1.0-0.conda#{hello.md5}\n")
    mirrors = {"https://channel.example": channel}
    resolved = load({"explicit": str(path), "mirrors": mirrors}, "linux-64", {}, tmp_path)
    assert resolved == Resolved((hello,))
    assert resolved.packages[0].url == "https://channel.example/linux-64/hello-1.0-0.conda"
    monkeypatch.setattr(_sources, "complete", fail)
    assert load({"explicit": str(path), "mirrors": mirrors}, "linux-64", {}, tmp_path) == resolved


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "The environment has no source. Set exactly one of environment, lock, explicit, packages."),
        ({"lock": "a", "packages": ["b"]}, "The environment has lock and packages. Set exactly one of "),
        ({"packages": ["b"]}, "packages are given, and no channels. "),
        ({"packages": ["b"], "channels": ["nodefaults"]}, "packages are given, and no channels. "),
        ({"packages": ["b"], "channels": ["c"], "mirrors": {"c": "d"}}, "mirrors holds 'c', which is not a URL. "),
        ({"lock": "/nowhere/conda-lock.yml"}, "/nowhere/conda-lock.yml could not be read: No such file"),
        ({"lock": "/nowhere/pixi.lock"}, "/nowhere/pixi.lock could not be read: No such file"),
        ({"explicit": "/nowhere/explicit.txt"}, "/nowhere/explicit.txt could not be read: No such file"),
        ({"environment": "/nowhere/environment.yml"}, "/nowhere/environment.yml could not be read: No such file"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EvenkeelError) as error:
        load(arguments, "linux-64", NODE, tmp_path)
    assert str(error.value).startswith(message)
