# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive, Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.hashes import Hashes, OfPlatform

SIX, IDNA, DATA = (
    Package(name, "1.0", "0", digits * 32) for name, digits in (("six", "a1"), ("idna", "a2"), ("data", "a3"))
)
NAMES = {package.sha256: package.stem for package in (SIX, IDNA, DATA)}
PYTHON = Package("python", "3.11.2", "0", "c0" * 32)
NEWER = replace(PYTHON, version="3.11.4", sha256="c1" * 32)
OF_SIX, OF_IDNA = Archive("b1" * 32, 10), Archive("b2" * 32, 20)
LINUX = OfPlatform(
    "c0" * 32, "cpython-311", "a70d0d0a", {SIX.sha256: OF_SIX, IDNA.sha256: OF_IDNA, DATA.sha256: None}, NAMES
)
COMPILED = Hashes("bytecode", {"linux-64": LINUX})


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("ai/conda-lock.yml", "ai/conda-bytecode.json"),
        ("ai/gpu.conda-lock.yml", "ai/gpu.conda-bytecode.json"),
        ("ai/pixi.lock", None),
        ("ai/lock.yml", None),
    ],
)
def test_where_the_hashes_of_a_lock_are(lock: str, expected: str | None) -> None:
    assert hashes.beside(Path(lock)) == (Path(expected) if expected else None)


def test_what_is_written_is_read_and_has_a_line_for_each_package() -> None:
    text = hashes.render(COMPILED)
    assert hashes.parse(Path("x.json"), text) == COMPILED
    assert json.loads(text)["format"] == 1
    assert [json.loads(line.strip(" ,"))["package"] for line in text.splitlines() if "archive" in line] == [
        "data-1.0-0",
        "idna-1.0-0",
        "six-1.0-0",
    ]


@pytest.mark.parametrize(
    "compiled",
    [
        Hashes("bytecode"),
        replace(COMPILED, store="https://store.example/b"),
        replace(COMPILED, store="../of ours/b ${x}"),
    ],
)
def test_other_files_are_read_too(compiled: Hashes) -> None:
    assert hashes.parse(Path("x.json"), hashes.render(compiled)) == compiled


def test_what_was_compiled_with_other_options_does_not_count() -> None:
    text = hashes.render(COMPILED).replace('"options": "', '"options": "optimized ')
    assert hashes.parse(Path("x.json"), text).platforms == {}


def test_there_is_none(tmp_path: Path) -> None:
    assert hashes.read(tmp_path / "conda-bytecode.json") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{", ""),
        (OF_SIX.sha256, "../../etc/passwd"),
        (SIX.sha256, "A1" * 32),
        ('"size": 10', '"size": -1'),
        ('"size": 10', '"size": true'),
        ('"size": 10', f'"size": {1 << 40}'),
        ("a70d0d0a", "magic"),
        ("cpython-311", "../cpython"),
        ('"packages"', '"package"'),
        ('"store": "bytecode"', '"store": 1'),
        ('"store": "bytecode"', '"store": ""'),
    ],
)
def test_what_is_malformed_is_named(before: str, after: str) -> None:
    text = hashes.render(COMPILED)
    assert before in text
    with pytest.raises(EvenkeelError, match=r"^x\.json is malformed: .*Restore it from version control"):
        hashes.parse(Path("x.json"), text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("store", "why"),
    [("https://me:secret@store.example/b", "carries credentials"), ("https://s.example/a b", "not a URL")],
)
def test_a_store_that_a_file_may_not_name(store: str, why: str) -> None:
    with pytest.raises(EvenkeelError, match=why):
        hashes.parse(Path("x.json"), hashes.render(replace(COMPILED, store=store)))


def test_a_file_of_a_newer_evenkeel_is_refused() -> None:
    with pytest.raises(EvenkeelError, match="written by a newer Evenkeel"):
        hashes.parse(Path("x.json"), hashes.render(COMPILED).replace('"format": 1', '"format": 2'))


@pytest.mark.parametrize(
    ("compiled", "platform", "packages", "expected"),
    [
        (COMPILED, "linux-64", (PYTHON, SIX, DATA), Offer("cpython-311", "a70d0d0a", {SIX.sha256: OF_SIX})),
        (
            COMPILED,
            "linux-64",
            (PYTHON, replace(SIX, sha256="ff" * 32), IDNA),
            Offer("cpython-311", "a70d0d0a", {IDNA.sha256: OF_IDNA}),
        ),
        (COMPILED, "linux-64", (PYTHON, DATA), None),
        (COMPILED, "linux-64", (NEWER, SIX), None),
        (COMPILED, "linux-aarch64", (PYTHON, SIX), None),
        (
            replace(COMPILED, store="https://store.example/b"),
            "linux-64",
            (PYTHON, SIX),
            Offer("cpython-311", "a70d0d0a", {SIX.sha256: OF_SIX}, "https://store.example/b"),
        ),
    ],
    ids=[
        "what it has",
        "a lock that has changed since",
        "nothing to compile",
        "another Python",
        "another platform",
        "a URL",
    ],
)
def test_what_a_node_is_offered(
    compiled: Hashes, platform: str, packages: tuple[Package, ...], expected: Offer | None
) -> None:
    assert compiled.offer(platform, packages) == expected


@pytest.mark.parametrize(
    ("packages", "platforms"),
    [
        ({"linux-64": (PYTHON, SIX)}, ""),
        ({"linux-64": (PYTHON, replace(SIX, sha256="ff" * 32))}, ""),
        ({"linux-64": (NEWER, SIX), "linux-aarch64": (NEWER,)}, "linux-64"),
        ({"linux-aarch64": (NEWER,)}, ""),
    ],
    ids=["the same", "another package", "another Python", "a platform that was not compiled"],
)
def test_bytecode_of_another_python_is_told(
    packages: dict[str, tuple[Package, ...]], platforms: str, tmp_path: Path
) -> None:
    lock = tmp_path / "conda-lock.yml"
    assert hashes.outdated(lock, packages) == []
    (tmp_path / "conda-bytecode.json").write_text(hashes.render(COMPILED))
    said = f"{tmp_path}/conda-bytecode.json was compiled by another Python than its lock has, for {platforms}, so nodes"
    assert [line[: len(said)] for line in hashes.outdated(lock, packages)] == ([said] if platforms else [])
    assert hashes.outdated(tmp_path / "pixi.lock", packages) == []


def test_what_changes() -> None:
    newer = replace(LINUX, archives={SIX.sha256: OF_SIX, IDNA.sha256: replace(OF_IDNA, sha256="b3" * 32)})
    after = Hashes("https://store.example/b", {"linux-64": newer})
    assert hashes.changes(COMPILED, COMPILED) == []
    assert hashes.changes(COMPILED, after) == [
        "~ store bytecode -> https://store.example/b",
        "linux-64",
        "  - idna-1.0-0 (cpython-311, 20 bytes)",
        "  + idna-1.0-0 (cpython-311, 20 bytes)",
    ]
    assert hashes.changes(None, COMPILED)[1:] == [
        "  + idna-1.0-0 (cpython-311, 20 bytes)",
        "  + six-1.0-0 (cpython-311, 10 bytes)",
    ]
