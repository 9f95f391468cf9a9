# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, carrying, from_os


@pytest.mark.parametrize(
    ("what", "remedy", "message"),
    [
        ("It broke", "Repair it", "It broke. Repair it."),
        ("It broke.", "Repair it.", "It broke. Repair it."),
        ("No candidates were found for nope *.\n", "Change it", "No candidates were found for nope *. Change it."),
    ],
)
def test_the_message_is_two_sentences(what: str, remedy: str, message: str) -> None:
    error = EvenkeelError(what, remedy, rc=3)
    assert str(error) == message
    assert error.details == {"rc": 3}


@pytest.mark.parametrize("error", [EvenkeelError("It broke", "Repair it", rc=3), OSError(28, "No space left", "/opt")])
def test_an_error_carries_the_warnings_that_preceded_it(error: Exception) -> None:
    warnings: list[str] = []

    def fail() -> None:
        with carrying(warnings):
            warnings.append("first")
            with carrying(["second"]):
                raise error

    with pytest.raises(EvenkeelError) as caught:
        fail()
    assert caught.value.details["warnings"] == ["first", "second"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("root", [True, False])
def test_what_root_alone_may_do_is_done_as_root(monkeypatch: pytest.MonkeyPatch, number: int, root: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    message = str(from_os(OSError(number, os.strerror(number), "/a")))
    assert message.startswith(f"/a: {os.strerror(number)}. ")
    assert ("become: true" in message) is not root
    assert ("NFS" in message or "chattr -i" in message) is root


@pytest.mark.parametrize(
    ("mine", "mode", "shown"),
    [
        pytest.param(True, 0o500, True, id="closed"),
        pytest.param(True, 0o600, True, id="not to be entered"),
        pytest.param(True, 0o700, False, id="not what is closed"),
        pytest.param(False, 0o500, False, id="somebody else's"),
    ],
)
def test_one_s_own_files_are_opened_without_root(
    mine: bool, mode: int, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(path: str, needed: int) -> bool:
        return Path(path).stat().st_mode >> 6 & needed == needed

    folder = tmp_path / "folder"
    folder.mkdir(mode=mode)
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: (owner or 1000) if mine else owner + 1000)
    if mine and not owner:
        os.chown(folder, 1000, -1)
    monkeypatch.setattr(os, "access", access)
    message = str(from_os(OSError(errno.EACCES, "Permission denied", f"{folder}/a/b")))
    assert (f"{folder} is yours, and closed to you: open it with `chmod -R u+rwX {folder}`" in message) is shown
    assert ("become: true" in message) is not shown


def test_without_root_other_errors_have_their_own_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "become" not in str(from_os(OSError(errno.ENOSPC, "No space left on device", "/a")))
