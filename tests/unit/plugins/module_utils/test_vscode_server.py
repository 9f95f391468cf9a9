# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _vscode_server as vscode_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._vscode_server import Server

COMMIT = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A server's archive, whose files others may write."""
    path = tmp_path / "vscode-server-linux-x64.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, mode, content in [
            ("vscode/bin/code-server", 0o6777, b"#!/bin/sh\n"),
            ("vscode/product.json", 0o666, json.dumps({"commit": COMMIT}).encode()),
            ("vscode/private.json", 0o600, b"{}"),
        ]:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
        folder = tarfile.TarInfo("vscode/out")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o3777
        tar.addfile(folder)
    return path


@pytest.fixture
def server(archive: Path) -> Server:
    return Server(COMMIT, hashlib.sha256(archive.read_bytes()).hexdigest())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_unpacked_is_everybodys_to_read_and_nobody_elses_to_write(
    tmp_path: Path, archive: Path, server: Server
) -> None:
    folder = tmp_path / "store" / COMMIT
    vscode_server.unpack(str(folder), server, str(archive), "")
    assert vscode_server.is_there(str(folder), server)
    assert vscode_server.is_tight(str(folder), server)
    found = {path.name: mode(path) for path in (folder, *folder.rglob("*"))}
    assert found == {
        COMMIT: 0o755,
        ".evenkeel": 0o644,
        "server": 0o755,
        "bin": 0o755,
        "code-server": 0o755,
        "product.json": 0o644,
        "private.json": 0o644,
        "out": 0o755,
    }


def test_an_older_version_s_server_stays_and_is_looked_through_once(
    tmp_path: Path, archive: Path, server: Server
) -> None:
    folder = tmp_path / "store" / COMMIT
    vscode_server.unpack(str(folder), server, str(archive), "")
    (folder / ".evenkeel").write_text(server.stamp)
    (folder / "server" / "product.json").chmod(0o666)
    assert vscode_server.is_there(str(folder), server)
    assert not vscode_server.is_tight(str(folder), server)
    vscode_server.tighten(str(folder), server)
    assert vscode_server.is_there(str(folder), server)
    assert vscode_server.is_tight(str(folder), server)
    assert mode(folder / "server" / "product.json") == 0o644
