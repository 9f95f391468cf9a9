# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import libraries
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs

FILE = "tool/native.so"
TOOL = Package("tool", "1.0", "", "ab", PIP, url="/store/tool-1.0-cp311-cp311-linux_x86_64.whl")
PYTHON = Package("python", "3.11.2", "0", "cd", url="https://conda.example/main/linux-64/python-3.11.2-0.conda")
PROBLEM = Problem(
    packages=("python",), channels=(), platform="linux-64", virtual_packages=(("__glibc", "2.36"), ("__linux", "6.1"))
)


def conda(name: str, version: str = "1.0") -> Package:
    return Package(name, version, "0", "ef", url=f"https://conda.example/main/linux-64/{name}-{version}-0.conda")


def pip(name: str) -> Package:
    return Package(name, "2.0", "", "12", PIP, url=f"https://wheels.example/{name}-2.0-py3-none-any.whl")


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what built wheels lack whose compiled files have these needs."""

    def run(needs: Mapping[str, Needs], *others: Package, brought: tuple[str, ...] = ()) -> list[str]:
        def files(packages: list[Package], _mirrors: object) -> list[str]:
            assert all(package.manager != PIP for package in packages)
            return list(brought)

        monkeypatch.setattr(libraries, "is_compiled", lambda package: package == TOOL)
        monkeypatch.setattr(libraries, "needs_of_wheel", {Path(TOOL.url): needs}.__getitem__)
        monkeypatch.setattr(libraries, "files", files)
        return libraries.lacking(PROBLEM, [PYTHON, *others, TOOL])

    return run


def test_a_library_that_nothing_brings_is_named_with_the_file_that_needs_it(lacking: Any) -> None:
    (line,) = lacking({FILE: Needs("x86_64", libraries=("libpq.so.5", "libc.so.6"))}, brought=("lib/libpq.so.4",))
    assert line.startswith(
        f"On linux-64, the wheel of tool 1.0 needs libpq.so.5 ({FILE}), and neither conda's packages"
    )


@pytest.mark.parametrize(
    ("needs", "others", "brought"),
    [
        pytest.param({}, (), (), id="not compiled"),
        pytest.param({FILE: Needs("x86_64", libraries=("libm.so.6", "ld-linux-x86-64.so.2"))}, (), (), id="everywhere"),
        pytest.param({FILE: Needs("x86_64", libraries=("libcuda.so.1",))}, (), (), id="the driver's"),
        pytest.param({FILE: Needs("x86_64", libraries=("libpq.so.5",))}, (), ("lib/libpq.so.5",), id="conda's"),
        pytest.param(
            {FILE: Needs("x86_64", libraries=("libown-1.so",)), "tool.libs/libown-1.so": Needs("x86_64")}, (), (),
            id="the wheel's own file",
        ),
        pytest.param(
            {FILE: Needs("x86_64", libraries=("liba.so.1",)), "tool/a.so": Needs("x86_64", soname="liba.so.1")}, (), (),
            id="the wheel's own name",
        ),
        pytest.param(
            {FILE: Needs("x86_64", libraries=("libc10.so", "libtorch_cpu.so", "libcudart.so.12"))},
            (pip("torch"), pip("nvidia-cuda-runtime-cu12")), (),
            id="torch's and CUDA's of pip",
        ),
    ],
)  # fmt: skip
def test_what_is_there_is_not_missed(
    lacking: Any, needs: dict[str, Needs], others: tuple[Package, ...], brought: tuple[str, ...]
) -> None:
    assert lacking(needs, *others, brought=brought) == []


def test_the_files_of_conda_are_asked_for_only_where_that_makes_a_difference() -> None:
    def asked() -> list[str]:
        raise AssertionError("asked")

    data = read_mapping(libraries.DATA)
    built = {TOOL: {FILE: Needs("x86_64", libraries=("libc.so.6",))}}
    assert libraries.unknown(built, [TOOL], data, asked) == []


@pytest.mark.parametrize(
    ("needs", "others", "message"),
    [
        ({"glibcxx": (3, 4, 31)}, (), r"needs GLIBCXX_3\.4\.31 \(tool/native\.so\), .* Linux with glibc 2\.36 has 3"),
        ({"cxxabi": (1, 3, 15)}, (), r"needs CXXABI_1\.3\.15 .* has 1\.3\.13 at most\. Add libstdcxx>=14 to conda's"),
        (
            {"glibcxx": (3, 4, 30)},
            (conda("libstdcxx-ng", "11.2.0"),),
            r"needs GLIBCXX_3\.4\.30 .* of libstdcxx-ng 11\.2\.0 of the environment has 3\.4\.29 .* Add libstdcxx>=12 ",
        ),
        ({"glibcxx": (3, 4, 90)}, (), r"at most\. Build it with an older compiler"),
    ],
)  # fmt: skip
def test_newer_symbols_than_the_c_plus_plus_library_has_are_refused(
    lacking: Any, needs: dict[str, tuple[int, ...]], others: tuple[Package, ...], message: str
) -> None:
    with pytest.raises(EvenkeelError, match=message):
        lacking({FILE: Needs("x86_64", **needs)}, *others)


@pytest.mark.parametrize(
    ("version", "others"),
    [
        ((3, 4, 30), ()),
        ((3, 4, 33), (conda("libstdcxx", "14.2.0"),)),
        ((3, 4, 32), (conda("libstdcxx-ng", "13.2.0"),)),
        ((3, 4, 90), (conda("libstdcxx", "99.1.0"),)),
    ],
)
def test_symbols_that_are_there_or_that_nobody_knows_of(
    lacking: Any, version: tuple[int, ...], others: tuple[Package, ...]
) -> None:
    assert lacking({FILE: Needs("x86_64", glibcxx=version)}, *others) == []


def test_the_tables_grow_with_their_releases() -> None:
    data = read_mapping(libraries.DATA)
    for table in (data["standard"], data["gcc"]):
        newest = [tuple(int(part) for part in entry["GLIBCXX"].split(".")) for entry in table.values()]
        assert newest == sorted(newest)
