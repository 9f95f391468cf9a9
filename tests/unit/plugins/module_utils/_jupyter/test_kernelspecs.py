# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernelspecs: what is planned, what is left alone, and which interpreter a kernel ends up with."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.activation import ISOLATION
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.kernelspecs import Installed, Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

AI_DEV = Kernel("ai-dev", "/opt/evenkeel/envs/ai-dev", "Python (ai-dev)")
VISION = Kernel("vision", "/opt/evenkeel/envs/vision", "Vision", {"CUDA_VISIBLE_DEVICES": "0"})
FOREIGN = Installed('{"argv": ["R"], "display_name": "R"}', ours=False)
DIRECTORY = "/usr/local/share/jupyter/kernels"
CUT = kernelspecs.render(AI_DEV)[:-9]
HIDDEN = Installed(kernelspecs.render(AI_DEV), ours=True, hidden=True)


def ours(kernel: Kernel) -> Installed:
    return Installed(kernelspecs.render(kernel), ours=True)


def environment(prefix: Path, *, ipykernel: bool = True, python: str = "#!/bin/sh\n") -> Path:
    program = prefix / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(python)
    program.chmod(0o755)
    if ipykernel:
        launcher = prefix / "lib" / "python3.11" / "site-packages" / "ipykernel_launcher.py"
        launcher.parent.mkdir(parents=True)
        launcher.touch()
    return prefix


@pytest.mark.parametrize(
    ("current", "desired", "written", "removed"),
    [
        pytest.param({}, [AI_DEV, VISION], ["ai-dev", "vision"], (), id="nothing there"),
        pytest.param({"ai-dev": ours(AI_DEV)}, [AI_DEV], [], (), id="as desired"),
        pytest.param({"ai-dev": ours(AI_DEV)}, [AI_DEV, VISION], ["vision"], (), id="one more"),
        pytest.param({"ai-dev": ours(AI_DEV), "vision": ours(VISION)}, [AI_DEV], [], ("vision",), id="one less"),
        pytest.param({"ai-dev": ours(VISION)}, [AI_DEV], ["ai-dev"], (), id="another environment"),
        pytest.param({"ir": FOREIGN}, [AI_DEV], ["ai-dev"], (), id="someone else's stays"),
        pytest.param({"ir": FOREIGN, "vision": ours(VISION)}, [], [], ("vision",), id="none wanted"),
        pytest.param({"ai-dev": kernelspecs.parse("")}, [AI_DEV], ["ai-dev"], (), id="truncated"),
        pytest.param({"ai-dev": kernelspecs.parse("\0\0")}, [AI_DEV], ["ai-dev"], (), id="never reached the disk"),
        pytest.param({"ai-dev": kernelspecs.parse(CUT)}, [AI_DEV], ["ai-dev"], (), id="cut short"),
        pytest.param({"ai-dev": HIDDEN}, [AI_DEV], ["ai-dev"], (), id="for nobody to read"),
        pytest.param({"ir": kernelspecs.parse("")}, [], [], (), id="nothing, and perhaps someone else's"),
    ],
)
def test_plan(
    current: dict[str, Installed], desired: list[Kernel], written: list[str], removed: tuple[str, ...]
) -> None:
    plan = kernelspecs.plan(current, desired, DIRECTORY)
    assert (sorted(plan.write), plan.remove) == (written, removed)
    assert plan.changed is bool(written or removed)
    assert len(plan.diff(DIRECTORY)) == len(written) + len(removed)


@pytest.mark.parametrize("there", [FOREIGN, Installed("", ours=False), kernelspecs.parse("\udcff{")])
def test_plan_refuses_to_take_over(there: Installed) -> None:
    with pytest.raises(EvenkeelError, match=f"Not written by Evenkeel: {DIRECTORY}/ai-dev"):
        kernelspecs.plan({"ai-dev": there}, [AI_DEV], DIRECTORY)


def test_second_plan_after_apply_is_empty(tmp_path: Path) -> None:
    directory = str(tmp_path / "kernels")
    kernelspecs.apply(kernelspecs.plan({}, [AI_DEV, VISION], directory), directory)
    assert (tmp_path / "kernels" / "ai-dev" / "kernel.json").stat().st_mode & 0o777 == 0o644
    assert not kernelspecs.plan(kernelspecs.read(directory), [AI_DEV, VISION], directory).changed


