# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.modes import Loose

FILE, DIRECTORY, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
ROOT, ANA = 0, 1000

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners are changed by root alone")


def status(mode: int, uid: int = ROOT, gid: int = ROOT) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FILE | 0o666, 0o644),
        (FILE | 0o664, 0o644),
        (FILE | 0o600, 0o644),
        (FILE | 0o400, 0o444),
        (FILE | 0o000, 0o444),
        (FILE | 0o700, 0o755),
        (FILE | 0o611, 0o655),
        (FILE | 0o6777, 0o755),
        (FILE | 0o1644, 0o644),
        (FILE | 0o644, 0o644),
        (FILE | 0o755, 0o755),
        (DIRECTORY | 0o777, 0o755),
        (DIRECTORY | 0o3775, 0o755),
        (DIRECTORY | 0o700, 0o755),
        (DIRECTORY | 0o600, 0o755),
    ],
)
def test_what_packages_bring_is_read_by_everybody_and_written_by_its_owner(before: int, after: int) -> None:
    assert oct(modes.shared(before)) == oct(after)
    assert modes.masked(before) & 0o7022 == 0
    assert modes.masked(before) & ~after == 0


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (status(FILE | 0o644), None),
        (status(FILE | 0o600), None),
        (status(FILE | 0o444, ROOT, ANA), None),
        (status(DIRECTORY | 0o755), None),
        (status(DIRECTORY | 0o2755), None),
        (status(LINK | 0o777), None),
        (status(LINK | 0o777, ANA), None),
        (status(FILE | 0o664), Loose("x", False)),
        (status(FILE | 0o664, ROOT, ANA), Loose("x", True)),
        (status(FILE | 0o666), Loose("x", True)),
        (status(FILE | 0o646), Loose("x", True)),
        (status(FILE | 0o4755), Loose("x", False)),
        (status(FILE | 0o2755, ROOT, ANA), Loose("x", False)),
        (status(FILE | 0o444, ANA), Loose("x", True)),
        (status(DIRECTORY | 0o775), Loose("x", False)),
        (status(DIRECTORY | 0o775, ROOT, ANA), Loose("x", True)),
        (status(DIRECTORY | 0o1777), Loose("x", True)),
        (status(DIRECTORY | 0o755, ANA), Loose("x", True)),
    ],
)
def test_what_is_loose_and_what_an_ordinary_user_may_have_changed(found: os.stat_result, verdict: Loose | None) -> None:
    assert modes.judge("x", found) == verdict


