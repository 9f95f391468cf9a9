# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream on loopback that serves a folder, in parts where it is asked to, and fails as a test wants."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import site_copy, store

RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Upstream:
    """What it serves, and what was asked of it."""

    folder: Path
    url: str
    #: By path, the content that comes instead, and the status.
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    #: By path, after how many bytes the connection ends.
    cuts: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    #: Called before each answer.
    before: Callable[[str], None] = lambda path: None

    def put(self, path: str, content: bytes | str) -> str:
        """Give it a file; return its SHA-256."""
        data = content.encode() if isinstance(content, str) else content
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return sha256(data).hexdigest()

    def put_channel(self, folder: str, names: list[str]) -> list[dict[str, Any]]:
        """Give it conda's packages with their index; return them as a module takes them."""
        records: dict[str, dict[str, Any]] = {}
        wants = []
        for name in names:
            digest = self.put(f"{folder}/{name}", f"package {name}")
            stem, version, build = name.removesuffix(".conda").rsplit("-", 2)
            records[name] = {"name": stem, "version": version, "build": build, "sha256": digest, "size": 8 + len(name)}
            wants.append({"path": f"c/{folder}/{name}", "sha256": digest})
        signatures = {name: {"key": {"signature": "00"}} for name in names}
        content = {"signatures": signatures, "packages": {}, "packages.conda": records}
        self.put(f"{folder}/repodata.json", json.dumps(content))
        return wants


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    folder = tmp_path / "upstream"
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote_plus(self.path.lstrip("/"))
            found.before(path)
            asked_from = RANGE.fullmatch(self.headers.get("Range") or "")
            found.asked.append(f"{path} {asked_from[1]}-" if asked_from else path)
            place = folder / path
            status, content = found.answers.get(path) or (
                (200, place.read_bytes()) if place.is_file() else (404, b"nothing")
            )
            size, begins = len(content), 0
            if asked_from and found.ranges and status == 200:
                begins, status = int(asked_from[1]), 206
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {begins}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - begins))
            self.end_headers()
            cut = found.cuts.pop(path, None)
            self.wfile.write(content[begins:cut])
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_unused: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    found = Upstream(folder, f"http://127.0.0.1:{server.server_address[1]}")
    # What others write meanwhile would have to reach the disk too.
    monkeypatch.setattr(store, "sync_file_systems", lambda paths: None)
    yield found
    server.shutdown()
    server.server_close()


Copy = Callable[..., dict[str, Any]]


@pytest.fixture
def copy(tmp_path: Path, upstream: Upstream) -> Copy:
    """Run the module on a folder."""

    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {
            "directory": str(tmp_path / "copy"),
            "upstreams": [{"path": "c", "url": upstream.url}],
            "retries": 0,
            **options,
        }
        checked = ArgumentSpecValidator(site_copy.ARGUMENT_SPEC).validate(given)
        assert checked.error_messages == []
        handed = {"version": "1.2.3", "commit": "abc"}
        return site_copy.converge({**checked.validated_parameters, **handed}, check)

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Return what is served."""

    def read() -> dict[str, bytes]:
        root = tmp_path / "copy" / "current" / "tree"
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    return read
