# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Show the progress of a module on a node at a terminal, while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import show
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import reported

INTERVAL_SECONDS = 5.0
#: How long a poll in flight may delay the end of a task.
PATIENCE_SECONDS = 2.0
#: Known in Ansible's main process alone, which imports an action before it forks the workers that have no terminal.
TERMINAL = sys.stdout.isatty()


@contextlib.contextmanager
def shown_progress(action: ActionBase, path: str, label: str) -> Iterator[None]:
    """Show what a module writes while it runs within; quiet in check mode and if the output is not a terminal.

    The module is not affected: what can't be read is not shown.

    Parameters
    ----------
    action
        The action that runs the module.
    path
        The file on the node that the module keeps with ``module_utils._progress.Progress``.
    label
        What is being built; shown after the host's name.
    """
    watcher = None
    if TERMINAL and not action._task.check_mode:
        with contextlib.suppress(Exception):
            host = action._templar.available_variables["inventory_hostname"]
            watcher = Watcher(reader(action, path), lambda line: show(f"{host}: {label}: {line}"))
            watcher.start()
    try:
        yield
    finally:
        if watcher is not None:
            watcher.stop()


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
    """A thread that reads and shows again and again until it is stopped.

    Parameters
    ----------
    read
        Returns the file's bytes; may fail.
    show
        Takes one line.
    """

    def __init__(self, read: Callable[[], bytes], show: Callable[[str], None]) -> None:
        self._read, self._show = read, show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def start(self) -> None:
        """Read for the first time after one interval, so that what is quick stays silent."""
        self._thread.start()

    def stop(self) -> None:
        """Show nothing more, wait for a poll in flight for as long as there is patience, then end its processes."""
        self._stopped.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            end_children(self._thread.native_id)

    def _watch(self) -> None:
        shown = ""
        while not self._stopped.wait(INTERVAL_SECONDS):
            with contextlib.suppress(Exception):
                line = reported(json.loads(self._read()))
                if line != shown and not self._stopped.is_set():
                    self._show(line)
                    shown = line


def end_children(thread: int | None) -> None:
    """End the processes that one thread of this process started and that still run, where the system lists them."""
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/self/task/{thread}/children").read_text().split():
            os.kill(int(pid), signal.SIGTERM)
