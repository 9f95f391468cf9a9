# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_requirements import (
    checked,
    make_environment,
    pinned,
    resolve,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.interpreter import Interpreter

HERE = interpreter.of_control_node()


@pytest.fixture
def wheels(tmp_path: Path, make_wheel: Callable[..., Path]) -> Callable[..., Path]:
    return lambda *arguments, **more: make_wheel(tmp_path / "wheels", *arguments, **more)


def test_requirements_are_exact_hashed_and_installed_as_such(
    tmp_path: Path, wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    backend, lib = wheels("backend", "2.0", ["lib"]), wheels("lib", "1.0")
    wheels("backend", "3.0")
    places = {"UV_DEFAULT_INDEX": index()}
    found = resolve(["backend<3"], HERE, places, "tool 1.0")
    hashes = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (backend, lib)]
    assert found == (f"backend==2.0 --hash=sha256:{hashes[0]}", f"lib==1.0 --hash=sha256:{hashes[1]}")
    make_environment(tmp_path / "environment", found, HERE, places, "The build requirements of tool 1.0")
    argv = [
        str(tmp_path / "environment" / "bin" / "python"),
        "-c",
        "from importlib.metadata import version as v; print(v('backend'), v('lib'))",
    ]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == "2.0 1.0\n"


def test_a_build_requirement_is_written_as_one_line_that_names_a_distribution() -> None:
    found = checked(["Cython\t>=3", "setup_tools[Toml]; python_version<'3.12'\n", "evil.tar.gz"], "tool 1.0")
    assert found == ["cython>=3", 'setup-tools[toml]; python_version < "3.12"', "evil-tar-gz"]


@pytest.mark.parametrize(
    "text",
    [
        "-e /path",
        "x\n-e /path",
        "-r /etc/passwd",
        "-c /etc/passwd",
        "--extra-index-url https://wheels.example/simple",
        "-f https://wheels.example",
        "x --hash=sha256:aa",
        "x===${HOME}",
        "x; extra == '${HOME}'",
        "x===1\\",
        "x===1#y",
        "./evil",
        "/evil",
        "evil/x.whl",
        "x @ file:///evil",
        "x @ https://wheels.example/x-1.0-py3-none-any.whl",
        "https://wheels.example/x-1.0-py3-none-any.whl",
        "x; " + 5000 * "(" + "os_name == 'posix'" + 5000 * ")",
        "",
    ],
)
def test_what_is_more_than_a_distribution_of_an_index_is_not_given_to_uv(text: str) -> None:
    with pytest.raises(
        EvenkeelError, match=r"^The build requirement ['\"].*['\"] of tool 1\.0 does not name a distribution"
    ):
        resolve(["setuptools", text], HERE, {}, "tool 1.0")


@pytest.mark.parametrize("requires", [5, "abc", [None], None, {"a": "b"}])
def test_build_requirements_are_a_list_of_texts(requires: object) -> None:
    with pytest.raises(EvenkeelError, match=r"^The build requirements of tool 1\.0 are not a list of texts"):
        checked(requires, "tool 1.0")


def test_nothing_is_needed_for_nothing(tmp_path: Path) -> None:
    assert resolve([], HERE, {}, "tool 1.0") == ()
    make_environment(tmp_path / "environment", (), HERE, {}, "The build requirements of tool 1.0")
    argv = [str(tmp_path / "environment" / "bin" / "python3"), "-c", "import sys; print(sys.prefix, sys.base_prefix)"]
    printed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert printed == f"{tmp_path / 'environment'} {HERE.prefix}\n"


def test_the_python_of_a_lock_is_not_started_outside_the_sandbox(
    tmp_path: Path, wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("backend", "1.0", ["lib; python_full_version == '3.99.1'"])
    wheels("lib", "1.0")
    program = tmp_path / "python" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/started\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    locked, environment = Interpreter(program, "3.99.1", program.parents[1], of_lock=True), tmp_path / "environment"
    places = {"UV_DEFAULT_INDEX": index()}
    found = resolve(["backend"], locked, places, "tool 1.0")
    make_environment(environment, found, locked, places, "The build requirements of tool 1.0")
    assert not (tmp_path / "started").exists()
    names = {path.name for path in (environment / "lib" / "python3.99" / "site-packages").glob("*.dist-info")}
    assert names == {"backend-1.0.dist-info", "lib-1.0.dist-info"}
    links = [path for path in (environment / "bin").iterdir() if path.is_symlink()]
    assert {path.name for path in links} == {"python", "python3", "python3.99"}
    assert {path.resolve() for path in links} == {program}
    assert f"home = {program.parent}\n" in (environment / "pyvenv.cfg").read_text()


def test_a_build_requirement_without_a_wheel_is_an_error(
    tmp_path: Path, wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("other", "1.0")
    (tmp_path / "wheels" / "backend-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(
        EvenkeelError,
        match=r"requirements of tool 1\.0 \(backend\) cannot be resolved: .*no usable wheels.*have to be wheels",
    ):
        resolve(["backend"], HERE, {"UV_DEFAULT_INDEX": index()}, "tool 1.0")


def test_another_file_than_was_resolved_is_not_installed(
    tmp_path: Path, wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("backend", "1.0")
    requirements, places = [f"backend==1.0 --hash=sha256:{'ab' * 32}"], {"UV_DEFAULT_INDEX": index()}
    with pytest.raises(EvenkeelError, match=r"^The build requirements of tool 1\.0 cannot be installed: .*[Hh]ash"):
        make_environment(tmp_path / "environment", requirements, HERE, places, "The build requirements of tool 1.0")


def test_uvs_answer_in_one_line_each() -> None:
    answer = (
        "b==1.0 ; python_version < '4' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n# via a\n"
        "a==2 \\\n    --hash=sha256:cc\n"
    )
    assert pinned(answer) == (
        "a==2 --hash=sha256:cc",
        "b==1.0 ; python_version < '4' --hash=sha256:aa --hash=sha256:bb",
    )
