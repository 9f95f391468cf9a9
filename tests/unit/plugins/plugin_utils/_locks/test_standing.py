# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import locking, standing
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

CHANNEL = "https://channel.example/main"
PYTHON = Package("python", "3.11.2", "0_cpython", "1a" * 32, url=f"{CHANNEL}/linux-64/python-3.11.2-0_cpython.conda")
NUMPY = Package("numpy", "2.1.0", "0", "2b" * 32, url=f"{CHANNEL}/linux-64/numpy-2.1.0-0.conda", depends=("python",))
TEXT = f"channels: [{CHANNEL}]\ndependencies: [python=3.11]\n"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment, and all that lock.yml writes for it."""
    path = tmp_path / "environments" / "ai-dev" / "environment.yml"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    asked = read(path)
    virtual_packages = {"linux-64": {"__glibc": "2.36"}}
    (problem,) = locking.problems(asked, virtual_packages, Mirrors(), "", None, None)
    locking.apply(locking.plan(asked, {problem: (NUMPY, PYTHON)}, None))
    return path


def spoiled_lock(path: Path) -> None:
    lock = path.with_name("conda-lock.yml")
    lock.write_text(lock.read_text().replace("version: 1\n", "version: 9\n", 1))


@pytest.mark.parametrize(
    ("edit", "state", "said"),
    [
        (lambda path: None, standing.FRESH, []),
        (lambda path: path.write_text(TEXT.replace("python=3.11", '"python 3.11.*"')), standing.FRESH, []),
        (
            lambda path: path.write_text(TEXT.replace("3.11", "3.12")),
            standing.STALE,
            ["conda-lock.yml is older than {path}: it asks for something else now. Lock again"],
        ),
        (
            lambda path: path.write_text(f"{TEXT}platforms: [linux-64, linux-aarch64]\n"),
            standing.STALE,
            ["conda-lock.yml is for linux-64, not for linux-aarch64. Lock again with linux-aarch64"],
        ),
        (
            lambda path: path.with_name("conda-linux-64.lock").write_text("@EXPLICIT\n"),
            standing.STALE,
            ["conda-linux-64.lock is not the one of {path.parent}/conda-lock.yml. Lock again with lock_env=ai-dev"],
        ),
        (lambda path: path.with_name("conda-linux-64.lock").unlink(), standing.STALE, ["is not the one of"]),
        (
            lambda path: path.with_name("conda-lock.yml").unlink(),
            standing.MISSING,
            ["{path} has no lock. Lock it (playbook lock.yml with lock_env=ai-dev), and commit"],
        ),
        (spoiled_lock, standing.UNKNOWN, ["version is 9, and only 1"]),
        (lambda path: path.write_text("dependencies: six\n"), standing.UNKNOWN, ["dependencies is 'six'"]),
        (lambda path: path.with_name("environment.yaml").write_text(TEXT), standing.UNKNOWN, ["have the same lock"]),
    ],
)
def test_how_a_lock_stands_to_its_environment(
    edit: Callable[[Path], object], state: str, said: list[str], environment: Path
) -> None:
    edit(environment)
    found = standing.of(environment)
    assert (found.environment, found.lock) == (environment, environment.with_name("conda-lock.yml"))
    assert (found.state, len(found.why)) == (state, len(said))
    for expected, why in zip(said, found.why, strict=True):
        assert expected.format(path=environment) in why


def test_the_lock_of_another_program_has_no_explicit_file(environment: Path) -> None:
    lock = environment.with_name("conda-lock.yml")
    text = lock.read_text()
    start, end = text.index("  custom_metadata:"), text.index("package:\n")
    lock.write_text(text[:start] + text[end:])
    environment.with_name("conda-linux-64.lock").unlink()
    assert standing.of(environment).state == standing.FRESH


def test_files_are_named_or_found(environment: Path) -> None:
    folder = environment.parents[1]
    (folder / "gpu.yml").write_text(TEXT)
    (folder / "other.yml").write_text("key: value\n")
    assert standing.files([folder]) == [folder / "gpu.yml", environment]
    assert standing.files([environment, environment.parent]) == [environment]
    (folder / "empty").mkdir()
    with pytest.raises(EvenkeelError, match=f"There is no environment file in {folder}/empty"):
        standing.files([folder / "empty"])


def test_a_file_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    (found,) = map(standing.of, standing.files([tmp_path / "environment.yml"]))
    assert (found.state, "No such file" in found.why[0]) == (standing.UNKNOWN, True)
