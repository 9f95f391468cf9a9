# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import select
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.old_archives import is_old_and_remote
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.provided_by_conda import distributions

PATHS = ["lib/python3.11/site-packages/torch-2.0.dist-info/METADATA", "lib/python3.11/site-packages/torch/lib.so"]
BY_PATHS = json.dumps({"paths_version": 1, "paths": [{"_path": path, "path_type": "hardlink"} for path in PATHS]})
#: What can't be compressed.
LARGE = b"".join(hashlib.sha256(bytes([one, two])).digest() for one in range(256) for two in range(256))


def archive(file: str, text: str) -> bytes:
    """Return a package with a list of its files at the beginning, as conda-build writes it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:bz2") as tar:
        for name, data in (("info/index.json", b"{}"), (file, text.encode()), ("lib/large.so", LARGE)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


@contextmanager
def served(content: bytes, wait: float) -> Iterator[tuple[str, list[bool]]]:
    """Serve a file under every path; yield the URL of the server, and of each answer whether one half was enough.

    After one half it waits, for so many seconds at most, for the client to end the connection.
    """
    enough: list[bool] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content[: len(content) // 2])
            ended, _, _ = select.select([self.connection], [], [], wait)
            enough.append(bool(ended))
            with suppress(OSError):
                self.wfile.write(content[len(content) // 2 :])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", enough
    server.shutdown()
    server.server_close()


def old_package(channel: str) -> Package:
    url = f"{channel}/linux-64/pytorch-2.0-0.tar.bz2"
    return Package("pytorch", "2.0", "0", "ab" * 32, url=url, depends=("python",))


@pytest.mark.parametrize(
    ("file", "text", "answers"),
    [("info/paths.json", BY_PATHS, [True]), ("info/files", "\n".join(PATHS), [False, True])],
)
def test_an_old_archive_is_read_to_its_list_of_files(file: str, text: str, answers: list[bool]) -> None:
    with served(archive(file, text), wait=5) as (channel, enough):
        assert distributions([old_package(channel)], Mirrors()) == {"torch": "2.0"}
    assert enough == answers


@pytest.mark.parametrize(("file", "text"), [("info/paths.json", "<html>"), ("info/nothing", "")])
def test_an_old_archive_that_cannot_be_read_is_named(file: str, text: str) -> None:
    with (
        served(archive(file, text), wait=0) as (channel, _),
        pytest.raises(EvenkeelError, match=r"^The list of files in http"),
    ):
        distributions([old_package(channel)], Mirrors())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://channel.example/noarch/a-1-0.tar.bz2", True),
        ("https://channel.example/noarch/a-1-0.conda", False),
        ("file:///srv/channel/noarch/a-1-0.tar.bz2", False),
    ],
)
def test_what_is_read_from_its_beginning(url: str, expected: bool) -> None:
    assert is_old_and_remote(url) is expected
