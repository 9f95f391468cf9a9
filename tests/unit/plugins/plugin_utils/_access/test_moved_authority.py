# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority that was in the inventory is moved once, and never lost."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import moved_authority, tls_authority

from tests.unit.plugins.certificates import NOW, authority

CA = authority()
MODES = tls_authority.MODES


class Site:
    """An inventory with an authority in it."""

    def __init__(self, top: Path) -> None:
        self.earlier, self.place = top / "mine" / "evenkeel-ca", top / ".evenkeel" / "mine" / "ca"
        tls_authority.ensure(self.earlier, Path.read_bytes, 30, NOW)
        tls_authority.write(self.earlier, CA)
        self.content = {name: (self.earlier / name).read_bytes() for name in MODES}

    def move(self) -> bool:
        return moved_authority.move(self.place, self.earlier, MODES)

    def require_movable(self) -> None:
        moved_authority.require_movable(self.place, self.earlier)

    @property
    def kept(self) -> bool:
        """Whether the authority is in its place, whole, private, and nowhere else."""
        modes = {name: stat.S_IMODE((self.place / name).stat().st_mode) for name in MODES}
        content = {name: (self.place / name).read_bytes() for name in MODES}
        return (content, modes, self.earlier.exists()) == (self.content, MODES, False)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_it_is_moved_once_for_all_who_ask(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(lambda _: site.move(), range(8)))
    assert sum(moved) == 1
    assert site.kept
    assert not site.move()


def test_it_is_read_where_it_still_is(site: Site) -> None:
    (site.place).mkdir(parents=True)
    (site.earlier / "ca-key.pem").rename(site.place / "ca-key.pem")
    found = tls_authority.read(site.place, Path.read_bytes, 30, NOW, site.earlier)
    assert found is not None
    assert found.certificate == CA.certificate


def test_a_key_that_all_could_read_is_private_afterwards(site: Site) -> None:
    (site.earlier / "ca-key.pem").chmod(0o644)
    site.move()
    assert site.kept


def test_an_interrupted_move_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def written_once(path: str, text: str, mode: int) -> None:
        files.write_atomically(path, text, mode)
        raise KeyboardInterrupt

    monkeypatch.setattr(moved_authority, "write_atomically", written_once)
    for _file in MODES:
        with pytest.raises(KeyboardInterrupt):
            site.move()
    monkeypatch.undo()
    assert site.move()
    assert site.kept


def test_of_two_authorities_none_is_touched(site: Site) -> None:
    tls_authority.ensure(site.place, Path.read_bytes, 30, NOW)
    other = (site.place / "ca-key.pem").read_bytes()
    with pytest.raises(EvenkeelError, match=r"ca-key.pem are different, and there can be one authority"):
        site.move()
    with pytest.raises(EvenkeelError, match="there can be one authority"):
        tls_authority.read(site.place, Path.read_bytes, 30, NOW, site.earlier)
    assert (site.place / "ca-key.pem").read_bytes() == other
    assert {name: (site.earlier / name).read_bytes() for name in MODES} == site.content


def test_other_files_of_the_directory_stay(site: Site) -> None:
    (site.earlier / "notes.txt").write_text("who trusts it")
    assert site.move()
    assert {path.name for path in site.earlier.iterdir()} >= {"notes.txt"}
    assert not {path.name for path in site.earlier.iterdir()} & MODES.keys()
    assert not site.move()


def test_a_link_to_another_disk_is_moved_and_not_what_is_there(site: Site, tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    site.earlier.rename(safe)
    site.earlier.symlink_to("../safe")
    assert site.move()
    assert site.kept
    assert (site.place.readlink(), (safe / "ca-key.pem").exists()) == (safe, True)


def test_a_directory_that_an_operator_chose_is_left(tmp_path: Path) -> None:
    variables = {"inventory_dir": str(tmp_path / "mine"), "ansible_inventory_sources": [str(tmp_path / "mine")]}
    default = tmp_path / "mine" / ".evenkeel" / "ca"
    assert moved_authority.earlier_than(default, variables) == tmp_path / "mine" / "evenkeel-ca"
    assert moved_authority.earlier_than(tmp_path / "mine" / "evenkeel-ca", variables) is None


def test_a_place_that_can_not_be_written(site: Site) -> None:
    site.place.parent.parent.touch()
    for does in (site.move, site.require_movable):
        with pytest.raises(EvenkeelError, match="can't be moved to"):
            does()
    assert {name: (site.earlier / name).read_bytes() for name in MODES} == site.content


@pytest.mark.parametrize("linked", [False, True])
def test_a_rehearsal_refuses_an_inventory_that_can_not_be_written_to(
    site: Site, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if linked:
        site.earlier.rename(site.earlier.with_name("safe"))
        site.earlier.symlink_to("safe")
    site.require_movable()
    kept = site.earlier.parent if linked else site.earlier
    monkeypatch.setattr(os, "access", lambda place, _mode: place != str(kept))
    with pytest.raises(EvenkeelError, match=f"can't be moved to {site.place}: {kept} can't be written to"):
        site.require_movable()
    assert not site.place.exists()
