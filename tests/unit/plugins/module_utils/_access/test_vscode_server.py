# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.vscode_server import Server

COMMIT = "c" * 40


def archive(directory: Path) -> Path:
    """Make an archive of a server."""
    tree = directory / "vscode-server-linux-x64"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "code-server").write_text("#!/bin/sh\n")
    (tree / "bin" / "code-server").chmod(0o755)
    (tree / "product.json").write_text(json.dumps({"commit": COMMIT}))
    path = directory / "server.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, tree.name)
    return path


def test_all_of_it_is_on_the_disk_before_it_is_declared_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path)
    server = Server(COMMIT, hashlib.sha256(path.read_bytes()).hexdigest())
    folder = str(tmp_path / "store" / COMMIT)
    synced: list[str] = []

    def sync(paths: Sequence[str]) -> None:
        (stage,) = paths
        synced.append(Path(stage).name)
        assert Path(stage, "server", "bin", "code-server").exists()
        assert not vscode_server.is_there(stage, server)
        assert not Path(folder).exists()

    monkeypatch.setattr(vscode_server, "sync_file_systems", sync)
    vscode_server.unpack(folder, server, str(path), "")
    assert synced == [f"{COMMIT}.new"]
    assert vscode_server.is_there(folder, server)
