# SPDX-License-Identifier: GPL-3.0-or-later
"""Toolkits as sets of packages: what is asked for, what goes, and what nobody may install over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_link, cuda_toolkits
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cuda_toolkits import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import cuda_choice

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

PARTS = read_mapping(cuda_choice.DATA)["parts"]
OLD = ("cuda-toolkit-12-4", "cuda-nvcc-12-4", "libcublas-12-4", "cuda-toolkit-12-4-config-common", "cuda-12-4")
NEW = ("cuda-toolkit-13-0", "cuda-nvcc-13-0")
OTHERS = ("cuda-drivers-580", "cuda-compat-12-4", "nvidia-kernel-open-dkms", "libcudnn9-cuda-12", "cuda-nvcc-11-8")


def desired(*toolkits: str, exact: str = "", **other: Any) -> Desired:
    packages = tuple(Wanted("cuda-toolkit-" + one.replace(".", "-"), exact) for one in toolkits)
    return Desired(toolkits=toolkits, packages=packages, parts=PARTS, **other)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (desired("13.0"), ()),
        (desired("12.4", "13.0", exclusive=True), ()),
        (desired("13.0", exclusive=True), tuple(sorted(OLD))),
        (desired("12.4", exclusive=True), tuple(sorted(NEW))),
        (desired(exclusive=True), tuple(sorted(OLD + NEW))),
    ],
)
def test_a_toolkit_that_is_not_listed_goes_with_all_its_parts_and_nothing_else(
    wanted: Desired, expected: tuple[str, ...]
) -> None:
    assert cuda_toolkits.request(wanted, [*OLD, *NEW, *OTHERS], manager="apt").absent == expected


@pytest.mark.parametrize(
    ("exact", "manager", "names", "held"),
    [
        ("", "apt", ["cuda-toolkit-13-0"], ()),
        ("13.0.2", "apt", ["cuda-toolkit-13-0"], ("cuda-toolkit-13-0",)),
        ("13.0.2", "dnf", ["python3-dnf-plugin-versionlock", "cuda-toolkit-13-0"], ("cuda-toolkit-13-0",)),
    ],
)
def test_an_exact_release_is_held_and_any_other_is_released(
    exact: str, manager: str, names: list[str], held: tuple[str, ...]
) -> None:
    request = cuda_toolkits.request(desired("13.0", exact=exact), [], manager=manager)
    assert [one.name for one in request.wanted] == names
    assert request.hold == held
    assert request.release == (() if held else ("cuda-toolkit-13-0",))


@pytest.mark.parametrize(
    ("directories", "packages"),
    [
        ([], []),
        (["12.4"], []),
        (["13.0"], list(NEW)),
        # Of an installation that was killed there may be one part alone.
        (["13.0"], ["cuda-nvcc-13-0"]),
        (["13.0"], ["cuda-compat-13-0"]),
    ],
)
def test_nothing_is_in_the_way(directories: list[str], packages: list[str]) -> None:
    cuda_toolkits.require_free(desired("13.0"), directories, packages)


def test_a_toolkit_of_an_installer_is_not_installed_over() -> None:
    with pytest.raises(EvenkeelError, match=r"/usr/local/cuda-13\.0 exists, and does not belong.*bin/cuda-uninstaller"):
        cuda_toolkits.require_free(desired("12.4", "13.0"), ["12.4", "13.0"], OLD)


def test_what_no_package_has_made_is_told_and_stays() -> None:
    (reported,) = cuda_toolkits.what_is_left(desired("13.0", exclusive=True), ["11.8", "12.4", "13.0"], OLD + NEW)
    assert reported.startswith("/usr/local/cuda-11.8 is not in toolkits (cuda_toolkit_versions of the role), and stays")
    assert cuda_toolkits.what_is_left(desired("13.0"), ["11.8"], NEW) == []
    assert cuda_toolkits.what_is_left(desired("13.0", exclusive=True), ["11.8"], ["cuda-compat-11-8"]) == []


def test_toolkits_are_told_apart_from_their_parts_oldest_first() -> None:
    names = ["cuda-toolkit-13-0", "cuda-toolkit-12-10", "cuda-toolkit-12-8", "cuda-toolkit-config-common", *OTHERS]
    assert cuda_toolkits.standing(names) == ["12.8", "12.10", "13.0"]


@pytest.mark.parametrize(
    ("wanted", "has_fish", "expected"),
    [
        (desired("13.0"), False, {cuda_toolkits.PROFILE: True, cuda_toolkits.LOADER: True}),
        (desired("13.0", shells=False), True, {"profile": False, "loader": True, "fish": False}),
        (desired("13.0", loader=False), True, {"profile": True, "loader": False, "fish": True}),
        (desired(exclusive=True), True, {"profile": False, "loader": False, "fish": False}),
    ],
)
def test_files_are_there_for_what_is_wanted(wanted: Desired, has_fish: bool, expected: dict[str, bool]) -> None:
    places = {"profile": cuda_toolkits.PROFILE, "loader": cuda_toolkits.LOADER, "fish": cuda_toolkits.FISH}
    files = cuda_toolkits.setting_files(wanted, has_fish=has_fish)
    assert {path: text is not None for path, text in files.items()} == {
        places.get(name, name): there for name, there in expected.items()
    }


@pytest.fixture
def cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toolkit where the link is."""
    link = tmp_path / "cuda"
    (link / "bin").mkdir(parents=True)
    monkeypatch.setattr(cuda_link, "LINK", str(link))
    return link


