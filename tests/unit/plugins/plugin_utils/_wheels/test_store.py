# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import (
    Made,
    Store,
    in_lock,
    made_of,
    on_control_node,
    require_files,
)

WHEEL = b"a wheel"
RELEASE = SourceRelease("tool", "1.0", "https://files.example/tool-1.0.tar.gz", "ab" * 32)
COMMIT = SourceRelease("tool", "", f"git+https://git.example/tool@{'cd' * 20}")
MADE = Made(
    name="tool",
    version="1.0",
    source=RELEASE.url,
    source_sha256=RELEASE.sha256,
    python="3.11",
    platform="linux-64",
    backend="setuptools.build_meta",
    requirements=("setuptools==80.9.0 --hash=sha256:ef",),
    wheel="tool-1.0-cp311-cp311-linux_x86_64.whl",
    sha256=hashlib.sha256(WHEEL).hexdigest(),
)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "built.whl").write_bytes(WHEEL)
    return tmp_path / "built.whl"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "environment" / "wheels")


def test_what_was_added_is_found_again_with_how_it_was_made(store: Store, built: Path) -> None:
    assert store.find(RELEASE, "3.11", "linux-64") is None
    wheel = store.add(built, MADE)
    assert wheel == store.directory / MADE.key / MADE.wheel
    assert wheel.read_bytes() == WHEEL
    assert made_of(wheel) == MADE
    assert store.find(RELEASE, "3.11", "linux-64") == wheel
    assert store.find(replace(RELEASE, url="https://mirror.example/tool-1.0.tar.gz"), "3.11", "linux-64") == wheel
    assert sorted(path.name for path in store.directory.iterdir()) == [MADE.key]


@pytest.mark.parametrize(
    ("release", "python", "platform"),
    [
        (replace(RELEASE, sha256="cd" * 32), "3.11", "linux-64"),
        (replace(RELEASE, name="other"), "3.11", "linux-64"),
        (RELEASE, "3.12", "linux-64"),
        (RELEASE, "3.11", "linux-aarch64"),
        (COMMIT, "3.11", "linux-64"),
    ],
)
def test_another_source_python_or_platform_has_another_wheel(
    store: Store, built: Path, release: SourceRelease, python: str, platform: str
) -> None:
    store.add(built, MADE)
    assert store.find(release, python, platform) is None


def test_a_commit_is_found_by_its_url(store: Store, built: Path) -> None:
    wheel = store.add(built, replace(MADE, source=COMMIT.url, source_sha256=""))
    assert store.find(COMMIT, "3.11", "linux-64") == wheel
    assert store.find(replace(COMMIT, url=COMMIT.url.replace("cd", "ef")), "3.11", "linux-64") is None


def test_a_pure_wheel_serves_every_platform(store: Store, built: Path) -> None:
    wheel = store.add(built, replace(MADE, platform="any", wheel="tool-1.0-py3-none-any.whl"))
    assert {store.find(RELEASE, "3.11", platform) for platform in ("linux-64", "linux-aarch64")} == {wheel}


def test_the_key_is_of_all_that_a_wheel_is_made_from() -> None:
    others = [
        replace(MADE, source_sha256="cd" * 32),
        replace(MADE, requirements=()),
        replace(MADE, python="3.12"),
        replace(MADE, platform="any"),
    ]
    assert len({made.key for made in (MADE, *others)}) == 5
    assert replace(MADE, sha256="cd" * 32, source="https://mirror.example/tool-1.0.tar.gz").key == MADE.key


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda wheel: wheel.write_bytes(b"other"), "has the SHA-256 .*, and was made with"),
        (lambda wheel: wheel.unlink(), "can't be read: No such file"),
        (lambda wheel: wheel.with_name("build.json").write_text("{}"), "does not say how its wheel was made"),
    ],
    ids=["other", "gone", "record"],
)
def test_a_wheel_that_is_not_as_it_was_made_is_an_error(
    store: Store, built: Path, damage: object, message: str
) -> None:
    damage(store.add(built, MADE))  # type: ignore[operator]
    with pytest.raises(EvenkeelError, match=f"{message}.*or remove {store.directory / MADE.key} and lock again"):
        store.find(RELEASE, "3.11", "linux-64")


@pytest.mark.parametrize(
    "damage",
    [
        {"wheel": "../../etc/passwd"},
        {"wheel": ""},
        {"wheel": 1},
        {"requirements": [1]},
        {"requirements": "ab"},
        {"name": []},
        {"more": "1"},
    ],
)
def test_a_record_is_verified(store: Store, built: Path, damage: dict[str, object]) -> None:
    record = store.add(built, MADE).with_name("build.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | damage))
    with pytest.raises(EvenkeelError, match="does not say how its wheel was made"):
        store.find(RELEASE, "3.11", "linux-64")


def test_a_link_is_no_wheel(store: Store, built: Path) -> None:
    wheel = store.add(built, MADE)
    wheel.unlink()
    wheel.symlink_to(built)
    with pytest.raises(EvenkeelError, match="can't be read: it is not a regular file"):
        store.find(RELEASE, "3.11", "linux-64")


def test_a_wheel_that_is_there_is_not_replaced(store: Store, built: Path, tmp_path: Path) -> None:
    wheel = store.add(built, MADE)
    (tmp_path / "again.whl").write_bytes(b"another")
    again = replace(MADE, sha256=hashlib.sha256(b"another").hexdigest())
    assert store.add(tmp_path / "again.whl", again) == wheel
    assert wheel.read_bytes() == WHEEL


def test_a_lock_names_a_wheel_by_a_relative_path_and_finds_it_wherever_it_is(store: Store, built: Path) -> None:
    wheel = store.add(built, MADE)
    lock = store.directory.parent / "conda-lock.yml"
    path = in_lock(wheel, lock)
    assert path == f"wheels/{MADE.key}/{MADE.wheel}"
    assert in_lock(wheel, store.directory.parent.parent / "other" / "conda-lock.yml") == f"../environment/{path}"
    package = Package("tool", "1.0", "", MADE.sha256, PIP, url=path)
    other = Package("six", "1.0", "", "ab" * 32, PIP, url="https://files.example/six-1.0-py3-none-any.whl")
    assert [one.url for one in on_control_node([package, other], lock)] == [str(wheel), other.url]
    moved = on_control_node([package], Path("/elsewhere/conda-lock.yml"))
    assert moved[0].url == f"/elsewhere/{path}"


def test_all_wheels_that_are_missing_are_named(tmp_path: Path, built: Path) -> None:
    require_files([built])
    with pytest.raises(EvenkeelError, match=r"lock names are missing: \S+/a\.whl, \S+/b\.whl\. Restore"):
        require_files([tmp_path / "b.whl", built, tmp_path / "a.whl"])


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, built: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvenkeelError, match=r"can't be kept in .*/file/wheels: .*lock_wheels"):
        Store(tmp_path / "file" / "wheels").add(built, MADE)
