# SPDX-License-Identifier: GPL-3.0-or-later
"""What Evenkeel adds to a build, and what shells make of it as conda has them source it."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.activation import File
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import user_files

LINK = "/opt/evenkeel/envs/ai-dev"
LIBRARY = "lib/python3.11"
MANAGED = f"{LIBRARY}/EXTERNALLY-MANAGED"
SCRIPTS = {
    f"etc/conda/{when}.d/evenkeel_user_site{suffix}"
    for when in ("activate", "deactivate")
    for suffix in (".sh", ".fish", ".csh")
}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    prefix = tmp_path / "3b7f"
    for library in (LIBRARY, "lib/python3.11t"):
        (prefix / library).mkdir(parents=True)
    (prefix / LIBRARY / "os.py").touch()
    (prefix / "lib" / "python3.1").symlink_to("python3.11")
    (prefix / "conda-meta").mkdir()
    return prefix


def converge(prefix: Path, *, user_site: bool = False) -> set[str]:
    """Return what changed; a second plan is empty."""
    changes = activation.plan(str(prefix), LINK, user_site=user_site)
    activation.apply(str(prefix), changes)
    assert activation.plan(str(prefix), LINK, user_site=user_site) == {}
    return set(changes)


def test_a_build_gets_its_files_and_they_are_nobody_elses(build: Path) -> None:
    before = set(user_files(str(build)))
    assert converge(build) == {*SCRIPTS, MANAGED, activation.MESSAGE}
    assert activation.isolates(str(build))
    assert set(user_files(str(build))) == before
    assert {file.path for file in activation.files(str(build))} == {*SCRIPTS, MANAGED}
    assert {path.stat().st_mode & 0o777 for path in (build / "etc" / "conda").glob("*/*")} == {0o644}


def test_users_packages_are_seen_where_that_is_wanted(build: Path) -> None:
    assert converge(build, user_site=True) == {MANAGED, activation.MESSAGE}
    assert not activation.isolates(str(build))
    assert converge(build) == SCRIPTS
    assert converge(build, user_site=True) == SCRIPTS
    assert [path for path in (build / "etc").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("path", [*sorted(SCRIPTS), MANAGED, activation.MESSAGE])
@pytest.mark.parametrize("damage", ["removed", "emptied", "edited"])
def test_what_was_damaged_is_written_again(build: Path, path: str, damage: str) -> None:
    converge(build)
    file = build / path
    if damage == "removed":
        file.unlink()
    elif damage == "emptied":
        file.unlink()
        file.touch()
    else:
        file.write_text("edited\n")
    assert converge(build) == {activation.MESSAGE if file.is_symlink() and damage == "edited" else path}


def test_without_python_there_is_nothing_to_hide(build: Path) -> None:
    (build / LIBRARY / "os.py").unlink()
    assert converge(build) == set()


def test_what_a_package_says_there_stays(build: Path) -> None:
    (build / MANAGED).write_text("[externally-managed]\nError=No.\n")
    assert MANAGED not in converge(build)
    assert (build / MANAGED).read_text().endswith("No.\n")


def test_pip_reads_two_ways_that_work(build: Path) -> None:
    converge(build)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(build / MANAGED)
    words = parser["externally-managed"]["Error"]
    assert "conda create --name mine --clone ai-dev\n" in words
    assert f"{LINK}/bin/python -m venv --system-site-packages ~/mine\n" in words
    assert words.count("python -m ipykernel install --user --name mine") == 1


def test_in_a_clone_the_link_leads_nowhere(build: Path, tmp_path: Path) -> None:
    converge(build)
    clone = tmp_path / "clone"
    shutil.copytree(build, clone, symlinks=True, ignore=shutil.ignore_patterns("conda-meta"))
    assert os.path.lexists(clone / MANAGED)
    assert not (clone / MANAGED).exists()


@dataclass(frozen=True)
class Shell:
    """A shell, and how it says what conda has it do."""

    argv: Sequence[str]
    suffix: str
    source: str
    export: str
    show: str


_SHOW = 'echo "${PYTHONNOUSERSITE-unset} $(env | grep -c EVENKEEL_)"'
SHELLS = {
    "bash": Shell(("bash", "--norc", "-eu", "-c"), ".sh", '. "%s"', "export %s=%s", _SHOW),
    "dash": Shell(("dash", "-u", "-c"), ".sh", '. "%s"', "export %s=%s", _SHOW),
    "zsh": Shell(("zsh", "-f", "-eu", "-c"), ".sh", '. "%s"', "export %s=%s", _SHOW),
    "fish": Shell(
        ("fish", "--no-config", "-c"),
        ".fish",
        'source "%s"',
        "set -gx %s %s",
        "set -q PYTHONNOUSERSITE; and set -l v $PYTHONNOUSERSITE; or set -l v unset; "
        'echo "$v "(env | grep -c EVENKEEL_)',
    ),
    "tcsh": Shell(
        ("tcsh", "-f", "-c"),
        ".csh",
        'source "%s"',
        "setenv %s %s",
        "sh -c 'echo \"${PYTHONNOUSERSITE-unset} $(env | grep -c EVENKEEL_)\"'",
    ),
}
# What conda sources, with the level that CONDA_SHLVL has then: leaving comes before it changes, entering after.
ENTER, LEAVE = ("activate", 1), ("deactivate", 1)
STEPS = {
    "once": ([ENTER, LEAVE], ["1 1", "{} 0"]),
    "twice": ([ENTER, ENTER, LEAVE], ["1 1", "1 1", "{} 0"]),
    "conda install": ([ENTER, LEAVE, ENTER, LEAVE], ["1 1", "{} 0", "1 1", "{} 0"]),
    "another and back": (
        [ENTER, LEAVE, ("activate", 2), ("deactivate", 2), ENTER, LEAVE],
        ["1 1", "{} 0", "1 1", "{} 0", "1 1", "{} 0"],
    ),
    "stacked": (
        [ENTER, ("activate", 2), ("deactivate", 2), ENTER, LEAVE],
        ["1 1", "1 2", "1 1", "1 1", "{} 0"],
    ),
    "never entered": ([LEAVE], ["{} 0"]),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("before", ["unset", "1", "yes"])
def test_what_it_was_comes_back(build: Path, shell: str, steps: str, before: str) -> None:
    speaks = SHELLS[shell]
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    converge(build)
    lines = []
    for when, level in STEPS[steps][0]:
        script = build / "etc" / "conda" / f"{when}.d" / f"evenkeel_user_site{speaks.suffix}"
        lines += [speaks.export % ("CONDA_SHLVL", level), speaks.source % script, speaks.show]
    variables = {"PATH": os.environ["PATH"], "HOME": str(build)}
    if before != "unset":
        variables["PYTHONNOUSERSITE"] = before
    done = subprocess.run([*speaks.argv, "\n".join(lines)], check=False, capture_output=True, text=True, env=variables)
    expected = [line.format(before) for line in STEPS[steps][1]]
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (expected, "", 0)


def test_what_is_to_be_done_is_told_apart(build: Path) -> None:
    changes = activation.plan(str(build), LINK, user_site=False)
    assert changes[MANAGED] == File("../../conda-meta/evenkeel-externally-managed", link=True)
