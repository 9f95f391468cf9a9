# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import importlib.metadata
import multiprocessing
import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import wheels as _wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.wheels import (
    Source,
    at_hand,
    download_with_pip,
    gather,
)

VERSIONS = {"py-rattler": "0.28.0", "uv": "0.13.9"}
RATTLER = "py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
UV = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
RATTLER_ARM = "py_rattler-0.28.0-cp310-abi3-manylinux_2_28_aarch64.whl"
UV_ARM = "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"
OTHERS = [
    "py_rattler-0.27.0-cp310-abi3-manylinux_2_17_x86_64.whl",
    "py_rattler-0.28.0-cp310-abi3-macosx_11_0_arm64.whl",
    "py_rattler-0.28.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "py_rattler-0.28.0-cp310-abi3-musllinux_1_2_x86_64.whl",
    "uv-0.13.9-py3-none-manylinux_2_39_x86_64.whl",
    "uv-0.13.8-py3-none-manylinux_2_17_x86_64.whl",
    "uv.whl",
    "uv-0.13.9.tar.gz",
    "six-1.17.0-py2.py3-none-any.whl",
]


class Index:
    """Brings the wheels of linux-64, or fails, and counts how often it is asked."""

    def __init__(self, outcome: BaseException | None = None) -> None:
        self.outcome = outcome
        self.asked: list[str] = []

    def __call__(self, platform: str, versions: Mapping[str, str], target: Path) -> None:
        self.asked.append(platform)
        assert versions == VERSIONS
        write_wheel(target / RATTLER)
        if self.outcome:
            raise self.outcome
        write_wheel(target / UV)


@pytest.fixture(autouse=True)
def control_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_wheels, "installed_versions", lambda: VERSIONS)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return run(tmp_path, "first")


def run(directory: Path, name: str, wheels: Path | None = None) -> Source:
    """Return the source of another run."""
    (directory / name).mkdir()
    return Source("linux-64", wheels, directory / name)


def kept(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.parent.name != "locks" and path.is_file())


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux-64", [RATTLER, UV]), ("linux-aarch64", [RATTLER_ARM, UV_ARM])]
)
def test_the_wheels_that_fit_are_found(tmp_path: Path, platform: str, expected: list[str]) -> None:
    for name in (RATTLER, UV, RATTLER_ARM, UV_ARM, *OTHERS):
        (tmp_path / name).touch()
    found = _wheels.find(tmp_path, platform, VERSIONS)
    assert {name: path.name for name, path in found.items()} == dict(zip(VERSIONS, expected, strict=True))


def test_others_do_not_fit(tmp_path: Path) -> None:
    for name in (RATTLER_ARM, UV_ARM, *OTHERS):
        (tmp_path / name).touch()
    assert not _wheels.find(tmp_path, "linux-64", VERSIONS)
    assert not _wheels.find(tmp_path / "absent", "linux-64", VERSIONS)


def test_they_are_fetched_once_and_kept_for_other_runs(tmp_path: Path, source: Source) -> None:
    index = Index()
    assert at_hand(source) is None
    wheels = gather(source, index)
    assert [wheel.path.name for wheel in wheels] == [RATTLER, UV]
    assert all(wheel.sha256 == hashlib.sha256(wheel.path.read_bytes()).hexdigest() for wheel in wheels)
    assert gather(source, index) == at_hand(source) == wheels
    assert at_hand(run(tmp_path, "second")) == wheels
    assert index.asked == ["linux-64"]
    assert kept(tmp_path / "cache" / "evenkeel" / "wheels") == [RATTLER, UV]


def test_a_fetch_that_fails_is_told_to_all_in_the_same_words(tmp_path: Path, source: Source) -> None:
    index = Index(EvenkeelError("pip could not fetch uv", "Check it"))
    for ask in (lambda: gather(source, index), lambda: gather(source, index), lambda: at_hand(source)):
        with pytest.raises(EvenkeelError, match=r"^pip could not fetch uv\. Check it\.$"):
            ask()
    assert index.asked == ["linux-64"]
    assert len(gather(run(tmp_path, "second"), Index())) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"PK\x03\x04 cut short"])
def test_one_that_is_cut_short_is_fetched_again(tmp_path: Path, source: Source, damage: bytes) -> None:
    whole = gather(source, Index())
    whole[0].path.write_bytes(damage)
    assert at_hand(run(tmp_path, "second")) is None
    assert [wheel.path for wheel in gather(run(tmp_path, "third"), Index())] == [wheel.path for wheel in whole]
    assert zipfile.is_zipfile(whole[0].path)


