# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _distribution as distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._distribution import Desired, Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

NAME = "Miniconda3-py313_26.7.1-0-Linux-x86_64"
INSTALLER = b"#!/bin/sh\necho the installer\n"
SHA256 = hashlib.sha256(INSTALLER).hexdigest()
HOME = f"{NAME}-{SHA256[:12]}"
OLD_HOME = "Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000"


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    source = tmp_path / "mirror" / f"{NAME}.sh"
    source.parent.mkdir()
    source.write_bytes(INSTALLER)
    return Desired(source.as_uri(), SHA256, str(tmp_path / "opt" / "miniconda3"), str(tmp_path / "store"))


class FakeInstaller:
    """What conda's installers do with ``-b -p``; ``status`` other than 0 ends it half-way."""

    def __init__(self, status: int = 0, out: str = "", err: str = "", crash: BaseException | None = None) -> None:
        self.answer = (status, out, err)
        self.crash = crash
        self.calls: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        self.calls.append(argv)
        shell, installer, batch, prefix_option, home = argv
        assert (shell, batch, prefix_option) == ("/bin/sh", "-b", "-p")
        assert Path(installer).read_bytes() == INSTALLER
        Path(home, "conda-meta").mkdir(parents=True)
        if self.crash is not None:
            raise self.crash
        if self.answer[0] == 0:
            Path(home, "bin").mkdir()
            Path(home, "bin", "conda").touch()
        return self.answer


def converge(desired: Desired, installer: Callable[..., tuple[int, str, str]] | None = None) -> Plan:
    plan = distribution.plan(distribution.read(desired), desired)
    distribution.apply(plan, desired, installer or FakeInstaller(), timeout=5, retries=0)
    return plan


def second_plan(desired: Desired) -> Plan:
    return distribution.plan(distribution.read(desired), desired)


def tree(directory: Path) -> dict[str, str]:
    """Return every path below ``directory`` with the target of a link or the text of a file."""
    return {str(path): content(path) for path in sorted(directory.rglob("*"))}


def content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return path.read_text() if path.is_file() else "/"


