# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths a part means, and what is left of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import part as parts
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.part import EMPTY, LINES, Part


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name, text in {
        "log/journal/0f/system.journal": "x",
        "log/nginx/access.log": "a\n",
        "log/nginx/access.log.1": "b\n",
        "log/empty.log": "",
        "home/ana/.cache/pip/x": "x",
        "home/ana/.bash_history": "ls\n",
        "etc/ifcfg-eth0": "DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nONBOOT=yes\n",
        "etc/machine-id": "0f\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def sealed(part: Part, *homes: Path) -> list[str]:
    """Seal a part, and return the paths that this was about."""
    found = parts.find(part, tuple(map(str, homes)))
    for one in found:
        parts.apply(one)
    assert parts.find(part, tuple(map(str, homes))) == []
    return [one.path for one in found]


def test_a_folder_goes_with_all_that_is_in_it(top: Path) -> None:
    (found,) = parts.find(Part(f"{top}/log/journal/*", "journals"))
    assert (found.path, found.files, found.stays) == (f"{top}/log/journal/0f", 1, False)
    assert sealed(found.part) == [found.path]
    assert (top / "log" / "journal").is_dir()


def test_files_below_a_folder_lose_their_content_and_keep_their_modes(top: Path) -> None:
    (top / "log/nginx/access.log").chmod(0o640)
    assert sealed(Part(f"{top}/log", "logs", EMPTY)) == [f"{top}/log"]
    assert {path.stat().st_size for path in (top / "log").rglob("*") if path.is_file()} == {0}
    assert (top / "log/nginx/access.log").stat().st_mode & 0o777 == 0o640


def test_a_pattern_reaches_into_folders(top: Path) -> None:
    assert sealed(Part(f"{top}/log/**/*.[0-9]", "former logs")) == [f"{top}/log/nginx/access.log.1"]


def test_lines_go_and_the_others_stay(top: Path) -> None:
    assert sealed(Part(f"{top}/etc/ifcfg-*", "MAC addresses", LINES, lines="^HWADDR=")) == [f"{top}/etc/ifcfg-eth0"]
    assert (top / "etc/ifcfg-eth0").read_text() == "DEVICE=eth0\nONBOOT=yes\n"


def test_what_is_as_it_has_to_be_is_nothing_to_do(top: Path) -> None:
    assert parts.find(Part(f"{top}/log/empty.log", "log", EMPTY)) == []
    assert parts.find(Part(f"{top}/nowhere", "nothing")) == []
    assert parts.find(Part(f"{top}/etc/ifcfg-eth0", "MAC addresses", LINES, lines="^NOTHING=")) == []


def test_a_part_of_others_systems_stays(top: Path) -> None:
    assert parts.find(Part(f"{top}/etc/machine-id", "id", where=f"{top}/usr/bin/cloud-init")) == []


def test_homes_stand_for_their_sign_and_their_links_lead_nowhere(top: Path) -> None:
    (top / "home" / "eve").mkdir()
    (top / "home" / "eve" / ".config").symlink_to(top / "etc")
    (top / "home" / "eve" / ".cache").symlink_to(top / "etc")
    homes = (top / "home" / "ana", top / "home" / "eve")
    assert sealed(Part("~/.cache", "caches"), *homes) == [f"{home}/.cache" for home in homes]
    assert parts.find(Part("~/.config/machine-id", "id"), tuple(map(str, homes))) == []
    assert (top / "etc/machine-id").read_text() == "0f\n"


def test_a_secret_is_overwritten_before_its_name_goes(top: Path) -> None:
    other = top / "other-name"
    os.link(top / "home/ana/.bash_history", other)
    sealed(Part("~/.bash_history", "history", secret=True), top / "home" / "ana")
    assert other.read_bytes() == b"\0\0\0"


def test_the_modules_own_code_stays(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [f"{top}/log/nginx/payload.zip", *sys.path])
    assert f"{top}/log/nginx" not in [found.path for found in parts.find(Part(f"{top}/log/*", "files"))]
