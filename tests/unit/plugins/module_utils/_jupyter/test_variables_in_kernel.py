# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in a kernel to compare its variables with those of ``conda run``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import variables_in_kernel

#: Stands in for conda: the variables that it was given, one of a script, and lines that scripts print.
CONDA = """#!/bin/sh
test "$1 $2" = "run --prefix" || exit 2
export CUDA_HOME="$3" PATH="$3/bin:$PATH:$3/bin" CONDA_PREFIX="$3" CONDA_SHLVL=2
shift 3
echo a script prints
{more}
shift; exec {python} "$@"
"""


@pytest.fixture
def kernel(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a kernel whose scripts have run; conda is behind a link."""
    (tmp_path / "conda-1" / "bin").mkdir(parents=True)
    (tmp_path / "conda").symlink_to("conda-1")
    (tmp_path / "env").mkdir()
    stand_in(tmp_path)
    base, prefix = tmp_path / "conda", tmp_path / "env"
    return {
        "CONDA_EXE": f"{base}/bin/conda",
        "CONDA_PREFIX": str(prefix),
        "CUDA_HOME": str(prefix),
        "PATH": f"{prefix}/bin:{base}/condabin:/usr/bin:/bin",
        "JPY_PARENT_PID": "1",
        "CONDA_SHLVL": "1",
        "HOME": "/home/ana",
    }


def stand_in(folder: Path, more: str = "") -> None:
    # As conda does it, which resolves the link to itself.
    own = f'export CONDA_EXE="{folder}/conda-1/bin/conda"\n'
    conda = folder / "conda-1" / "bin" / "conda"
    conda.write_text(CONDA.format(more=own + more, python=sys.executable))
    conda.chmod(0o755)


SERVER = {"PATH": "/usr/bin:/bin", "HOME": "/home/ana"}


@pytest.mark.parametrize(
    ("changed", "server", "own", "names"),
    [
        pytest.param({}, {}, [], [], id="as conda run"),
        pytest.param({"CONDA_EXE": "{folder}/conda-1/bin/conda"}, {}, [], [], id="conda behind its link"),
        pytest.param({"CONDA_EXE": "{folder}/other/bin/conda"}, {}, [], ["CONDA_EXE", "PATH"], id="another conda"),
        pytest.param({"CUDA_HOME": None}, {}, [], ["CUDA_HOME"], id="lacks one"),
        pytest.param({"CUDA_HOME": "/usr/local/cuda", "NEW": "1"}, {}, [], ["CUDA_HOME", "NEW"], id="others"),
        pytest.param({"PATH": "/usr/bin:/bin"}, {}, [], ["PATH"], id="another path"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "1"}, {}, ["CUDA_VISIBLE_DEVICES"], [], id="the kernelspec's"),
        pytest.param({"CUDA_HOME": "/own"}, {}, ["CUDA_HOME"], [], id="the kernelspec's before scripts'"),
        pytest.param({"HOME": "/x"}, {"HOME": "/x"}, [], [], id="the server's"),
        pytest.param({"CONDA_EXE": None, "CUDA_HOME": None}, {}, [], [], id="no conda"),
        pytest.param({"CONDA_PREFIX": None}, {}, [], [], id="no environment of conda"),
    ],
)
def test_differing(
    kernel: dict[str, str],
    tmp_path: Path,
    changed: dict[str, str | None],
    server: dict[str, str],
    own: list[str],
    names: list[str],
) -> None:
    (tmp_path / "other" / "bin").mkdir(parents=True)
    (tmp_path / "other" / "bin" / "conda").hardlink_to(tmp_path / "conda-1" / "bin" / "conda")
    found = {name: value.format(folder=tmp_path) for name, value in {**kernel, **changed}.items() if value is not None}
    assert variables_in_kernel.differing(found, {**SERVER, **server}, own) == names


def test_scripts_see_what_the_kernelspec_sets(kernel: dict[str, str], tmp_path: Path) -> None:
    stand_in(tmp_path, 'export OF="$DEVICES"')
    assert variables_in_kernel.differing({**kernel, "DEVICES": "1", "OF": "1"}, SERVER, ["DEVICES"]) == []


@pytest.mark.parametrize("more", ["exit 1", "echo '[1]'; exit 1", "exec echo hello"])
def test_a_conda_that_does_something_else_is_an_error(kernel: dict[str, str], tmp_path: Path, more: str) -> None:
    stand_in(tmp_path, more)
    with pytest.raises((ValueError, IndexError, AttributeError)):
        variables_in_kernel.differing(kernel, SERVER, [])


def test_a_conda_that_hangs_is_ended(kernel: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables_in_kernel, "SECONDS", 0.2)
    stand_in(tmp_path, "exec sleep 100000")
    with pytest.raises(subprocess.TimeoutExpired):
        variables_in_kernel.differing(kernel, SERVER, [])


def test_the_parent_is_taken_for_the_server(kernel: dict[str, str]) -> None:
    program = Path(variables_in_kernel.__file__).read_text() + "\nmain(['OWN'])\n"
    # The shell waits for the kernel, which begins with variables of its own.
    kernel = {**kernel, "OWN": "1", "NEW": "1"}
    given = [f"{name}={value}" for name, value in kernel.items()]
    call = ["sh", "-c", '"$@"; :', "server", "env", "-i", *given, sys.executable, "-c", program]
    done = subprocess.run(call, check=True, capture_output=True, text=True, env=SERVER)
    assert done.stdout == '["NEW"]\n'
