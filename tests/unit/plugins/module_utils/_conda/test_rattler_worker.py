# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker, as a program of its own and as the installer runs it, with the real py-rattler and a small channel."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import rattler_worker
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.cache_verification import damaged, remove
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import RATTLER, Job, Tools, install
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import most_bytes

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER

SITE = "lib/python3.11/site-packages"
PACKAGES = ("hello", "python", "tool")

Record = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Counts the requests that wait for an answer at once, and has a backlog as small as Python's own server."""

    request_queue_size = 5

    def __init__(self, handler: Any) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.waiting, self.most, self.enough = 0, 0, 1000
        self.crowded, self.lock = Event(), Lock()

    def count(self, change: int) -> None:
        """Note that a request has come, or is answered."""
        with self.lock:
            self.waiting += change
            self.most = max(self.most, self.waiting)
            if self.waiting > self.enough:
                self.crowded.set()


class Handler(SimpleHTTPRequestHandler):
    """Serves files and says nothing; ``/FAULT/PATH`` is PATH from a server that does not come to an end."""

    server: Server

    def do_GET(self) -> None:
        """Answer with a file."""
        fault, _, rest = self.path[1:].partition("/")
        if fault in ("endless", "drip", "crowd"):
            self.path = f"/{rest}"
        if fault == "crowd":
            self.server.count(1)
            self.server.crowded.wait(0.1)
            self.server.count(-1)
        if fault in ("endless", "drip"):
            with contextlib.suppress(ConnectionError):
                self.spoil(fault)
        else:
            super().do_GET()

    def spoil(self, fault: str) -> None:
        """Send a file of no announced length, and zeros after it, or all of it byte by byte."""
        self.send_response(200)
        self.end_headers()
        content = Path(self.translate_path(self.path)).read_bytes()
        if fault == "endless":
            self.wfile.write(content)
        while fault == "endless":
            self.wfile.write(b"\0" * (1 << 16))
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(0.01)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Answer(NamedTuple):
    """What the worker reported."""

    status: int
    last: dict[str, Any]
    progress: list[dict[str, Any]]
    stderr: str


