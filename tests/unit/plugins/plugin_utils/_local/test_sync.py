# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the machine of a user, with the real py-rattler."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import BUNDLE
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes, store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.hashes import Hashes, OfPlatform
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ANACONDA

from .conftest import MakeLock, MakePackage
from .without_ansible import COMMAND, evenkeel

Captured = pytest.CaptureFixture[str]


def sync(*arguments: object) -> int:
    return command.main(["env", "sync", *map(str, arguments)])


def test_what_is_somebody_elses_stays(
    make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    theirs = home / ".local/share/evenkeel/envs/ai-dev"
    (theirs / "conda-meta").mkdir(parents=True)
    (theirs / "conda-meta" / "history").write_text("theirs")
    before = sorted(home.rglob("*"))
    assert sync("--lock", make_lock(make_package("tool", "1.0"))) == 1
    assert "is a folder that Evenkeel did not make; it was left as it is" in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before


def test_packages_on_another_file_system_are_copied(
    make_lock: MakeLock, make_package: MakePackage, home: Path, tmp_path: Path, capsys: Captured
) -> None:
    if tmp_path.stat().st_dev == home.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    lock = make_lock(make_package("tool", "1.0"))
    (tmp_path / "pkgs").mkdir()
    (home / ".evenkeel").mkdir()
    (home / ".evenkeel" / "pkgs").symlink_to(tmp_path / "pkgs")
    assert sync("--lock", lock, "--prefix", home / "ai") == 0
    assert "on another file system than the environments, so files are copied" in capsys.readouterr().err
    assert (home / "ai/share/tool").stat().st_nlink == 1
    assert command.main(["env", "diff", "--lock", str(lock), "--prefix", str(home / "ai"), "--files"]) == 0


def test_what_lies_beside_the_lock_is_brought(
    make_lock: MakeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    python = Package("python", "3.11.2", "0", "ab" * 32, url="https://c.example/main/linux-64/python-3.11.2-0.conda")
    wheel = Package("tool", "1.0", "", "cd" * 32, PIP, url="wheels/cd/tool-1.0-py3-none-any.whl")
    lock = make_lock(python, wheel)
    archive = store.packed({"lib/python3.11/__pycache__/os.cpython-311.pyc": b"code"})
    store.add(lock.parent / "bytecode", [archive])
    named = store.archive_of(archive)
    compiled = OfPlatform(python.sha256, "cpython-311", "a70d0d0a", {python.sha256: named}, {python.sha256: "python"})
    (lock.parent / "conda-bytecode.json").write_text(hashes.render(Hashes("bytecode", {"linux-64": compiled})))
    (lock.parent / wheel.url).parent.mkdir(parents=True)
    (lock.parent / wheel.url).write_text("wheel")
    seen = []

    def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        result = {"changed": bool(params["brought"]), "digest": "", "plan": [], "warnings": []}
        if not params["brought"]:
            return {**result, "wanted": ["tool-1.0-py3-none-any.whl", named.file]}
        seen.append(Path(params["brought"], "tool-1.0-py3-none-any.whl").read_text())
        seen.append(zipfile.ZipFile(Path(params["brought"], BUNDLE)).namelist())
        return result

    monkeypatch.setattr(conda_environment, "converge", converge)
    monkeypatch.chdir(tmp_path)
    assert sync("--lock", lock.relative_to(tmp_path)) == 0
    assert seen == ["wheel", [named.file]]
    (lock.parent / wheel.url).unlink()
    assert sync("--lock", lock.relative_to(tmp_path)) == 1
    assert "tool-1.0-py3-none-any.whl. Restore them from version control" in capsys.readouterr().err


#: Mounts a small file system for itself alone, builds what fits and what does not, and shows what is left.
SMALL = """
mount -t tmpfs -o size=4m tmpfs "$HOME"
small=$1 large=$2; shift 2
"$@" --lock "$small" --prefix "$HOME/ai" >&2
! "$@" --lock "$large" --prefix "$HOME/ai" --json
cat "$HOME/ai/share/tool"; echo
ls "$HOME/.evenkeel/generations/ai" | wc -l
"$@" --lock "$small" --prefix "$HOME/ai" >&2
"""


def test_no_space_leaves_what_was_there(make_lock: MakeLock, make_package: MakePackage) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a small file system takes root")
    small = make_lock(make_package("tool", "1.0"), name="small")
    large = make_lock(make_package("tool", "2.0", size=6 << 20), name="large")
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", SMALL, "sh", small, large, *COMMAND, "sync"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failed, *left = done.stdout.splitlines()
    assert "No space left on the file system of" in failed
    assert left == ["1.0", "1"]


class Slow(ThreadingHTTPServer):
    """Serves a folder, but packages only when it is let go on; ``asked`` is set when it is asked for one."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.asked, self.go_on = threading.Event(), threading.Event()


class Handler(SimpleHTTPRequestHandler):
    server: Slow

    def do_GET(self) -> None:
        self.server.asked.set()
        self.server.go_on.wait(60)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """Run such a server of the channel."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Slow(tmp_path / "channel") as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()


def test_of_two_at_once_one_says_who_is_first_and_a_killed_one_is_healed(
    slow: Slow, make_lock: MakeLock, make_package: MakePackage, home: Path
) -> None:
    lock = make_lock(make_package("tool", "1.0", url=f"http://127.0.0.1:{slow.server_port}"))
    builds = home / ".local/share/evenkeel/generations/ai-dev"
    argv = [*COMMAND, "sync", "--lock", str(lock)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as first:
        assert slow.asked.wait(60)
        second = evenkeel("sync", "--lock", lock, "--wait", "0")
        assert second.returncode == 1
        assert f"is still locked by process {first.pid} " in second.stderr
        assert "after 0 s" not in second.stderr
        assert len(list(builds.iterdir())) == 1
        os.killpg(first.pid, signal.SIGKILL)
    assert not (home / ".local/share/evenkeel/envs/ai-dev").exists()
    slow.go_on.set()
    assert evenkeel("sync", "--lock", lock).returncode == 0
    assert (home / ".local/share/evenkeel/envs/ai-dev/share/tool").read_text() == "1.0"
    assert len(list(builds.iterdir())) == 1


def test_packages_come_from_the_mirror_and_the_index_that_options_name(
    slow: Slow,
    make_lock: MakeLock,
    make_package: MakePackage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    lock = make_lock(make_package("tool", "1.0", url=f"{ANACONDA}/pkgs/main"))
    (tmp_path / "channel" / "pkgs").mkdir()
    (tmp_path / "channel" / "pkgs" / "main").symlink_to(tmp_path / "channel")
    mirror, index = f"http://127.0.0.1:{slow.server_port}", "http://127.0.0.1:1/simple"
    slow.go_on.set()
    assert sync("--lock", lock, "--mirror", mirror, "--pip-index", index) == 0
    assert slow.asked.is_set()
    capsys.readouterr()
    assert command.main(["env", "diff", "--lock", str(lock), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"]["sources"] == [f"{mirror}/pkgs/main"]
    seen = []

    def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        seen.append(params["pip_index"])
        return {"changed": False, "digest": "", "plan": [], "warnings": []}

    monkeypatch.setattr(conda_environment, "converge", converge)
    assert sync("--lock", lock, "--mirror", mirror, "--pip-index", index) == 0
    assert seen == [index]


def test_an_interrupted_one_removes_what_it_began(
    slow: Slow, make_lock: MakeLock, make_package: MakePackage, home: Path
) -> None:
    lock = make_lock(make_package("tool", "1.0", url=f"http://127.0.0.1:{slow.server_port}"))
    # Where the tests themselves run in the background, SIGINT is ignored.
    heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    argv = [*COMMAND, "sync", "--lock", str(lock)]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, preexec_fn=heeded) as run:
        assert slow.asked.wait(60)
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    assert list((home / ".local/share/evenkeel/generations/ai-dev").iterdir()) == []


@pytest.mark.parametrize(
    ("generation", "said"),
    [("-1", "has no generation 1 steps back from the one in use"), ("ffff", "has no generation 'ffff'")],
)
def test_there_has_to_be_a_build_to_go_back_to(
    generation: str, said: str, make_lock: MakeLock, make_package: MakePackage, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    assert sync("--lock", lock, f"--rollback={generation}") == 1
    assert "ai-dev. Build it with evenkeel env sync first" in capsys.readouterr().err
    assert sync("--lock", lock) == 0
    assert sync("--lock", lock, f"--rollback={generation}") == 1
    assert said in capsys.readouterr().err


def test_the_second_of_two_waits(slow: Slow, make_lock: MakeLock, make_package: MakePackage, home: Path) -> None:
    lock = make_lock(make_package("tool", "1.0", url=f"http://127.0.0.1:{slow.server_port}"))
    argv = [*COMMAND, "sync", "--lock", str(lock), "--json"]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as second,
    ):
        assert slow.asked.wait(60)
        slow.go_on.set()
        answers = [one.communicate()[0] for one in (first, second)]
    assert sorted(b'"changed": true' in one for one in answers) == [False, True]
    assert first.returncode == second.returncode == 0
