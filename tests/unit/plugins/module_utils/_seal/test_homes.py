# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files in homes are people's own."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import homes


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name, text in {
        "skel/.bashrc": "alias\n",
        "ana/.bashrc": "alias\n",
        "ana/.ssh/authorized_keys": "key\n",
        "ana/.cache/x": "x",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def own(top: Path) -> list[str]:
    others = [f"{top}/ana/.ssh/authorized_keys", f"{top}/ana/.cache"]
    found = homes.belongings({"ana": f"{top}/ana"}, others, f"{top}/skel")
    return [path.removeprefix(f"{top}/ana/") for path in found.get("ana", [])]


def test_a_home_as_it_was_made_has_none(top: Path) -> None:
    (top / "ana" / "empty").mkdir()
    assert own(top) == []


@pytest.mark.parametrize("name", ["notes.txt", "work/model.ipynb", ".ssh/id_ed25519", ".config/token"])
def test_a_file_is_somebodys(top: Path, name: str) -> None:
    (top / "ana" / name).parent.mkdir(exist_ok=True)
    (top / "ana" / name).write_text("mine")
    assert own(top) == [name]


def test_a_changed_file_of_the_skeleton_is_somebodys(top: Path) -> None:
    (top / "ana" / ".bashrc").write_text("export TOKEN=x\n")
    assert own(top) == [".bashrc"]


def test_a_link_to_a_folder_is_somebodys(top: Path) -> None:
    (top / "ana" / "data").symlink_to("/")
    assert own(top) == ["data"]


def test_the_first_ones_are_named(top: Path) -> None:
    for number in range(9):
        (top / "ana" / f"{number}.txt").write_text("")
    assert own(top) == [f"{number}.txt" for number in range(5)]


def test_services_are_no_people_unless_they_have_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {"root": 0, "chrony": 120, "jupyter": 998, "ana": 1000, "nobody": 65534}
    accounts = {name: pwd.struct_passwd((name, "x", uid, uid, "", f"/h/{name}", "/x")) for name, uid in ids.items()}
    monkeypatch.setattr(homes, "local_users", lambda: list(ids))
    monkeypatch.setattr(homes.pwd, "getpwnam", accounts.__getitem__)
    assert homes.of_people({998}) == {"root": "/h/root", "jupyter": "/h/jupyter", "ana": "/h/ana"}