def names(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def points_at(link: str) -> str:
    return str(Path(link).readlink())


def make_home(store: str, name: str, *, complete: bool = True) -> str:
    home = Path(store, name)
    (home / "conda-meta").mkdir(parents=True)
    if complete:
        (home / distribution.MARKER).touch()
    return str(home)


def make_link(desired: Desired, target: str | Path) -> None:
    Path(desired.prefix).parent.mkdir(exist_ok=True)
    Path(desired.prefix).symlink_to(target)


# check


@pytest.mark.parametrize(
    "url",
    [
        f"https://mirror.example/miniconda/{NAME}.sh",
        f"http://mirror.example:8080/{NAME}.sh",
        f"http://[2001:db8::1]/{NAME}.sh",
        f"file:///srv/mirror/{NAME}.sh",
        "https://mirror.example/Miniforge3.sh",
    ],
)
def test_check_accepts(url: str) -> None:
    distribution.check(Desired(url, SHA256, "/opt/miniconda3", "/opt/evenkeel/distributions"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sha256": SHA256.upper()}, "sha256 is '.*', which is not 64 lower-case hexadecimal digits"),
        ({"sha256": SHA256[:-1]}, "sha256 is "),
        ({"sha256": f"{SHA256}\n"}, "sha256 is "),
        ({"sha256": f"sha256:{SHA256}"}, "sha256 is "),
        ({"sha256": ""}, "sha256 is ''"),
        ({"url": f"{NAME}.sh"}, f"url {NAME}.sh is no http, https or file URL"),
        ({"url": f"//mirror.example/{NAME}.sh"}, "url "),
        ({"url": f"ssh://mirror.example/{NAME}.sh"}, "url "),
        ({"url": f"https://{NAME}.sh"}, "url "),
        ({"url": f"https:///{NAME}.sh"}, "url "),
        ({"url": "https://mirror.example/miniconda/"}, "url "),
        ({"url": "https://mirror.example/miniconda/.sh"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.exe"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.sh?token=1"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.sh\n"}, "url "),
        ({"prefix": "opt/miniconda3"}, "prefix is 'opt/miniconda3', which is not a normalised absolute path"),
        ({"prefix": "/opt/miniconda3/"}, "prefix is "),
        ({"prefix": "/"}, "prefix is '/'"),
        ({"store": "/opt/../store"}, "store is '/opt/../store'"),
        ({"store": ""}, "store is ''"),
    ],
)
def test_check_refuses(change: dict[str, str], problem: str) -> None:
    desired = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/opt/evenkeel/distributions")
    with pytest.raises(EvenkeelError, match=f"^{problem}"):
        distribution.check(replace(desired, **change))


def test_the_home_tells_the_installer_and_its_checksum() -> None:
    desired = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/store")
    assert desired.home == f"/store/{HOME}"
    assert replace(desired, url=f"http://other.example/pub/{NAME}.sh").home == desired.home
    assert replace(desired, sha256="0" * 64).home != desired.home


# read


def test_read_a_bare_node(desired: Desired) -> None:
    assert distribution.read(desired) == State("absent", None, False, ())


def test_read_an_own_link(desired: Desired) -> None:
    home = make_home(desired.store, OLD_HOME)
    make_link(desired, home)
    assert distribution.read(desired) == State("ours", home, False, ())


def test_read_an_own_relative_link(desired: Desired) -> None:
    make_home(desired.store, HOME)
    make_link(desired, f"../store/{HOME}")
    assert distribution.read(desired) == State("ours", desired.home, True, ())


def test_read_an_own_dangling_link(desired: Desired) -> None:
    make_link(desired, desired.home)
    assert distribution.read(desired) == State("ours", desired.home, False, ())


@pytest.mark.parametrize("complete", [False, True])
def test_read_the_marker(desired: Desired, complete: bool) -> None:
    home = make_home(desired.store, HOME, complete=complete)
    assert distribution.read(desired) == State("absent", None, complete, () if complete else (home,))


@pytest.mark.parametrize(
    ("names", "leftovers"),
    [
        ([f".download-{HOME}"], [f".download-{HOME}"]),
        ([f".download-{OLD_HOME}", OLD_HOME], [OLD_HOME, f".download-{OLD_HOME}"]),
        ([HOME, OLD_HOME], [HOME]),
        ([HOME, f".download-{HOME}"], [HOME, f".download-{HOME}"]),
        ([".lock", "mine", ".download-", ".download-.", ".download-..", ".download-mine"], []),
    ],
    ids=["download", "install of another version", "desired one only", "desired one", "foreign"],
)
def test_read_what_a_killed_run_left(desired: Desired, names: list[str], leftovers: list[str]) -> None:
    for name in names:
        make_home(desired.store, name, complete=False)
    expected = tuple(f"{desired.store}/{name}" for name in leftovers)
    assert distribution.read(desired).leftovers == expected


def test_a_complete_installation_beside_its_download_is_kept(desired: Desired) -> None:
    make_home(desired.store, OLD_HOME)
    download = make_home(desired.store, f".download-{OLD_HOME}", complete=False)
    assert distribution.read(desired).leftovers == (download,)


# plan

PLANNED = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/store")
CURRENT, OLD = f"/store/{HOME}", f"/store/{OLD_HOME}"


@pytest.mark.parametrize(
    ("state", "plan"),
    [
        (State("absent", None, False, ()), Plan((), True, True, None, CURRENT)),
        (State("absent", None, True, ()), Plan((), False, True, None, CURRENT)),
        (State("ours", OLD, False, ()), Plan((), True, True, OLD, CURRENT)),
        (State("ours", OLD, True, ()), Plan((), False, True, OLD, CURRENT)),
        (State("ours", CURRENT, False, ()), Plan((), True, False, CURRENT, CURRENT)),
        (State("ours", OLD, False, (CURRENT,)), Plan((CURRENT,), True, True, OLD, CURRENT)),
        (State("ours", CURRENT, True, ("/store/x",)), Plan(("/store/x",), False, False, CURRENT, CURRENT)),
    ],
    ids=["bare", "link lost", "new version", "switch back", "dangling link", "half-made", "leftover"],
)
def test_plan(state: State, plan: Plan) -> None:
    assert distribution.plan(state, PLANNED) == plan
    assert plan.changed


def test_nothing_to_do() -> None:
    plan = distribution.plan(State("ours", CURRENT, True, ()), PLANNED)
    assert plan == Plan((), False, False, CURRENT, CURRENT)
    assert not plan.changed
    assert plan.diff["before"] == plan.diff["after"]


@pytest.mark.parametrize("what", ["a directory", "a file", "a symbolic link to /home/anna/miniconda3"])
def test_plan_refuses_what_is_not_ours(what: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^/opt/miniconda3 is {what} that Evenkeel did not make; it was left"):
        distribution.plan(State(what, None, True, ()), PLANNED)


@pytest.mark.parametrize(("before", "text"), [(None, "absent\n"), (OLD, f"{OLD}\n")])
def test_diff(before: str | None, text: str) -> None:
    assert Plan((), True, True, before, CURRENT).diff == {"before": text, "after": f"{CURRENT}\n"}


# apply


def test_install_on_a_bare_node_and_then_nothing(desired: Desired) -> None:
    installer = FakeInstaller()
    assert converge(desired, installer).changed
    assert len(installer.calls) == 1
    assert points_at(desired.prefix) == desired.home
    assert names(desired.store) == [HOME]
    marker = json.loads(Path(desired.home, distribution.MARKER).read_text())
    assert marker == {"installer": f"{NAME}.sh", "sha256": SHA256, "url": desired.url}
    assert not second_plan(desired).changed


def test_the_download_is_nobody_elses_to_change(desired: Desired) -> None:
    modes = []

    def look(argv: Sequence[str]) -> tuple[int, str, str]:
        modes.append(Path(argv[1]).parent.stat().st_mode & 0o777)
        return FakeInstaller()(argv)

    converge(desired, look)
    assert modes == [0o700]


def test_another_version_is_a_switch_that_keeps_the_old_one(desired: Desired) -> None:
    old = make_home(desired.store, OLD_HOME)
    make_link(desired, old)
    plan = converge(desired)
    assert plan.diff == {"before": f"{old}\n", "after": f"{desired.home}\n"}
    assert points_at(desired.prefix) == desired.home
    assert distribution.is_complete(old)
    assert not second_plan(desired).changed


@pytest.mark.parametrize("lost", ["link", "installation", "marker"])
def test_what_was_lost_is_healed(desired: Desired, lost: str) -> None:
    converge(desired)
    if lost == "link":
        Path(desired.prefix).unlink()
    elif lost == "installation":
        shutil.rmtree(desired.home)
    else:
        Path(desired.home, distribution.MARKER).unlink()
    installer = FakeInstaller()
    assert converge(desired, installer).changed
    assert len(installer.calls) == (lost != "link")
    assert Path(desired.prefix, "bin", "conda").is_file()
    assert not second_plan(desired).changed


def test_what_is_in_use_stays_while_its_successor_cannot_be_had(desired: Desired) -> None:
    converge(desired)
    Path(desired.home, distribution.MARKER).unlink()
    Path(desired.url[len("file://") :]).unlink()
    with pytest.raises(EvenkeelError, match="did not deliver"):
        distribution.apply(
            distribution.plan(distribution.read(desired), desired), desired, FakeInstaller(), timeout=1, retries=0
        )
    assert Path(desired.prefix, "bin", "conda").is_file()


@pytest.mark.parametrize("name", [HOME, OLD_HOME])
def test_a_killed_run_is_healed(desired: Desired, name: str) -> None:
    make_home(desired.store, name, complete=False)
    make_home(desired.store, f".download-{name}", complete=False)
    converge(desired)
    assert names(desired.store) == [HOME]
    assert not second_plan(desired).changed


@pytest.mark.parametrize("kind", ["directory", "file", "link elsewhere", "link into the store's depth"])
def test_foreign_prefix_is_refused_and_untouched(desired: Desired, tmp_path: Path, kind: str) -> None:
    prefix = Path(desired.prefix)
    prefix.parent.mkdir()
    if kind == "directory":
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "conda").write_text("theirs")
    elif kind == "file":
        prefix.write_text("theirs")
    else:
        target = tmp_path / "theirs" if kind == "link elsewhere" else Path(desired.store, OLD_HOME, "deep")
        target.mkdir(parents=True)
        prefix.symlink_to(target)
    before = tree(tmp_path)
    installer = FakeInstaller()
    with pytest.raises(EvenkeelError, match="did not make"):
        converge(desired, installer)
    assert tree(tmp_path) == before
    assert not installer.calls


@pytest.mark.parametrize(
    ("installer", "error", "message"),
    [
        (
            FakeInstaller(1, "", "1\n2\n3\nglibc too old\n"),
            EvenkeelError,
            f"^{NAME}.sh ended with status 1: 2 / 3 / glibc",
        ),
        (FakeInstaller(2, "from stdout\n", ""), EvenkeelError, "ended with status 2: from stdout"),
        (FakeInstaller(1), EvenkeelError, "ended with status 1: it said nothing"),
        (lambda argv: (0, "", ""), EvenkeelError, f"^{NAME}.sh made no bin/conda: it said nothing"),
        (FakeInstaller(1, "", "tar: write error: No space left on device"), EvenkeelError, "^No space left on"),
        (FakeInstaller(crash=OSError(errno.ENOSPC, "full")), EvenkeelError, "^No space left on the file system"),
        (FakeInstaller(crash=OSError(errno.EIO, "Input/output error")), EvenkeelError, "Input/output error"),
        (FakeInstaller(crash=KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
        (FakeInstaller(crash=SystemExit("stop")), SystemExit, "stop"),
    ],
)
def test_a_failed_installer_leaves_nothing_and_the_link_as_it_was(
    desired: Desired, installer: FakeInstaller, error: type[BaseException], message: str
) -> None:
    old = make_home(desired.store, OLD_HOME)
    make_link(desired, old)
    with pytest.raises(error, match=message):
        converge(desired, installer)
    assert names(desired.store) == [OLD_HOME]
    assert points_at(desired.prefix) == old
    converge(desired)
    assert not second_plan(desired).changed


def test_a_failed_installer_tells_all_it_said(desired: Desired) -> None:
    with pytest.raises(EvenkeelError) as raised:
        converge(desired, FakeInstaller(1, "out", "err"))
    assert raised.value.details == {"rc": 1, "stdout": "out", "stderr": "err"}


def test_a_disk_that_fills_up_during_the_installation(desired: Desired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    with pytest.raises(EvenkeelError, match=rf"^No space left on the file system of {desired.store} \(0 MiB free\)"):
        converge(desired, FakeInstaller(1, "", "unzipping failed"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_file_system_that_refuses_the_download(
    desired: Desired, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(url: str, target: str, timeout: float, retries: int) -> str:
        Path(target).write_bytes(b"half")
        raise OSError(number, os.strerror(number), target)

    monkeypatch.setattr(distribution, "download", refuse)
    installer = FakeInstaller()
    with pytest.raises(EvenkeelError, match=os.strerror(number)[:13]):
        converge(desired, installer)
    assert names(desired.store) == []
    assert not os.path.lexists(desired.prefix)
    assert not installer.calls


def test_a_leftover_that_cannot_be_removed_is_named(desired: Desired) -> None:
    Path(desired.store).mkdir()
    Path(desired.home).write_text("a file")
    with pytest.raises(EvenkeelError, match=f"^{desired.home}: Not a directory"):
        converge(desired)


# what the mirror sends


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"#!/bin/sh\necho forged\n", f"has the SHA-256 [0-9a-f]{{64}}, not {SHA256}"),
        (b"", "has the SHA-256 e3b0c44298fc"),
        (b"<!DOCTYPE html><title>Log in</title>", "answered with an HTML page, not an installer"),
        (b"\r\n  <html><body>Not found</body></html>", "answered with an HTML page, not an installer"),
    ],
    ids=["forged", "empty", "doctype", "html"],
)
def test_what_is_not_the_installer_is_not_executed_and_removed(desired: Desired, body: bytes, message: str) -> None:
    source = Path(desired.url.removeprefix("file://"))
    source.write_bytes(body)
    installer = FakeInstaller()
    with pytest.raises(EvenkeelError, match=f"^{desired.url} {message}"):
        converge(desired, installer)
    assert not installer.calls
    assert names(desired.store) == []
    assert not os.path.lexists(desired.prefix)


def test_an_html_page_with_the_right_checksum_is_what_was_asked_for(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"<html>")
    distribution.require_installer(str(page), "https://mirror.example/x.sh", SHA256, SHA256)


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", *, claimed: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if claimed is None else claimed))
    handler.end_headers()
    handler.wfile.write(body)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


class Mirror(ThreadingHTTPServer):
    """A mirror that gives the answers it was told to, one for each request; the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.requests = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}.sh"

    def stay_silent(self, handler: BaseHTTPRequestHandler) -> None:
        self.closing.wait(60)

    def fall_silent(self, handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 200, INSTALLER[:5], claimed=len(INSTALLER))
        self.closing.wait(60)


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        index = min(self.server.requests, len(self.server.answers) - 1)
        self.server.requests += 1
        self.server.answers[index](self)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Mirror() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the download paused between attempts; it does not really."""
    seconds: list[float] = []
    monkeypatch.setattr(distribution, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


SENT = partial(answer, status=200, body=INSTALLER)
TRUNCATED = partial(answer, status=200, body=INSTALLER[:5], claimed=len(INSTALLER))
UNAVAILABLE = partial(answer, status=503)


@pytest.mark.parametrize(
    "failures",
    [[], [UNAVAILABLE], [partial(answer, status=500), UNAVAILABLE], [TRUNCATED], [hang_up], [TRUNCATED, UNAVAILABLE]],
    ids=["at once", "503", "500 and 503", "truncated", "hung up", "truncated and 503"],
)
def test_what_passes_is_tried_again(
    mirror: Mirror, pauses: list[float], tmp_path: Path, failures: list[Callable[[BaseHTTPRequestHandler], None]]
) -> None:
    mirror.answers = [*failures, SENT]
    target = tmp_path / "installer"
    assert distribution.download(mirror.url, str(target), timeout=5, retries=2) == SHA256
    assert target.read_bytes() == INSTALLER
    assert mirror.requests == len(failures) + 1
    assert pauses == [2, 4][: len(failures)]


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (403, "Forbidden"), (401, "Unauthorized")])
def test_a_refusal_is_final(mirror: Mirror, pauses: list[float], tmp_path: Path, status: int, reason: str) -> None:
    mirror.answers = [partial(answer, status=status), SENT]
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} answered {status} {reason}"):
        distribution.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=3)
    assert mirror.requests == 1
    assert not pauses


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (UNAVAILABLE, "answered 503 Service Unavailable"),
        (TRUNCATED, rf"did not deliver \(.*{len(INSTALLER)}.*\)"),
        (hang_up, r"did not deliver \(.+\)"),
    ],
    ids=["503", "truncated", "hung up"],
)
def test_retries_are_bounded(
    mirror: Mirror,
    pauses: list[float],
    tmp_path: Path,
    failure: Callable[[BaseHTTPRequestHandler], None],
    reason: str,
) -> None:
    mirror.answers = [failure]
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} {reason}, 5 times in a row"):
        distribution.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=4)
    assert mirror.requests == 5
    assert pauses == [2, 4, 8, 10]


@pytest.mark.parametrize("silent", [Mirror.stay_silent, Mirror.fall_silent])
def test_silence_is_bounded(
    mirror: Mirror,
    pauses: list[float],
    tmp_path: Path,
    silent: Callable[[Mirror, BaseHTTPRequestHandler], None],
) -> None:
    mirror.answers = [partial(silent, mirror)]
    start = time.monotonic()
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} did not deliver .*timed out.*, 2 times in a row"):
        distribution.download(mirror.url, str(tmp_path / "installer"), timeout=0.1, retries=1)
    assert mirror.requests == 2
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("retries", [0, 1])
def test_nobody_listens(mirror: Mirror, pauses: list[float], tmp_path: Path, retries: int) -> None:
    mirror.server_close()
    with pytest.raises(EvenkeelError, match=f"did not deliver .*refused.*, {retries + 1} times in a row"):
        distribution.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=retries)
    assert len(pauses) == retries


def test_a_whole_installation_over_http(mirror: Mirror, pauses: list[float], desired: Desired) -> None:
    mirror.answers = [SENT]
    served = replace(desired, url=mirror.url)
    assert converge(served).changed
    assert not second_plan(served).changed
    assert mirror.requests == 1
