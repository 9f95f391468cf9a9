# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import result
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.result import Result, check

NODE = Target("3.11.2", "linux-64", "2.36")
RELEASE = SourceRelease("tool", "1.0", "https://files.example/tool-1.0.tar.gz", "ab" * 32)
NATIVE = "cp311-cp311-linux_x86_64"


@pytest.fixture
def wheel(tmp_path: Path, make_wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that makes a wheel whose compiled files have needs."""

    def make(tag: str = "py3-none-any", version: str = "1.0", name: str = "tool", needs: Needs | None = None) -> Path:
        monkeypatch.setattr(result, "needs_of_wheel", lambda _wheel: {"tool/native.so": needs} if needs else {})
        return make_wheel(tmp_path, name, version, tag=tag)

    return make


@pytest.mark.parametrize("by_the_locks_python", [True, False])
@pytest.mark.parametrize("tag", ["py3-none-any", "py2.py3-none-any"])
def test_a_pure_wheel_may_be_built_anywhere(wheel: Callable[..., Path], tag: str, by_the_locks_python: bool) -> None:
    assert check(wheel(tag), RELEASE, NODE, by_the_locks_python=by_the_locks_python) == Result("1.0", pure=True)


@pytest.mark.parametrize("tag", [NATIVE, "py3-none-any"])
@pytest.mark.parametrize("glibc", [(2, 36), (2, 5), ()])
def test_a_compiled_wheel_that_fits(wheel: Callable[..., Path], tag: str, glibc: tuple[int, ...]) -> None:
    built = wheel(tag, needs=Needs("x86_64", glibc))
    assert check(built, RELEASE, NODE, by_the_locks_python=True) == Result("1.0", pure=False)


def test_a_compiled_wheel_is_built_on_its_own_architecture(wheel: Callable[..., Path]) -> None:
    with pytest.raises(EvenkeelError, match=r"is compiled, so it has to be built on Linux of the architecture x86_64"):
        check(wheel(NATIVE), RELEASE, NODE, by_the_locks_python=False)


def test_a_newer_glibc_than_the_targets_is_refused(wheel: Callable[..., Path]) -> None:
    built = wheel(NATIVE, needs=Needs("x86_64", (2, 38)))
    with pytest.raises(
        EvenkeelError,
        match=r"needs glibc 2\.38 \(tool/native\.so\), and the oldest of the lock's targets has 2\.36\.",
    ):
        check(built, RELEASE, NODE, by_the_locks_python=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag": "cp312-cp312-linux_x86_64"}, r"does not run on Python 3\.11\.2 of linux-64"),
        ({"tag": "py2-none-any"}, r"does not run on Python 3\.11\.2 of linux-64"),
        ({"needs": Needs("aarch64", (2, 17))}, "which is for aarch64, not for x86_64"),
        ({"version": "2.0"}, r"is tool 2\.0, not tool 1\.0"),
        ({"name": "other"}, r"is other 1\.0, not tool 1\.0"),
    ],
)
def test_another_wheel_is_refused(wheel: Callable[..., Path], options: dict[str, object], message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        check(wheel(**options), RELEASE, NODE, by_the_locks_python=True)


def test_a_wheel_with_files_elsewhere_is_refused(wheel: Callable[..., Path]) -> None:
    built = wheel()
    with zipfile.ZipFile(built, "a") as archive:
        archive.writestr("../../bin/python", "")
    with pytest.raises(EvenkeelError, match=r"tool-1\.0.* can't be used: its file '\.\./\.\./bin/python' leads"):
        check(built, RELEASE, NODE, by_the_locks_python=True)


def test_a_commit_may_be_of_any_version(wheel: Callable[..., Path]) -> None:
    release = SourceRelease("tool", "", f"git+https://git.example/tool@{'ab' * 20}")
    assert check(wheel(version="3.0.dev1+gab"), release, NODE, by_the_locks_python=True).version == "3.0.dev1+gab"


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tool.whl"
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(EvenkeelError, match=r"The wheel tool\.whl, built of .*, can't be used: "):
        check(path, RELEASE, NODE, by_the_locks_python=True)
