# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernelspecs: what is planned, what is left alone, and which interpreter a kernel ends up with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.kernelspecs import Installed, Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ROOT = Path(__file__).parents[5]
AI_DEV = Kernel("ai-dev", "/opt/evenkeel/envs/ai-dev", "Python (ai-dev)")
VISION = Kernel("vision", "/opt/evenkeel/envs/vision", "Vision", {"CUDA_VISIBLE_DEVICES": "0"})
FOREIGN = Installed('{"argv": ["R"], "display_name": "R"}', ours=False)
DIRECTORY = "/usr/local/share/jupyter/kernels"
LAUNCHER = kernelspecs.launcher(DIRECTORY, "/opt/miniconda3", 20)
CUT = kernelspecs.render(AI_DEV, LAUNCHER)[:-9]
HIDDEN = Installed(kernelspecs.render(AI_DEV, LAUNCHER), ours=True, hidden=True)


def ours(kernel: Kernel) -> Installed:
    return Installed(kernelspecs.render(kernel, LAUNCHER), ours=True)


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
    plan = kernelspecs.plan(current, desired, DIRECTORY, LAUNCHER)
    assert (sorted(plan.write), plan.remove) == (written, removed)
    assert plan.changed is bool(written or removed)
    assert len(plan.diff(DIRECTORY)) == len(written) + len(removed)


@pytest.mark.parametrize("there", [FOREIGN, Installed("", ours=False), kernelspecs.parse("\udcff{")])
def test_plan_refuses_to_take_over(there: Installed) -> None:
    with pytest.raises(EvenkeelError, match=f"Not written by Evenkeel: {DIRECTORY}/ai-dev"):
        kernelspecs.plan({"ai-dev": there}, [AI_DEV], DIRECTORY, LAUNCHER)


def test_second_plan_after_apply_is_empty(tmp_path: Path) -> None:
    directory = str(tmp_path / "kernels")
    kernelspecs.apply(kernelspecs.plan({}, [AI_DEV, VISION], directory, LAUNCHER), directory)
    assert (tmp_path / "kernels" / "ai-dev" / "kernel.json").stat().st_mode & 0o777 == 0o644
    assert not kernelspecs.plan(kernelspecs.read(directory), [AI_DEV, VISION], directory, LAUNCHER).changed


def test_apply_removes_ours_and_nothing_else(tmp_path: Path) -> None:
    directory = str(tmp_path)
    kernelspecs.apply(kernelspecs.plan({}, [AI_DEV, VISION], directory, LAUNCHER), directory)
    (tmp_path / "vision" / "logo.svg").touch()
    (tmp_path / "ir").mkdir()
    (tmp_path / "ir" / "kernel.json").write_text(FOREIGN.text)

    kernelspecs.apply(kernelspecs.plan(kernelspecs.read(directory), [], directory, LAUNCHER), directory)

    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["ir/kernel.json", "vision/logo.svg"]
    assert not (tmp_path / "ai-dev").exists()


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        (kernelspecs.render(AI_DEV, LAUNCHER), True),
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
    assert "a missing environment to conda_environments_list of the role conda_environments" in caught.value.remedy
    assert "a missing package to its environment.yml, which lock.yml locks again" in caught.value.remedy
    assert f"; the kernel bare: the environment {tmp_path}/bare has no ipykernel" in str(caught.value)
    assert f"kernel absent: there is no environment with a Python at {tmp_path}/absent" in str(caught.value)
    assert "kernel ready" not in str(caught.value)


def test_environments_that_hold_what_is_needed(tmp_path: Path) -> None:
    ready = environment(tmp_path / "ready")
    (ready / "bin" / "jupyter-lab").touch()
    kernelspecs.check_environments([Kernel("ready", str(ready), "")], str(ready))
    kernelspecs.check_environments([], None)


def launched(tmp_path: Path, kernel: Kernel, **variables: str) -> list[str]:
    """Start a kernel as Jupyter does, and return what it shows of itself: its call, and ``NAME=VALUE`` of variables."""
    directory = str(tmp_path / "kernels")
    kept_files.apply_all(kernelspecs.launcher_file(directory))
    assert kernelspecs.launcher_file(directory) == []
    spec = json.loads(kernelspecs.render(kernel, kernelspecs.launcher(directory, str(tmp_path / "none"), 20)))
    argv = [word.replace("{connection_file}", "/run/kernel 1.json") for word in spec["argv"]]
    environ = {"PATH": "/usr/bin:/bin", **variables, **spec["env"]}
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.splitlines()


#: The environment's Python, which runs the launcher, and shows how it is called for a kernel.
PYTHON = f"""#!/bin/sh
case "$*" in -I*) exec {sys.executable} "$@" ;; esac
printf '%s\\n' "$0" "$@"
env
"""


def test_kernel_runs_from_the_generation_behind_the_link(tmp_path: Path) -> None:
    generation = environment(tmp_path / "it's a generation", python=PYTHON)
    link = tmp_path / "envs" / "ai-dev"
    link.parent.mkdir()
    link.symlink_to(generation)
    python, *shown = launched(tmp_path, Kernel("ai-dev", str(link), ""))
    assert python == f"{generation}/bin/python"
    assert shown[:4] == ["-m", "ipykernel_launcher", "-f", "/run/kernel 1.json"]
    assert {f"CONDA_PREFIX={generation}", f"PATH={generation}/bin:/usr/bin:/bin"} <= {*shown}
    assert "CONDA_DEFAULT_ENV=ai-dev" in shown


def test_a_kernel_s_own_variables_take_precedence_over_its_environment_s(tmp_path: Path) -> None:
    prefix = environment(tmp_path / "vision", python=PYTHON)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "state").write_text('{"env_vars": {"CUDA_VISIBLE_DEVICES": "1", "DATA_ROOT": "/srv"}}')
    own = {"CUDA_VISIBLE_DEVICES": "0", "PATH": "/own:/bin"}
    shown = launched(tmp_path, Kernel("vision", str(prefix), "", own))
    assert {"CUDA_VISIBLE_DEVICES=0", "DATA_ROOT=/srv", f"PATH={prefix}/bin:/own:/bin"} <= {*shown}


def test_scripts_may_take_some_time() -> None:
    with pytest.raises(EvenkeelError, match=r"activation_timeout .* is 0"):
        kernelspecs.launcher(DIRECTORY, "/opt/miniconda3", 0)


def test_the_role_names_the_launcher_for_users_own_kernels() -> None:
    variables = yaml.safe_load((ROOT / "roles" / "jupyter" / "vars" / "main.yml").read_text())
    call = variables["__jupyter_settings"]["NodeKernelSpecManager"]["launcher"]
    assert call[0] == "{{ jupyter_kernels_directory }}/" + kernelspecs.LAUNCHER
    assert len(call) == len(LAUNCHER)


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: path.write_text("[" * 100_000), lambda path: path.write_text("x" * (2 << 20))],
    ids=["pipe", "folder", "deep", "large"],
)
def test_what_is_no_kernelspec_is_someone_else_s(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "odd").mkdir()
    make(tmp_path / "odd" / kernelspecs.SPEC)
    assert not kernelspecs.read(str(tmp_path))["odd"].ours
