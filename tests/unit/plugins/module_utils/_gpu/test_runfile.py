# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's installer: what it has installed, and how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

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

    def download(url: str, path: str, *, timeout: int, retries: int) -> str:
        assert (url, timeout > 0, retries > 0) == (URL, True, True)
        fetched.append(path)
        return "a" * 64

    def execute(argv: list[str]) -> Done:
        run.append(argv)
        return Done(status, "", "no compiler")

    monkeypatch.setattr(runfile, "download", download)
    monkeypatch.setattr(runfile.command, "run", execute)
    if words:
        with pytest.raises(EvenkeelError, match=words):
            runfile.install(URL, sha256, "580.178.04", "open")
    else:
        runfile.install(URL, sha256, "580.178.04", "open")
    assert len(run) == (sha256 == "a" * 64)
    options = {"--silent", "--dkms", "--kernel-module-type=open", "--allow-installation-with-running-driver"}
    assert all(options <= {*argv} and argv[:2] == ["sh", *fetched] for argv in run)
    assert [Path(path).name for path in fetched] == [URL.rpartition("/")[2]]
    assert not Path(fetched[0]).parent.exists()