def shell(tmp_path: Path, **environment: str) -> list[str]:
    profile = tmp_path / "profile.sh"
    profile.write_text(cuda_toolkits.setting_files(desired("13.0"), has_fish=False)[cuda_toolkits.PROFILE] or "")
    script = f'set -eu; . {profile}; . {profile}; echo "$CUDA_HOME"; echo "$PATH"'
    given = {"PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run(["/bin/sh", "-c", script], env=given, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_a_shell_finds_the_default_toolkit_once(cuda: Path, tmp_path: Path) -> None:
    assert shell(tmp_path) == [str(cuda), f"{cuda}/bin:/usr/bin:/bin"]


def test_what_a_user_has_chosen_stays(cuda: Path, tmp_path: Path) -> None:
    assert shell(tmp_path, CUDA_HOME="/mine")[0] == "/mine"


def test_where_there_is_no_toolkit_a_shell_is_as_it_was(cuda: Path, tmp_path: Path) -> None:
    (cuda / "bin").rmdir()
    assert shell(tmp_path, CUDA_HOME="") == ["", "/usr/bin:/bin"]


@pytest.mark.parametrize(("link_age", "cache_age", "old"), [(0, 10, True), (10, 0, False)])
def test_the_loaders_cache_is_as_new_as_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link_age: int, cache_age: int, old: bool
) -> None:
    link, cache = tmp_path / "cuda", tmp_path / "ld.so.cache"
    link.symlink_to(tmp_path)
    cache.touch()
    os.utime(link, (1000 - link_age, 1000 - link_age), follow_symlinks=False)
    os.utime(cache, (1000 - cache_age, 1000 - cache_age))
    monkeypatch.setattr(cuda_toolkits, "LOADER_CACHE", str(cache))
    monkeypatch.setattr(cuda_toolkits, "LOADER", str(tmp_path / "none"))
    monkeypatch.setattr(cuda_link, "files", lambda: [str(link)])
    assert cuda_toolkits.loader_is_old() is old


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run does to a node that has CUDA 12.4 and wants 13.0 beside it, in order."""
    steps: list[str] = []
    manager = FakeManager(
        dict.fromkeys(OLD, "12.4.1-1"),
        repositories={"cuda-toolkit-13-0": ["13.0.2-1"]},
        during={"apply": lambda: steps.append("packages")},
    )
    manager.serve(monkeypatch)
    link = cuda_link.State("link", "/usr/local/cuda-12.4")
    new = cuda_link.Plan("/usr/local/cuda-12.4", "/usr/local/cuda-13.0")
    monkeypatch.setattr(cuda_link, "read", lambda: link)
    monkeypatch.setattr(cuda_link, "plan", lambda state, target: new)
    monkeypatch.setattr(cuda_link, "apply", lambda plan: steps.append(f"link to {plan.target}"))
    monkeypatch.setattr(cuda_toolkits, "directories", list)
    monkeypatch.setattr(cuda_toolkits, "loader_is_old", lambda: False)
    monkeypatch.setattr(cuda_toolkits, "make_loader_cache", lambda: steps.append("loader"))
    monkeypatch.setattr(kept_files, "changes", lambda files: [])
    monkeypatch.setattr(kept_files, "apply_all", lambda changes: None)
    return steps


def test_a_toolkit_comes_with_the_link_and_the_loader_and_a_check_reports_the_same(done: list[str]) -> None:
    wanted = desired("12.4", "13.0", default="13.0")
    checked = cuda_toolkits.converge(wanted, check_mode=True)
    assert done == []
    outcome = cuda_toolkits.converge(wanted, check_mode=False)
    assert done == ["packages", "link to /usr/local/cuda-13.0", "loader"]
    assert checked.diffs == outcome.diffs
    assert [toolkit["version"] for toolkit in checked.toolkits] == ["12.4"]
    assert [toolkit["version"] for toolkit in outcome.toolkits] == ["12.4", "13.0"]


def test_what_could_not_be_rehearsed_is_something_to_do(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_set, "converge", lambda job, check_mode: package_set.Outcome(unknown=("it is locked",)))
    monkeypatch.setattr(cuda_link, "plan", lambda state, target: None)
    outcome = cuda_toolkits.converge(desired("12.4"), check_mode=True)
    assert (outcome.changed, outcome.unknown, outcome.diffs) == (True, ("it is locked",), ())
    assert done == []
