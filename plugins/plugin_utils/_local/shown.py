# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The progress of a build at the user's terminal: this run's, or that of the run that it waits for."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import reported
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.places import Place

INTERVAL_SECONDS = 0.5
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def shown(place: Place) -> Iterator[None]:
    """Show in one line of standard error, where that is a terminal, what a build writes while it runs within."""
    stopped = threading.Event()
    path = os.path.join(place.root, "progress", "environment-" + place.name)

    def watch() -> None:
        while not stopped.wait(INTERVAL_SECONDS):
            with contextlib.suppress(OSError, ValueError, KeyError), open(path, encoding="utf-8") as stream:
                sys.stderr.write("%s%s: %s" % (_CLEAR, place.name, reported(json.load(stream))))
                sys.stderr.flush()

    if not sys.stderr.isatty():
        yield
        return
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        sys.stderr.write(_CLEAR)