def test_an_interrupted_fetch_keeps_nothing_half(tmp_path: Path, source: Source) -> None:
    with pytest.raises(KeyboardInterrupt):
        gather(source, Index(KeyboardInterrupt()))
    assert at_hand(source) is None
    assert len(gather(source, Index())) == 2
    assert kept(tmp_path / "cache" / "evenkeel" / "wheels") == [RATTLER, UV]


def test_workers_that_ask_at_once_wait_for_one_of_them(source: Source) -> None:
    context = multiprocessing.get_context("fork")  # as Ansible's workers are
    start, answers = context.Barrier(4), context.SimpleQueue()
    fetches, second = context.Value("i", 0), context.Event()

    def download(platform: str, versions: Mapping[str, str], target: Path) -> None:
        with fetches.get_lock():
            fetches.value += 1
            if fetches.value > 1:
                second.set()
        second.wait(0.3)
        Index()(platform, versions, target)

    def work() -> None:
        start.wait(30)
        answers.put([wheel.path.name for wheel in gather(source, download)])

    workers = [context.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [answers.get() for _ in workers] == [[RATTLER, UV]] * 4
    assert fetches.value == 1


def test_a_directory_that_has_them_needs_no_fetch(tmp_path: Path) -> None:
    directory = tmp_path / "wheels"
    directory.mkdir()
    for name in (RATTLER, UV):
        (directory / name).touch()
    source = run(tmp_path, "run", directory)
    assert at_hand(source) == gather(source, Index(KeyboardInterrupt()))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("names", "lacking"), [([], "py-rattler 0.28.0, uv 0.13.9"), ([RATTLER], "uv 0.13.9")])
def test_a_directory_that_lacks_one_is_named_with_what_it_lacks(tmp_path: Path, names: list[str], lacking: str) -> None:
    directory = tmp_path / "wheels"
    directory.mkdir()
    for name in names:
        (directory / name).touch()
    source = run(tmp_path, "run", directory)
    assert at_hand(source) is None
    with pytest.raises(EvenkeelError, match=f"^The directory {directory} has no wheel of {lacking} for linux-64"):
        gather(source, Index(KeyboardInterrupt()))


def test_a_directory_and_the_cache_are_told_apart(tmp_path: Path, source: Source) -> None:
    directory = tmp_path / "wheels"
    directory.mkdir()
    gather(source, Index())
    assert at_hand(Source("linux-64", directory, source.run_directory)) is None


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, source: Source) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EvenkeelError, match=f"^The wheels can't be kept in {tmp_path}/cache/evenkeel/wheels/linux-64"):
        gather(source, Index())


# what is installed, and pip


def test_the_versions_are_the_control_nodes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert _wheels.installed_versions() == {name: importlib.metadata.version(name) for name in ("py-rattler", "uv")}


def test_pip_brings_wheels_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself, which looks into a directory as a machine's configuration would set it."""
    offered, target = tmp_path / "offered", tmp_path / "target"
    for directory in (offered, target):
        directory.mkdir()
    for name in (RATTLER, UV, RATTLER_ARM, UV_ARM, *OTHERS):
        if name.count("-") > 3:
            write_wheel(offered / name)
    configure_pip(monkeypatch, offered)
    download_with_pip("linux-aarch64", VERSIONS, target)
    assert kept(target) == [RATTLER_ARM, UV_ARM]
    download_with_pip("linux-64", VERSIONS, target)
    assert kept(target) == sorted([RATTLER, UV, RATTLER_ARM, UV_ARM])


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_pip(monkeypatch, tmp_path)
    with pytest.raises(EvenkeelError) as raised:
        download_with_pip("linux-64", VERSIONS, tmp_path)
    assert str(raised.value).startswith(
        "pip could not fetch py-rattler 0.28.0 and uv 0.13.9 for linux-64 on the control node: "
        "No matching distribution found for py-rattler==0.28.0. Check pip's configuration there"
    )


def test_a_pip_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2, stderr="\n"))
    with pytest.raises(EvenkeelError, match="on the control node: it printed nothing"):
        download_with_pip("linux-64", VERSIONS, tmp_path)


def configure_pip(monkeypatch: pytest.MonkeyPatch, offered: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))


def write_wheel(path: Path) -> None:
    name, version = path.name.split("-")[:2]
    tags = path.stem.split("-", 2)[2]
    metadata = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{metadata}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tags}\n")
        archive.writestr(f"{metadata}/RECORD", "")
