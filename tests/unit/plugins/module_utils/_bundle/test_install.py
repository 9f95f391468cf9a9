# SPDX-License-Identifier: GPL-3.0-or-later
"""The program in a bundle runs with Python alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import control

from tests.unit.plugins.module_utils._bundle.conftest import Workshop, of_control


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(program), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def contents(tmp_path: Path) -> dict[str, bytes]:
    here = control.this("/")
    own, other = control.wheels_folder(here.version, here.machine), control.wheels_folder("3.11", "x86_64")
    return {path.replace(other, own): content for path, content in of_control(tmp_path).items()}


def test_it_checks_and_sets_up_and_says_what_is_next(workshop: Workshop, tmp_path: Path) -> None:
    bundle = workshop.bundle(workshop.copy(contents(tmp_path)))
    workshop.allow("ana")
    program, root = bundle / "install.pyz", tmp_path / "control"
    asked = ("--signers", workshop.signers, "--root", root)
    done = run(program, *asked, "--check")
    assert done.returncode == 0, done.stderr
    assert "is whole: 6 files, 1 MiB, signed by ana@site.example" in done.stdout
    assert not root.exists()
    done = run(program, *asked)
    assert done.returncode == 0, done.stderr
    assert f"{root}/current: set up" in done.stdout
    assert f"evenkeel.gpu.bundle_install -e bundle_install_from={bundle}" in done.stdout
    assert f"{root}/current: as before" in run(program, *asked).stdout


def test_it_takes_another_bundle_and_says_what_is_wrong(workshop: Workshop, tmp_path: Path) -> None:
    bundle = workshop.bundle(workshop.copy(contents(tmp_path)))
    done = run(bundle / "install.pyz", "--root", tmp_path / "control")
    assert (done.returncode, "Name the file of allowed signers by --signers" in done.stderr) == (1, True)
    done = run(bundle / "install.pyz", tmp_path / "nothing", "--unsigned")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No such file" in done.stderr