def test_what_root_owns_is_nobody_elses_for_an_ordinary_user_either() -> None:
    assert modes.judge("x", status(FILE | 0o644), ANA) is None
    assert modes.judge("x", status(FILE | 0o644, ANA), ANA) is None
    assert modes.judge("x", status(FILE | 0o644, ANA + 1), ANA) == Loose("x", True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a careless package leaves, and a link out of it."""
    made = tmp_path / "tree"
    for path, permissions in {
        "bin/tool": 0o6777,
        "lib/python3.11/site-packages/a.pth": 0o666,
        "lib/python3.11/site-packages/open/data.txt": 0o664,
        "lib/python3.11/site-packages/private.txt": 0o600,
        "share/deep/notes.txt": 0o666,
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text("")
        (made / path).chmod(permissions)
    (made / "lib/python3.11/site-packages/open").chmod(0o3777)
    (tmp_path / "outside").write_text("")
    (tmp_path / "outside").chmod(0o666)
    (made / "link").symlink_to(tmp_path / "outside")
    return made


SITE = "lib/python3.11/site-packages"
REPORTED = {"bin/tool", f"{SITE}/a.pth", f"{SITE}/open", f"{SITE}/open/data.txt", "share/deep/notes.txt"}


def test_a_tree_is_shared(tree: Path, tmp_path: Path) -> None:
    modes.share(str(tree))
    assert modes.loose(str(tree)) == ()
    for path in tree.rglob("*"):
        if not path.is_symlink():
            assert mode(path) == (0o755 if path.is_dir() or path.name == "tool" else 0o644), path
    assert mode(tmp_path / "outside") == 0o666


def test_sharing_again_changes_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes.share(str(tree))
    monkeypatch.delattr(os, "chmod")
    monkeypatch.delattr(os, "chown")
    modes.share(str(tree))


def test_a_tree_is_tightened_and_nothing_is_made_readable(tree: Path, tmp_path: Path) -> None:
    assert {one.path for one in modes.loose(str(tree))} == REPORTED
    assert mode(tree / "bin/tool") == 0o6777
    taken = modes.tighten(str(tree))
    assert {one.path for one in taken} == REPORTED
    assert {one.path for one in taken if not one.exposed} == {f"{SITE}/open/data.txt"}
    assert modes.tighten(str(tree)) == ()
    assert (mode(tree / "bin/tool"), mode(tree / SITE / "open")) == (0o755, 0o755)
    assert mode(tree / SITE / "private.txt") == 0o600
    assert mode(tmp_path / "outside") == 0o666


def test_what_is_somebody_elses_is_left_out(tree: Path) -> None:
    assert {one.path for one in modes.loose(str(tree), skip=["share"])} == REPORTED - {"share/deep/notes.txt"}


def test_a_directory_that_is_exchanged_for_a_link_is_not_followed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "private"
    target.mkdir()
    (target / "key").write_text("")
    (target / "key").chmod(0o666)
    attacked = tree / SITE / "open"
    original = os.open

    def exchanging(path: str, flags: int, **more: object) -> int:
        if path == "open" and not attacked.is_symlink():
            attacked.rename(tmp_path / "gone")
            attacked.symlink_to(target)
        return original(path, flags, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", exchanging)
    modes.tighten(str(tree))
    assert attacked.is_symlink()
    assert mode(target / "key") == 0o666


@pytest.mark.parametrize(
    ("error", "found"),
    [
        pytest.param(FileNotFoundError(errno.ENOENT, "gone"), (), id="removed meanwhile"),
        pytest.param(PermissionError(errno.EACCES, "FUSE"), (Loose("its", True),), id="a user's mount"),
        pytest.param(OSError(errno.ENOTCONN, "FUSE"), (Loose("its", True),), id="a user's mount that has ended"),
    ],
)
def test_what_can_not_be_looked_at_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, found: tuple[Loose, ...]
) -> None:
    entry = mock.Mock(**{"stat.side_effect": error})
    entry.name = "its"
    monkeypatch.setattr(modes.os, "scandir", lambda _: contextlib.nullcontext([entry]))
    assert modes.loose(str(tmp_path)) == found


def test_directories_without_end_are_reported_not_followed(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    (found,) = modes.tighten(str(tmp_path))
    assert found.exposed
    assert found.path.startswith("d/d/d")


@as_root
def test_what_a_user_owns_becomes_roots(tree: Path) -> None:
    (tree / SITE / "mine.pth").write_text("")
    os.chown(tree / SITE / "mine.pth", 65534, 65534)
    os.chown(tree / "share", 65534, 65534)
    assert {one.path for one in modes.tighten(str(tree))} == {*REPORTED, f"{SITE}/mine.pth", "share"}
    assert ((tree / "share").stat().st_uid, (tree / SITE / "mine.pth").stat().st_uid) == (0, 0)


def test_entrances_are_those_that_python_conda_and_shells_read(tree: Path) -> None:
    assert {one.path for one in modes.loose_entrances(str(tree))} == {"bin/tool", f"{SITE}/a.pth", f"{SITE}/open"}
    modes.share(str(tree))
    assert modes.loose_entrances(str(tree)) == ()
    tree.chmod(0o777)
    assert [one.path for one in modes.loose_entrances(str(tree))] == ["."]


def test_directories_above_that_users_may_replace_entries_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path / "data" / "evenkeel"
    place.mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    assert modes.loose_ancestors(str(place)) == ()
    (tmp_path / "data").chmod(0o777)
    assert modes.loose_ancestors(str(place)) == (str(tmp_path / "data"),)
    assert modes.loose_ancestors(str(tmp_path / "link" / "evenkeel")) == (
        str(tmp_path / "data"),
        str(tmp_path / "link"),
    )
    (tmp_path / "data").chmod(0o1777)
    assert modes.loose_ancestors(str(place)) == ()


@pytest.mark.parametrize(
    ("paths", "lines"),
    [
        ([], ()),
        (["b", "a"], ("others may change a, b",)),
        (["e", "d", "c", "b", "a"], ("others may change a, b, c and 2 more",)),
    ],
)
def test_all_is_told_in_one_line(paths: list[str], lines: tuple[str, ...]) -> None:
    assert modes.reported(Loose(path, True) for path in paths) == lines
