# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels that a lock names by their URL, as of a store of built wheels, with the real uv and a site that fails."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uv
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import linking
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

FILE = "tool-1.0-py3-none-any.whl"
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


class Silence:
    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Report it to nobody."""


@dataclass
class Store:
    """A site that has one wheel, as long as nothing is wrong with it."""

    wheel: bytes
    url: str = ""
    fault: str = ""

    def answer(self) -> tuple[int, str, bytes]:
        """Return status, type and content."""
        if self.fault == "gone":
            return 404, "text/html", PAGE
        if self.fault == "refuses":
            return 403, "text/html", PAGE
        if self.fault == "page":
            return 200, "text/html", PAGE
        if self.fault == "cut short":
            return 200, "application/octet-stream", self.wheel[:-40]
        if self.fault == "another":
            return 200, "application/octet-stream", self.wheel + b"\0"
        return 200, "application/octet-stream", self.wheel


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with zipfile.ZipFile(tmp_path / FILE, "w") as archive:
        archive.writestr("tool.py", "VERSION = '1.0'\n")
        archive.writestr("tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
        archive.writestr("tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tool-1.0.dist-info/RECORD", "")
    found = Store((tmp_path / FILE).read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            status, kind, content = found.answer()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}/wheels"
        yield found
        server.shutdown()


@pytest.fixture
def job(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """What installs the wheel, pinned to the store, into an environment of this Python."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    prefix = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True, stdout=subprocess.DEVNULL)
    url, sha256 = f"{store.url}/{FILE}", hashlib.sha256(store.wheel).hexdigest()
    tool = Package("tool", "1.0", "", sha256, PIP, url=url, index=store.url)
    lock = os.open(tmp_path, os.O_RDONLY)
    yield Job("analysis", str(prefix), (tool,), (), str(tmp_path / "pkgs"), lock, 60, "", Silence())
    os.close(lock)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    (tmp_path / "runtime" / "bin").mkdir(parents=True)
    (tmp_path / "runtime" / "bin" / "uv").symlink_to(uv.find_uv_bin())
    return Tools("", sys.executable, str(tmp_path / "runtime"))


def has(job: Job) -> bool:
    """Return whether the environment has the wheel's module."""
    return any(Path(job.prefix).glob("lib/python3*/site-packages/tool*"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gone", ("404", FILE)),
        ("refuses", ("403", FILE)),
        ("page", ("zip", "tool comes from http://", FILE)),
        ("cut short", (FILE,)),
        ("another", ("Hash mismatch", FILE)),
    ],
)
def test_a_store_that_fails_is_named_and_leaves_nothing(
    job: Job, tools: Tools, store: Store, fault: str, words: tuple[str, ...]
) -> None:
    store.fault = fault
    with pytest.raises(EvenkeelError) as raised:
        linking.install_with_uv(job, tools)
    assert str(raised.value).startswith("uv could not build the environment analysis: error: ")
    for word in words:
        assert word in str(raised.value)
    assert not has(job)
    store.fault = ""
    linking.install_with_uv(job, tools)
    assert has(job)


def test_a_store_that_is_gone_is_named(job: Job, tools: Tools) -> None:
    (tool,) = job.packages
    nowhere = replace(tool, url=f"http://127.0.0.1:1/wheels/{FILE}", index="http://127.0.0.1:1/wheels")
    with pytest.raises(EvenkeelError, match=rf"http://127\.0\.0\.1:1/wheels/{FILE}"):
        linking.install_with_uv(replace(job, packages=(nowhere,)), tools)
    assert not has(job)
