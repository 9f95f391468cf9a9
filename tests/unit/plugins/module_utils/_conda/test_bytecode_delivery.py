# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytecode from a store or from the control node: verified, staged, and linked where it fits its package."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode, bytecode_delivery
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import BUNDLE, Delivery
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive, Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package

from .test_bytecode import BAD, CORE, FILES, IDNA, OS, PYTHON, SITE, SIX, SIX_PY, TAG, Lab, pyc

MAGIC = importlib.util.MAGIC_NUMBER.hex()
PACKAGES = (PYTHON, IDNA, SIX)
#: What does not compile.
UNCOMPILED: dict[Package, dict[str, bytes]] = {IDNA: {pyc(BAD): b""}}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_unused: object) -> None:
        """Say nothing."""


class Store:
    """What was compiled of the sample packages, by a node that did so itself."""

    def __init__(self, lab: Lab, directory: Path, url: str) -> None:
        self.lab, self.directory, self.url = lab, directory, url
        self.manifest = lab.compile(lab.environment("elsewhere", FILES), *PACKAGES)
        self.archives: dict[str, Archive] = {}
        for package in PACKAGES:
            home = lab.cache / package.sha256
            paths = json.loads((home / "index.json").read_text())["bytecode"]
            self.add(package, {path: (home / path).read_bytes() for path in paths} | UNCOMPILED.get(package, {}))
        shutil.rmtree(lab.root / "pkgs")

    def add(self, package: Package, files: Mapping[str, bytes]) -> Path:
        made = self.directory / "made.zip"
        with zipfile.ZipFile(made, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        content = made.read_bytes()
        self.archives[package.sha256] = Archive(hashlib.sha256(content).hexdigest(), len(content))
        return made.rename(self.path(package))

    def path(self, package: Package) -> Path:
        return self.directory / self.archives[package.sha256].file

    def job(self, name: str = "node", url: str | None = None, magic: str = MAGIC, tag: str | None = TAG) -> Job:
        """Return a build on a node that is offered all of it."""
        offer = Offer(str(tag), magic, self.archives, self.url if url is None else url)
        return replace(self.lab.job(self.lab.environment(name, FILES), *PACKAGES), offer=offer)

    def brought(self, *packages: Package) -> str:
        """Return a directory to which the control node has brought the archives of some packages."""
        folder = self.lab.root / "brought"
        folder.mkdir()
        with zipfile.ZipFile(folder / BUNDLE, "w") as bundle:
            for package in packages:
                bundle.write(self.path(package), self.path(package).name)
        return str(folder)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    os.close(lab.lock)


@pytest.fixture
def store(lab: Lab, tmp_path: Path) -> Iterator[Store]:
    directory = tmp_path / "store"
    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield Store(lab, directory, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def built(job: Job, delivery: Delivery | None = None) -> Done:
    return bytecode.compile_environment(job, delivery=delivery or bytecode_delivery.receive(job))


def test_nothing_is_compiled_of_what_is_offered_and_the_bytes_are_the_same(store: Store) -> None:
    done = built(store.job())
    assert (done.compiled, done.received, done.problems) == (0, 3, {})
    assert done.manifest == store.manifest
    for path, sha256 in store.manifest.items():
        content = (store.lab.root / "node" / path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
    assert sorted(path.name for path in store.lab.cache.iterdir()) == [one.sha256 for one in PACKAGES]


def test_the_next_environment_asks_for_nothing(store: Store) -> None:
    built(store.job())
    shutil.rmtree(store.directory)
    done = built(store.job("second"))
    assert (done.compiled, done.received, done.problems) == (0, 0, {})
    assert done.manifest == store.manifest


def test_the_control_node_brings_what_no_store_has(store: Store) -> None:
    job = replace(store.job(url=""), brought=store.brought(PYTHON, SIX))
    done = built(job)
    assert (done.compiled, done.received) == (2, 2)
    assert done.problems == {IDNA: "it was not brought"}
    assert done.manifest == store.manifest


@pytest.mark.parametrize("brought", [None, b"", b"no archive"], ids=["no file", "an empty file", "another file"])
def test_what_did_not_come_whole(store: Store, brought: bytes | None) -> None:
    folder = store.lab.root / "brought"
    folder.mkdir()
    if brought is not None:
        (folder / BUNDLE).write_bytes(brought)
    done = built(replace(store.job(url=""), brought=str(folder)))
    assert len(done.problems) == 3
    assert done.manifest == store.manifest


def altered(store: Store) -> None:
    path = store.path(IDNA)
    path.write_bytes(path.read_bytes().replace(b"core", b"eroc"))


def larger(store: Store) -> None:
    with store.path(IDNA).open("ab") as stream:
        stream.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (altered, "it has the SHA-256 "),
        (lambda store: store.path(IDNA).unlink(), "answered 404"),
        (lambda store: store.path(IDNA).write_bytes(b"x"), "it has the SHA-256 "),
    ],
    ids=["altered", "missing", "another"],
)
def test_what_is_wrong_is_compiled_here_and_the_rest_is_linked(store: Store, damage: object, why: str) -> None:
    assert callable(damage)
    damage(store)
    done = built(store.job())
    assert why in done.problems[IDNA]
    assert (done.received, list(done.problems)) == (2, [IDNA])
    assert done.manifest == store.manifest
    assert [path.name for path in store.lab.cache.iterdir() if path.name.startswith(".")] == []


def test_more_than_was_announced_is_not_read(store: Store) -> None:
    larger(store)
    done = built(replace(store.job(), connections=1))
    assert "sends more than" in done.problems[IDNA]
    assert done.received == 2
    assert done.manifest == store.manifest


def test_a_store_that_does_not_answer_is_asked_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(url: str, *arguments: object, **options: object) -> str:
        asked.append(url)
        return original(url, *arguments, **options)  # type: ignore[arg-type]

    original = bytecode_delivery.download
    monkeypatch.setattr(bytecode_delivery, "download", download)
    done = built(replace(store.job(url="http://127.0.0.1:9"), connections=1))
    assert len(asked) == 1
    assert len(done.problems) == 3
    assert done.received == 0
    assert done.manifest == store.manifest


@pytest.mark.parametrize(
    ("magic", "tag", "problems"), [("00000d0a", TAG, 3), (MAGIC, "cpython-30", 0)], ids=["another magic", "another tag"]
)
def test_bytecode_of_another_python_is_not_taken(store: Store, magic: str, tag: str, problems: int) -> None:
    done = built(store.job(magic=magic, tag=tag))
    assert (done.compiled, done.received, len(done.problems)) == (4, 0, problems)
    assert done.manifest == store.manifest


def test_a_python_that_has_changed_since_is_asked_what_it_runs(store: Store) -> None:
    job = store.job()
    delivery = bytecode_delivery.receive(job)
    assert job.offer
    done = built(replace(job, offer=replace(job.offer, magic="00000d0a")), delivery)
    assert set(done.problems.values()) == {"it is for another release of Python"}
    assert done.manifest == store.manifest


@pytest.mark.parametrize(
    "path", [OS, BAD.replace("bad", "other"), f"{SITE}/sitecustomize.py", SIX_PY], ids=os.path.basename
)
def test_files_that_are_not_of_the_package_are_refused(store: Store, path: str) -> None:
    good = zipfile.ZipFile(store.path(IDNA)).read(pyc(CORE))
    store.add(IDNA, {pyc(CORE): good, **UNCOMPILED[IDNA], pyc(path): good})
    done = built(store.job())
    assert done.problems == {IDNA: "it does not hold the bytecode of the package's files, or that of others"}
    assert done.manifest == store.manifest
    assert not (store.lab.root / "node" / SITE / "__pycache__" / f"sitecustomize.{TAG}.pyc").exists()


def test_an_archive_that_lacks_a_file_of_its_package_is_refused(store: Store) -> None:
    store.add(IDNA, UNCOMPILED[IDNA])
    done = built(store.job())
    assert list(done.problems) == [IDNA]
    assert done.manifest == store.manifest


def test_what_holds_the_prefix_is_compiled_here(store: Store) -> None:
    config = f"{SITE}/config.py"
    prefix = store.lab.environment("prefix", FILES, {config: "prefix = '%s'\n"})
    done = built(replace(store.lab.job(prefix, *PACKAGES), offer=store.job().offer))
    assert (done.compiled, done.received) == (1, 3)
    assert done.manifest.keys() == {*store.manifest, pyc(config)}


def test_an_archive_with_bytecode_of_what_holds_the_prefix_is_refused(store: Store) -> None:
    config = f"{SITE}/config.py"
    good = zipfile.ZipFile(store.path(PYTHON)).read(pyc(OS))
    store.add(PYTHON, {pyc(OS): good, pyc(config): good})
    prefix = store.lab.environment("prefix", FILES, {config: "prefix = '%s'\n"})
    done = built(replace(store.lab.job(prefix, *PACKAGES), offer=store.job().offer))
    assert list(done.problems) == [PYTHON]


def test_a_path_of_two_packages_is_not_linked_from_one(store: Store) -> None:
    other = replace(SIX, name="other", sha256="4" * 64)
    files = {**FILES, other: {SIX_PY: "six = 'won'\n"}}
    prefix = store.lab.environment("contested", files)
    done = built(replace(store.lab.job(prefix, *files), offer=store.job().offer))
    assert done.received == 3
    assert done.manifest[pyc(SIX_PY)] != store.manifest[pyc(SIX_PY)]


def test_what_an_interrupted_run_left_goes(store: Store) -> None:
    for name in (f".{IDNA.sha256}.partial", ".received-x"):
        (store.lab.cache / name).mkdir(parents=True)
    assert built(store.job()).received == 3
    assert [path.name for path in store.lab.cache.iterdir() if path.name.startswith(".")] == []


def test_the_warning_names_some(store: Store) -> None:
    problems = {Package(f"p{number}", "1.0", "0", "ab" * 32): "it is missing" for number in range(5)}
    text = bytecode_delivery.warning("ai-dev", problems)
    assert "The environment ai-dev" in text
    assert (
        "5 packages itself: p0-1.0-0: it is missing; p1-1.0-0: it is missing; p2-1.0-0: it is missing; and 2 more."
        in text
    )
