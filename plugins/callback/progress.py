# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible callback: what takes long on which node, and how far it is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
author:
  - The Evenkeel team (@evenkeel)
short_description: Show what takes long on which node, and how far it is
version_added: 0.2.0
description:
  - Shows each node whose task takes longer than some seconds, with the time that it has taken; of environments, also
    the packages, the bytes, the rate and the time left.
  - On a terminal there is one line for each node at the end of the output, which changes in place; where there are more
    nodes than half of the terminal's lines, the last line sums up the others. Elsewhere, such as in a pipe, in a log or
    with E(TERM=dumb), the lines are written now and then.
  - The other output is as it would be without this callback, whichever callback it comes from.
options:
  after:
    description: How many seconds a task runs before it is shown.
    type: float
    default: 10
    ini:
      - section: callback_evenkeel_progress
        key: after
    env:
      - name: EVENKEEL_PROGRESS_AFTER
  every:
    description: How often lines are written where they can't change in place, in seconds.
    type: float
    default: 60
    ini:
      - section: callback_evenkeel_progress
        key: every
    env:
      - name: EVENKEEL_PROGRESS_EVERY
requirements:
  - C(callbacks_enabled = evenkeel.gpu.progress) in the section C([defaults]) of C(ansible.cfg)
"""

import atexit
import os
import select
import signal
import sys
import threading
import time
from typing import Any

from ansible import constants, context
from ansible.plugins.callback import CallbackBase
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import CHANNEL
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.progress_lines import lines
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.running import Running
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.terminal_region import Above, Region

_TICK_SECONDS = 0.5
#: Of lines that stay, how wide they are, and how many there are at a time.
_WIDTH = 120
_HEIGHT = 8
#: Callbacks that draw themselves, or whose output is read by a program.
_OTHER_DRAWERS = ("dense", "awx_display")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Follows the run in Ansible's main process; a thread shows it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "evenkeel.gpu.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._running = Running()
        self._region: Region | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)
        self._streams = sys.stdout, sys.stderr
        # Before the workers are forked, which inherit it.
        self._channel = CHANNEL.open()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._thread.ident is None:
            self._start()
        self._running.started(host.get_name(), str(task.name or task.action), time.monotonic())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._running.ended(result.host.get_name())

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._running.ended(result.host.get_name())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._running.ended(result.host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._running.ended(result.host.get_name())

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._running.item_ended(result.host.get_name())

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._running.item_ended(result.host.get_name())

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._running.clear()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._stop()

    def _start(self) -> None:
        if _can_draw():
            self._region = Region(self._streams[0], self._display._lock)
            sys.stdout = Above(self._streams[0], self._region)
            if self._streams[1].isatty():
                sys.stderr = Above(self._streams[1], self._region)
            if signal.getsignal(signal.SIGCONT) is signal.SIG_DFL:
                region = self._region
                signal.signal(signal.SIGCONT, lambda *_unused: region.forget())
        # An interrupted run has no other end.
        atexit.register(self._stop)
        self._thread.start()

    def _stop(self) -> None:
        self._stopped.set()
        if self._region is not None:
            self._region.close()
            sys.stdout, sys.stderr = self._streams

    def _show(self) -> None:
        """Show the lines again and again until the run ends."""
        due = time.monotonic() + self.get_option("every")
        while not self._stopped.is_set():
            select.select([self._channel], [], [], _TICK_SECONDS)
            for message in CHANNEL.received():
                self._running.progressed(message, time.monotonic())
            rows = self._running.rows(time.monotonic(), self.get_option("after"))
            if self._region is not None:
                self._region.draw(lines(rows, *self._region.room()))
            elif time.monotonic() >= due:
                due = time.monotonic() + self.get_option("every")
                if rows:
                    self._display.display("\n".join(lines(rows, _WIDTH, _HEIGHT)))
            # Many messages are read at once.
            self._stopped.wait(_TICK_SECONDS / 2)


def _can_draw() -> bool:
    """Return whether the output is a terminal that lines can change on, and nobody else draws or asks there."""
    return (
        sys.stdout.isatty()
        and os.environ.get("TERM") not in (None, "", "dumb")
        and constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] not in _OTHER_DRAWERS
        and not context.CLIARGS.get("step")
        and not constants.ENABLE_TASK_DEBUGGER
    )
