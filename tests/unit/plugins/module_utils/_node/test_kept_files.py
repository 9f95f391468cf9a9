# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with an owner and a mode, and secrets that no diff shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Change, Kept

ME, MINE = os.getuid(), os.getgid()
TEXT = Kept("text\n", 0o644, ME, MINE)
SECRET = Kept("hush", 0o600, ME, MINE)


@pytest.mark.parametrize(
    ("current", "wanted", "changed", "of_text"),
    [
        pytest.param(None, TEXT, True, True, id="none yet"),
        pytest.param(TEXT, TEXT, False, False, id="as desired"),
        pytest.param(SECRET, SECRET, False, False, id="a secret as desired"),
        pytest.param(TEXT, None, True, True, id="to go"),
        pytest.param(None, None, False, False, id="gone"),
        pytest.param(Kept("other"), Kept("text"), True, True, id="another text"),
        pytest.param(Kept("hush", 0o644, ME), SECRET, True, False, id="for all to read"),
        pytest.param(Kept("hush", 0o600, ME + 1), SECRET, True, False, id="somebody else's"),
    ],
)
def test_plan(current: Kept | None, wanted: Kept | None, changed: bool, of_text: bool) -> None:
    changes = kept_files.plan({"/f": current}, {"/f": wanted})
    assert bool(changes) is changed
    assert [change.of_text for change in changes] in ([], [of_text])


@pytest.mark.parametrize(
    ("before", "after", "secret", "said"),
    [
        pytest.param(None, SECRET, True, ("", "a secret\n"), id="made"),
        pytest.param(SECRET, None, True, ("a secret\n", ""), id="removed"),
        pytest.param(Kept("old", 0o600, ME), SECRET, True, ("a secret\n", "another secret\n"), id="replaced"),
        pytest.param(
            Kept("hush", 0o644, ME),
            SECRET,
            True,
            (f"# owner {ME}, mode 0644\na secret\n", f"# owner {ME}, mode 0600\na secret\n"),
            id="its mode alone",
        ),
        pytest.param(
            Kept("hush", 0o600, ME + 1),
            SECRET,
            True,
            (f"# owner {ME + 1}, mode 0600\na secret\n", f"# owner {ME}, mode 0600\na secret\n"),
            id="its owner alone",
        ),
        pytest.param(
            Kept("old", 0o644, ME),
            SECRET,
            True,
            (f"# owner {ME}, mode 0644\na secret\n", f"# owner {ME}, mode 0600\nanother secret\n"),
            id="text and mode",
        ),
        pytest.param(None, TEXT, False, ("", "text\n"), id="no secret made"),
        pytest.param(TEXT, None, False, ("text\n", ""), id="no secret removed"),
        pytest.param(
            Kept("http://me:hush@a\n"), Kept("b\n"), False, ("http://********@a\n", "b\n"), id="credentials in a URL"
        ),
    ],
)
def test_diff(before: Kept | None, after: Kept | None, secret: bool, said: tuple[str, str]) -> None:
    diff = Change("/f", before, after, secret).diff()
    assert (diff["before"], diff["after"]) == said


@pytest.mark.parametrize("wanted", [TEXT, SECRET, Kept("", 0o640, ME, MINE), None])
@pytest.mark.parametrize("there", [None, "text\n", "hush"])
def test_second_plan_after_apply_is_empty(tmp_path: Path, there: str | None, wanted: Kept | None) -> None:
    path = str(tmp_path / "deep" / "file")
    if there is not None:
        (tmp_path / "deep").mkdir()
        Path(path).write_text(there)
    for change in kept_files.plan({path: kept_files.read(path)}, {path: wanted}):
        kept_files.apply(change)
    assert kept_files.plan({path: kept_files.read(path)}, {path: wanted}) == []


def test_a_change_of_mode_leaves_the_time_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("hush")
    os.utime(path, (1, 1))
    (change,) = kept_files.plan({str(path): kept_files.read(str(path))}, {str(path): SECRET})
    kept_files.apply(change)
    assert (path.stat().st_mtime, path.stat().st_mode & 0o777) == (1, 0o600)


@pytest.mark.parametrize(
    ("path", "text", "ours"),
    [
        pytest.param("/etc/evenkeel/x", "theirs", True, id="a folder of ours"),
        pytest.param("/etc/sysctl.d/60-evenkeel-x.conf", "\udcff", True, id="a name of ours"),
        pytest.param("/etc/x", f"{MARK}\nx", True, id="our mark comes first"),
        pytest.param("/etc/x", f"#!/bin/sh\n{MARK}\nx", True, id="our mark comes later"),
        pytest.param("/etc/x", MARK[:20], True, id="cut off in our mark"),
        pytest.param("/etc/x", "", True, id="truncated"),
        pytest.param("/etc/x", "\0" * 512, True, id="never reached the disk"),
        pytest.param("/etc/x", "theirs", False, id="another text"),
        pytest.param("/etc/x", "\udcff\udcfe", False, id="garbage"),
        pytest.param("/etc/x", "# Kept by me", False, id="another mark"),
    ],
)
def test_whose_a_file_is(path: str, text: str, ours: bool) -> None:
    assert kept_files.is_ours(path, text) is ours
    with (
        contextlib.nullcontext() if ours else pytest.raises(EvenkeelError, match=f"{path} was not written by Evenkeel")
    ):
        kept_files.require_ours([Change(path, Kept(text), None)])


