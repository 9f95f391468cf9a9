# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import delivery, hashes

from .test_hashes import COMPILED, IDNA, NEWER, OF_IDNA, OF_SIX, PYTHON, SIX

MIRRORS = {"https://store.example": "http://mirror.example/store"}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Return a lock beside which hashes are, and a store with one of two archives."""
    (tmp_path / "conda-bytecode.json").write_text(hashes.render(COMPILED))
    (tmp_path / "bytecode").mkdir()
    (tmp_path / "bytecode" / OF_SIX.file).write_bytes(b"of six")
    return tmp_path / "conda-lock.yml"


@pytest.mark.parametrize("source", [{"lock": "conda-lock.yml"}, {"environment": "environment.yml"}])
def test_hashes_are_found_beside_the_lock(lock: Path, source: dict[str, str]) -> None:
    arguments = {key: str(lock.with_name(name)) for key, name in source.items()}
    found = delivery.compiled(arguments, "linux-64", (PYTHON, SIX, IDNA))
    assert found
    assert found.offer == COMPILED.offer("linux-64", (PYTHON, SIX, IDNA))
    assert found.directory == lock.with_name("bytecode")


@pytest.mark.parametrize(
    ("source", "platform"),
    [
        ({"lock": "pixi.lock"}, "linux-64"),
        ({"explicit": "explicit.txt"}, "linux-64"),
        ({"lock": "gpu.conda-lock.yml"}, "linux-64"),
        ({"lock": "conda-lock.yml"}, "linux-aarch64"),
    ],
)
def test_where_nothing_was_compiled(lock: Path, source: dict[str, str], platform: str) -> None:
    arguments = {key: str(lock.with_name(name)) for key, name in source.items()}
    assert delivery.compiled(arguments, platform, (PYTHON, SIX, IDNA)) is None


@pytest.mark.parametrize("source", [{"lock": "conda-lock.yml"}, {"environment": "environment.yml"}])
def test_bytecode_of_another_python_is_not_offered_and_told(lock: Path, source: dict[str, str]) -> None:
    arguments = {key: str(lock.with_name(name)) for key, name in source.items()}
    assert delivery.compiled(arguments, "linux-64", (NEWER, SIX)) is None
    (line,) = delivery.outdated(arguments, "linux-64", (NEWER, SIX))
    assert line.endswith("Run compile.yml, and commit the file with the lock.")
    assert delivery.outdated(arguments, "linux-64", (PYTHON, SIX)) == []
    assert delivery.outdated({"packages": ["six"]}, "linux-64", (NEWER, SIX)) == []


def test_a_malformed_file_is_an_error(lock: Path) -> None:
    lock.with_name("conda-bytecode.json").write_text("[]")
    with pytest.raises(EvenkeelError, match=r"conda-bytecode\.json is malformed"):
        delivery.compiled({"lock": str(lock)}, "linux-64", (PYTHON, SIX))


def test_a_store_is_asked_at_its_mirror(lock: Path) -> None:
    text = hashes.render(replace(COMPILED, store="https://store.example/b"))
    lock.with_name("conda-bytecode.json").write_text(text)
    found = delivery.compiled({"lock": str(lock), "mirrors": MIRRORS}, "linux-64", (PYTHON, SIX))
    assert found
    assert found.offer.store == "http://mirror.example/store/b"


def test_what_is_there_is_bundled_once(lock: Path, tmp_path: Path) -> None:
    found = delivery.compiled({"lock": str(lock)}, "linux-64", (PYTHON, SIX, IDNA))
    assert found
    run = tmp_path / "run"
    run.mkdir()
    bundle = found.bundle([OF_SIX.file, OF_IDNA.file], run)
    with zipfile.ZipFile(bundle) as archive:
        assert archive.namelist() == [OF_SIX.file]
        assert archive.read(OF_SIX.file) == b"of six"
    os.utime(tmp_path / "bytecode" / OF_SIX.file, (0, 0))
    assert found.bundle([OF_SIX.file], run) != bundle
    (tmp_path / "bytecode" / OF_SIX.file).unlink()
    assert found.bundle([OF_IDNA.file, OF_SIX.file], run) == bundle
