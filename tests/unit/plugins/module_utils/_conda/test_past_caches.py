# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds through a cache that keeps a damaged file: installers that fail until the cache has fetched it anew."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import past_caches
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

GOOD, DAMAGED = b"whole", b"damaged"
SHA256 = hashlib.sha256(GOOD).hexdigest()
CHANNEL_FILE, WHEEL = "/main/noarch/idna-3-0.conda", "/files/Idna_X-3-py3-none-any.whl"
PAGE = f'<a href="../../files/Idna_X-3-py3-none-any.whl#sha256={SHA256}">'.encode()


class Cache(ThreadingHTTPServer):
    """A cache with damaged files, which it fetches anew when asked to; their source may have none better."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {CHANNEL_FILE: DAMAGED, WHEEL: DAMAGED}
        self.source = {CHANNEL_FILE: GOOD, WHEEL: GOOD}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Cache

    def do_GET(self) -> None:
        if self.headers["Cache-Control"] == "no-cache":
            self.server.asked.append(self.path)
            self.server.files[self.path] = self.server.source[self.path]
        body = PAGE if self.path == "/simple/idna-x/" else self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Cache() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def job(cache: Cache, tmp_path: Path) -> Job:
    (tmp_path / "pkgs" / "uv").mkdir(parents=True)
    return Job(
        name="ai-dev",
        prefix=str(tmp_path / "prefix"),
        packages=(
            Package("idna", "3", "0", SHA256, url=cache.url + CHANNEL_FILE),
            Package("Idna.X", "3", "", SHA256, PIP),
        ),
        specs=(),
        pkgs=str(tmp_path / "pkgs"),
        lock=0,
        timeout=5,
        pip_index=f"{cache.url}/simple",
        progress=None,  # type: ignore[arg-type]
    )


TOOLS = Tools("", "", "")
#: What each installer says of a damaged archive.
OF_RATTLER = "failed to fetch idna-3-0.conda Caused by: an io error occurred: Restored data doesn't match checksum"
OF_CONDA = "Conda detected a mismatch between the expected content and downloaded content for url 'URL/idna-3-0.conda'"
OF_UV = "error: Failed to download `idna-x==3` cause: Hash mismatch for `idna-x==3`"


def installs(monkeypatch: pytest.MonkeyPatch, cache: Cache, said: dict[str, str]) -> list[bool]:
    """Have installers say what is damaged in the cache; return whether there was something before each begins."""
    begun: list[bool] = []

    def install(job: Job, _installer: str, _tools: Tools) -> None:
        begun.append(Path(job.prefix).exists())
        Path(job.prefix).mkdir()
        for path, words in said.items():
            if cache.files[path] != GOOD:
                raise EvenkeelError(f"It could not build {job.name}: {words}", "Fix it", rc=1)

    monkeypatch.setattr(past_caches.linking, "install", install)
    return begun


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({CHANNEL_FILE: OF_RATTLER}, [CHANNEL_FILE]),
        ({CHANNEL_FILE: OF_CONDA}, [CHANNEL_FILE]),
        ({WHEEL: OF_UV}, [WHEEL]),
        ({CHANNEL_FILE: OF_RATTLER, WHEEL: OF_UV}, [CHANNEL_FILE, WHEEL]),
    ],
    ids=["py-rattler", "conda", "uv", "one after the other"],
)
def test_a_damaged_file_is_fetched_anew_and_the_build_goes_on(
    monkeypatch: pytest.MonkeyPatch, cache: Cache, job: Job, said: dict[str, str], asked: list[str]
) -> None:
    begun = installs(monkeypatch, cache, said)
    past_caches.install(job, "rattler", TOOLS)
    assert cache.asked == asked
    assert begun == [False] * (len(asked) + 1)
    assert list(Path(job.pkgs, "uv").iterdir()) == []


@pytest.mark.parametrize(("path", "words"), [(CHANNEL_FILE, OF_RATTLER), (WHEEL, OF_UV)])
def test_a_file_that_its_source_has_damaged_is_named_with_both_hashes(
    monkeypatch: pytest.MonkeyPatch, cache: Cache, job: Job, path: str, words: str
) -> None:
    begun = installs(monkeypatch, cache, {path: words})
    cache.source[path] = b"forged"
    forged = hashlib.sha256(b"forged").hexdigest()
    with pytest.raises(EvenkeelError) as failed:
        past_caches.install(job, "rattler", TOOLS)
    assert f"{words}; {cache.url}{path} has the SHA-256 {forged}, not {SHA256}. Fix it." in str(failed.value)
    assert failed.value.details == {"rc": 1}
    assert (cache.asked, len(begun)) == ([path], 1)


def test_a_file_that_is_right_past_the_caches_and_still_refused_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, cache: Cache, job: Job
) -> None:
    def install(*_: object) -> None:
        raise EvenkeelError(OF_RATTLER, "Fix it")

    monkeypatch.setattr(past_caches.linking, "install", install)
    with pytest.raises(EvenkeelError, match="checksum"):
        past_caches.install(job, "rattler", TOOLS)
    assert cache.asked == [CHANNEL_FILE]


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("failed to link idna-3-0.conda", "known"),
        ("the download of URL/idna-3-0.conda stood still", "known"),
        ("Failed to download `other==3`", "known"),
        (OF_UV, ""),
    ],
    ids=["not of a download", "slow", "of something else", "of an index that only uv knows"],
)
def test_other_failures_are_told_as_they_are(
    monkeypatch: pytest.MonkeyPatch, cache: Cache, job: Job, words: str, index: str
) -> None:
    begun = installs(monkeypatch, cache, {CHANNEL_FILE: words})
    with pytest.raises(EvenkeelError, match=rf"build ai-dev: {words}\. Fix it\.$"):
        past_caches.install(replace(job, pip_index=index), "rattler", TOOLS)
    assert (cache.asked, len(begun)) == ([], 1)


def test_an_index_without_the_wheel_is_named(monkeypatch: pytest.MonkeyPatch, cache: Cache, job: Job) -> None:
    installs(monkeypatch, cache, {WHEEL: OF_UV})
    other = replace(job.packages[1], sha256="ab" * 32)
    with pytest.raises(EvenkeelError, match=r"/simple/idna-x/ has no file with the SHA-256 abab"):
        past_caches.install(replace(job, packages=(other,)), "rattler", TOOLS)
