# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's installer: what it has installed, and how it is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners

URL = "https://mirror/580.178.04/NVIDIA-Linux-x86_64-580.178.04.run"


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (["usr/bin/nvidia-uninstall", "usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04"], "580.178.04"),
        (["usr/bin/nvidia-uninstall", "usr/lib64/libcuda.so.580.178.04"], "580.178.04"),
        (["usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04"], ""),
        (["usr/bin/nvidia-uninstall"], ""),
        ([], ""),
    ],
    ids=["Debian", "Red Hat", "of packages", "without libraries", "nothing"],
)
def test_the_version_that_it_has_installed(files: list[str], version: str, tmp_path: Path) -> None:
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert runfile.installed(str(tmp_path)) == version


def test_it_is_not_put_over_packages() -> None:
    runfile.require_no_packages([])
    with pytest.raises(EvenkeelError, match="A driver is installed by packages: nvidia-kernel-dkms"):
        runfile.require_no_packages(["nvidia-kernel-dkms"])


@pytest.mark.parametrize(
    ("content", "words"), [(b"#! /bin/sh\n", ""), (b"<html>", "is no installer"), (b"", "is no installer")]
)
def test_what_its_server_offers_is_an_installer(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "NVIDIA.run"
    path.write_bytes(content)
    if words:
        with pytest.raises(EvenkeelError, match=words):
            runfile.require_offered(path.as_uri())
    else:
        runfile.require_offered(path.as_uri())


def test_a_server_without_it(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"NVIDIA\.run"):
        runfile.require_offered((tmp_path / "NVIDIA.run").as_uri())


@pytest.mark.parametrize(
    ("sha256", "status", "words"),
    [
        ("a" * 64, 0, ""),
        ("b" * 64, 0, f"{URL} has the SHA-256 {'a' * 64}, not {'b' * 64}"),
        ("a" * 64, 1, "ended with status 1: no compiler"),
    ],
    ids=["as it should be", "another file", "it fails"],
)
def test_it_is_checked_and_run_without_questions(
    sha256: str, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[list[str]] = []
    fetched: list[str] = []

    def download(url: str, path: str, *, timeout: int, retries: int, sha256: str) -> str:
        assert (url, timeout > 0, retries > 0) == (URL, True, True)
        fetched.append(path)
        return "a" * 64

    def execute(argv: list[str]) -> Done:
        run.append(argv)
        return Done(status, "", "no compiler")

    swept: list[list[str]] = []
    monkeypatch.setattr(runfile.work_folder, "remove_abandoned", lambda: swept.append(list(fetched)))
    monkeypatch.setattr(runfile, "download", download)
    monkeypatch.setattr(command, "run", execute)
    if words:
        with pytest.raises(EvenkeelError, match=words):
            runfile.install(URL, sha256, "580.178.04", "open")
    else:
        runfile.install(URL, sha256, "580.178.04", "open")
    assert swept == [[]]
    assert len(run) == (sha256 == "a" * 64)
    options = {"--silent", "--dkms", "--kernel-module-type=open", "--allow-installation-with-running-driver"}
    assert all(options <= {*argv} and argv[:2] == ["sh", *fetched] for argv in run)
    assert [Path(path).name for path in fetched] == [URL.rpartition("/")[2]]
    assert not Path(fetched[0]).parent.exists()


UNINSTALLER, CUDA, ML = "usr/bin/nvidia-uninstall", "usr/lib64/libcuda.so.595.1", "usr/lib64/libnvidia-ml.so.595.1"
PTX = "usr/lib64/libnvidia-ptxjitcompiler.so.595.1"


@dataclass
class Root:
    """A node's files below a folder; ``owned`` are those of packages, ``run`` is what was run."""

    folder: Path
    owned: set[str] = field(default_factory=set)
    run: list[list[str]] = field(default_factory=list)
    status: int = 0
    takes: list[str] = field(default_factory=list)

    def put(self, *names: str) -> None:
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    found = Root(tmp_path)

    def owned(paths: Sequence[str], manager: str) -> set[str]:
        assert manager == "apt"
        return {path for path in paths if str(Path(path).relative_to(tmp_path)) in found.owned}

    def run(argv: list[str]) -> Done:
        found.run.append(argv)
        if argv[0] == "timeout":
            for name in found.takes:
                (tmp_path / name).unlink()
        return Done(found.status, "", "ERROR: it is in use")

    monkeypatch.setattr(owners, "owned", owned)
    monkeypatch.setattr(command, "run", run)
    return found


@pytest.mark.parametrize(
    ("files", "owned", "versions", "uninstaller", "words"),
    [
        ([UNINSTALLER, CUDA, ML], set(), ["595.1"], True, "nvidia-uninstall --silent`"),
        ([CUDA], set(), ["595.1"], False, "`rm .*libcuda"),
        ([ML, "usr/lib64/libcuda.so.570.2"], set(), ["570.2", "595.1"], False, "driver 570.2, 595.1 on the node"),
        ([UNINSTALLER, CUDA, ML], {CUDA, ML}, [], True, ""),
        ([CUDA, ML], {CUDA, ML}, [], False, ""),
        ([UNINSTALLER], set(), [], True, ""),
        ([], set(), [], False, ""),
    ],
    ids=["a driver", "one library", "two drivers", "under packages", "packages", "its uninstaller alone", "nothing"],
)
def test_what_it_has_left(
    files: list[str], owned: set[str], versions: list[str], uninstaller: bool, words: str, root: Root
) -> None:
    root.put(*files)
    root.owned = owned
    found = runfile.find("apt", str(root.folder))
    assert (found.versions, found.uninstaller) == (versions, uninstaller)
    if words:
        with pytest.raises(EvenkeelError, match=words):
            runfile.require_none(found)
    else:
        runfile.require_none(found)
    assert root.names() == sorted(files)
    assert root.run == []


@pytest.mark.parametrize(
    ("files", "packaged", "asked"),
    [
        ([CUDA, ML], {"595.1", "12"}, False),
        ([CUDA, ML], {"580.1"}, True),
        ([CUDA, "usr/lib64/libcuda.so.580.1"], {"580.1"}, True),
        ([CUDA, ML, UNINSTALLER], {"595.1"}, True),
        ([], set(), False),
    ],
    ids=["packages", "of no package's version", "two drivers", "an uninstaller", "nothing"],
)
def test_who_owns_the_libraries_is_asked_only_where_something_points_to_the_installer(
    files: list[str], packaged: set[str], asked: bool, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.put(*files)
    questions: list[Sequence[str]] = []
    monkeypatch.setattr(owners, "owned", lambda paths, manager: set(questions.append(paths) or paths))
    assert runfile.find("apt", str(root.folder), packaged).libraries == ()
    assert bool(questions) is asked


def test_links_to_libraries_are_no_driver(root: Root) -> None:
    root.put("usr/lib64/other")
    (root.folder / CUDA).symlink_to("other")
    assert runfile.find("apt", str(root.folder)) == runfile.Found()


@pytest.mark.parametrize(
    ("files", "owned", "takes", "runs", "left"),
    [
        ([UNINSTALLER, CUDA, ML], set(), [UNINSTALLER, CUDA, ML], True, []),
        ([UNINSTALLER, CUDA, ML, PTX], set(), [UNINSTALLER, CUDA], True, []),
        ([CUDA, PTX], set(), [], False, []),
        ([UNINSTALLER, CUDA, "usr/lib64/libcuda.so.580.1"], {"usr/lib64/libcuda.so.580.1"}, [], True, ["580.1"]),
        ([UNINSTALLER, CUDA, ML], {CUDA, ML}, [], False, [CUDA, ML]),
    ],
    ids=["all by itself", "it leaves some", "without uninstaller", "beside packages", "its uninstaller alone"],
)
def test_it_is_undone_by_its_uninstaller_and_what_that_leaves_by_hand(
    files: list[str], owned: set[str], takes: list[str], runs: bool, left: list[str], root: Root
) -> None:
    root.put(*files)
    root.owned, root.takes = owned, takes
    runfile.remove("apt", str(root.folder))
    undone = [argv[3:] for argv in root.run if argv[0] == "timeout"]
    assert undone == [["/usr/bin/nvidia-uninstall", "--silent"]] * runs
    assert root.run[-1] == ["ldconfig"]
    assert len(root.names()) == len(left)
    assert all(name.endswith(end) for name, end in zip(root.names(), left, strict=True))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (1, r"ended with status 1: ERROR: it is in use.*nvidia-uninstall\.log"),
        (124, "did not end within 600 seconds"),
        (-9, "did not end within 600 seconds"),
    ],
    ids=["it fails", "it hangs", "it hangs and does not listen"],
)
def test_an_uninstaller_that_fails_ends_the_run(status: int, words: str, root: Root) -> None:
    root.put(UNINSTALLER, CUDA)
    root.status = status
    with pytest.raises(EvenkeelError, match=words):
        runfile.remove("apt", str(root.folder))
    assert root.names() == sorted([UNINSTALLER, CUDA])


def test_libraries_of_a_host_that_a_container_has_mounted_are_not_the_installers(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.put(CUDA)
    monkeypatch.setattr(runfile, "_mounted", lambda: {str(root.folder / CUDA)})
    assert runfile.find("apt", str(root.folder)) == runfile.Found()


def test_an_uninstaller_that_hangs_ends_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-uninstall"
    program.write_text("#!/bin/sh\nsleep infinity &\nsleep infinity\n")
    program.chmod(0o755)
    (tmp_path / "libcuda.so.595.1").touch()
    monkeypatch.setattr(runfile, "UNINSTALLER", str(program))
    monkeypatch.setattr(runfile, "_LIBRARIES", (str(tmp_path),))
    monkeypatch.setattr(runfile, "_LONGEST", 1)
    monkeypatch.setattr(owners, "owned", lambda paths, manager: set())
    with pytest.raises(EvenkeelError, match="nvidia-uninstall --silent` did not end within 1 seconds"):
        runfile.remove("apt", "/")
