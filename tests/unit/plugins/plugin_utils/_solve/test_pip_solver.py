# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target, resolve

NODE = Target("3.11.2", "linux-64", "2.36")
NATIVE = [
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_28_x86_64",
    "cp311-cp311-manylinux_2_39_x86_64",
    "cp311-cp311-manylinux_2_28_aarch64",
    "cp311-cp311-musllinux_1_2_x86_64",
    "cp39-abi3-manylinux_2_5_x86_64",
    "cp313-cp313-manylinux_2_28_x86_64",
]


@pytest.fixture
def wheels(tmp_path: Path, make_wheel: Callable[..., Path]) -> Callable[..., Path]:
    return lambda *arguments, **more: make_wheel(tmp_path / "wheels", *arguments, **more)


def versions(packages: list[Package]) -> dict[str, str]:
    return {package.name: package.version for package in packages}


def test_a_wheel_is_told_with_its_hash_and_what_it_needs_comes_too(
    wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheel = wheels("app", "1.0", ["lib>=1", "tool; python_version < '3.9'", "gone; platform_machine == 'aarch64'"])
    lib = wheels("lib", "2.0")
    assert resolve(["app"], NODE, {}, index()) == [
        Package("app", "1.0", "", hashlib.sha256(wheel.read_bytes()).hexdigest(), "pip"),
        Package("lib", "2.0", "", hashlib.sha256(lib.read_bytes()).hexdigest(), "pip"),
    ]
    assert resolve(["app"], NODE, {}, index())[0].url == wheel.as_uri()


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (NODE, "cp311-cp311-manylinux_2_28_x86_64"),
        (Target("3.11.2", "linux-64", "2.41"), "cp311-cp311-manylinux_2_39_x86_64"),
        (Target("3.11.2", "linux-64", "2.17"), "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        (Target("3.11.2", "linux-aarch64", "2.36"), "cp311-cp311-manylinux_2_28_aarch64"),
        (Target("3.12.1", "linux-64", "2.36"), "cp39-abi3-manylinux_2_5_x86_64"),
        (Target("3.13.0", "linux-64", "2.36"), "cp313-cp313-manylinux_2_28_x86_64"),
    ],
)
def test_the_wheel_fits_the_target_and_not_this_machine(
    wheels: Callable[..., Path], index: Callable[[], str], target: Target, tag: str
) -> None:
    for of_wheel in NATIVE:
        wheels("native", "1.0", tag=of_wheel)
    assert [package.url.rpartition("/")[2] for package in resolve(["native"], target, {}, index())] == [
        f"native-1.0-{tag}.whl"
    ]


def test_what_conda_provides_counts_and_does_not_come_again(
    wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("app", "1.0", ["numpy>=1"])
    wheels("app", "2.0", ["numpy>=3"])
    for version in ("1.5", "2.0", "3.0"):
        wheels("numpy", version)
    provided = {"numpy": "2.0", "only-in-conda": "1.0+cu12", "no-version": "of_the_day"}
    assert versions(resolve(["app"], NODE, {}, index())) == {"app": "2.0", "numpy": "3.0"}
    assert versions(resolve(["app", "only-in-conda", "numpy>1"], NODE, provided, index())) == {"app": "1.0"}


def test_a_conflict_with_conda_names_both(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("app", "2.0", ["numpy>=3"])
    wheels("numpy", "3.0")
    with pytest.raises(EvenkeelError) as error:
        resolve(["app"], NODE, {"numpy": "2.0", "pandas": "1.0"}, index())
    assert str(error.value).startswith("The pip packages app cannot be resolved beside conda's numpy 2.0: ")
    assert "on numpy>=3" in str(error.value)


def test_an_extra_of_what_conda_provides_cannot_be_had(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("app", "1.0", ["server[fast]"])
    with pytest.raises(EvenkeelError, match=r"^server has no extra 'fast' beside conda's server 1\.0\."):
        resolve(["app"], NODE, {"server": "1.0"}, index())


def test_only_what_is_asked_moves(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    for name in ("one", "two"):
        wheels(name, "1.0")
    before = resolve(["one", "two"], NODE, {}, index())
    for name in ("one", "two"):
        wheels(name, "2.0")
    kept = [package for package in before if package.name == "one"]
    assert versions(resolve(["one", "two"], NODE, {}, index(), kept)) == {"one": "1.0", "two": "2.0"}
    assert versions(resolve(["one>1", "two"], NODE, {}, index(), kept)) == {"one": "2.0", "two": "2.0"}


def test_a_commit_needs_no_hash(tmp_path: Path, index: Callable[[], str], wheels: Callable[..., Path]) -> None:
    project = tmp_path / "tool"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 'tool'\nversion = '0.1'\ndependencies = ['lib']\n")
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@host.example"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True)
    url = f"git+{project.as_uri()}@{commit.stdout.strip()}"
    wheels("lib", "1.0")
    lib, tool = resolve([f"tool @ {url}"], NODE, {}, index())
    assert (tool.name, tool.version, tool.sha256, tool.url, lib.name) == ("tool", "0.1", "", url, "lib")


def test_a_source_archive_is_not_taken(tmp_path: Path, index: Callable[[], str]) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "app-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(EvenkeelError, match=r"^The pip packages app cannot be resolved: .*no usable wheels"):
        resolve(["app"], NODE, {}, index())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("3.11.2", "osx-arm64", "2.36"), "cannot be resolved for osx-arm64"),
        (Target("3.11.2", "linux-64", "2.12"), "cannot be resolved for glibc 2.12"),
    ],
)
def test_targets_that_are_not_supported(index: Callable[[], str], target: Target, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        resolve(["app"], target, {}, index())


def test_what_the_index_has_not(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("app", "1.0")
    with pytest.raises(EvenkeelError, match=r"^The pip packages app, nope cannot be resolved: .*nope"):
        resolve(["app", "nope"], NODE, {}, index())


def test_an_index_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip_solver, "SECONDS", 0)
    with pytest.raises(EvenkeelError, match="could not be resolved in 0 seconds"):
        resolve(["app"], NODE, {}, "http://127.0.0.1:9/simple")


def test_a_preflight_has_uv_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def run(_command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        given.update(how)
        return subprocess.CompletedProcess([], 1, "", "error: no answer")

    monkeypatch.setattr(pip_solver.subprocess, "run", run)
    with patience.asking_once(10, 60), pytest.raises(EvenkeelError, match="no answer"):
        resolve(["app"], NODE, {}, "http://127.0.0.1:9/simple")
    wanted = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10", "UV_HTTP_CONNECT_TIMEOUT": "10"}
    assert wanted.items() <= given["env"].items()
    assert given["timeout"] <= 30
