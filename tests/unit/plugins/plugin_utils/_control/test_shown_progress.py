# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import shown_progress as _progress
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import Channel, Message
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import Progress, reported
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.shown_progress import Watcher, shown_progress

LINKED = "debian12-1: ai-dev: linked 61 of 107"


def written(step: str, packages: int = 61, bytes_: int = 0, of_bytes: int = 0) -> bytes:
    return json.dumps({"step": step, "packages": packages, "of": 107, "bytes": bytes_, "of_bytes": of_bytes}).encode()


class Lines:
    """Collects lines; somebody may wait for so many of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changed = threading.Condition()

    def take(self, progress: Progress) -> None:
        self.display(reported(progress))

    def display(self, line: str) -> None:
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.lines) >= count, 30), self.lines


def answers(outcomes: list[bytes | Exception]) -> tuple[Callable[[], bytes], threading.Event]:
    """Return a reader with these outcomes, the last one again and again, and an event set once it has come twice."""
    left, over = list(outcomes), threading.Event()

    def read() -> bytes:
        if len(left) > 1:
            outcome = left.pop(0)
        else:
            outcome = left[0]
            if read.last:  # type: ignore[attr-defined]
                over.set()
            read.last = True  # type: ignore[attr-defined]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    read.last = False  # type: ignore[attr-defined]
    return read, over


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(_progress, "LINES_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        ([b""], []),
        ([written("link", 1), written("link", 1), written("link", 2)], ["linked 1 of 107", "linked 2 of 107"]),
        ([b"", written("link"), b""], ["linked 61 of 107"]),
        ([OSError("gone"), b"not JSON", b"[]", b'{"step": "dance"}', written("link")], ["linked 61 of 107"]),
    ],
    ids=["absent", "changes", "came and went", "failures"],
)
def test_what_changed_is_shown_whatever_fails(outcomes: list[bytes | Exception], lines: list[str]) -> None:
    read, over = answers(outcomes)
    screen = Lines()
    watcher = Watcher(read, screen.take, 0.001)
    watcher.start()
    assert over.wait(30)
    watcher.stop()
    assert screen.lines == lines
    assert not watcher._thread.is_alive()


def test_a_task_that_ends_before_the_first_poll_is_not_polled() -> None:
    read, _ = answers([written("link")])
    watcher = Watcher(read, Lines().take, 3600)
    watcher.start()
    watcher.stop()
    assert not watcher._thread.is_alive()
    assert not read.last  # type: ignore[attr-defined]


def test_a_poll_that_hangs_is_ended_with_its_process_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "PATIENCE_SECONDS", 0.05)
    processes: list[subprocess.Popen[bytes]] = []
    started = threading.Event()
    screen = Lines()

    def read() -> bytes:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            processes.append(process)
            started.set()
            process.wait()
        return written("link")

    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    watcher = Watcher(read, screen.take, 0.001)
    watcher.start()
    assert started.wait(30)
    watcher.stop()
    watcher._thread.join(30)
    assert not watcher._thread.is_alive()
    assert [process.returncode for process in processes] == [-15]
    assert not screen.lines
    assert bystander.poll() is None
    bystander.communicate()


class Node:
    """A machine of Ansible's that is this one, with the file that a module writes there."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "two words.progress"
        self.task = SimpleNamespace(check_mode=False, _uuid="1")

    @property
    def action(self) -> Any:
        context = PlayContext()
        connection = connection_loader.get("local", context)
        connection.set_options()
        connection.ansible_name = "local"  # the full name needs Ansible's own import of collections
        return SimpleNamespace(
            _connection=connection,
            _play_context=context,
            _task=self.task,
            _templar=SimpleNamespace(available_variables={"inventory_hostname": "debian12-1"}),
        )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Lines:
    screen = Lines()
    monkeypatch.setattr(_progress, "show", screen.display)
    monkeypatch.setattr(_progress, "CHANNEL", Channel())
    return screen


@pytest.fixture
def no_threads() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.usefixtures("no_threads")
def test_a_module_at_work_is_watched_over_a_connection_of_its_own(node: Node, screen: Lines) -> None:
    action = node.action
    action._connection.exec_command = lambda *_, **__: pytest.fail("the module's own connection was used")
    with shown_progress(action, str(node.path), "ai-dev"):
        node.path.write_bytes(written("link"))
        screen.wait_for(1)
        node.path.write_bytes(written("compile"))
        screen.wait_for(2)
        node.path.unlink()
    assert screen.lines == [LINKED, "debian12-1: ai-dev: bytecode 61 of 107 files"]


@pytest.mark.usefixtures("no_threads")
def test_a_module_that_fails_is_watched_no_longer(node: Node, screen: Lines) -> None:
    node.path.write_bytes(written("link"))

    def run() -> None:
        with shown_progress(node.action, str(node.path), "ai-dev"):
            screen.wait_for(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert screen.lines == [LINKED]


@pytest.mark.parametrize("quiet", ["check mode", "no such connection"])
@pytest.mark.usefixtures("screen")
def test_it_is_quiet(node: Node, quiet: str) -> None:
    action = node.action
    if quiet == "check mode":
        node.task.check_mode = True
    else:
        action._connection = SimpleNamespace(ansible_name="nowhere.to.be_found")
    before = threading.active_count()
    with shown_progress(action, str(node.path), "ai-dev"):
        assert threading.active_count() == before


@pytest.mark.usefixtures("no_threads")
def test_progress_is_sent_to_who_draws(node: Node, screen: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel()
    channel.open()
    monkeypatch.setattr(_progress, "CHANNEL", channel)
    node.path.write_bytes(written("link"))
    messages: list[Message] = []
    with shown_progress(node.action, str(node.path), "ai-dev"):
        while not messages:
            messages = channel.received()
    assert messages == [Message("debian12-1", "ai-dev", json.loads(written("link")))]
    assert screen.lines == []


@pytest.mark.parametrize(
    ("drawn", "forks", "seconds"),
    [(False, 200, 30.0), (True, 5, 5.0), (True, 50, 5.0), (True, 200, 20.0), (True, None, 5.0)],
)
def test_how_often_a_node_is_asked(monkeypatch: pytest.MonkeyPatch, drawn: bool, forks: int, seconds: float) -> None:
    monkeypatch.undo()
    channel = Channel()
    if drawn:
        channel.open()
    monkeypatch.setattr(_progress, "CHANNEL", channel)
    monkeypatch.setattr(_progress.context, "CLIARGS", {"forks": forks})
    assert _progress.interval() == seconds
