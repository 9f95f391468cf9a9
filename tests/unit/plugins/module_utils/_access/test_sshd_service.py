# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's service: what has been read, and what is brought back."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_service
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit


@pytest.mark.parametrize(
    ("running", "found"),
    [
        (["ssh.service"], "ssh.service"),
        (["sshd.service"], "sshd.service"),
        (["ssh.service", "sshd.service"], "ssh.service"),
        ([], None),
    ],
)
def test_the_unit_that_runs_is_found(monkeypatch: pytest.MonkeyPatch, running: list[str], found: str | None) -> None:
    monkeypatch.setattr(
        sshd_service.units, "read", lambda names: {name: Unit(name, running=name in running) for name in names}
    )
    unit = sshd_service.find()
    assert (unit and unit.name) == found


@pytest.mark.parametrize(("written", "read"), [(99, True), (100, True), (101, False)])
def test_a_file_is_read_when_the_service_was_reloaded_later(tmp_path: Path, written: int, read: bool) -> None:
    service = Unit("ssh.service", running=True, changed=100)
    path = tmp_path / "file"
    assert sshd_service.has_read(service, str(path))
    path.touch()
    os.utime(path, (written, written))
    assert sshd_service.has_read(service, str(path)) is read


@pytest.mark.parametrize("before", [None, f"{MARK}\nold\n"], ids=["none before", "another before"])
def test_what_was_there_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    path = tmp_path / "drop-in"
    if before:
        path.write_text(before)
    seen = []

    def reload(unit: str, answering: list[str]) -> None:
        seen.append(path.read_text() if path.exists() else None)
        raise EvenkeelError("no", "remedy")

    monkeypatch.setattr(sshd_service, "_reload", reload)
    with pytest.raises(EvenkeelError, match="no"):
        sshd_service.apply(
            [Change(str(path), Kept(before) if before else None, Kept("new"))], Unit("ssh.service", running=True), []
        )
    assert seen == ["new", before]
    assert (path.read_text() if path.exists() else None) == before


@pytest.mark.parametrize(("banner", "answers"), [(b"SSH-2.0-x\r\n", True), (b"HTTP", False)])
def test_an_ssh_server_is_known_by_its_first_word(banner: bytes, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(banner)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        assert sshd_service.answers(f"0.0.0.0:{port}") is answers
        thread.join()
    assert not sshd_service.answers(f"0.0.0.0:{port}")
