# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import inspect
import os
import platform
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import confined, sandbox
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import (
    Ended,
    Limits,
    Place,
    forbidding,
    lacking,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import interpreter

from tests.unit.plugins.plugin_utils._wheels.conftest import require_namespaces

Run = Callable[..., tuple[Ended, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def run(root: Path, work: Path, tmp_path: Path) -> Run:
    """Return a function that runs a shell script in the sandbox."""
    require_namespaces()
    assert lacking(root) == ""
    log = tmp_path / "log"

    def run(script: str, limits: Limits | None = None, readable: tuple[Path, ...] = ()) -> tuple[Ended, str]:
        argv = ["/bin/sh", "-c", script]
        ended = Place(root).run(argv, work, log, {"A": "1"}, writable=[work], readable=readable, limits=limits)
        return ended, log.read_text()

    return run


def test_it_writes_to_its_own_directory_alone(run: Run, work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "given").write_text("seen\n")
    ended, said = run(
        f"cat {other}/given; touch mine; touch {other}/x || touch /usr/x || echo refused", readable=(other,)
    )
    assert ended == Ended(0)
    assert said.splitlines()[0] == "seen"
    assert said.splitlines()[-1] == "refused"
    assert [path.name for path in work.iterdir()] == ["mine"]
    assert [path.name for path in other.iterdir()] == ["given"]


def test_it_has_no_capability_to_change_what_it_sees(run: Run) -> None:
    _unused, said = run("grep CapBnd /proc/self/status; mount -o remount,rw /usr 2>/dev/null || echo refused")
    assert said.splitlines() == ["CapBnd:\t0000000000000000", "refused"]


def test_it_sees_neither_homes_nor_other_files_nor_sockets(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    _unused, said = run(
        f"ls -d {Path.home()} /home /root /run /var /etc/shadow /etc/ssl {secret} 2>/dev/null; echo end"
    )
    assert said == "end\n"


def test_it_has_no_keyring(run: Run, work: Path) -> None:
    numbers = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[platform.machine()]
    (work / "keys.py").write_text(
        "import ctypes, errno\ncall = ctypes.CDLL(None, use_errno=True).syscall\n"
        f"for number in {numbers}:\n"
        "    call(number, 0, 0, 0, 0, 0)\n    print(errno.errorcode[ctypes.get_errno()])\n"
    )
    python = interpreter.of_control_node()
    ended, said = run(f"{python.program} -I {work}/keys.py", readable=(python.prefix,))
    assert (ended, said.split()) == (Ended(0), ["ENOSYS"] * 3)


def test_it_has_only_sockets_that_a_network_namespace_holds(run: Run, work: Path) -> None:
    (work / "sockets.py").write_text(
        "import ctypes, errno, socket\n"
        "for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):\n"
        "    kind = socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_STREAM\n"
        "    socket.socket(family, kind).close()\n"
        "for family in (socket.AF_VSOCK, 38, 31, 1 << 20):\n"
        "    try:\n        socket.socket(family, socket.SOCK_STREAM)\n"
        "    except OSError as error:\n        print(errno.errorcode[error.errno])\n"
        "call = ctypes.CDLL(None, use_errno=True).syscall\n"
        "call(425, 1, None)\nprint(errno.errorcode[ctypes.get_errno()])\n"
    )
    python = interpreter.of_control_node()
    ended, said = run(f"{python.program} -I {work}/sockets.py", readable=(python.prefix,))
    assert (ended, said.split()) == (Ended(0), ["EAFNOSUPPORT"] * 4 + ["ENOSYS"])


def test_it_cannot_raise_its_limits(run: Run) -> None:
    _unused, said = run("bash -c 'ulimit -Hd; ulimit -Sd; ulimit -Hf; ulimit -Sf; ulimit -Hc'")
    data, soft_data, size, soft_size, core = said.split()
    assert (data, size, core) == (soft_data, soft_size, "0")
    assert "unlimited" not in (data, size)


def test_it_sees_no_other_process(run: Run) -> None:
    _unused, said = run(f"ls -d /proc/{os.getpid()} 2>/dev/null || echo none")
    assert said == "none\n"


def test_it_has_no_network(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        ended, said = run(
            "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; "
            f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null || exit 7"
        )
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (ended.status, said.splitlines()) == (7, ["lo"])


def test_its_environment_is_what_it_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "secret")
    monkeypatch.setattr(sandbox, "CUDA", "/nowhere")
    _unused, said = run("env; umask")
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names == {"A", "PATH", "PWD", "OLDPWD", "0022"}


def test_it_is_shown_the_cuda_toolkit_that_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "CUDA", "/usr")
    assert run("echo $CUDA_HOME")[1] == "/usr\n"


def test_it_sees_directories_at_other_paths_than_where_they_are(root: Path, work: Path, tmp_path: Path) -> None:
    require_namespaces()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "given").write_text("seen\n")
    there, log = Path("/srv/control node/build"), tmp_path / "log"
    place = Place(root, {str(there): str(work), "/srv/given": str(tmp_path / "kept")})
    ended = place.run(
        ["/bin/sh", "-c", "pwd; cat /srv/given/given; touch made; touch /srv/given/made || echo refused"],
        there,
        log,
        {},
        writable=[there],
        readable=[Path("/srv/given")],
    )
    lines = log.read_text().splitlines()
    assert (ended, lines[:2], lines[-1]) == (Ended(0), [str(there), "seen"], "refused")
    assert [path.name for path in work.iterdir()] == ["made"]


def test_its_status_is_told(run: Run) -> None:
    assert run("exit 3")[0] == Ended(3)


@pytest.mark.parametrize("enclosed", [True, False])
def test_it_ends_at_its_limit_of_time_with_all_that_it_started(
    run: Run, root: Path, work: Path, tmp_path: Path, enclosed: bool
) -> None:
    os.mkfifo(work / "pipe")
    # Each shell that opens the pipe waits for a reader, which never comes.
    argv = ["/bin/sh", "-c", "(echo >pipe) & echo >pipe"]
    place = Place(root if enclosed else None)
    ended = place.run(argv, work, tmp_path / "log", {}, writable=[work], limits=Limits(seconds=1))
    assert ended.cut_short == "it did not end within 1 seconds"
    deadline = time.monotonic() + 60
    while started_in(work) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert started_in(work) == []


@pytest.mark.parametrize("enclosed", [True, False])
def test_it_ends_with_what_started_it(root: Path, work: Path, tmp_path: Path, enclosed: bool) -> None:
    os.mkfifo(work / "pipe")
    starter = os.fork()
    if not starter:
        place = Place(root if enclosed else None)
        place.run(["/bin/sh", "-c", "echo >pipe; exec sleep 1000"], work, tmp_path / "log", {}, writable=[work])
        os._exit(0)
    assert (work / "pipe").read_text() == "\n"
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    deadline = time.monotonic() + 60
    while started_in(work) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert started_in(work) == []


def started_in(directory: Path) -> list[str]:
    """Return the processes that work in a directory; the kernel ends them a moment after they are killed."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink().name == directory.name and link.samefile(directory):
                found.append(link.parent.name)
    return found


@pytest.mark.parametrize("enclosed", [True, False])
def test_it_ends_at_its_limit_of_output(root: Path, work: Path, tmp_path: Path, run: Run, enclosed: bool) -> None:
    log = tmp_path / "log"
    place = Place(root if enclosed else None)
    ended = place.run(["/bin/sh", "-c", "yes"], work, log, {}, writable=[work], limits=Limits(output_bytes=1000))
    assert ended.cut_short == "it printed more than 1000 bytes"
    assert log.stat().st_size == 1000


@pytest.mark.parametrize("enclosed", [True, False])
@pytest.mark.parametrize(
    ("script", "limits", "message"),
    [
        ("for one in 1 2 3 4 5 6 7 8 9 10 11 12; do read x <pipe & done; wait", Limits(processes=10), "10 processes"),
        ("mkdir deep; head -c 300000 /dev/zero >deep/file; read x <pipe", Limits(disk_bytes=200_000), "200000 bytes"),
    ],
)
def test_it_ends_where_it_takes_too_much(
    run: Run, root: Path, work: Path, tmp_path: Path, enclosed: bool, script: str, limits: Limits, message: str
) -> None:
    os.mkfifo(work / "pipe")  # nobody writes to it
    place = Place(root if enclosed else None)
    ended = place.run(["/bin/sh", "-c", script], work, tmp_path / "log", {}, writable=[work], limits=limits)
    assert ended.cut_short.endswith(f"more than {message}")


def test_what_it_leaves_behind_is_not_waited_for(work: Path, tmp_path: Path) -> None:
    os.mkfifo(work / "pipe")
    argv = ["/bin/sh", "-c", "(read x <pipe) & echo done"]
    assert Place(None).run(argv, work, tmp_path / "log", {}, writable=[work]) == Ended(0)


def test_a_kernel_without_one_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_NAMESPACES", ("--no-such-namespace",))
    assert "unshare" in lacking(root)


APPARMOR, DEBIAN, NONE = (
    "kernel.apparmor_restrict_unprivileged_userns = 1",
    "kernel.unprivileged_userns_clone = 0",
    "user.max_user_namespaces = 0",
)


@pytest.mark.parametrize(
    ("values", "user", "found"),
    [
        ({}, 1000, []),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, 1000, [APPARMOR]),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, 0, []),
        ({"kernel/apparmor_restrict_unprivileged_userns": "0"}, 1000, []),
        ({"kernel/unprivileged_userns_clone": "0", "user/max_user_namespaces": "0"}, 1000, [DEBIAN, NONE]),
        ({"kernel/unprivileged_userns_clone": "0", "user/max_user_namespaces": "0"}, 0, [NONE]),
        ({"kernel/unprivileged_userns_clone": "1", "user/max_user_namespaces": "5000"}, 1000, []),
    ],
)
def test_a_setting_of_the_kernel_that_forbids_it_is_named(
    tmp_path: Path, values: dict[str, str], user: int, found: list[str]
) -> None:
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    assert forbidding(tmp_path, user) == found


def test_why_there_is_none_names_such_a_setting(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_NAMESPACES", ("--no-such-namespace",))
    monkeypatch.setattr(sandbox, "forbidding", lambda: [APPARMOR])
    assert lacking(root).endswith(f", since {APPARMOR} forbids it")


def test_an_architecture_without_a_filter_of_system_calls_has_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(confined).replace("os.uname().machine", "'riscv64'")
    monkeypatch.setattr(sandbox.inspect, "getsource", lambda _module: source)
    assert lacking(root) == (
        "no filter of system calls is known for the architecture riscv64, only for x86_64, aarch64"
    )


def test_a_system_without_its_programs_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "PATH", "/nowhere")
    assert lacking(root) == "setpriv can't be started: No such file or directory"
