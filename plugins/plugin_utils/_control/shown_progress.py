# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Read the progress of a module on its node, while it runs, for the run's main process, or the operator."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import show
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import CHANNEL, Message
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import Progress, checked, reported

#: How often a node is asked, and how many are asked in a second where many build at a time.
INTERVAL_SECONDS, MOST_IN_A_SECOND = 5.0, 10
#: How often an operator is shown a line, where nothing draws.
LINES_SECONDS = 30.0
#: How long a poll in flight may delay the end of a task.
PATIENCE_SECONDS = 2.0


@contextlib.contextmanager
def shown_progress(action: ActionBase, path: str, label: str) -> Iterator[None]:
    """Pass on what a module writes while it runs within; quiet in check mode.

    The module is not affected: what can't be read is left out.

    Parameters
    ----------
    action
        The action that runs the module.
    path
        The file on the node that the module keeps with ``module_utils._conda.build_progress.Progress``.
    label
        What is being built.
    """
    watcher = None
    if not action._task.check_mode:
        with contextlib.suppress(Exception):
            host = str(action._templar.available_variables["inventory_hostname"])
            watcher = Watcher(reader(action, path), reporter(host, label), interval())
            watcher.start()
    try:
        yield
    finally:
        if watcher is not None:
            watcher.stop()


def reporter(host: str, label: str) -> Callable[[Progress], None]:
    """Return what takes a progress to whom it is for: the callback that draws, or else the operator."""
    if CHANNEL.is_open:
        return lambda progress: CHANNEL.send(Message(host, label, dict(progress)))
    return lambda progress: show(f"{host}: {label}: {reported(progress)}")


def interval() -> float:
    """Return after how many seconds a node is asked again."""
    if not CHANNEL.is_open:
        return LINES_SECONDS
    return max(INTERVAL_SECONDS, (context.CLIARGS.get("forks") or 0) / MOST_IN_A_SECOND)


def reader(action: ActionBase, path: str) -> Callable[[], bytes]:
    """Return a function that reads a file of the node, empty when absent, through a connection of its own.

    A connection serves one command at a time, and the action's own is busy with the module.
    """
    used = action._connection
    connection = connection_loader.get(
        used.ansible_name, action._play_context, task_uuid=action._task._uuid, ansible_playbook_pid=str(os.getppid())
    )
    options = used.get_options()
    if "reconnection_retries" in options:
        options["reconnection_retries"] = 0
    connection.set_options(direct=options)
    command = f"cat {shlex.quote(path)} 2>/dev/null"
    return lambda: bytes(connection.exec_command(command, in_data=None, sudoable=False)[1])


class Watcher:
    """A thread that reads and reports again and again until it is stopped.

    Parameters
    ----------
    read
        Returns the file's bytes; may fail.
    report
        Takes what was read, where it has changed.
    seconds
        Between two readings.
    """

    def __init__(self, read: Callable[[], bytes], report: Callable[[Progress], None], seconds: float) -> None:
        self._read, self._report, self._seconds = read, report, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def start(self) -> None:
        """Read for the first time after one interval, so that what is quick stays silent."""
        self._thread.start()

    def stop(self) -> None:
        """Report nothing more, wait for a poll in flight for as long as there is patience, then end its processes."""
        self._stopped.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            end_children(self._thread.native_id)

    def _watch(self) -> None:
        last: Progress = {}
        while not self._stopped.wait(self._seconds):
            with contextlib.suppress(Exception):
                progress = checked(json.loads(self._read()))
                if progress != last and not self._stopped.is_set():
                    self._report(progress)
                    last = progress


def end_children(thread: int | None) -> None:
    """End the processes that one thread of this process started and that still run, where the system lists them."""
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/self/task/{thread}/children").read_text().split():
            os.kill(int(pid), signal.SIGTERM)
