# SPDX-License-Identifier: GPL-3.0-or-later
"""When something is compiled, what is written, and what goes; the compiler itself is another test's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.action import conda_bytecode as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.compiler import Compiled, NowhereToCompileError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock, content_hash, render

MAIN = "https://repo.anaconda.com/pkgs/main"
MAGIC = "a70d0d0a"
Result = dict[str, Any]


def package(name: str, version: str, digits: str, *depends: str) -> Package:
    return Package(name, version, "0", digits * 32, url=f"{MAIN}/linux-64/{name}-{version}-0.conda", depends=depends)


PYTHON, SIX, IDNA = (
    package("python", "3.11.2", "a0"),
    package("six", "1.17.0", "a1", "python"),
    package("idna", "3.20", "a2", "python"),
)
NEWER_IDNA, OTHER_PYTHON = package("idna", "3.21", "b2", "python"), package("python", "3.11.9", "b0")


class Control:
    """A control node whose compiler writes a package's name, and says what it was asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[list[str]] = []
        self.nowhere: set[str] = set()

    def compile(self, _policy: Any, target: Any, packages: Any, wanted: Sequence[Package], *_unused: Any) -> Compiled:
        if target.platform in self.nowhere:
            raise NowhereToCompileError(f"The Python of {target.platform} does not run here", "Name a host")
        self.asked.append(sorted(f"{one.name} {one.version}" for one in wanted))
        path = "lib/python3.11/site-packages/__pycache__/%s.cpython-311.pyc"
        return Compiled(MAGIC, {one: {path % one.name: one.stem.encode()} if one != PYTHON else {} for one in wanted})

    def lock(self, *packages: Package, name: str = "environment", platforms: Sequence[str] = ("linux-64",)) -> Path:
        """Lock an environment of these packages; return the path of its hashes."""
        path = self.directory / f"{name}.yml"
        path.write_text("channels: [defaults]\ndependencies: [python=3.11]\n")
        file = environment_file.read(path)
        lock = Lock(
            channels=file.channels,
            sources=(path.name,),
            packages={
                platform: tuple(replace(one, url=one.url.replace("linux-64", platform)) for one in packages)
                for platform in platforms
            },
            content_hash={platform: content_hash(file, platform, {}) for platform in platforms},
            virtual_packages={platform: {} for platform in platforms},
        )
        prefix = "" if name == "environment" else f"{name}."
        path.with_name(f"{prefix}conda-lock.yml").write_text(render(lock, "ai-dev"))
        return path.with_name(f"{prefix}conda-bytecode.json")

    def run(self, name: str = "environment", *, check_mode: bool = False, **arguments: Any) -> Result:
        loader = DataLoader()
        loader.set_basedir(str(self.directory))
        plugin = action.ActionModule(
            task=SimpleNamespace(
                args={"environment": f"{name}.yml", **arguments}, async_val=0, check_mode=check_mode, diff=True
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
            play_context=None,
            loader=loader,
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars={"hostvars": {}})
        return result

    @property
    def archives(self) -> set[str]:
        return {path.name for path in (self.directory / "bytecode").glob("*")}


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path / "ai-dev")
    control.directory.mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(action, "compile_packages", control.compile)
    return control


def files_named(path: Path) -> set[str]:
    found = hashes.read(path)
    assert found
    return {archive.file for archive in found.archives.values()}


def test_a_second_run_changes_nothing_and_compiles_nothing(control: Control) -> None:
    path = control.lock(PYTHON, SIX, IDNA)
    first = control.run()
    assert (first["changed"], first["compiled"], first["packages"]) == (True, 2, {"linux-64": 2})
    assert first["diff"]["prepared"].splitlines()[0] == "linux-64"
    assert control.archives == files_named(path)
    text = path.read_text()
    second = control.run()
    assert (second["changed"], second["compiled"], second["diff"]["prepared"]) == (False, 0, "")
    assert path.read_text() == text
    assert control.asked == [["idna 3.20", "python 3.11.2", "six 1.17.0"]]


def test_check_mode_writes_nothing_and_shows_what_would_be(control: Control) -> None:
    path = control.lock(PYTHON, SIX)
    rehearsed = control.run(check_mode=True)
    assert rehearsed["changed"]
    assert "+ six-1.17.0-0 (cpython-311, " in rehearsed["diff"]["prepared"]
    assert not path.exists()
    assert control.archives == set()
    assert control.run()["diff"] == rehearsed["diff"]


def test_after_the_next_lock_only_what_is_new_is_compiled(control: Control) -> None:
    path = control.lock(PYTHON, SIX, IDNA)
    control.run()
    before = control.archives
    control.lock(PYTHON, SIX, NEWER_IDNA)
    again = control.run()
    assert control.asked[1:] == [["idna 3.21"]]
    assert [line.split()[:2] for line in again["diff"]["prepared"].splitlines()[1:]] == [
        ["-", "idna-3.20-0"],
        ["+", "idna-3.21-0"],
    ]
    assert control.archives == files_named(path)
    assert len(control.archives - before) == len(before - control.archives) == 1


