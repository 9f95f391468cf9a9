# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions beside each other: what makes one another, which is complete, and what is removed."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import versions
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.versions import Version


@pytest.fixture
def version(tmp_path: Path) -> Version:
    return Version(str(tmp_path / "root"), sys.executable, {"ansible-core": "2.19.1", "uv": "0.13.9"}, b"program")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with the wheel of a uv that makes empty environments."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    script = '#!/bin/sh\nfor last; do :; done\n[ "$1" != venv ] || mkdir -p "$last/bin"\n'
    with zipfile.ZipFile(folder / "uv-0.13.9-py3-none-any.whl", "w") as archive:
        archive.writestr("uv-0.13.9.data/scripts/uv", script)
    for name in ("ansible_core-2.19.1-py3-none-any.whl", "py_rattler-0.25.0-cp310-abi3-manylinux_2_17_x86_64.whl"):
        (folder / name).touch()
    return folder


def test_ids_follow_from_what_a_version_is_made_of(version: Version) -> None:
    others = [
        replace(version, program=b"another"),
        replace(version, packages={"ansible-core": "2.19.2", "uv": "0.13.9"}),
        replace(version, python="/usr/bin/python3.12"),
    ]
    assert len({version.id, *(other.id for other in others)}) == 4
    assert [other.venv_id == version.venv_id for other in others] == [True, False, False]


def test_a_version_is_built_switched_to_and_shares_its_environment(version: Version, wheels: Path) -> None:
    assert not version.complete
    versions.build(version, str(wheels))
    assert version.complete
    assert not version.current
    versions.switch(version)
    assert version.current
    later = replace(version, program=b"another")
    assert later.has_venv
    versions.build(later, "/nowhere")
    versions.switch(later)
    assert (version.current, later.current) == (False, True)
    assert Path(later.root, "previous").readlink() == Path("versions", version.id)
    versions.switch(later)
    assert Path(later.root, "previous").readlink() == Path("versions", version.id)


def test_what_links_packages_is_kept_for_the_nodes_own_runs(version: Version, wheels: Path) -> None:
    versions.build(version, str(wheels))
    assert {path.name for path in Path(version.venv, "wheels").iterdir()} == {
        "uv-0.13.9-py3-none-any.whl",
        "py_rattler-0.25.0-cp310-abi3-manylinux_2_17_x86_64.whl",
    }


def test_what_neither_is_nor_was_in_use_is_removed(version: Version, wheels: Path) -> None:
    made = [replace(version, program=text) for text in (b"1", b"2", b"3", b"4")]
    other = replace(version, packages={"uv": "0.13.9"}, program=b"0")
    for one in (other, *made):
        versions.build(one, str(wheels))
        versions.switch(one)
    (Path(made[1].path) / "broken").touch()
    (Path(version.root) / "venvs" / ".partial-x").mkdir()
    versions.prune(version.root)
    left = {path.name for path in (Path(version.root) / "versions").iterdir()}
    assert left == {made[1].id, made[2].id, made[3].id}
    assert [path.name for path in (Path(version.root) / "venvs").iterdir()] == [version.venv_id]
    assert made[1].broken


def test_what_an_interrupted_removal_leaves_does_not_pass_for_whole(
    version: Version, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (version, replace(version, packages={"uv": "0.13.9"}, program=b"1")):
        versions.build(one, str(wheels))
    versions.switch(one)

    def interrupted(path: str) -> None:
        raise OSError(5, "Input/output error", path)

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", interrupted)
        with pytest.raises(OSError, match="Input/output"):
            versions.prune(version.root)
    assert not version.complete
    versions.prune(version.root)
    assert [path.name for path in (Path(version.root) / "versions").iterdir()] == [one.id]


@pytest.mark.parametrize("left", ["venv", "version"])
def test_what_a_killed_run_leaves_is_made_anew(version: Version, wheels: Path, left: str) -> None:
    folder = Path(version.venv if left == "venv" else version.path)
    folder.mkdir(parents=True)
    (folder / "rest").touch()
    versions.build(version, str(wheels))
    assert version.complete
    assert not (folder / "rest").exists()


def test_a_version_has_to_start(version: Version, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions.build(version, str(wheels))
    answers = {"ansible": 0, "status": 0}
    monkeypatch.setattr(
        versions.command,
        "run",
        lambda argv, **options: Done(answers["ansible" if "ansible" in argv else "status"], "", "it says why"),
    )
    versions.require_runs(version)
    for broken in answers:
        answers[broken] = 1
        with pytest.raises(EvenkeelError, match="it says why"):
            versions.require_runs(version)
        answers[broken] = 0


def test_the_newest_python_is_found(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"no Python 3\.11 or newer"):
        versions.find_python("", (str(tmp_path),))
    for name in ("python3.9", "python3.11", "python3.12"):
        (tmp_path / name).touch()
    assert versions.find_python("", (str(tmp_path),)) == f"{tmp_path}/python3.12"
    assert versions.find_python(sys.executable) == sys.executable
    with pytest.raises(EvenkeelError, match="There is no /nowhere/python"):
        versions.find_python("/nowhere/python")


def test_a_python_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.tag_of(sys.executable) == f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setattr(versions.command, "require", lambda *arguments, **options: "3.10\n")
    with pytest.raises(EvenkeelError, match=r"is Python 3\.10"):
        versions.tag_of("/usr/bin/python3")
