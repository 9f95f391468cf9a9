# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import needs
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked

MACHINE = {"__glibc": "2.31", "__linux": "5.15.0", "__unix": "0"}


def conda(*depends: str) -> Package:
    return Package("pytorch", "2.5.1", "0", "ab" * 32, depends=depends)


def gpu_build() -> Package:
    return Package("pytorch", "2.5.1", "gpu_cuda124py312h7e4e1f4_300", "ab" * 32)


def wheel(platform: str) -> Package:
    return Package(
        "xxhash", "4.1.0", "", "cd" * 32, PIP, url=f"https://i.example/xxhash-4.1.0-cp311-cp311-{platform}.whl"
    )


def locked(*packages: Package, **assumed: str) -> Locked:
    return Locked(
        Path("conda-lock.yml"), "linux-64", packages, assumed={f"__{name}": one for name, one in assumed.items()}
    )


@pytest.mark.parametrize(
    ("version", "condition", "met"),
    [
        ("2.31", "*", True),
        ("2.31", ">=2.17,<3.0.a0", True),
        ("2.9", ">=2.17", False),
        ("2.31", "<2.31", False),
        ("2.31", "2.31", True),
        ("2.31", "2.3", False),
        ("2.31", "2.31.*", True),
        ("12.4", "=12", True),
        ("12.4", "==12", False),
        ("12.4", "==12.*", True),
        ("12.4", "!=12.4", False),
        ("12.4", "11.*|>=12.2", True),
        ("5.15.0", ">=5.15", True),
        ("2.31", ">=x_y", True),
    ],
)
def test_conditions_are_condas(version: str, condition: str, met: bool) -> None:
    assert needs.holds(version, condition) is met


@pytest.mark.parametrize(
    ("package", "asked"),
    [
        (conda("__glibc >=2.17,<3.0.a0", "python >=3.11", "__unix"), [("__glibc", ">=2.17,<3.0.a0"), ("__unix", "*")]),
        (conda("__archspec 1 x86_64_v3"), [("__archspec", "1")]),
        (wheel("manylinux_2_17_x86_64.manylinux2014_x86_64"), [("__glibc", ">=2.17")]),
        (wheel("manylinux_2_28_x86_64.manylinux_2_34_x86_64"), [("__glibc", ">=2.28")]),
        (wheel("manylinux2014_x86_64"), [("__glibc", ">=2.17")]),
        (wheel("linux_x86_64"), []),
        (Package("six", "1.17.0", "", "cd" * 32, PIP, url="https://i.example/six-1.17.0-py2.py3-none-any.whl"), []),
        (Package("odd", "1", "", "cd" * 32, PIP, url="https://i.example/odd.whl"), []),
    ],
)
def test_what_a_package_asks_of_the_machine(package: Package, asked: list[tuple[str, str]]) -> None:
    assert list(needs.asked_by(package)) == asked


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (conda("__glibc >=2.36"), "pytorch 2.5.1 needs __glibc >=2.36, and glibc here is 2.31"),
        (wheel("manylinux_2_34_x86_64"), "xxhash 4.1.0 needs __glibc >=2.34, and glibc here is 2.31"),
        (conda("__linux >=6.1"), "pytorch 2.5.1 needs __linux >=6.1, and the Linux kernel here is 5.15.0"),
    ],
)
def test_what_would_not_run_here_is_refused_by_name(package: Package, said: str) -> None:
    with pytest.raises(EvenkeelError) as caught:
        needs.require(locked(package), MACHINE)
    assert said in str(caught.value)
    assert "Nothing was changed" in str(caught.value)


@pytest.mark.parametrize(
    ("found", "machine", "said"),
    [
        (
            locked(conda("__cuda >=12")),
            {},
            "pytorch 2.5.1 needs __cuda >=12, and CUDA of the NVIDIA driver here is none",
        ),
        (locked(conda("__cuda >=12")), {"__cuda": "11.4"}, "CUDA of the NVIDIA driver here is 11.4"),
        (
            locked(gpu_build(), cuda="12.4"),
            {},
            "the lock needs __cuda >=12.4, and CUDA of the NVIDIA driver here is none",
        ),
        (locked(conda(), glibc="2.36"), {}, "the lock needs __glibc >=2.36, and glibc here is 2.31"),
    ],
)
def test_what_may_do_without_is_a_warning(found: Locked, machine: dict[str, str], said: str) -> None:
    (warning,) = needs.require(found, {**MACHINE, **machine})
    assert said in warning


def test_a_machine_that_has_all_hears_nothing() -> None:
    packages = (conda("__glibc >=2.17", "__cuda >=12", "__archspec 1 x86_64_v3"), wheel("manylinux_2_28_x86_64"))
    assert needs.require(locked(*packages, glibc="2.31", cuda="12.4"), {**MACHINE, "__cuda": "12.4"}) == []


def test_a_lock_without_builds_for_gpus_runs_without_one() -> None:
    assert needs.require(locked(conda("python >=3.11"), cuda="12.4"), MACHINE) == []


def test_a_text_names_three_packages() -> None:
    packages = tuple(Package(name, "1", "0", "ab" * 32, depends=("__glibc >=2.36",)) for name in "abcde")
    with pytest.raises(EvenkeelError, match=r"a 1 needs .*, c 1 needs __glibc >=2.36 and 2 more do, and glibc"):
        needs.require(locked(*packages), MACHINE)


def test_the_user_knows_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.39")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    assert needs.of_machine({**MACHINE, "__cuda": "12.4"}) == {**MACHINE, "__glibc": "2.39"}