def test_another_python_compiles_all(control: Control) -> None:
    control.lock(PYTHON, SIX)
    control.run()
    control.lock(OTHER_PYTHON, SIX)
    control.run()
    assert control.asked[1] == ["python 3.11.9", "six 1.17.0"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"planted")])
def test_an_archive_that_is_missing_or_altered_is_made_again(control: Control, damage: Any) -> None:
    path = control.lock(PYTHON, SIX)
    control.run()
    text = path.read_text()
    (archive,) = (control.directory / "bytecode").iterdir()
    content = archive.read_bytes()
    damage(archive)
    assert control.run()["changed"]
    assert (path.read_text(), archive.read_bytes()) == (text, content)


def test_what_another_lock_of_the_folder_names_stays(control: Control) -> None:
    control.lock(PYTHON, IDNA, name="gpu")
    control.lock(PYTHON, SIX, IDNA)
    control.run("gpu")
    control.run()
    shared = control.archives
    path = control.lock(PYTHON, NEWER_IDNA)
    control.run()
    other = path.with_name("gpu.conda-bytecode.json")
    assert control.archives == files_named(path) | files_named(other)
    assert shared - control.archives  # six's, which nobody names now


def test_nothing_is_removed_from_a_store_that_others_may_use(control: Control, tmp_path: Path) -> None:
    path, store = control.lock(PYTHON, SIX), tmp_path / "store"
    given = {"store": str(store), "store_url": "https://store.example/b/"}
    control.run(**given)
    before = {one.name for one in store.iterdir()}
    control.lock(PYTHON, IDNA)
    control.run(**given)
    assert before < {one.name for one in store.iterdir()}
    found = hashes.read(path)
    assert found
    assert found.store == "https://store.example/b"
    assert control.archives == set()


def test_a_store_elsewhere_is_named_relative_to_the_lock(control: Control, tmp_path: Path) -> None:
    path = control.lock(PYTHON, SIX)
    control.run(store=str(tmp_path / "store"))
    found = hashes.read(path)
    assert found
    assert found.store == "../store"


def test_a_platform_that_runs_nowhere_is_a_warning_and_keeps_what_it_has(control: Control) -> None:
    path = control.lock(PYTHON, SIX, platforms=("linux-64", "linux-aarch64"))
    control.run()
    control.nowhere = {"linux-aarch64"}
    control.lock(PYTHON, SIX, IDNA, platforms=("linux-64", "linux-aarch64"))
    result = control.run()
    assert result["warnings"] == ["The Python of linux-aarch64 does not run here. Name a host."]
    assert result["packages"] == {"linux-64": 2, "linux-aarch64": 1}
    found = hashes.read(path)
    assert found
    assert set(found.platforms["linux-aarch64"].archives) == {PYTHON.sha256, SIX.sha256}


def test_where_nothing_can_be_compiled_nothing_is_written(control: Control) -> None:
    path = control.lock(PYTHON, SIX)
    control.nowhere = {"linux-64"}
    result = control.run()
    assert (result["changed"], result["packages"]) == (False, {})
    assert not path.exists()


def test_without_a_lock_there_is_nothing_to_do(control: Control) -> None:
    (control.directory / "environment.yml").write_text("channels: [defaults]\ndependencies: [python=3.11]\n")
    result = control.run()
    assert result["skipped"]
    assert "has no lock" in result["msg"]
    refused = control.run(require_lock=True)
    assert refused["failed"]
    assert refused["msg"].endswith("environment.yml has no lock. Lock it with lock.yml first.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"store_url": "https://store.example/b"}, "compile_store_url is .*, and compile_store is not set"),
        ({"store": "s", "store_url": "https://me:secret@store.example/b"}, "compile_store_url"),
        ({"store": "s", "store_url": "https://store.example/t/secret/b"}, "is written with credentials"),
        ({"store": "s", "store_url": "https://store.example/a b"}, "is not a URL that a lock may name"),
        ({"timeout": 0}, "compile_timeout is 0"),
        ({"build_host": "nobody"}, "compile_build_host names nobody"),
    ],
)
def test_bad_input_is_named(control: Control, arguments: Mapping[str, Any], message: str) -> None:
    path = control.lock(PYTHON, SIX)
    result = control.run(**arguments)
    assert result["failed"]
    assert re.search(message, result["msg"]), result["msg"]
    assert control.asked == []
    assert not path.exists()


def test_a_stale_lock_is_refused(control: Control) -> None:
    control.lock(PYTHON, SIX)
    (control.directory / "environment.yml").write_text("channels: [defaults]\ndependencies: [python=3.12]\n")
    assert "lock" in control.run()["msg"]
    assert control.asked == []
