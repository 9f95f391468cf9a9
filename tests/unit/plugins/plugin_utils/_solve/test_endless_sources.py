# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels and indexes that never end, asked by the control node: they end, and are named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import limits
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import (
    conda_solver,
    pip_resolution,
    pip_solver,
    rattler,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import pip_download, wheels

COLLECTIONS = Path(__file__).parents[5] / "collections"


#: A process of its own: the limits of memory hold for all threads of the one that is tested.
SERVER = """
import sys
from pathlib import Path
from lab.upstream.mirror_server import Mirror
with Mirror(Path(sys.argv[1]), "127.0.0.1", 0) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""


def data_bytes() -> int:
    """Return what of the limited memory this process has already."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) << 10


@pytest.fixture
def www(tmp_path: Path) -> Path:
    """What the server has."""
    return tmp_path / "www"


@pytest.fixture
def endless(www: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server whose every file has no end."""
    for subdir in ("linux-64", "noarch"):
        (www / "main" / subdir).mkdir(parents=True)
        (www / "main" / subdir / "repodata.json").write_text("{}")
    for name in ("humanize", "uv", "py-rattler"):
        (www / "simple" / name).mkdir(parents=True)
        (www / "simple" / name / "index.html").write_text("<html>")
    monkeypatch.setattr(limits, "MEMORY_BYTES", data_bytes() + (300 << 20))
    with subprocess.Popen([sys.executable, "-c", SERVER, www], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/_fault/endless"
        server.kill()


def test_a_channel(endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rattler, "RETRIES", 0)
    monkeypatch.setattr(limits, "MEMORY_BYTES", 16 << 30)
    monkeypatch.setattr(rattler, "FILE_BYTES", 1 << 20)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    channel = f"{endless}/main"
    problem = Problem(packages=("python",), channels=(channel,), platform="linux-64", virtual_packages=())
    with pytest.raises(EvenkeelError, match=f"^The index of {channel} could not be read: (?s:.*)File too large"):
        conda_solver.solve_with_rattler(problem)


#: A process of its own, as Ansible's workers are: py-rattler has no threads in it yet.
WORKER = """
import sys
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import limits
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import conda_solver, problem
limits.MEMORY_BYTES = 600 << 20
try:
    conda_solver.solve_with_rattler(problem.Problem(("python",), (sys.argv[1],), "linux-64", ()))
except EvenkeelError as error:
    print(error)
"""


def test_a_channel_that_takes_all_memory_ends_no_worker(endless: str, www: Path, tmp_path: Path) -> None:
    for subdir in ("linux-64", "noarch"):
        (www / "main" / subdir / "repodata_shards.msgpack.zst").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", WORKER, f"{endless}/main"],
        check=False,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "RATTLER_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert f"The index of {endless}/main could not be read" in done.stdout
    assert not done.stderr


def test_an_index_that_uv_asks(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_CACHE", "1")
    target = pip_solver.Target("3.11.2", "linux-64", "2.36")
    question = pip_solver.Question(("humanize",), target, index=f"{endless}/simple")
    with pytest.raises(
        EvenkeelError, match=r"^The pip packages humanize cannot be resolved: .*memory allocation .*fail"
    ):
        pip_resolution.resolve(question, lambda name: ())


def test_an_index_that_pip_asks(endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{endless}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(EvenkeelError, match=r"^pip could not fetch uv 1 for linux-64 on the control node: MemoryError"):
        wheels.download_with_pip("linux-64", {"uv": "1"}, tmp_path / "wheels")


def test_a_pip_that_is_kept_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = tmp_path / "python"
    pip.write_text("#!/bin/sh\nexec sleep 60\n")
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    monkeypatch.setattr(pip_download, "SECONDS", 0.1)
    with pytest.raises(EvenkeelError, match=r"could not fetch uv 1 for linux-64 on the control node in 0\.1 seconds"):
        wheels.download_with_pip("linux-64", {"uv": "1"}, tmp_path / "wheels")