def test_a_time_that_is_still_to_come_is_set_right_once(tmp_path: Path) -> None:
    path = tmp_path / "evenkeel"
    path.write_text("text\n")
    os.utime(path, (1 << 33, 1 << 33))
    (change,) = kept_files.changes({str(path): "text\n"})
    assert not change.of_text
    assert change.diff()["before"] == "# its time is still to come\ntext\n"
    kept_files.apply(change)
    assert path.stat().st_mtime < 1 << 33
    assert kept_files.changes({str(path): "text\n"}) == []


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(EvenkeelError, match="link is not a regular file"):
        kept_files.read(str(tmp_path / "link"))


def test_of_a_users_huge_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * (2 << 20))
    token = kept_files.read(str(tmp_path / "token"))
    assert token is not None
    assert len(token.text) == 1 << 20


@pytest.mark.parametrize(("seconds", "ahead"), [(-5, False), (30, False), (3600, True)])
def test_a_time_is_still_to_come_where_clocks_do_not_explain_it(tmp_path: Path, seconds: int, ahead: bool) -> None:
    path = tmp_path / "token"
    path.write_text("hush")
    moment = time.time() + seconds
    os.utime(path, (moment, moment))
    token = kept_files.read(str(path))
    assert token is not None
    assert token.ahead is ahead


def test_a_lease_of_its_owner_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hush")
    handler = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with path.open("r+") as owner:
            try:
                fcntl.fcntl(owner, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            except OSError as error:
                pytest.skip(f"no leases on this file system: {error}")
            with pytest.raises(BlockingIOError):
                kept_files.text(str(path))
            (change,) = kept_files.plan({str(path): kept_files.read(str(path))}, {str(path): SECRET})
            kept_files.apply(change)
        assert path.read_text() == "hush"
    finally:
        signal.signal(signal.SIGIO, handler)


OURS = ("ours\n", "ours, new\n")


@pytest.mark.parametrize(
    ("before", "text", "said"),
    [
        pytest.param(None, "new", ("", "ours, new\n"), id="made"),
        pytest.param(Kept("hush"), "hush new", OURS, id="edited"),
        pytest.param(Kept("hush"), None, ("ours\n", ""), id="removed"),
    ],
)
def test_of_a_shared_file_a_diff_shows_our_part_alone(
    before: Kept | None, text: str | None, said: tuple[str, str]
) -> None:
    diff = kept_files.edited("/f", before, text, OURS).diff()
    assert (diff["before"], diff["after"]) == said


def test_a_shared_file_keeps_its_mode_its_links_and_all_that_others_wrote(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x" * (2 << 20))
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    path = str(tmp_path / "link")
    before = kept_files.read_shared(path)
    assert before is not None
    assert len(before.text) == 2 << 20
    kept_files.apply(kept_files.edited(path, before, before.text + "ours"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().endswith("xours")
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
    assert not kept_files.edited(path, kept_files.read_shared(path), before.text + "ours").changed


def test_line_endings_of_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"theirs\r\n")
    assert kept_files.text(str(path)) == "theirs\r\n"
    file = kept_files.read_shared(str(path))
    assert file is not None
    kept_files.apply(kept_files.edited(str(path), file, file.text + "ours\n"))
    assert path.read_bytes() == b"theirs\r\nours\n"


def test_a_shared_file_that_is_none_is_named(tmp_path: Path) -> None:
    assert kept_files.read_shared(str(tmp_path / "none")) is None
    with pytest.raises(EvenkeelError, match=rf"^{tmp_path} is not a regular file"):
        kept_files.read_shared(str(tmp_path))


def test_a_new_empty_file_is_no_hidden_secret() -> None:
    assert Change("/f", None, Kept("")).diff()["after"] == ""


def test_a_secret_is_its_owners_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int, int]] = []

    def note(_path: str, _text: str, mode: int, owner: tuple[int, int]) -> None:
        written.append((mode, *owner))

    monkeypatch.setattr(kept_files, "write_atomically", note)
    kept_files.apply(Change(str(tmp_path / "token"), None, Kept("hush", 0o600, 1001, 1002), secret=True))
    assert written == [(0o600, 1001, 1002)]


def test_a_file_that_something_follows_says_nothing_until_that_is_done(tmp_path: Path) -> None:
    path = tmp_path / "evenkeel.conf"
    path.write_text("blacklist nouveau\n")
    seen: list[str] = []

    def fail() -> None:
        seen.append(path.read_text())
        raise EvenkeelError("killed", "")

    for follow in (fail, fail, lambda: seen.append(path.read_text())):
        with contextlib.suppress(EvenkeelError):
            kept_files.withdraw(str(path), follow)
    assert seen == [f"{kept_files.MARK}\n"] * 3
    assert not path.exists()
    kept_files.withdraw(str(path), fail)