class Channel:
    """A channel of small packages, as files and at an address."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory, self.server = directory, server
        self.address = f"http://127.0.0.1:{server.server_port}"
        self.files: dict[str, Path] = {}
        self.add("python", "3.11.2", {"bin/python3.11": "#!/bin/sh\n"}, subdir="linux-64")
        self.add(
            "hello",
            "1.0",
            {
                "bin/hello": f"#!{PREFIX_PLACEHOLDER}/bin/python\n",
                "lib/hello.txt": "hello\n",
                "lib/prefix.txt": f"{PREFIX_PLACEHOLDER}/lib\n",
                "lib/binary": f"\0{PREFIX_PLACEHOLDER}/lib\0behind",
            },
            {"lib/link.txt": "hello.txt"},
            subdir="linux-64",
            depends=("python >=3.11", "tool"),
            build_number=3,
            license="MIT",
        )
        self.add(
            "tool",
            "2.0",
            {"site-packages/tool.py": "def main(): ...\n", "site-packages/tool-2.0.dist-info/METADATA": "Name: tool\n"},
            noarch="python",
            entry_points=("tool = tool:main",),
            constrains=("hello >=1",),
        )

    def add(
        self,
        name: str,
        version: str,
        files: dict[str, str],
        links: dict[str, str] | None = None,
        subdir: str = "noarch",
        depends: tuple[str, ...] = (),
        build_number: int = 0,
        **more: Any,
    ) -> None:
        tree = self.directory / "trees" / name
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            (tree / path).chmod(0o755 if text.startswith("#!") else 0o644)
        for path, target in (links or {}).items():
            (tree / path).symlink_to(target)
        package = conda_package.Package(name, version, "0", build_number, subdir, depends, **more)
        self.files[name] = conda_package.write(package, tree, self.directory / subdir)

    def package(self, name: str, *, http: bool = False, fault: str = "") -> Record:
        """Return one package as the module hands it over."""
        path = self.files[name]
        base = self.address + fault if http or fault else self.directory.as_uri()
        _, version, build = path.stem.rsplit("-", 2)
        return {
            "name": name,
            "version": version,
            "build": build,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
            "size": path.stat().st_size,
            "url": f"{base}/{path.parent.name}/{path.name}",
        }


class Silence:
    """Where nobody looks at a build's progress."""

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Tell nobody."""


class Node:
    """A node with a package cache, on which environments are made one after the other."""

    def __init__(self, directory: Path, channel: Channel) -> None:
        self.directory, self.channel = directory, channel
        self.cache = directory / "pkgs" / "rattler"
        self.runtime = directory / "runtime"
        self.runtime.mkdir()
        (self.runtime / "site-packages").symlink_to(sysconfig.get_path("purelib"))

    def run(self, prefix: str, *packages: Record, connections: int = 5) -> Answer:
        """Ask the worker alone."""
        request = {
            "site_packages": sysconfig.get_path("purelib"),
            "cache": str(self.cache),
            "prefix": str(self.directory / prefix),
            "packages": [{"most_bytes": most_bytes(package["size"]), **package} for package in packages],
            "validation": "skip",
            "connections": connections,
        }
        return ask(json.dumps(request))

    def make(self, prefix: str, *, http: bool = False, fault: str = "", timeout: float = 60) -> Path:
        """Make an environment of all packages as the module does."""
        job = Job(
            name="ai-dev",
            prefix=str(self.directory / prefix),
            packages=tuple(from_mapping(self.channel.package(name, http=http, fault=fault)) for name in PACKAGES),
            specs=(),
            pkgs=str(self.cache.parent),
            lock=2,
            timeout=timeout,
            pip_index="",
            progress=Silence(),
        )
        install(job, RATTLER, Tools("", sys.executable, str(self.runtime)))
        return self.directory / prefix

    def record(self, prefix: Path, name: str) -> Record:
        record: Record = json.loads((prefix / "conda-meta" / f"{self.channel.files[name].stem}.json").read_text())
        return record


def ask(request: str) -> Answer:
    """Run the worker as the module does."""
    argv = [sys.executable, "-I", "-c", inspect.getsource(rattler_worker)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, input=request, timeout=60)
    *progress, last = map(json.loads, done.stdout.splitlines())
    return Answer(done.returncode, last, [message["progress"] for message in progress], done.stderr)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    directory = tmp_path_factory.mktemp("channel") / "main"
    directory.mkdir()
    with Server(partial(Handler, directory=str(directory))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Channel(directory, server)
        server.shutdown()


@pytest.fixture
def node(tmp_path: Path, channel: Channel) -> Node:
    return Node(tmp_path, channel)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def comparable(record: Record) -> Record:
    """Return a record without what is empty and what depends on where the environment is."""
    paths = [(entry["_path"], entry["path_type"]) for entry in record["paths_data"]["paths"]]
    return {key: value for key, value in record.items() if value not in (None, [], "")} | {"paths_data": paths}


# a good environment


def test_files_are_linked_from_the_cache_and_know_their_prefix(node: Node) -> None:
    prefix = node.make("first")
    assert (prefix / "lib" / "hello.txt").samefile(node.cache / "hello-1.0-0" / "lib" / "hello.txt")
    assert not (prefix / "lib" / "hello.txt").is_symlink()
    assert (prefix / "lib" / "link.txt").readlink() == Path("hello.txt")
    assert (prefix / "lib" / "prefix.txt").read_text() == f"{prefix}/lib\n"
    binary = (prefix / "lib" / "binary").read_bytes()
    assert binary.startswith(f"\0{prefix}/lib\0".encode())
    assert len(binary) == len(f"\0{PREFIX_PLACEHOLDER}/lib\0behind")
    assert f"{prefix}/bin/python" in (prefix / "bin" / "tool").read_text()
    assert (prefix / SITE / "tool.py").read_text() == "def main(): ...\n"


@pytest.mark.parametrize("http", [False, True], ids=["file", "http"])
def test_records_are_complete_from_a_cold_and_from_a_warm_cache(node: Node, http: bool) -> None:
    cold, warm = node.make("cold", http=http), node.make("warm", http=http)
    for name in PACKAGES:
        record, again = node.record(cold, name), node.record(warm, name)
        assert comparable(record) == comparable(again)
        package = node.channel.package(name, http=http)
        assert {key: record[key] for key in package} == package
        index = json.loads((node.cache / node.channel.files[name].stem / "info" / "index.json").read_text())
        assert {key: again.get(key) or value for key, value in index.items()} == index
        assert record["files"]
    hello, tool = node.record(warm, "hello"), node.record(warm, "tool")
    assert (hello["depends"], hello["build_number"], hello["license"]) == (["python >=3.11", "tool"], 3, "MIT")
    assert (tool["constrains"], tool["noarch"]) == (["hello >=1"], "python")
    assert f"{SITE}/tool-2.0.dist-info/METADATA" in tool["files"]


def test_progress_counts_packages_and_bytes(node: Node) -> None:
    packages = [node.channel.package(name, http=True) for name in PACKAGES]
    answer = node.run("first", *packages)
    assert answer.last == {"done": True}
    total = sum(package["size"] for package in packages)
    assert {(counts["of"], counts["of_bytes"]) for counts in answer.progress} == {(3, total)}
    assert [counts["bytes"] for counts in answer.progress] == sorted(counts["bytes"] for counts in answer.progress)
    assert {url for counts in answer.progress for url in counts["downloading"]} == {each["url"] for each in packages}
    assert answer.progress[-1]["ended"] == 3
    assert answer.progress[0]["step"] == "fetch"
    assert max(counts["packages"] for counts in answer.progress) <= 3
    again = node.run("second", *packages)
    assert (again.last, again.progress) == ({"done": True}, [])


def test_downloads_that_start_at_once_are_counted_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "answers").open("w") as stream, ThreadPoolExecutor(8) as threads:
        monkeypatch.setattr(rattler_worker.Answers, "stream", stream, raising=False)
        packages = [{"name": f"p{number}", "url": f"p{number}.conda", "most_bytes": 1} for number in range(500)]
        reporter = rattler_worker.Reporter(packages, 500)
        fetched = threads.map(reporter.on_populate_cache_start, repeat(0), [package["name"] for package in packages])
        indexes = list(threads.map(reporter.on_download_start, fetched))
        list(threads.map(reporter.on_download_progress, indexes, repeat(1), repeat(1)))
    assert sorted(indexes) == list(range(500))
    assert (reporter.counts["bytes"], len(set(reporter.counts["downloading"]))) == (500, 500)


def test_an_environment_may_be_empty(node: Node) -> None:
    answer = node.run("empty")
    assert answer.last == {"done": True}


# a cache that is not as it was


@pytest.mark.parametrize("lost", ["lib/hello.txt", "lib", "info/paths.json", "info/index.json", "info", "."])
def test_what_the_cache_has_lost_is_fetched_anew(node: Node, lost: str) -> None:
    node.make("first")
    (node.cache / "hello-1.0-0" / lost).resolve().rename(node.directory / "lost")
    prefix = node.make("second")
    assert (prefix / "lib" / "hello.txt").read_text() == "hello\n"
    assert node.record(prefix, "hello")["depends"] == ["python >=3.11", "tool"]


@pytest.mark.parametrize("cut_short", ["info/index.json", "info/paths.json"])
def test_bookkeeping_of_the_cache_that_was_cut_short_is_fetched_anew(node: Node, cut_short: str) -> None:
    node.make("first")
    (node.cache / "hello-1.0-0" / cut_short).write_text("")
    prefix = node.make("second")
    assert (prefix / "lib" / "hello.txt").read_text() == "hello\n"
    assert node.record(prefix, "hello")["depends"] == ["python >=3.11", "tool"]


@pytest.mark.parametrize("text", ["HELLO\n", "much longer than before\n"], ids=["same size", "other size"])
def test_what_was_edited_in_the_cache_is_found_and_fetched_anew(node: Node, text: str) -> None:
    first = node.make("first")
    (first / "lib" / "hello.txt").write_text(text)
    assert (node.cache / "hello-1.0-0" / "lib" / "hello.txt").read_text() == text
    damages = damaged(str(node.cache.parent), [from_mapping(node.channel.package(name)) for name in PACKAGES])
    assert [str(damage) for damage in damages] == ["rattler/hello-1.0-0 (lib/hello.txt)"]
    remove(damages)
    prefix = node.make("second")
    assert (prefix / "lib" / "hello.txt").read_text() == "hello\n"
    assert (first / "lib" / "hello.txt").read_text() == text
    assert (node.make("third") / "lib" / "hello.txt").read_text() == "hello\n"


# servers that do not come to an end


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_connections_are_open_than_told(node: Node, connections: int) -> None:
    server, names = node.channel.server, [f"one-of-many{number}" for number in range(12)]
    for name in names:
        if name not in node.channel.files:
            node.channel.add(name, "1.0", {f"share/{name}": name})
    server.most, server.enough = 0, connections
    server.crowded.clear()
    packages = [node.channel.package(name, fault="/crowd") for name in names]
    assert node.run("first", *packages, connections=connections).last == {"done": True}
    assert server.most == connections


def test_a_package_that_does_not_end_is_ended(node: Node) -> None:
    with pytest.raises(EvenkeelError, match=rf"ai-dev: {node.channel.address}/endless/.*\.conda sends more than the "):
        node.make("first", fault="/endless", timeout=20)
    assert sum(path.stat().st_size for path in node.cache.rglob("*") if path.is_file()) < 1 << 20
    assert not [path for path in node.cache.iterdir() if path.is_dir() and path.name.startswith(".")]
    assert (node.make("second") / "lib" / "hello.txt").exists()


def test_a_package_that_drips_is_given_up(node: Node) -> None:
    with pytest.raises(
        EvenkeelError, match=r"^The download of http.*\.conda for .* sent \d+ bytes in 0\.5 s; less than"
    ):
        node.make("first", fault="/drip", timeout=0.5)
    assert (node.make("second") / "lib" / "hello.txt").exists()


# failures


def test_a_script_that_fails_is_an_error_that_names_it(node: Node) -> None:
    node.channel.add("broken", "1.0", {"bin/.broken-post-link.sh": "#!/bin/sh\necho trying\nexit 3\n"})
    for prefix in ("cold", "warm"):
        answer = node.run(prefix, node.channel.package("broken"))
        assert answer.status == 1
        assert "bin/.broken-post-link.sh of broken" in answer.last["error"]


def test_a_script_runs_once_all_is_linked_and_what_it_says_is_no_answer(node: Node) -> None:
    script = '#!/bin/sh\necho done; echo "$PREFIX" >"$PREFIX/linked"\n'
    node.channel.add("chatty", "1.0", {"bin/.chatty-post-link.sh": script})
    for prefix in ("cold", "warm"):
        assert node.run(prefix, node.channel.package("chatty")).last == {"done": True}
        assert (node.directory / prefix / "linked").read_text() == f"{node.directory}/{prefix}\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sha256": "00" * 32, "md5": ""}, "hello-1.0-0.conda"),
        ({"url": "{address}/linux-64/gone-1.0-0.conda"}, "gone-1.0-0.conda"),
        ({"sha256": "no hash"}, "hex"),
    ],
    ids=["hash", "missing", "no hash"],
)
def test_a_package_that_is_not_what_the_lock_says_is_an_error_that_names_it(
    node: Node, wrong: Record, message: str
) -> None:
    package = node.channel.package("hello", http=True) | wrong
    package["url"] = package["url"].replace("{address}", node.channel.address)
    answer = node.run("first", package)
    assert answer.status == 1
    assert message in answer.last["error"]
    assert not (node.cache / "hello-1.0-0" / "info").exists()


@pytest.mark.parametrize("request_", ["", "{", "{}"])
def test_a_request_that_is_none_is_an_error(request_: str) -> None:
    answer = ask(request_)
    assert answer.status == 1
    assert answer.last["error"]