def test_apply_removes_ours_and_nothing_else(tmp_path: Path) -> None:
    directory = str(tmp_path)
    kernelspecs.apply(kernelspecs.plan({}, [AI_DEV, VISION], directory), directory)
    (tmp_path / "vision" / "logo.svg").touch()
    (tmp_path / "ir").mkdir()
    (tmp_path / "ir" / "kernel.json").write_text(FOREIGN.text)

    kernelspecs.apply(kernelspecs.plan(kernelspecs.read(directory), [], directory), directory)

    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["ir/kernel.json", "vision/logo.svg"]
    assert not (tmp_path / "ai-dev").exists()


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        (kernelspecs.render(AI_DEV), True),
        (FOREIGN.text, False),
        ('{"metadata": null}', False),
        ('{"metadata": {"debugger": true}}', False),
        ("[]", False),
        ("{broken", False),
        ("", False),
    ],
)
def test_parse_tells_whose_it_is(text: str, is_ours: bool) -> None:
    assert kernelspecs.parse(text) == Installed(text, is_ours, blank=not text)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "ai-dev", "environment": None, "display_name": None, "env": {}}, AI_DEV),
        (
            {"name": "Vision", "environment": "vision", "display_name": "Vision", "env": {"CUDA_VISIBLE_DEVICES": 0}},
            VISION,
        ),
        (
            {"name": "old", "environment": "/srv/venv", "display_name": "Old", "env": {}},
            Kernel("old", "/srv/venv", "Old"),
        ),
    ],
)
def test_complete(item: dict[str, object], expected: Kernel) -> None:
    assert kernelspecs.complete(item, "/opt/evenkeel/envs") == expected


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a b"], "not accept 'a b'"),
        (["a/b"], "not accept 'a/b'"),
        ([""], "not accept ''"),
        (["x", "x"], "Two kernels"),
    ],
)
def test_bad_names(names: list[str], problem: str) -> None:
    with pytest.raises(EvenkeelError, match=problem):
        kernelspecs.check_names([Kernel(name, "/opt/x", name) for name in names])


def test_every_environment_that_lacks_something_is_named(tmp_path: Path) -> None:
    environment(tmp_path / "ready")
    environment(tmp_path / "bare", ipykernel=False)
    kernels = [Kernel(name, str(tmp_path / name), name) for name in ("ready", "bare", "absent")]
    with pytest.raises(EvenkeelError) as caught:
        kernelspecs.check_environments(kernels, str(tmp_path / "ready"))
    assert f"Jupyter can't run the server: the environment {tmp_path}/ready has no jupyterlab" in str(caught.value)
    assert "to conda_environments_list of the role conda_environments" in caught.value.remedy
    assert f"; the kernel bare: the environment {tmp_path}/bare has no ipykernel" in str(caught.value)
    assert f"kernel absent: there is no environment with a Python at {tmp_path}/absent" in str(caught.value)
    assert "kernel ready" not in str(caught.value)


def test_environments_that_hold_what_is_needed(tmp_path: Path) -> None:
    ready = environment(tmp_path / "ready")
    (ready / "bin" / "jupyter-lab").touch()
    kernelspecs.check_environments([Kernel("ready", str(ready), "")], str(ready))
    kernelspecs.check_environments([], None)


def test_kernel_runs_from_the_generation_behind_the_link(tmp_path: Path) -> None:
    shows = '#!/bin/sh\nprintf "%s\\n" "$0" "$CONDA_PREFIX" "${PATH%%:*}" "$@"\n'
    generation = environment(tmp_path / "it's a generation", python=shows)
    link = tmp_path / "ai-dev"
    link.symlink_to(generation)
    spec = json.loads(kernelspecs.render(Kernel("ai-dev", str(link), "")))

    argv = [word.replace("{connection_file}", "/run/kernel 1.json") for word in spec["argv"]]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()

    bin_directory = f"{generation}/bin"
    launched = ["-m", "ipykernel_launcher", "-f", "/run/kernel 1.json"]
    assert shown == [f"{bin_directory}/python", str(generation), bin_directory, *launched]


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: path.write_text("[" * 100_000), lambda path: path.write_text("x" * (2 << 20))],
    ids=["pipe", "folder", "deep", "large"],
)
def test_what_is_no_kernelspec_is_someone_else_s(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "odd").mkdir()
    make(tmp_path / "odd" / kernelspecs.SPEC)
    assert not kernelspecs.read(str(tmp_path))["odd"].ours


@pytest.mark.parametrize("hidden", [True, False])
def test_a_kernel_sees_what_activation_shows(tmp_path: Path, hidden: bool) -> None:
    generation, link = tmp_path / "3b7f", tmp_path / "ai-dev"
    (generation / "bin").mkdir(parents=True)
    (generation / "bin" / "python").write_text('#!/bin/sh\necho "${PYTHONNOUSERSITE-shown} $0 $*"\n')
    (generation / "bin" / "python").chmod(0o755)
    link.symlink_to(generation)
    if hidden:
        (generation / ISOLATION).parent.mkdir(parents=True)
        (generation / ISOLATION).touch()
    argv = json.loads(kernelspecs.render(replace(VISION, prefix=str(link))))["argv"]
    done = subprocess.run([*argv[:-1], "file"], check=True, capture_output=True, text=True)
    shown = "1" if hidden else "shown"
    assert done.stdout == f"{shown} {generation}/bin/python -m ipykernel_launcher -f file\n"
